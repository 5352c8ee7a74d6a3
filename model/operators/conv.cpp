// Conv: image by image, each padded first. Filters that move by one cell are multiplied where the cells lie, all over
// the padded image (by rows); of the others, what 16 neighbouring results look at is put side by side first (tiles).
// Both are the kernels' work. BatchNormalization, what is added or multiplied by channel, an activation and a MaxPool
// that follow are taken in.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/activation.hpp"
#include "model/operators/pool.hpp"
#include "model/operators/windows.hpp"

namespace troupe::model {
namespace {

using kernels::beyond;
using kernels::conv_tile;
using kernels::panel;

constexpr std::size_t filter_cells_max = std::size_t{1} << 20;
constexpr std::size_t padded_cells_max = std::size_t{1} << 22;
// Results that stay in the nearest cache until they are cut out or pooled.
constexpr std::size_t near_cells = 4096;
constexpr std::size_t line_cells = 16; // of a cache line

constexpr std::size_t whole_lines(std::size_t cells) { return (cells + line_cells - 1) / line_cells * line_cells; }

class convolution final : public operation {
public:
  convolution(sliding how, std::size_t groups, std::size_t outputs, std::vector<float> weights,
              std::vector<float> bias);
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override;
  std::unique_ptr<operation> fused_with(const operation& next) const override;

private:
  void plan_tiles();
  bool rows_are_cheaper() const;
  bool by_rows() const { return tiles_.empty(); }
  kernels::padding padding() const {
    return {nullptr,
            nullptr,
            how_.channels,
            how_.down.input,
            how_.across.input,
            how_.down.before,
            how_.down.after,
            how_.across.before,
            std::max(how_.across.before, how_.across.after)};
  }
  // From the first result's to the last one's, all over the padded image.
  std::size_t cells_by_rows() const { return (how_.down.output - 1) * padding().row_cells() + how_.across.output; }
  std::size_t filter_cells() const { return filter_.size(); }
  // Where the results of a channel are before they are cut out, or pooled.
  std::size_t result_row() const { return by_rows() ? padding().row_cells() : how_.across.output; }
  std::size_t result_channel() const { return whole_lines((by_rows() ? cells_by_rows() : how_.pixels()) + beyond); }
  // Channels of the result that are computed at once: all of a group where cells are put side by side for them.
  std::size_t channels_at_once() const {
    const std::size_t of_group = outputs_ / groups_;
    const std::size_t fit = near_cells / result_channel() / 4 * 4;
    return by_rows() ? std::min(of_group, std::max<std::size_t>(fit, 4)) : of_group;
  }
  bool directly() const { return !by_rows() && pool_ == nullptr; } // into the output
  void one_group(kernels::convolution& job, std::size_t group, float* to) const;

