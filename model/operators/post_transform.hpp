#pragma once
// `post_transform` of the ml operators: what becomes of scores last. As onnxruntime computes it (the specification says
// little): LOGISTIC without overflow, SOFTMAX after subtracting the largest score, SOFTMAX_ZERO leaving scores near 0
// out of the sum, PROBIT the inverse of the normal distribution. Pure; any thread.

#include <span>

#include "model/operators/operator.hpp"

namespace troupe::model {

/// In the order of the modes in operators/attributes.cpp.
enum class post_transform { none, logistic, softmax, softmax_zero, probit };

/// The attribute post_transform; absent: none.
result<post_transform> read_post_transform(attribute_reader& node);
/// 1 / (1 + e^-score)
double logistic(double score);
/// In place, of one row with all its scores.
void apply(post_transform how, std::span<double> scores);
/// Whether scores so transformed are probabilities, as far as the operator alone can tell.
constexpr bool gives_probabilities(post_transform how) {
  return how == post_transform::logistic || how == post_transform::softmax || how == post_transform::softmax_zero;
}

} // namespace troupe::model
