#include "model/onnx_checks.hpp"

#include <cstdint>
#include <set>
#include <string>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/onnx_tensor.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

// What the operators here were checked against. Their definitions have not changed in between.
constexpr std::int64_t onnx_opset_max = 21;
constexpr std::int64_t ml_opset_max = 4;
constexpr std::int64_t ir_version_min = 3;
constexpr std::int64_t ir_version_max = 10;

struct magic {
  std::string_view bytes;
  const char* what;
};

constexpr magic other_formats[] = {
    {"\x80\x02", "a Python pickle"},
    {"\x80\x03", "a Python pickle"},
    {"\x80\x04", "a Python pickle"},
    {"\x80\x05", "a Python pickle"},
    {"ccopy_reg\n", "a Python pickle"},
    {"csklearn.", "a Python pickle"},
    {"cnumpy.", "a Python pickle"},
    {"(dp", "a Python pickle"},
    {"(lp", "a Python pickle"},
    {"\x78\x01", "zlib data (joblib writes these)"},
    {"\x78\x9C", "zlib data (joblib writes these)"},
    {"\x78\xDA", "zlib data (joblib writes these)"},
    {"BZh", "a bzip2 file"},
    {"\xFD"
     "7zXZ",
     "an xz file"},
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

} // namespace

result<void> check_magic(std::string_view file) {
  for (const magic& format : other_formats)
    if (file.substr(0, format.bytes.size()) == format.bytes)
      return fail(errc::invalid, fmt::format("by its first bytes the file is {}, not an ONNX model; export it where it "
                                             "was trained (troupe_model.export, "
                                             "skl2onnx, onnxmltools, torch.onnx) and use that file",
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
    if (tensor.name().empty())
      return fail(errc::invalid, fmt::format("initializer[{}] of the graph has no name", names.size()));
    if (!names.insert(tensor.name()).second)
      return fail(errc::invalid, fmt::format("the initializer {} is there twice", quoted(tensor.name())));
    if (auto ok = check_tensor(tensor, fmt::format("the initializer {}", quoted(tensor.name()))); !ok) return ok;
  }
  for (int i = 0; i < graph.input_size(); ++i)
    if (graph.input(i).name().empty()) return fail(errc::invalid, fmt::format("input[{}] of the graph has no name", i));
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
