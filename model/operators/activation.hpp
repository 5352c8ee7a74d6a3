#pragma once
// Relu and its like: what is done to each number of a row alone. A header, since linear maps and convolutions take them
// in (model/fuse.hpp).

#include <limits>

#include "model/kernels/kernels.hpp"
#include "model/operators/operator.hpp"

namespace troupe::model {

/// Numbers are clamped to [low, high], or put through a curve; floats only.
struct activation {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  std::optional<kernels::curve> curve; ///< instead of the bounds
  float slope = 0;                     ///< of leaky_relu
  bool is_clamp() const { return !curve; }
};

/// An activation of its own.
class activation_step final : public operation {
public:
  explicit activation_step(activation how)
      : how_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override;
  const activation& how() const { return how_; }

private:
  activation how_;
};

/// `rows` rows of `width` numbers, `stride` apart, in place.
void apply(const activation& how, float* numbers, std::size_t rows, std::size_t width, std::size_t stride);

} // namespace troupe::model
