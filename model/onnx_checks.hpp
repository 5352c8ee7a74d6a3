#pragma once
// The checks of a model file that need no understanding of its graph. Used by onnx_loader only.

#include <string_view>

#include "base/result.hpp"

namespace onnx {
class ModelProto;
}

namespace troupe::model {

/// Refuses files that are known to be something else by their first bytes, and says what to do with them.
result<void> check_magic(std::string_view file);
/// IR version, operator sets, initializers, and the features of ONNX that are not supported (functions, sparse and
/// external tensors, training).
result<void> check_model(const onnx::ModelProto& model);
/// `problem` with the operator sets of the model, where an operator was unknown: what it takes to look it up.
error with_opsets(error problem, const onnx::ModelProto& model);

} // namespace troupe::model
