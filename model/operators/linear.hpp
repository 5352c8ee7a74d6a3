#pragma once
// What LinearClassifier and LinearRegressor share: row . weights + intercept, for several outputs. Sums are in double:
// it costs nothing next to parsing and is nearer to scikit-learn, which computes in double, than float sums would be.

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "model/operators/operator.hpp"

namespace troupe::model {

class linear_map {
public:
  /// REQUIRES: weights.size() == inputs * intercepts.size(), output after output.
  linear_map(const std::vector<float>& weights, const std::vector<float>& intercepts, std::size_t inputs)
      : weights_(weights.begin(), weights.end())
      , intercepts_(intercepts.begin(), intercepts.end())
      , inputs_(inputs) {}
  linear_map(std::vector<double> weights, std::vector<double> intercepts, std::size_t inputs)
      : weights_(std::move(weights))
      , intercepts_(std::move(intercepts))
      , inputs_(inputs) {}
  std::size_t outputs() const { return intercepts_.size(); }
  /// REQUIRES: x has as many cells as there are inputs.
  double at(const float* x, std::size_t output) const {
    const double* w = weights_.data() + output * inputs_;
    // Four sums, so that one addition needn't wait for the one before.
    double sums[4] = {intercepts_[output], 0, 0, 0};
    std::size_t i = 0;
    for (; i + 4 <= inputs_; i += 4)
      for (std::size_t k = 0; k < 4; ++k) sums[k] += static_cast<double>(x[i + k]) * w[i + k];
    for (; i < inputs_; ++i) sums[0] += static_cast<double>(x[i]) * w[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  /// Whether there are two outputs, and the first is always the other one negated: how two classes are often written.
  bool is_mirrored() const {
    if (outputs() != 2 || intercepts_[0] != -intercepts_[1]) return false;
    const auto second = weights_.begin() + static_cast<std::ptrdiff_t>(inputs_);
    return std::equal(weights_.begin(), second, second, weights_.end(), [](double a, double b) { return a == -b; });
  }

  /// The map of rows that have been made (x - offset) * scale. REQUIRES: a number for each input.
  linear_map after_scaling(const std::vector<float>& offset, const std::vector<float>& scale) const {
    linear_map out = *this;
    for (std::size_t o = 0; o < outputs(); ++o)
      for (std::size_t i = 0; i < inputs_; ++i) {
        double& weight = out.weights_[o * inputs_ + i];
        weight *= static_cast<double>(scale[i]);
        out.intercepts_[o] -= static_cast<double>(offset[i]) * weight;
      }
    return out;
  }

private:
  std::vector<double> weights_;
  std::vector<double> intercepts_;
  std::size_t inputs_;
};

/// An operation that can take the scaling of its input into its weights.
class linear_operation : public operation {
public:
  virtual std::unique_ptr<operation> after_scaling(const std::vector<float>& offset,
                                                   const std::vector<float>& scale) const = 0;
};

} // namespace troupe::model
