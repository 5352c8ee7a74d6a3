#pragma once
// Models of the boosting libraries, once their files are read: a forest and a formula become a loaded_model that takes
// one matrix and treats a missing value as the library does. Used by xgboost_loader and lightgbm_loader. Pure.

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/forest.hpp"
#include "model/loaded_model.hpp"

namespace troupe::model {

/// From the sums of a row to its result.
enum class native_link {
  identity,
  sigmoid,       ///< 1 / (1 + e^(-slope x)), of each
  softmax,       ///< over all
  exponential,   ///< e^x
  signed_square, ///< sign(x) x^2
  soft_plus,     ///< ln(1 + e^x)
  step,          ///< x > 0
};

struct native_output {
  native_link link = native_link::identity;
  double slope = 1;
  bool classes = false;      ///< a classifier; of one sum: {1 - p, p}
  std::vector<double> start; ///< what the sums begin with, one a target
  double divisor = 1;        ///< of the sums
};

/// What is charged for a feature: its name, how it is found in a row.
inline constexpr std::size_t native_feature_bytes = 256;

struct native_model {
  std::string name; ///< of the format, for people
  std::vector<std::string> features;
  native_output output;
};

/// REQUIRES: find_fault found nothing; start has spec.targets entries. Fails where the names of features are unusable.
template <class T>
result<std::shared_ptr<const loaded_model>> make_native(const forest_spec<T>& spec, native_model about);
/// A linear model of float: weights of feature after feature, one for each target; a missing value counts as 0.
result<std::shared_ptr<const loaded_model>> make_native_linear(std::vector<float> weights, native_model about);

} // namespace troupe::model
