// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "model/kernels/kernels.hpp"
#include "model/operators/pool.hpp"

namespace troupe::model {
namespace {

// The cells of the input that a window has, without the padding around it.
struct reach {
  std::size_t begin = 0, count = 0; // of every dilation-th cell
};
std::vector<reach> reaches_of(const window& one) {
  std::vector<reach> all;
  for (std::size_t o = 0; o < one.output; ++o) {
    const std::size_t start = o * one.stride; // counted with the padding
    const std::size_t skipped = start >= one.before ? 0 : (one.before - start + one.dilation - 1) / one.dilation;
    const std::size_t begin = start + skipped * one.dilation - one.before;
    const std::size_t there = begin < one.input ? (one.input - begin + one.dilation - 1) / one.dilation : 0;
    all.push_back({begin, skipped < one.size ? std::min(one.size - skipped, there) : 0});
  }
  return all;
}

// How many cells a window has with the padding, which ends where that of the attribute does.
std::size_t padded_count(const window& one, std::size_t output) {
  const std::size_t start = output * one.stride;
  const std::size_t end = one.before + one.input + one.after;
  return std::min(one.size, start < end ? (end - start + one.dilation - 1) / one.dilation : 0);
}

struct best {
  static constexpr float first = -std::numeric_limits<float>::infinity();
  static float with(float a, float b) { return b > a ? b : a; }
};
struct sum {
  static constexpr float first = 0;
  static float with(float a, float b) { return a + b; }
};

// Windows that padding cuts off differ from each other: cell by cell.
template <class F> class pool_at_edges final : public operation {
public:
  /// `divisors`: of each result; empty: none.
  pool_at_edges(sliding how, std::vector<float> divisors)
      : how_(how)
      , down_(reaches_of(how.down))
      , across_(reaches_of(how.across))
      , factors_(std::move(divisors)) {
    for (float& divisor : factors_) divisor = 1 / divisor;
  }
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const float* from = in[0].row<float>(i);
      float* to = out[0].row<float>(i);
      for (std::size_t c = 0; c < how_.channels; ++c) {
        one_channel(from, to);
        for (std::size_t k = 0; k < factors_.size(); ++k) to[k] *= factors_[k];
        from += how_.down.input * how_.across.input;
        to += how_.pixels();
      }
    }
  }

private:
  void one_channel(const float* from, float* to) const {
    for (const reach& rows : down_) {
      std::fill_n(to, across_.size(), F::first);
      for (std::size_t k = 0; k < rows.count; ++k) {
        const float* row = from + (rows.begin + k * how_.down.dilation) * how_.across.input;
        for (std::size_t x = 0; x < across_.size(); ++x)
          for (std::size_t i = 0; i < across_[x].count; ++i)
            to[x] = F::with(to[x], row[across_[x].begin + i * how_.across.dilation]);
      }
      to += across_.size();
    }
  }

  sliding how_;
  std::vector<reach> down_, across_;
  std::vector<float> factors_;
};

bool whole(const window& one) {
  const auto reaches = reaches_of(one);
  return std::all_of(reaches.begin(), reaches.end(), [&](const reach& r) { return r.count == one.size; });
}

struct pool_shape {
  operand from;
  sliding how;
  shape dims;
};

