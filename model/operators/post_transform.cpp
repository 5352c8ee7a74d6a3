#include "model/operators/post_transform.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::model {
namespace {

constexpr double near_zero = 1e-7;

// Winitzki's approximation of the inverse of erf: good to about 1e-3, and what onnxruntime uses. In float as there:
// near 0 its rounding is most of the result.
float inverse_erf(float x) {
  const float log = std::log((1 - x) * (1 + x));
  const float a = 2 / (3.14159f * 0.147f) + 0.5f * log;
  const float b = 1 / 0.147f * log;
  const float root = std::sqrt(std::sqrt(a * a - b) - a);
  return x < 0 ? -root : root;
}

float probit(float score) { return 1.41421356f * inverse_erf(2 * score - 1); }

void softmax(std::span<double> scores, bool leave_zeros) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) {
    if (leave_zeros && std::abs(score) <= near_zero)
      score *= std::exp(-largest);
    else
      sum += score = std::exp(score - largest);
  }
  // Of zeros only nothing is left, as in onnxruntime: NaN.
  for (double& score : scores) score /= sum;
}

} // namespace

result<post_transform> read_post_transform(attribute_reader& node) {
  const auto mode = node.mode("post_transform");
  if (!mode) return tl::make_unexpected(mode.error());
  return static_cast<post_transform>(*mode);
}

double logistic(double score) {
  // Either form loses nothing: the exponent is never positive.
  if (score >= 0) return 1.0 / (1.0 + std::exp(-score));
  const double e = std::exp(score);
  return e / (1.0 + e);
}

void apply(post_transform how, std::span<double> scores) {
  switch (how) {
  case post_transform::none:
    return;
  case post_transform::logistic:
    for (double& score : scores) score = logistic(score);
    return;
  case post_transform::softmax:
    return softmax(scores, false);
  case post_transform::softmax_zero:
    return softmax(scores, true);
  case post_transform::probit:
    for (double& score : scores) score = static_cast<double>(probit(static_cast<float>(score)));
    return;
  }
}

} // namespace troupe::model
