// OneHotEncoder: each cell becomes as many as there are categories, one of them 1. Numbers are cut to integers first,
// as onnxruntime does it. With zeros=0 an unknown category is an error there; here its cells become NaN, which makes
// the result of that row NaN and the row a dead letter, while its neighbours are scored.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "model/operators/lookup.hpp"
#include "model/operators/operator.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t unknown = static_cast<std::size_t>(-1);

// `Find`: the category of a cell, or `unknown`.
template <class Cell, class Find> class one_hot final : public operation {
public:
  one_hot(Find find, std::size_t categories, bool zeros)
      : find_(std::move(find))
      , categories_(categories)
      , otherwise_(zeros ? 0 : std::numeric_limits<float>::quiet_NaN()) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const Cell* cell = in[0].row<Cell>(i);
      float* to = out[0].row<float>(i);
      for (std::size_t k = 0; k < in[0].width; ++k, to += categories_) {
        const std::size_t category = find_(cell[k]);
        std::fill_n(to, categories_, category == unknown ? otherwise_ : 0.f);
        if (category != unknown) to[category] = 1;
      }
    }
  }

private:
  Find find_;
  std::size_t categories_;
  float otherwise_;
};

struct find_text {
  lookup<std::string_view> categories;
  std::size_t operator()(std::string_view cell) const { return categories.find(cell); }
};

struct find_integer {
  lookup<std::int64_t> categories;
  std::size_t operator()(std::int64_t cell) const { return categories.find(cell); }
  std::size_t operator()(double cell) const {
    // NaN is not less than anything.
    return std::abs(cell) < 9.2e18 ? categories.find(static_cast<std::int64_t>(cell)) : unknown;
  }
  std::size_t operator()(float cell) const { return (*this)(static_cast<double>(cell)); }
};

struct find_class {
  std::vector<std::size_t> categories; // of each class
  std::size_t operator()(std::int64_t label) const { return categories[static_cast<std::size_t>(label)]; }
};

template <class Cell, class Find> std::unique_ptr<operation> make(Find find, std::size_t categories, bool zeros) {
  return std::make_unique<one_hot<Cell, Find>>(std::move(find), categories, zeros);
}

template <class T> bool has_twice(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) != values.end();
}

std::unique_ptr<operation> make_for(const value_type& input, const std::vector<std::int64_t>& integers,
                                    const std::vector<std::string>& texts, bool zeros) {
  const std::size_t count = std::max(integers.size(), texts.size());
  if (input.label) {
    std::vector<std::string> names = texts;
    for (const std::int64_t integer : integers) names.push_back(std::to_string(integer));
    const lookup<std::string_view> categories{std::move(names)};
    find_class find;
    for (const std::string& name : input.classes->names) find.categories.push_back(categories.find(name));
    return make<std::int64_t>(std::move(find), count, zeros);
  }
  if (input.type == element::text)
    return make<std::string_view>(find_text{lookup<std::string_view>{texts}}, count, zeros);
  find_integer find{lookup<std::int64_t>{integers}};
  if (input.type == element::i64) return make<std::int64_t>(std::move(find), count, zeros);
  if (input.type == element::f64) return make<double>(std::move(find), count, zeros);
  return make<float>(std::move(find), count, zeros);
}

} // namespace

result<built_node> build_one_hot_encoder(attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto integers = node.integers("cats_int64s");
  if (!integers) return tl::make_unexpected(integers.error());
  const auto texts = node.strings("cats_strings");
  if (!texts) return tl::make_unexpected(texts.error());
  const auto zeros = node.flag("zeros");
  if (!zeros) return tl::make_unexpected(zeros.error());
  if (integers->empty() == texts->empty())
    return node.wrong("expected categories in one of cats_int64s and cats_strings");
  if (has_twice(*integers)) return node.wrong("cats_int64s has a category twice");
  if (has_twice(*texts)) return node.wrong("cats_strings has a category twice");
  const value_type& type = **input;
  const bool is_text = type.label ? !type.classes->numbers : type.type == element::text;
  if (is_text != integers->empty() || type.type == element::boolean || type.dims.size() > 1)
    return node.wrong(fmt::format("its input is {}, its categories are {}", to_string(type),
                                  integers->empty() ? "strings" : "integers"));
  const std::size_t count = std::max(integers->size(), texts->size());
  built_node built;
  built.op = make_for(type, *integers, *texts, *zeros);
  value_type output{element::f32, type.dims, nullptr, false, false};
  output.dims.push_back(static_cast<std::int64_t>(count));
  built.outputs.push_back(std::move(output));
  return built;
}

} // namespace troupe::model
