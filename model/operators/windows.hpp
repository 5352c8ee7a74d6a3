#pragma once
// Sliding windows, one- or two-dimensional: what Conv and the pools share of their attributes. Used by operators/ only.

#include "model/operators/tensor.hpp"

namespace troupe::model {

/// Along one dimension.
struct window {
  std::size_t size = 1, stride = 1, dilation = 1;
  std::size_t before = 0, after = 0; ///< padding
  std::size_t input = 1, output = 1;
};

/// [N, channels, height, width]; a one-dimensional input has a height of 1.
struct sliding {
  std::size_t channels = 1;
  window down, across;
  std::size_t pixels() const { return down.output * across.output; }
};

/// A value of the row, [N, C, W] or [N, C, H, W], of floats.
result<operand> image_operand(const attribute_reader&, node_inputs);
/// `kernel`: the window's sizes; reads strides, dilations, pads, auto_pad and, for pools, ceil_mode.
result<sliding> read_sliding(attribute_reader&, const operand& from, const std::vector<std::int64_t>& kernel,
                             bool ceil_mode);
/// [channels, height, width], or [channels, width] where `from` had no height.
shape image_shape(const operand& from, std::size_t channels, std::size_t height, std::size_t width);

} // namespace troupe::model