result<pool_shape> read_pool(attribute_reader& node, node_inputs inputs) {
  const auto from = image_operand(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  const auto kernel = node.integers("kernel_shape");
  if (!kernel) return tl::make_unexpected(kernel.error());
  const auto ceil_mode = node.flag("ceil_mode");
  if (!ceil_mode) return tl::make_unexpected(ceil_mode.error());
  const auto how = read_sliding(node, *from, *kernel, *ceil_mode);
  if (!how) return tl::make_unexpected(how.error());
  for (const window* one : {&how->down, &how->across})
    if (one->before >= one->size * one->dilation || one->after >= one->size * one->dilation)
      return node.wrong("its padding is as large as its window");
  shape dims = image_shape(*from, how->channels, how->down.output, how->across.output);
  const auto width = checked_width(node, dims, true);
  if (!width) return tl::make_unexpected(width.error());
  if (how->down.size * how->across.size > row_work_max / *width) return node.wrong("its windows have too many cells");
  return pool_shape{*from, *how, std::move(dims)};
}

// All of the image as one window.
result<pool_shape> read_global(attribute_reader& node, node_inputs inputs) {
  const auto from = image_operand(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  pool_shape out{*from, {}, image_shape(*from, static_cast<std::size_t>(from->dims[0]), 1, 1)};
  out.how.channels = static_cast<std::size_t>(from->dims[0]);
  out.how.across.size = out.how.across.input = static_cast<std::size_t>(from->dims.back());
  if (from->dims.size() == 3) out.how.down.size = out.how.down.input = static_cast<std::size_t>(from->dims[1]);
  return out;
}

template <class F>
result<built_node> build(const attribute_reader& node, pool_shape from, std::vector<float> divisors) {
  std::unique_ptr<operation> op;
  if (whole(from.how.down) && whole(from.how.across))
    op = std::make_unique<pool_within>(from.how, std::is_same_v<F, best> ? pool_within::takes::largest
                                                                         : pool_within::takes::mean);
  else
    op = std::make_unique<pool_at_edges<F>>(from.how, std::move(divisors));
  return deliver(node, std::move(op), {&from.from, 1}, plain(element::f32, std::move(from.dims)));
}

} // namespace

void pool_within::run(std::span<const cells_in> in, std::span<const cells_out> out) const {
  for (std::size_t i = 0; i < in[0].rows; ++i)
    run(in[0].row<float>(i), how_.channels, how_.across.input, how_.down.input * how_.across.input,
        out[0].row<float>(i));
}

void pool_within::run(const float* from, std::size_t channels, std::size_t row_cells, std::size_t channel_cells,
                      float* to) const {
  // Scratch of a thread that scores.
  thread_local std::vector<float> memory;
  const window& down = how_.down;
  const window& across = how_.across;
  if (memory.size() < across.input + kernels::beyond) memory.resize(across.input + kernels::beyond);
  kernels::best().pool({from, to, memory.data(), channels, across.input, row_cells, channel_cells, down.output,
                        across.output, down.size, across.size, down.stride, across.stride, down.dilation,
                        across.dilation, !is_max()});
  if (is_max()) return;
  const float factor = 1 / static_cast<float>(down.size * across.size);
  for (std::size_t k = 0; k < channels * how_.pixels(); ++k) to[k] *= factor;
}

result<built_node> build_max_pool(attribute_reader& node, node_inputs inputs) {
  auto from = read_pool(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  // How the indices of its second output would be counted; that one is refused by having one output.
  if (const auto order = node.flag("storage_order"); !order) return tl::make_unexpected(order.error());
  return build<best>(node, std::move(*from), {});
}

result<built_node> build_average_pool(attribute_reader& node, node_inputs inputs) {
  auto from = read_pool(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  const auto with_padding = node.flag("count_include_pad");
  if (!with_padding) return tl::make_unexpected(with_padding.error());
  std::vector<float> divisors;
  const auto down = reaches_of(from->how.down);
  const auto across = reaches_of(from->how.across);
  for (std::size_t y = 0; y < down.size(); ++y)
    for (std::size_t x = 0; x < across.size(); ++x) {
      const std::size_t cells = *with_padding ? padded_count(from->how.down, y) * padded_count(from->how.across, x)
                                              : down[y].count * across[x].count;
      if (cells == 0) return node.wrong("a window has nothing but padding");
      divisors.push_back(static_cast<float>(cells));
    }
  return build<sum>(node, std::move(*from), std::move(divisors));
}

result<built_node> build_global_max_pool(attribute_reader& node, node_inputs inputs) {
  auto from = read_global(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  return build<best>(node, std::move(*from), {});
}

result<built_node> build_global_average_pool(attribute_reader& node, node_inputs inputs) {
  auto from = read_global(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  return build<sum>(node, std::move(*from), {});
}

} // namespace troupe::model
