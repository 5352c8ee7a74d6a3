// Conv: for each image, 16 neighbouring results at a time; what their filters look at is put side by side and
// multiplied by the weights, as a product of matrices (model/kernels). BatchNormalization, what is added or multiplied
// by channel, and an activation that follow are taken in.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/activation.hpp"
#include "model/operators/windows.hpp"

namespace troupe::model {
namespace {

using kernels::conv_tile;
using kernels::panel;

constexpr std::size_t filter_cells_max = std::size_t{1} << 20;
constexpr std::size_t padded_cells_max = std::size_t{1} << 22;

class convolution final : public operation {
public:
  convolution(sliding how, std::size_t groups, std::size_t outputs, std::vector<float> weights,
              std::vector<float> bias);
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override;
  std::unique_ptr<operation> fused_with(const operation& next) const override;

private:
  void plan_tiles();
  bool rows_are_cheaper() const;
  void pad(const float* image, float* padded) const;
  std::size_t padded_width() const { return how_.across.before + how_.across.input + how_.across.after; }
  std::size_t padded_height() const { return how_.down.before + how_.down.input + how_.down.after; }
  // Of all cells of the padded image from the first result's to the last one's.
  std::size_t row_tiles() const {
    return ((how_.down.output - 1) * padded_width() + how_.across.output + panel - 1) / panel;
  }
  std::size_t filter_cells() const { return filter_.size(); }

  sliding how_;
  std::size_t groups_, outputs_;
  std::vector<float> weights_; // outputs x filter_cells
  std::vector<float> bias_;
  std::vector<std::uint32_t> filter_; // where a filter looks, from its first cell
  std::vector<conv_tile> tiles_;      // empty: by rows (kernels::conv_rows)
  activation then_;
  bool activated_ = false;
};

convolution::convolution(sliding how, std::size_t groups, std::size_t outputs, std::vector<float> weights,
                         std::vector<float> bias)
    : how_(how)
    , groups_(groups)
    , outputs_(outputs)
    , weights_(std::move(weights))
    , bias_(std::move(bias)) {
  for (std::size_t c = 0; c < how_.channels / groups_; ++c)
    for (std::size_t y = 0; y < how_.down.size; ++y)
      for (std::size_t x = 0; x < how_.across.size; ++x)
        filter_.push_back(static_cast<std::uint32_t>((c * padded_height() + y * how_.down.dilation) * padded_width() +
                                                     x * how_.across.dilation));
  plan_tiles();
}

void convolution::plan_tiles() {
  const std::size_t pixels = how_.pixels();
  const auto begin_of = [&](std::size_t pixel) {
    const std::size_t y = pixel / how_.across.output * how_.down.stride;
    const std::size_t x = pixel % how_.across.output * how_.across.stride;
    return static_cast<std::uint32_t>(y * padded_width() + x);
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
  return row_tiles() * (rows + 2) < by_tiles;
}

void convolution::pad(const float* image, float* padded) const {
  for (std::size_t c = 0; c < how_.channels; ++c) {
    padded = std::fill_n(padded, how_.down.before * padded_width(), 0.0F);
    for (std::size_t y = 0; y < how_.down.input; ++y, image += how_.across.input) {
      padded = std::fill_n(padded, how_.across.before, 0.0F);
      padded = std::copy_n(image, how_.across.input, padded);
      padded = std::fill_n(padded, how_.across.after, 0.0F);
    }
    padded = std::fill_n(padded, how_.down.after * padded_width(), 0.0F);
  }
  std::fill_n(padded, panel, 0.0F);
}

void convolution::run(std::span<const cells_in> in, std::span<const cells_out> out) const {
  // Scratch of a thread that scores: it grows to the largest convolution, and the operation itself stays immutable.
  thread_local std::vector<float> memory;
  const std::size_t image_cells = how_.channels * padded_height() * padded_width() + panel;
  const std::size_t of_group = outputs_ / groups_;
  const std::size_t panel_cells = (filter_cells() + 1) * panel;
  const std::size_t needed = image_cells + panel_cells + (tiles_.empty() ? (of_group * row_tiles() + 1) * panel : 0);
  if (memory.size() < needed) memory.resize(needed);
  kernels::convolution job;
  job.tiles = tiles_.data();
  job.tile_count = tiles_.empty() ? row_tiles() : tiles_.size();
  if (tiles_.empty())
    job.by_rows = {memory.data() + image_cells + panel_cells, how_.down.output, how_.across.output, padded_width()};
  job.filter = filter_.data();
  job.panel_memory = memory.data() + image_cells;
  job.sum.lda = job.sum.k = filter_cells();
  job.sum.ldc = how_.pixels();
  job.sum.m = of_group;
  job.sum.bias_of_rows = true;
  job.sum.low = then_.low;
  job.sum.high = then_.high;
  for (std::size_t i = 0; i < in[0].rows; ++i) {
    pad(in[0].row<float>(i), memory.data());
    float* to = out[0].row<float>(i);
    for (std::size_t g = 0; g < groups_; ++g) {
      job.image = memory.data() + g * (how_.channels / groups_) * padded_height() * padded_width();
      job.sum.a = weights_.data() + g * of_group * filter_cells();
      job.sum.bias = bias_.data() + g * of_group;
      job.sum.c = to + g * of_group * how_.pixels();
      kernels::best().convolve(job);
    }
    if (!then_.is_clamp()) apply(then_, to, 1, outputs_ * how_.pixels(), outputs_ * how_.pixels());
  }
}

std::unique_ptr<operation> convolution::fused_with(const operation& next) const {
  if (activated_) return nullptr;
  auto fused = std::make_unique<convolution>(*this);
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
  auto op = std::make_unique<convolution>(*how, static_cast<std::size_t>(*groups), outputs,
                                          std::get<std::vector<float>>((*weights)->data), std::move(*bias));
  return deliver(node, std::move(op), {&*from, 1}, plain(element::f32, std::move(dims)));
}

} // namespace troupe::model