  sliding how_;
  std::size_t groups_, outputs_;
  std::vector<float> weights_; // outputs x filter_cells
  std::vector<float> bias_;
  std::vector<std::uint32_t> filter_; // where a filter looks, from its first cell
  std::vector<conv_tile> tiles_;
  activation then_;
  bool activated_ = false;
  std::shared_ptr<const pool_within> pool_; // behind the activation; nullptr: none
};

convolution::convolution(sliding how, std::size_t groups, std::size_t outputs, std::vector<float> weights,
                         std::vector<float> bias)
    : how_(how)
    , groups_(groups)
    , outputs_(outputs)
    , weights_(std::move(weights))
    , bias_(std::move(bias)) {
  const kernels::padding padded = padding();
  for (std::size_t c = 0; c < how_.channels / groups_; ++c)
    for (std::size_t y = 0; y < how_.down.size; ++y)
      for (std::size_t x = 0; x < how_.across.size; ++x)
        filter_.push_back(static_cast<std::uint32_t>(
            c * padded.channel_cells() + y * how_.down.dilation * padded.row_cells() + x * how_.across.dilation));
  plan_tiles();
}

void convolution::plan_tiles() {
  const std::size_t pixels = how_.pixels();
  const auto begin_of = [&](std::size_t pixel) {
    const std::size_t y = pixel / how_.across.output * how_.down.stride;
    const std::size_t x = pixel % how_.across.output * how_.across.stride;
    return static_cast<std::uint32_t>(y * padding().row_cells() + x);
  };
  for (std::size_t first = 0; first < pixels; first += panel) {
    conv_tile tile;
    tile.columns = static_cast<std::uint32_t>(std::min(pixels - first, panel));
    for (std::uint32_t i = 0; i < tile.columns; ++i) {
      const std::uint32_t begin = begin_of(first + i);
      if (i > 0 && begin == begin_of(first + i - 1) + 1) continue;
      tile.offsets[tile.runs] = begin;
      tile.starts[tile.runs++] = i;
    }
    if (tile.runs > 4) { // copying runs whole is no gain any more
      tile.runs = 0;
      for (std::uint32_t i = 0; i < panel; ++i) tile.offsets[i] = begin_of(first + std::min(i, tile.columns - 1));
    }
    tiles_.push_back(tile);
  }
  if (rows_are_cheaper()) tiles_.clear();
}

// Which of the two ways takes fewer steps for each cell of a filter: a product's rows, and the copying of runs.
bool convolution::rows_are_cheaper() const {
  if (how_.down.stride != 1 || how_.across.stride != 1) return false;
  const std::size_t rows = outputs_ / groups_;
  std::size_t by_tiles = 0;
  for (const conv_tile& tile : tiles_) by_tiles += rows + 2 * (tile.runs == 0 ? panel : tile.runs);
  return (cells_by_rows() + panel - 1) / panel * rows < by_tiles;
}

void convolution::run(std::span<const cells_in> in, std::span<const cells_out> out) const {
  // Scratch of a thread that scores: it grows to the largest convolution, and the operation itself stays immutable.
  thread_local std::vector<float> memory;
  kernels::padding padding = this->padding();
  const std::size_t image_cells = whole_lines(padding.left + how_.channels * padding.channel_cells() + beyond);
  const std::size_t panel_cells = by_rows() ? 0 : (filter_cells() + 1) * panel;
  const std::size_t result_cells = directly() ? 0 : channels_at_once() * result_channel();
  const std::size_t needed = image_cells + panel_cells + result_cells + line_cells;
  if (memory.size() < needed) memory.resize(needed);
  padding.to = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
  kernels::convolution job;
  job.tiles = by_rows() ? nullptr : tiles_.data();
  job.tile_count = tiles_.size();
  job.filter = filter_.data();
  job.panel_memory = padding.to + image_cells;
  job.sum.lda = job.sum.k = filter_cells();
  job.sum.c = job.panel_memory + panel_cells;
  job.sum.ldc = directly() ? how_.pixels() : result_channel();
  job.sum.n = by_rows() ? cells_by_rows() : how_.pixels();
  job.sum.bias_of_rows = true;
  job.sum.low = then_.low;
  job.sum.high = then_.high;
  for (std::size_t i = 0; i < in[0].rows; ++i) {
    padding.from = in[0].row<float>(i);
    kernels::best().pad(padding);
    for (std::size_t g = 0; g < groups_; ++g) {
      job.image = padding.to + g * (how_.channels / groups_) * padding.channel_cells();
      one_group(job, g, out[0].row<float>(i));
    }
    if (!then_.is_clamp()) apply(then_, out[0].row<float>(i), 1, out[0].width, out[0].width);
  }
}

void convolution::one_group(kernels::convolution& job, std::size_t group, float* to) const {
  const std::size_t end = (group + 1) * (outputs_ / groups_);
  const std::size_t pixels = pool_ == nullptr ? how_.pixels() : pool_->how().pixels();
  std::size_t channel = group * (outputs_ / groups_);
  for (; channel < end; channel += job.sum.m) {
    job.sum.m = std::min(channels_at_once(), end - channel);
    job.sum.a = weights_.data() + channel * filter_cells();
    job.sum.bias = bias_.data() + channel;
    float* results = to + channel * pixels;
    if (directly()) job.sum.c = results;
    kernels::best().convolve(job);
    if (pool_ != nullptr)
      pool_->run(job.sum.c, job.sum.m, result_row(), result_channel(), results);
    else if (!directly())
      kernels::best().cut(
          {job.sum.c, results, job.sum.m, how_.down.output, how_.across.output, result_row(), result_channel()});
  }
}

std::unique_ptr<operation> convolution::fused_with(const operation& next) const {
  if (pool_ != nullptr) return nullptr;
  auto fused = std::make_unique<convolution>(*this);
  // A curve is drawn behind the pool; one that does not rise everywhere would choose another cell there.
  const auto* pool = dynamic_cast<const pool_within*>(&next);
  if (pool != nullptr && pool->is_max() && then_.is_clamp()) {
    const sliding& over = pool->how(); // of another image, if a Reshape is between the two
    if (over.channels != outputs_ || over.down.input != how_.down.output || over.across.input != how_.across.output)
      return nullptr;
    fused->pool_ = std::make_shared<const pool_within>(*pool);
    return fused;
  }
  if (activated_) return nullptr;
  if (const auto* step = dynamic_cast<const activation_step*>(&next)) {
    fused->then_ = step->how();
    fused->activated_ = true;
    return fused;
  }
  const auto* linear = dynamic_cast<const cellwise_linear*>(&next);
  const std::size_t pixels = how_.pixels();
  if (linear == nullptr || linear->cells() != outputs_ * pixels) return nullptr;
  for (std::size_t o = 0; o < outputs_; ++o) {
    const double factor = linear->factor(o * pixels);
    const double term = linear->term(o * pixels);
    for (std::size_t i = 1; i < pixels; ++i)
      if (linear->factor(o * pixels + i) != factor || linear->term(o * pixels + i) != term) return nullptr;
    fused->bias_[o] = static_cast<float>(static_cast<double>(bias_[o]) * factor + term);
    if (!std::isfinite(fused->bias_[o])) return nullptr;
    for (std::size_t k = 0; k < filter_cells(); ++k) {
      float& weight = fused->weights_[o * filter_cells() + k];
      weight = static_cast<float>(static_cast<double>(weight) * factor);
      if (!std::isfinite(weight)) return nullptr;
    }
  }
  return fused;
}

// The shape of W: [outputs, channels / groups, (height,) width].
result<std::vector<std::int64_t>> read_kernel(attribute_reader& node, const operand& from, const constant& weights,
                                              std::int64_t groups) {
  const auto given = node.integers("kernel_shape");
  if (!given) return given;
  const shape& dims = weights.dims;
  if (weights.type() != element::f32 || dims.size() != from.dims.size() + 1 || weights.size() == 0)
    return node.wrong(fmt::format("its input W must be floats of {} dimensions", from.dims.size() + 1));
  if (groups < 1 || from.dims[0] % groups != 0 || dims[0] % groups != 0 || dims[1] != from.dims[0] / groups)
    return node.wrong(
        fmt::format("its input W takes {} channels in {} groups, its input has {}", dims[1], groups, from.dims[0]));
  std::vector<std::int64_t> kernel(dims.begin() + 2, dims.end());
  if (!given->empty() && *given != kernel) return node.wrong("kernel_shape differs from the shape of its input W");
  return kernel;
}

result<std::vector<float>> read_bias(const attribute_reader& node, node_inputs inputs, std::size_t outputs) {
  if (inputs.size() < 3 || inputs[2].absent()) return std::vector<float>(outputs, 0.0F);
  const auto bias = fixed_value(node, inputs, 2, "B");
  if (!bias) return tl::make_unexpected(bias.error());
  if ((*bias)->type() != element::f32 || (*bias)->dims.size() != 1 || (*bias)->size() != outputs)
    return node.wrong(fmt::format("its input B must be {} floats", outputs));
  return std::get<std::vector<float>>((*bias)->data);
}

} // namespace

result<built_node> build_conv(attribute_reader& node, node_inputs inputs) {
  const auto from = image_operand(node, inputs);
  if (!from) return tl::make_unexpected(from.error());
  const auto weights = fixed_value(node, inputs, 1, "W");
  if (!weights) return tl::make_unexpected(weights.error());
  const auto groups = node.integer("group", 1);
  if (!groups) return tl::make_unexpected(groups.error());
  const auto kernel = read_kernel(node, *from, **weights, *groups);
  if (!kernel) return tl::make_unexpected(kernel.error());
  const auto how = read_sliding(node, *from, *kernel, false);
  if (!how) return tl::make_unexpected(how.error());
  const auto outputs = static_cast<std::size_t>((*weights)->dims[0]);
  auto bias = read_bias(node, inputs, outputs);
  if (!bias) return tl::make_unexpected(bias.error());

  shape dims = image_shape(*from, outputs, how->down.output, how->across.output);
  const auto width = checked_width(node, dims, true);
  if (!width) return tl::make_unexpected(width.error());
  const auto padded = [](const window& one) { return one.before + one.input + one.after; };
  if (padded(how->down) * padded(how->across) > padded_cells_max / how->channels)
    return node.wrong(fmt::format("its padded input has more than {} elements", padded_cells_max));
  if ((*weights)->size() / outputs > filter_cells_max)
    return node.wrong(fmt::format("its filters have more than {} elements", filter_cells_max));
  if ((*weights)->size() / outputs > row_work_max / *width) return node.wrong("it takes too many multiplications");
  // The padded image and what is laid beside it for a panel of results.
  if (auto ok = node.charge(
          (padded(how->down) * padded(how->across) * how->channels + (*weights)->size() / outputs * (panel + 1)) *
          sizeof(float));
      !ok)
    return tl::make_unexpected(ok.error());
  auto op = std::make_unique<convolution>(*how, static_cast<std::size_t>(*groups), outputs,
                                          std::get<std::vector<float>>((*weights)->data), std::move(*bias));
  return deliver(node, std::move(op), {&*from, 1}, plain(element::f32, std::move(dims)));
}

} // namespace troupe::model
