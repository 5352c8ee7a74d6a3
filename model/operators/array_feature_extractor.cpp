// ArrayFeatureExtractor: chosen columns of a value of the row; or what an index of the row names in a list:
// numbers, or a class.
#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

class column_choice final : public operation {
public:
  // `width`: of the last dimension, out of which the columns are chosen.
  column_choice(std::vector<std::size_t> columns, std::size_t width, element type)
      : columns_(std::move(columns))
      , width_(width)
      , type_(type) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    switch (type_) {
    case element::f32:
      return choose<float>(in[0], out[0]);
    case element::f64:
      return choose<double>(in[0], out[0]);
    case element::i64:
      return choose<std::int64_t>(in[0], out[0]);
    case element::boolean:
      return choose<std::uint8_t>(in[0], out[0]);
    case element::text:
      return choose<std::string_view>(in[0], out[0]);
    }
  }

private:
  template <class T> void choose(const cells_in& in, const cells_out& out) const {
    for (std::size_t i = 0; i < in.rows; ++i) {
      T* to = out.row<T>(i);
      for (const T *from = in.row<T>(i), *end = from + in.width; from != end; from += width_)
        for (const std::size_t column : columns_) *to++ = from[column];
    }
  }

  std::vector<std::size_t> columns_;
  std::size_t width_;
  element type_;
};

result<std::vector<std::size_t>> read_columns(const attribute_reader& node, const constant& indices,
                                              std::int64_t width) {
  if (indices.type() != element::i64)
    return node.wrong(fmt::format("its indices are {}, expected int64", to_string(indices.type())));
  std::vector<std::size_t> columns;
  for (const std::int64_t index : indices.as<std::int64_t>()) {
    if (index < 0 || index >= width)
      return node.wrong(fmt::format("its index {} is not below {}, the number of columns", index, width));
    columns.push_back(static_cast<std::size_t>(index));
  }
  if (columns.empty()) return node.wrong("it has no indices");
  return columns;
}

result<built_node> choose_columns(const attribute_reader& node, const value_type& input, const constant& indices) {
  if (input.label || input.dims.empty())
    return node.unsupported(fmt::format("its input is {}: choosing among rows is not supported", to_string(input)));
  const std::int64_t width = input.dims.back();
  auto columns = read_columns(node, indices, width);
  if (!columns) return tl::make_unexpected(columns.error());
  value_type output{input.type, input.dims, nullptr, false, false};
  output.dims.back() = static_cast<std::int64_t>(columns->size());
  built_node built;
  built.op = std::make_unique<column_choice>(std::move(*columns), static_cast<std::size_t>(width), input.type);
  built.outputs.push_back(std::move(output));
  return built;
}

// The index is the number that a class of another label stands for: another name for the class.
result<built_node> rename_label(const attribute_reader& node, const value_type& index, const class_list& classes) {
  auto renamed = std::make_shared<class_list>();
  renamed->numbers = classes.numbers;
  for (const std::string& name : index.classes->names) {
    std::size_t at = classes.names.size();
    std::from_chars(name.data(), name.data() + name.size(), at);
    if (!index.classes->numbers || at >= classes.names.size())
      return node.wrong(fmt::format("the class {} is no index of its {} values", quoted(name), classes.names.size()));
    if (std::count(renamed->names.begin(), renamed->names.end(), classes.names[at]) != 0)
      return node.wrong(fmt::format("the class {} is there twice", quoted(classes.names[at])));
    renamed->names.push_back(classes.names[at]);
  }
  built_node built;
  built.outputs.push_back(label_of(std::move(renamed)));
  return built;
}

// ONNX gives [1, N], which exporters reshape to [N] at once; a label is [N].
result<built_node> look_up_class(const attribute_reader& node, const constant& values, const value_type& index) {
  if (index.type != element::i64 || index.width() != 1)
    return node.unsupported(
        fmt::format("it takes values by an index that is {}, expected int64 [N]", to_string(index)));
  auto classes = classes_of(node, values);
  if (!classes) return tl::make_unexpected(classes.error());
  if (index.label) return rename_label(node, index, **classes);
  built_node built;
  built.op = make_index_of_class((*classes)->names.size());
  built.outputs.push_back(label_of(std::move(*classes)));
  return built;
}

// ONNX gives [1, N x k] of indices [N, k], which exporters reshape to [N, k] at once.
result<built_node> look_up_numbers(const attribute_reader& node, node_inputs inputs) {
  const auto table = number_operand(node, inputs, 0);
  if (!table) return tl::make_unexpected(table.error());
  const auto indices = number_operand(node, inputs, 1);
  if (!indices) return tl::make_unexpected(indices.error());
  if (table->dims.size() != 1 || table->width() == 0 || indices->type != element::i64)
    return node.unsupported("it takes numbers by an index out of what is no list");
  return deliver(node, make_lookup(*table->fixed), {&*indices, 1}, plain(table->type, indices->dims));
}

} // namespace

result<built_node> build_array_feature_extractor(attribute_reader& node, node_inputs inputs) {
  if (inputs[0].fixed != nullptr && inputs[1].value != nullptr) {
    const element type = inputs[0].fixed->type();
    return type == element::f32 || type == element::f64 ? look_up_numbers(node, inputs)
                                                        : look_up_class(node, *inputs[0].fixed, *inputs[1].value);
  }
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto indices = fixed_value(node, inputs, 1, "Y");
  if (!indices) return tl::make_unexpected(indices.error());
  return choose_columns(node, **input, **indices);
}

} // namespace troupe::model
