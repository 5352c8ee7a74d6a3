// LabelEncoder and CategoryMapper: each cell's key becomes its value, one that is no key the default. Of a label it
// renames the classes when the model is loaded, and costs nothing then.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/lookup.hpp"
#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

// What a node says: keys[i] becomes values[i], everything else `otherwise`, which has one element.
struct recoding {
  constant keys, values, otherwise;
  bool nan_is_a_key = true;
};

template <class Cell> using stored_as = typename lookup<Cell>::stored;

template <class Cell> const std::vector<stored_as<Cell>>& elements_of(const constant& values) {
  return std::get<std::vector<stored_as<Cell>>>(values.data);
}

template <class From, class To> class recoder final : public operation {
public:
  explicit recoder(const recoding& how)
      : keys_(elements_of<From>(how.keys), how.nan_is_a_key)
      , values_(elements_of<To>(how.values)) {
    values_.push_back(elements_of<To>(how.otherwise).front());
  }
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const From* from = in[0].row<From>(i);
      To* to = out[0].row<To>(i);
      for (std::size_t k = 0; k < in[0].width; ++k)
        to[k] = values_[std::min(keys_.find(from[k]), values_.size() - 1)]; // the last is the default
    }
  }

private:
  lookup<From> keys_;
  std::vector<stored_as<To>> values_;
};

template <class From> std::unique_ptr<operation> recoder_from(const recoding& how) {
  switch (how.values.type()) {
  case element::f32:
    return std::make_unique<recoder<From, float>>(how);
  case element::f64:
    return std::make_unique<recoder<From, double>>(how);
  case element::i64:
    return std::make_unique<recoder<From, std::int64_t>>(how);
  default:
    return std::make_unique<recoder<From, std::string_view>>(how);
  }
}

std::unique_ptr<operation> make_recoder(const recoding& how) {
  switch (how.keys.type()) {
  case element::f32:
    return recoder_from<float>(how);
  case element::f64:
    return recoder_from<double>(how);
  case element::i64:
    return recoder_from<std::int64_t>(how);
  default:
    return recoder_from<std::string_view>(how);
  }
}

// ---- the attributes ----

bool nobody(const constant& values) { return values.size() == 0; }

// The one of `prefix`_strings, _int64s, _floats, _tensor that is there.
result<constant> read_list(attribute_reader& node, const std::string& prefix) {
  std::vector<constant> told;
  auto strings = node.strings(prefix + "_strings");
  if (!strings) return tl::make_unexpected(strings.error());
  auto integers = node.integers(prefix + "_int64s");
  if (!integers) return tl::make_unexpected(integers.error());
  auto floats = node.any_floats(prefix + "_floats");
  if (!floats) return tl::make_unexpected(floats.error());
  auto tensor = node.any_tensor(prefix + "_tensor");
  if (!tensor) return tl::make_unexpected(tensor.error());
  if (!strings->empty()) told.push_back({{}, std::move(*strings)});
  if (!integers->empty()) told.push_back({{}, std::move(*integers)});
  if (!floats->empty()) told.push_back({{}, std::move(*floats)});
  if (*tensor && !nobody(**tensor)) told.push_back(std::move(**tensor));
  if (told.size() != 1)
    return node.wrong(fmt::format("expected one of {0}_strings, {0}_int64s, {0}_floats and {0}_tensor, it has {1}",
                                  prefix, told.size()));
  if (told.front().type() == element::boolean)
    return node.unsupported(fmt::format("{}_tensor of booleans is not supported", prefix));
  return std::move(told.front());
}

struct defaults {
  std::string text;
  std::int64_t integer = -1;
  float number = -0.f;

  constant of(element type) const {
    switch (type) {
    case element::f32:
      return {{}, std::vector<float>{number}};
    case element::f64:
      return {{}, std::vector<double>{static_cast<double>(number)}};
    case element::i64:
      return {{}, std::vector<std::int64_t>{integer}};
    default:
      return {{}, std::vector<std::string>{text}};
    }
  }
};

result<defaults> read_defaults(attribute_reader& node) {
  const auto text = node.text("default_string", "_Unused");
  if (!text) return tl::make_unexpected(text.error());
  const auto integer = node.integer("default_int64", -1);
  if (!integer) return tl::make_unexpected(integer.error());
  return defaults{*text, *integer};
}

// Strings to their places in `texts`, or places to strings, by the type of the input: `numbers` are the other side.
recoding both_ways(const value_type& input, std::vector<std::string> texts, std::vector<std::int64_t> numbers,
                   const defaults& otherwise) {
  const bool from_text = input.label ? !input.classes->numbers : input.type == element::text;
  recoding how{{{}, std::move(texts)}, {{}, std::move(numbers)}, otherwise.of(element::i64)};
  if (from_text) return how;
  std::swap(how.keys, how.values);
  how.otherwise = otherwise.of(element::text);
  return how;
}

