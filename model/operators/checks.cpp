// What several operators ask of their inputs, and the conversion that the graph builder puts before those that want
// floats.
#include <numeric>

#include <fmt/format.h>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

template <class From, class To> class conversion final : public operation {
public:
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const From* from = in[0].row<From>(i);
      To* to = out[0].row<To>(i);
      for (std::size_t k = 0; k < in[0].width; ++k) {
        if constexpr (element_of<To>() == element::boolean)
          to[k] = from[k] != From{};
        else
          to[k] = to_number(from[k]);
      }
    }
  }

private:
  // A float that no integer can hold has no defined conversion in C++; it becomes the nearest there is, NaN becomes 0.
  static To to_number(From value) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      if (!(value == value)) return 0;
      constexpr auto limit = static_cast<From>(9.2e18);
      if (value > limit) return std::numeric_limits<To>::max();
      if (value < -limit) return std::numeric_limits<To>::min();
    }
    return static_cast<To>(value);
  }
};

template <class From> std::unique_ptr<operation> conversion_from(element to) {
  switch (to) {
  case element::f32:
    return std::make_unique<conversion<From, float>>();
  case element::f64:
    return std::make_unique<conversion<From, double>>();
  case element::i64:
    return std::make_unique<conversion<From, std::int64_t>>();
  default:
    return std::make_unique<conversion<From, std::uint8_t>>();
  }
}

} // namespace

std::string_view to_string(element type) {
  switch (type) {
  case element::f32:
    return "float";
  case element::f64:
    return "double";
  case element::i64:
    return "int64";
  case element::boolean:
    return "bool";
  case element::text:
    break;
  }
  return "string";
}

std::size_t value_type::width() const {
  return std::accumulate(dims.begin(), dims.end(), std::size_t{1},
                         [](std::size_t all, std::int64_t one) { return all * static_cast<std::size_t>(one); });
}

value_type numbers_of(std::size_t width) {
  return {element::f32, {static_cast<std::int64_t>(width)}, {}, false, false};
}

value_type label_of(std::shared_ptr<const class_list> classes) {
  return {element::i64, {}, std::move(classes), true, false};
}

std::string to_string(const value_type& type) {
  if (type.label) return "a label";
  std::string text = std::string{to_string(type.type)} + " [N";
  for (const std::int64_t size : type.dims) text += ", " + std::to_string(size);
  return text + "]";
}

std::unique_ptr<operation> operation::fused_with(const operation&) const { return nullptr; }

std::unique_ptr<operation> make_conversion(element from, element to) {
  switch (from) {
  case element::f32:
    return conversion_from<float>(to);
  case element::f64:
    return conversion_from<double>(to);
  case element::i64:
    return conversion_from<std::int64_t>(to);
  default:
    return conversion_from<std::uint8_t>(to);
  }
}

result<const value_type*> row_value(const attribute_reader& node, node_inputs inputs, std::size_t index) {
  if (index < inputs.size() && inputs[index].value != nullptr) return inputs[index].value;
  return node.unsupported(fmt::format("its input {} is a constant, expected a value of the row", index));
}

result<const value_type*> row_floats(const attribute_reader& node, node_inputs inputs, std::size_t index) {
  const auto input = row_value(node, inputs, index);
  if (!input) return input;
  if ((*input)->type != element::f32 || (*input)->dims.size() > 1)
    return node.wrong(fmt::format("its input {} is {}, expected numbers [N, columns]", index, to_string(**input)));
  return input;
}

result<const constant*> fixed_value(const attribute_reader& node, node_inputs inputs, std::size_t index,
                                    std::string_view name) {
  if (index < inputs.size() && inputs[index].fixed != nullptr) return inputs[index].fixed;
  if (index >= inputs.size() || inputs[index].absent()) return node.wrong(fmt::format("its input {} is missing", name));
  return node.unsupported(fmt::format("its input {} is computed from the row, only a constant is supported", name));
}

result<std::size_t> row_axis(const attribute_reader& node, const value_type& value, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(value.dims.size()) + 1;
  const std::int64_t from_front = axis < 0 ? axis + rank : axis;
  if (from_front < 0 || from_front >= rank)
    return node.wrong(fmt::format("axis {} is outside of {}", axis, to_string(value)));
  if (from_front == 0)
    return node.unsupported(fmt::format("axis {} is the batch: rows are independent of each other", axis));
  return static_cast<std::size_t>(from_front - 1);
}

} // namespace troupe::model
