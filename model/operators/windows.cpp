#include <fmt/format.h>

#include "model/operators/windows.hpp"

namespace troupe::model {
namespace {

enum class auto_pad { notset, same_upper, same_lower, valid };

constexpr std::int64_t size_max = 1 << 20; // of a window, stride, dilation or padding

// `count` numbers of an attribute between `least` and size_max; absent: all of them `otherwise`.
result<std::vector<std::int64_t>> sizes_of(attribute_reader& node, std::string_view name, std::size_t count,
                                           std::int64_t least, std::int64_t otherwise) {
  auto sizes = node.integers(name);
  if (!sizes) return sizes;
  if (sizes->empty()) return std::vector<std::int64_t>(count, otherwise);
  if (sizes->size() != count)
    return node.wrong(fmt::format("{} has {} entries, expected {}", name, sizes->size(), count));
  for (const std::int64_t size : *sizes)
    if (size < least || size > size_max) return node.wrong(fmt::format("{} has the entry {}", name, size));
  return sizes;
}

// Padding that makes as many results as there are strides in the input; the odd one is put where `auto_pad` says.
void pad_same(window& one, bool odd_before) {
  one.output = (one.input + one.stride - 1) / one.stride;
  const std::size_t extent = (one.size - 1) * one.dilation + 1;
  const std::size_t needed = (one.output - 1) * one.stride + extent;
  const std::size_t padding = needed > one.input ? needed - one.input : 0;
  one.before = odd_before ? padding - padding / 2 : padding / 2;
  one.after = padding - one.before;
}

result<void> count_results(const attribute_reader& node, window& one, bool ceil_mode) {
  const std::size_t extent = (one.size - 1) * one.dilation + 1;
  const std::size_t padded = one.input + one.before + one.after;
  if (extent > padded)
    return node.wrong(fmt::format("its window of {} is larger than the {} it slides over", extent, padded));
  one.output = (padded - extent) / one.stride + 1;
  // The last window must begin within the input or the padding before it.
  if (ceil_mode && (padded - extent) % one.stride != 0 && one.output * one.stride < one.input + one.before)
    ++one.output;
  return {};
}

} // namespace

result<operand> image_operand(const attribute_reader& node, node_inputs inputs) {
  auto from = number_operand(node, inputs, 0);
  if (!from) return from;
  if (!of_the_row(*from)) return node.unsupported("its input 0 is a constant, expected a value of the row");
  if (from->type != element::f32)
    return node.unsupported(fmt::format("its input has the type {}, supported is float", to_string(from->type)));
  if (from->dims.size() != 2 && from->dims.size() != 3)
    return node.unsupported(fmt::format(
        "its input is {}, expected [N, channels, width] or [N, channels, height, width]", to_string(*from->value)));
  return from;
}

result<sliding> read_sliding(attribute_reader& node, const operand& from, const std::vector<std::int64_t>& kernel,
                             bool ceil_mode) {
  const std::size_t spatial = from.dims.size() - 1;
  if (kernel.size() != spatial)
    return node.wrong(fmt::format("its window has {} dimensions, its input {}", kernel.size(), spatial));
  const auto strides = sizes_of(node, "strides", spatial, 1, 1);
  if (!strides) return tl::make_unexpected(strides.error());
  const auto dilations = sizes_of(node, "dilations", spatial, 1, 1);
  if (!dilations) return tl::make_unexpected(dilations.error());
  const auto pads = sizes_of(node, "pads", 2 * spatial, 0, 0);
  if (!pads) return tl::make_unexpected(pads.error());
  const auto mode = node.mode("auto_pad");
  if (!mode) return tl::make_unexpected(mode.error());
  const auto automatic = static_cast<auto_pad>(*mode);
  sliding out;
  out.channels = static_cast<std::size_t>(from.dims[0]);
  const std::array<window*, 2> windows{&out.down, &out.across};
  for (std::size_t i = 0; i < spatial; ++i) {
    window& one = *windows[i + 2 - spatial];
    if (kernel[i] < 1 || kernel[i] > size_max) return node.wrong(fmt::format("its window has the size {}", kernel[i]));
    one.size = static_cast<std::size_t>(kernel[i]);
    one.stride = static_cast<std::size_t>((*strides)[i]);
    one.dilation = static_cast<std::size_t>((*dilations)[i]);
    one.input = static_cast<std::size_t>(from.dims[i + 1]);
    if ((one.size - 1) * one.dilation >= static_cast<std::size_t>(size_max))
      return node.wrong(fmt::format("its window spreads over more than {} elements", size_max));
    if (automatic == auto_pad::same_upper || automatic == auto_pad::same_lower) {
      pad_same(one, automatic == auto_pad::same_lower);
      continue;
    }
    if (automatic == auto_pad::notset) {
      one.before = static_cast<std::size_t>((*pads)[i]);
      one.after = static_cast<std::size_t>((*pads)[i + spatial]);
    }
    if (auto ok = count_results(node, one, ceil_mode); !ok) return tl::make_unexpected(ok.error());
  }
  return out;
}

shape image_shape(const operand& from, std::size_t channels, std::size_t height, std::size_t width) {
  shape dims{static_cast<std::int64_t>(channels)};
  if (from.dims.size() == 3) dims.push_back(static_cast<std::int64_t>(height));
  dims.push_back(static_cast<std::int64_t>(width));
  return dims;
}

} // namespace troupe::model
