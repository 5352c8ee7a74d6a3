#pragma once
// What TreeEnsembleClassifier and TreeEnsembleRegressor share: their attributes as a forest that is proven to be one.
// ONNX lists nodes in any order, under ids of their own, and the weights of leaves apart from them; a fault is named by
// the attribute and the index where it stands.

#include <cstdint>
#include <string>
#include <vector>

#include "model/forest.hpp"
#include "model/operators/operator.hpp"
#include "model/operators/post_transform.hpp"

namespace troupe::model {

/// The attributes as they are, of equal lengths where they belong together.
struct ensemble_attributes {
  std::string prefix; ///< "class" or "target": of the attributes of the weights
  std::vector<std::int64_t> tree_ids, node_ids, feature_ids, true_ids, false_ids, missing_tracks_true;
  std::vector<std::string> modes;
  std::vector<double> values;
  std::vector<std::int64_t> weight_trees, weight_nodes, weight_ids;
  std::vector<double> weights;
  std::vector<double> base_values;
  post_transform how = post_transform::none;
  bool doubles = false; ///< numbers are given as double
};

result<ensemble_attributes> read_ensemble(attribute_reader& node, std::string prefix);
/// Fails (errc::invalid), naming the attribute and index, where it is no forest over `features` cells.
template <class T>
result<forest<T>> build_forest(const attribute_reader& node, const ensemble_attributes& attributes,
                               std::size_t features, std::size_t targets, aggregate how);
/// The input of both operators: numbers [N, columns] or [N] of any type.
result<const value_type*> row_numbers(const attribute_reader& node, node_inputs inputs);

} // namespace troupe::model
