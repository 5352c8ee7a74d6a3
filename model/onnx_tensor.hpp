#pragma once
// Tensors of an ONNX file: proved sound, then made constants. Used by onnx_checks, graph_builder and attribute_reader.

#include <string>

#include "base/result.hpp"
#include "model/cells.hpp"

namespace onnx {
class TensorProto;
}

namespace troupe::model {

/// Whether dims, type and data agree, nothing lies outside the file, and, where `finite`, no number is NaN or infinite.
/// `what` begins the sentence of an error: "the initializer 'w'".
result<void> check_tensor(const onnx::TensorProto& tensor, const std::string& what, bool finite = true);
/// REQUIRES: check_tensor found nothing.
constant to_constant(const onnx::TensorProto& tensor);
/// Bytes of the elements of that constant. REQUIRES: check_tensor found nothing.
std::size_t constant_bytes(const onnx::TensorProto& tensor);

} // namespace troupe::model
