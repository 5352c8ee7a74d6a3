// Identity, Cast, ZipMap, Constant: values under another name or type.
#include <charconv>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/operators/cast_text.hpp"
#include "model/operators/operator.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

built_node same(value_type type) {
  built_node built;
  built.outputs.push_back(std::move(type));
  return built;
}

result<element> element_of_cast(attribute_reader& node) {
  const auto to = node.integer("to", 0);
  if (!to) return tl::make_unexpected(to.error());
  if (!node.has("to")) return node.wrong("the attribute to is missing");
  switch (*to) {
  case onnx::TensorProto::FLOAT:
    return element::f32;
  case onnx::TensorProto::DOUBLE:
    return element::f64;
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::INT32:
    return element::i64;
  case onnx::TensorProto::BOOL:
    return element::boolean;
  case onnx::TensorProto::STRING:
    return element::text;
  default:
    return node.unsupported(fmt::format("casting to tensor type {} is not supported", *to));
  }
}

// The class of a label as the number that its name is.
class label_to_number final : public operation {
public:
  explicit label_to_number(std::vector<float> numbers)
      : numbers_(std::move(numbers)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i)
      *out[0].row<float>(i) = numbers_[static_cast<std::size_t>(*in[0].row<std::int64_t>(i))];
  }

private:
  std::vector<float> numbers_;
};

result<built_node> cast_label(attribute_reader& node, const value_type& input, element to) {
  value_type output = input;
  if (to == element::text && input.classes->numbers) {
    auto texts = std::make_shared<class_list>(*input.classes);
    texts->numbers = false;
    output.classes = std::move(texts);
    return same(std::move(output));
  }
  if (to == element::text || (to == element::i64 && input.classes->numbers)) return same(std::move(output));
  if (to != element::f32 || !input.classes->numbers)
    return node.unsupported(fmt::format("casting a label to {} is not supported", to_string(to)));
  std::vector<float> numbers;
  for (const std::string& name : input.classes->names) {
    float number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    numbers.push_back(number);
  }
  built_node built;
  built.op = std::make_unique<label_to_number>(std::move(numbers));
  built.outputs.push_back({element::f32, input.dims, {}, false, false});
  return built;
}

result<built_node> cast_constant(const attribute_reader& node, const constant& value, element to) {
  built_node built;
  built.fixed = constant{value.dims, {}};
  if (value.type() == to) {
    built.fixed = value;
    return built;
  }
  if (!value.is_number() || to == element::text)
    return node.unsupported("casting a constant from or to text is not supported");
  switch (to) {
  case element::f32:
    built.fixed->data = value.as<float>();
    break;
  case element::f64:
    built.fixed->data = value.as<double>();
    break;
  case element::i64:
    built.fixed->data = value.as<std::int64_t>();
    break;
  default: {
    std::vector<std::uint8_t> truths;
    for (const double number : value.as<double>()) truths.push_back(number != 0);
    built.fixed->data = std::move(truths);
  }
  }
  return built;
}

} // namespace

result<built_node> build_identity(attribute_reader&, node_inputs inputs) {
  if (inputs[0].value != nullptr) return same(*inputs[0].value);
  built_node built;
  built.fixed = *inputs[0].fixed;
  return built;
}

result<built_node> build_cast(attribute_reader& node, node_inputs inputs) {
  const auto to = element_of_cast(node);
  if (!to) return tl::make_unexpected(to.error());
  if (inputs[0].fixed != nullptr) return cast_constant(node, *inputs[0].fixed, *to);
  const value_type& input = *inputs[0].value;
  if (input.label) return cast_label(node, input, *to);
  value_type output = input;
  output.type = *to;
  if (input.type == *to) return same(std::move(output));
  if (*to == element::text) return cast_to_text(input);
  if (input.type == element::text) return cast_from_text(node, input, *to);
  // float and double keep what they mean; anything else is no probability any more.
  output.probabilities = input.probabilities && (*to == element::f32 || *to == element::f64);
  built_node built;
  built.op = make_conversion(input.type, *to);
  built.outputs.push_back(std::move(output));
  return built;
}

result<built_node> build_constant(attribute_reader& node, node_inputs) {
  built_node built;
  const auto tensor = node.tensor("value");
  if (!tensor) return tl::make_unexpected(tensor.error());
  if (*tensor) {
    built.fixed = **tensor;
    return built;
  }
  if (node.has("value_float")) {
    const auto value = node.number("value_float", 0);
    if (!value) return tl::make_unexpected(value.error());
    built.fixed = constant{{}, std::vector<float>{*value}};
  } else if (node.has("value_int")) {
    const auto value = node.integer("value_int", 0);
    if (!value) return tl::make_unexpected(value.error());
    built.fixed = constant{{}, std::vector<std::int64_t>{*value}};
  } else if (node.has("value_string")) {
    const auto value = node.text("value_string", "");
    if (!value) return tl::make_unexpected(value.error());
    built.fixed = constant{{}, std::vector<std::string>{*value}};
  } else if (node.has("value_floats")) {
    auto values = node.floats("value_floats");
    if (!values) return tl::make_unexpected(values.error());
    built.fixed = constant{{static_cast<std::int64_t>(values->size())}, std::move(*values)};
  } else if (node.has("value_ints")) {
    auto values = node.integers("value_ints");
    if (!values) return tl::make_unexpected(values.error());
    built.fixed = constant{{static_cast<std::int64_t>(values->size())}, std::move(*values)};
  } else if (node.has("value_strings")) {
    auto values = node.strings("value_strings");
    if (!values) return tl::make_unexpected(values.error());
    built.fixed = constant{{static_cast<std::int64_t>(values->size())}, std::move(*values)};
  } else {
    return node.wrong("it has no value");
  }
  return built;
}

result<built_node> build_zip_map(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const value_type& numbers = **input;
  const auto classes = read_classes(node, "classlabels_int64s", "classlabels_strings");
  if (!classes) return tl::make_unexpected(classes.error());
  if ((*classes)->names.size() != numbers.width())
    return node.wrong(fmt::format("it has {} class labels for {} columns", (*classes)->names.size(), numbers.width()));
  if (numbers.classes && numbers.classes->names != (*classes)->names)
    return node.wrong("its class labels differ from the classifier's");
  value_type output = numbers;
  output.classes = *classes;
  return same(std::move(output));
}

} // namespace troupe::model
