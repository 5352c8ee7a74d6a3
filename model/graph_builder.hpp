#pragma once
// An ONNX graph into an evaluator: inputs become columns of the features, nodes become steps. Proves on the way that
// the graph has no cycle, that every input of a node is defined, and that every value is made once. Used by onnx_loader
// only.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/evaluator.hpp"

namespace onnx {
class GraphProto;
}

namespace troupe::model {

/// A graph's inputs, its result, and what runs between them.
struct compiled_graph {
  std::vector<std::string> input_names; ///< in order
  bool one_column_each = false;         ///< several inputs of one column: their names are the features' names
  std::size_t feature_count = 0;
  std::shared_ptr<const class_list> classes; ///< null: a regressor
  std::shared_ptr<const evaluator> graph;
};

/// REQUIRES: initializers were checked. Fails (errc::invalid, errc::unsupported), naming the node, input or output.
result<compiled_graph> compile(const onnx::GraphProto& graph);

} // namespace troupe::model
