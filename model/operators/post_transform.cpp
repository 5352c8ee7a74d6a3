#include "model/operators/post_transform.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::model {
namespace {

constexpr double near_zero = 1e-7;

// Giles, "Approximating the erfinv function" (2010), in its simplest form: good to about 1e-3, and what onnxruntime
// uses.
double inverse_erf(double x) {
  const double sign = x < 0 ? -1.0 : 1.0;
  const double log = std::log((1 - x) * (1 + x));
  const double a = 2 / (3.14159 * 0.147) + 0.5 * log;
  return sign * std::sqrt(-a + std::sqrt(a * a - log / 0.147));
}

void softmax(std::span<double> scores, bool leave_zeros) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) {
    if (leave_zeros && std::abs(score) <= near_zero)
      score *= std::exp(-largest);
    else
      sum += score = std::exp(score - largest);
  }
  if (sum == 0) return; // only zeros, left as they are
  for (double& score : scores) score /= sum;
}

} // namespace

result<post_transform> read_post_transform(attribute_reader& node) {
  const auto text = node.text("post_transform", "NONE");
  if (!text) return tl::make_unexpected(text.error());
  if (*text == "NONE") return post_transform::none;
  if (*text == "LOGISTIC") return post_transform::logistic;
  if (*text == "SOFTMAX") return post_transform::softmax;
  if (*text == "SOFTMAX_ZERO") return post_transform::softmax_zero;
  if (*text == "PROBIT") return post_transform::probit;
  return node.wrong("post_transform is none of NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO, PROBIT");
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
    for (double& score : scores) score = std::sqrt(2.0) * inverse_erf(2 * score - 1);
    return;
  }
}

} // namespace troupe::model
