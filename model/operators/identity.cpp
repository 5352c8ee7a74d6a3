// Identity, Cast, ZipMap: the same values under another name or type.
#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

using kind_type = value_type::kind_type;

// Float to integer, towards zero.
class truncate final : public operation {
public:
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    out[0] = in[0].array().unaryExpr([](float x) { return std::trunc(x); });
  }
};

class to_boolean final : public operation {
public:
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    out[0] = in[0].array().unaryExpr([](float x) { return x != 0.0f ? 1.0f : 0.0f; });
  }
};

built_node same(value_type type) {
  built_node built;
  built.outputs.push_back(std::move(type));
  return built;
}

result<built_node> cast_label(attribute_reader& node, const value_type& input, std::int64_t to) {
  value_type output = input;
  if (to == onnx::TensorProto::STRING && input.classes->numbers) {
    auto texts = std::make_shared<class_list>(*input.classes);
    texts->numbers = false;
    output.classes = std::move(texts);
    return same(std::move(output));
  }
  const bool to_number = to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32;
  if ((to_number && input.classes->numbers) || (to == onnx::TensorProto::STRING && !input.classes->numbers))
    return same(std::move(output));
  return node.unsupported(fmt::format("casting a label to tensor type {} is not supported", to));
}

} // namespace

result<built_node> build_identity(attribute_reader&, std::span<const value_type> inputs) { return same(inputs[0]); }

result<built_node> build_cast(attribute_reader& node, std::span<const value_type> inputs) {
  const auto to = node.integer("to", 0);
  if (!to) return tl::make_unexpected(to.error());
  if (!node.has("to")) return node.wrong("the attribute to is missing");
  if (inputs[0].kind == kind_type::label) return cast_label(node, inputs[0], *to);
  built_node built = same(inputs[0]);
  switch (*to) {
  case onnx::TensorProto::FLOAT:
  case onnx::TensorProto::DOUBLE:
    return built;
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::INT32:
    built.op = std::make_unique<truncate>();
    break;
  case onnx::TensorProto::BOOL:
    built.op = std::make_unique<to_boolean>();
    break;
  default:
    return node.unsupported(fmt::format("casting numbers to tensor type {} is not supported", *to));
  }
  built.outputs[0].probabilities = false;
  return built;
}

result<built_node> build_zip_map(attribute_reader& node, std::span<const value_type> inputs) {
  if (auto ok = require_numbers(node, inputs[0]); !ok) return tl::make_unexpected(ok.error());
  const auto classes = read_classes(node, "classlabels_int64s", "classlabels_strings");
  if (!classes) return tl::make_unexpected(classes.error());
  if ((*classes)->names.size() != inputs[0].width)
    return node.wrong(fmt::format("it has {} class labels for {} columns", (*classes)->names.size(), inputs[0].width));
  if (inputs[0].classes && inputs[0].classes->names != (*classes)->names)
    return node.wrong("its class labels differ from the classifier's");
  value_type output = inputs[0];
  output.classes = *classes;
  return same(std::move(output));
}

} // namespace troupe::model
