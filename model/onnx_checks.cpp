#include "model/onnx_checks.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/text.hpp"

namespace troupe::model {
namespace {

// What the operators here were checked against. Their definitions have not changed in between.
constexpr std::int64_t onnx_opset_max = 21;
constexpr std::int64_t ml_opset_max = 3;
constexpr std::int64_t ir_version_min = 3;
constexpr std::int64_t ir_version_max = 10;
constexpr std::uint64_t elements_max = std::uint64_t{1} << 28;

struct magic {
  std::string_view bytes;
  const char* what;
};

constexpr magic other_formats[] = {
    {"\x80\x02", "a Python pickle"},
    {"\x80\x03", "a Python pickle"},
    {"\x80\x04", "a Python pickle"},
    {"\x80\x05", "a Python pickle"},
    {"PK\x03\x04", "a zip archive (PyTorch, Keras and NumPy write these)"},
    {"\x1F\x8B", "a gzip file"},
    {"7z\xBC\xAF\x27\x1C", "a 7z archive"},
    {"\x93NUMPY", "a NumPy array"},
    {"{", "JSON text"},
    {"<", "XML or HTML text"},
};

result<void> check_opsets(const onnx::ModelProto& model) {
  std::set<std::string> seen;
  for (const auto& opset : model.opset_import()) {
    const std::string domain = opset.domain().empty() ? "ai.onnx" : opset.domain();
    if (!seen.insert(domain).second)
      return fail(errc::invalid, fmt::format("opset_import names the domain {} twice", quoted(domain)));
    if (domain != "ai.onnx" && domain != "ai.onnx.ml")
      continue; // harmless unless a node uses it, which is refused then
    const std::int64_t newest = domain == "ai.onnx" ? onnx_opset_max : ml_opset_max;
    if (opset.version() < 1 || opset.version() > newest)
      return fail(errc::unsupported,
                  fmt::format("the opset of {} is {}, supported are 1 to {}; export with target_opset={}", domain,
                              opset.version(), newest, 17));
  }
  if (seen.empty()) return fail(errc::invalid, "the model has no opset_import; it may be truncated");
  for (const auto& node : model.graph().node()) {
    const std::string domain = node.domain().empty() ? "ai.onnx" : node.domain();
    // An operator of an undeclared domain has no defined meaning.
    if (seen.count(domain) == 0)
      return fail(errc::invalid, fmt::format("the node {} uses the domain {}, which opset_import does not name",
                                             quoted(node.name()), quoted(domain)));
  }
  return {};
}

result<std::uint64_t> element_count(const onnx::TensorProto& tensor) {
  std::uint64_t count = 1;
  for (const std::int64_t dim : tensor.dims()) {
    if (dim < 0)
      return fail(errc::invalid, fmt::format("the initializer {} has the dimension {}", quoted(tensor.name()), dim));
    if (dim != 0 && count > elements_max / static_cast<std::uint64_t>(dim))
      return fail(errc::invalid,
                  fmt::format("the initializer {} has more than {} elements", quoted(tensor.name()), elements_max));
    count *= static_cast<std::uint64_t>(dim);
  }
  return count;
}

// Bytes of an element in raw_data, and how many elements the typed field holds; 0: the type is not supported.
struct content {
  std::size_t element_bytes = 0;
  std::size_t typed_elements = 0;
};

content content_of(const onnx::TensorProto& tensor) {
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    return {4, static_cast<std::size_t>(tensor.float_data_size())};
  case onnx::TensorProto::DOUBLE:
    return {8, static_cast<std::size_t>(tensor.double_data_size())};
  case onnx::TensorProto::INT64:
    return {8, static_cast<std::size_t>(tensor.int64_data_size())};
  case onnx::TensorProto::INT32:
    return {4, static_cast<std::size_t>(tensor.int32_data_size())};
  case onnx::TensorProto::BOOL:
    return {1, static_cast<std::size_t>(tensor.int32_data_size())};
  default:
    return {};
  }
}

template <class T> bool raw_is_finite(const std::string& raw) {
  for (std::size_t at = 0; at + sizeof(T) <= raw.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

bool is_finite(const onnx::TensorProto& tensor) {
  for (const float value : tensor.float_data())
    if (!std::isfinite(value)) return false;
  for (const double value : tensor.double_data())
    if (!std::isfinite(value)) return false;
  if (tensor.data_type() == onnx::TensorProto::FLOAT) return raw_is_finite<float>(tensor.raw_data());
  if (tensor.data_type() == onnx::TensorProto::DOUBLE) return raw_is_finite<double>(tensor.raw_data());
  return true;
}

result<void> check_initializer(const onnx::TensorProto& tensor) {
  const std::string name = quoted(tensor.name());
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    return fail(errc::unsupported,
                fmt::format("the initializer {} has external data; save the model as one file", name));
  if (tensor.has_segment())
    return fail(errc::unsupported, fmt::format("the initializer {} is a segment of a tensor", name));
  const auto count = element_count(tensor);
  if (!count) return tl::make_unexpected(count.error());
  if (tensor.data_type() == onnx::TensorProto::STRING) {
    if (static_cast<std::uint64_t>(tensor.string_data_size()) != *count || tensor.has_raw_data())
      return fail(errc::invalid, fmt::format("the initializer {} has {} strings, its dims say {}", name,
                                             tensor.string_data_size(), *count));
    return {};
  }
  const content content = content_of(tensor);
  if (content.element_bytes == 0)
    return fail(errc::unsupported,
                fmt::format("the initializer {} has data_type {}, which is not supported", name, tensor.data_type()));
  if (tensor.has_raw_data() && content.typed_elements > 0)
    return fail(errc::invalid, fmt::format("the initializer {} has both raw_data and typed data", name));
  if (tensor.has_raw_data() && tensor.raw_data().size() != *count * content.element_bytes)
    return fail(errc::invalid, fmt::format("the initializer {} has {} bytes of raw_data, its dims say {}", name,
                                           tensor.raw_data().size(), *count * content.element_bytes));
  if (!tensor.has_raw_data() && content.typed_elements != *count)
    return fail(errc::invalid, fmt::format("the initializer {} has {} elements, its dims say {}", name,
                                           content.typed_elements, *count));
  if (!is_finite(tensor))
    return fail(errc::invalid, fmt::format("the initializer {} has a value that is NaN or infinite", name));
  return {};
}

} // namespace

result<void> check_magic(std::string_view file) {
  for (const magic& format : other_formats)
    if (file.substr(0, format.bytes.size()) == format.bytes)
      return fail(
          errc::invalid,
          fmt::format("the file is {}, not an ONNX model; convert it where it was trained (skl2onnx, onnxmltools, "
                      "torch.onnx) and push the .onnx file",
                      format.what));
  return {};
}

result<void> check_model(const onnx::ModelProto& model) {
  if (!model.has_graph())
    return fail(errc::invalid, "the file has no graph; it is not an ONNX model, or it is truncated");
  if (model.ir_version() < ir_version_min || model.ir_version() > ir_version_max)
    return fail(errc::unsupported, fmt::format("the ir_version is {}, supported are {} to {}", model.ir_version(),
                                               ir_version_min, ir_version_max));
  if (model.functions_size() > 0)
    return fail(errc::unsupported, "the model defines functions, which are not supported");
  if (model.training_info_size() > 0)
    return fail(errc::unsupported, "the model has training_info; export it for inference");
  const onnx::GraphProto& graph = model.graph();
  if (graph.sparse_initializer_size() > 0)
    return fail(errc::unsupported, "the graph has sparse initializers, which are not supported");
  std::set<std::string> names;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (tensor.name().empty()) return fail(errc::invalid, "an initializer has no name");
    if (!names.insert(tensor.name()).second)
      return fail(errc::invalid, fmt::format("the initializer {} is there twice", quoted(tensor.name())));
    if (auto ok = check_initializer(tensor); !ok) return ok;
  }
  return check_opsets(model);
}

error with_opsets(error problem, const onnx::ModelProto& model) {
  if (problem.code != errc::unsupported) return problem;
  std::string opsets;
  for (const auto& opset : model.opset_import())
    opsets += fmt::format("{}{} {}", opsets.empty() ? "" : ", ",
                          opset.domain().empty() ? "ai.onnx" : quoted(opset.domain()), opset.version());
  problem.message += fmt::format(" (opsets of the file: {})", opsets);
  return problem;
}

} // namespace troupe::model