result<recoding> read_label_encoder(attribute_reader& node, const value_type& input) {
  auto otherwise = read_defaults(node);
  if (!otherwise) return tl::make_unexpected(otherwise.error());
  const auto number = node.any_number("default_float", -0.f);
  if (!number) return tl::make_unexpected(number.error());
  otherwise->number = *number;
  if (node.has("classes_strings")) {
    auto texts = node.strings("classes_strings");
    if (!texts) return tl::make_unexpected(texts.error());
    std::vector<std::int64_t> numbers(texts->size());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
    return both_ways(input, std::move(*texts), std::move(numbers), *otherwise);
  }
  auto keys = read_list(node, "keys");
  if (!keys) return tl::make_unexpected(keys.error());
  auto values = read_list(node, "values");
  if (!values) return tl::make_unexpected(values.error());
  recoding how{std::move(*keys), std::move(*values), {}, node.opset() >= 4};
  if (how.keys.size() != how.values.size())
    return node.wrong(fmt::format("it has {} keys and {} values", how.keys.size(), how.values.size()));
  how.otherwise = otherwise->of(how.values.type());
  const auto tensor = node.any_tensor("default_tensor");
  if (!tensor) return tl::make_unexpected(tensor.error());
  if (!*tensor) return how;
  if ((*tensor)->type() != how.values.type() || (*tensor)->size() != 1)
    return node.wrong(fmt::format("default_tensor has {} elements of {}, expected one of {}", (*tensor)->size(),
                                  to_string((*tensor)->type()), to_string(how.values.type())));
  how.otherwise = **tensor;
  return how;
}

result<recoding> read_category_mapper(attribute_reader& node, const value_type& input) {
  const auto otherwise = read_defaults(node);
  if (!otherwise) return tl::make_unexpected(otherwise.error());
  auto texts = node.strings("cats_strings");
  if (!texts) return tl::make_unexpected(texts.error());
  auto numbers = node.integers("cats_int64s");
  if (!numbers) return tl::make_unexpected(numbers.error());
  if (texts->size() != numbers->size() || texts->empty())
    return node.wrong(fmt::format("cats_strings has {} entries, cats_int64s has {}", texts->size(), numbers->size()));
  // As onnxruntime has it, of keys that are there twice the last counts; elsewhere it is the first.
  std::reverse(texts->begin(), texts->end());
  std::reverse(numbers->begin(), numbers->end());
  return both_ways(input, std::move(*texts), std::move(*numbers), *otherwise);
}

// ---- what becomes of the input ----

// What a class of a label becomes, as a constant of as many elements as there are classes.
constant recode_classes(const class_list& classes, const recoding& how) {
  const auto positions = [&]() {
    std::vector<std::size_t> found;
    std::vector<std::string> keys;
    if (classes.numbers)
      for (const std::int64_t key : std::get<std::vector<std::int64_t>>(how.keys.data))
        keys.push_back(std::to_string(key));
    else
      keys = how.keys.texts();
    const lookup<std::string_view> table{std::move(keys)};
    for (const std::string& name : classes.names) found.push_back(table.find(name));
    return found;
  }();
  return std::visit(
      [&](const auto& values) -> constant {
        const auto& otherwise = std::get<std::decay_t<decltype(values)>>(how.otherwise.data).front();
        std::decay_t<decltype(values)> out;
        for (const std::size_t at : positions) out.push_back(at < values.size() ? values[at] : otherwise);
        return {{static_cast<std::int64_t>(out.size())}, std::move(out)};
      },
      how.values.data);
}

result<built_node> recode_label(const attribute_reader& node, const value_type& input, const recoding& how) {
  const constant renamed = recode_classes(*input.classes, how);
  built_node built;
  if (renamed.type() == element::text || renamed.type() == element::i64) {
    auto classes = classes_of(node, renamed);
    if (!classes) return tl::make_unexpected(classes.error());
    built.outputs.push_back(label_of(std::move(*classes)));
    return built;
  }
  // Numbers that stand for classes: a look-up by the label's index.
  std::vector<std::int64_t> indices(renamed.size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i);
  built.op = make_recoder({{{}, std::move(indices)}, renamed, how.otherwise});
  built.outputs.push_back({renamed.type(), input.dims, nullptr, false, false});
  return built;
}

// The index that ArgMax gives, [N], to the string of its class: a label. Its keys are 0, 1, ..., one for each column.
result<built_node> label_of_index(const attribute_reader& node, const recoding& how) {
  const auto& keys = std::get<std::vector<std::int64_t>>(how.keys.data);
  std::vector<std::string> names(keys.size());
  std::vector<bool> named(keys.size(), false);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = static_cast<std::size_t>(keys[i]);
    if (keys[i] < 0 || at >= keys.size() || named[at])
      return node.unsupported("its keys are not 0, 1, ..., each once, as an index to be named needs them");
    names[at] = how.values.texts()[i];
    named[at] = true;
  }
  const auto count = static_cast<std::int64_t>(names.size());
  auto classes = classes_of(node, {{count}, std::move(names)});
  if (!classes) return tl::make_unexpected(classes.error());
  built_node built;
  built.op = make_index_of_class(static_cast<std::size_t>(count));
  built.outputs.push_back(label_of(std::move(*classes)));
  return built;
}

result<built_node> recode(const attribute_reader& node, const value_type& input, const recoding& how) {
  const element keys = how.keys.type();
  const bool fits = input.label ? keys == (input.classes->numbers ? element::i64 : element::text) : keys == input.type;
  if (!fits) return node.wrong(fmt::format("its input is {}, its keys are {}", to_string(input), to_string(keys)));
  if (input.label) return recode_label(node, input, how);
  if (keys == element::i64 && input.dims.empty() && how.values.type() == element::text)
    return label_of_index(node, how);
  built_node built;
  built.op = make_recoder(how);
  built.outputs.push_back({how.values.type(), input.dims, nullptr, false, false});
  return built;
}

} // namespace

result<built_node> build_label_encoder(attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto how = read_label_encoder(node, **input);
  if (!how) return tl::make_unexpected(how.error());
  return recode(node, **input, *how);
}

result<built_node> build_category_mapper(attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto how = read_category_mapper(node, **input);
  if (!how) return tl::make_unexpected(how.error());
  return recode(node, **input, *how);
}

} // namespace troupe::model
