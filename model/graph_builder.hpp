#pragma once
// An ONNX graph into an evaluator: inputs become columns of the features, nodes become steps, constants are folded into
// them. Proves on the way that the graph has no cycle, that every input of a node is defined, and that every value is
// made once. Used by onnx_loader only.

#include <memory>

#include "base/result.hpp"
#include "model/evaluator.hpp"
#include "model/memory_budget.hpp"

namespace onnx {
class ModelProto;
}

namespace troupe::model {

/// A graph and what its result means.
struct compiled_graph {
  std::shared_ptr<const class_list> classes; ///< null: a regressor
  std::shared_ptr<const evaluator> graph;
};

/// REQUIRES: check_model found nothing. Fails (errc::invalid, errc::unsupported), naming the node, input or output.
result<compiled_graph> compile(const onnx::ModelProto& model, memory_budget& memory);

} // namespace troupe::model
