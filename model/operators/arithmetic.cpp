// Add, Sub, Mul, Div, Pow, comparisons, And, Or, Xor, Min, Max, Sum, Mean and Where: what is computed cell by cell of
// two values that broadcast to one shape.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/cell_walk.hpp"

namespace troupe::model {
namespace {

template <class T, class R, class F> class of_two final : public operation {
public:
  of_two(cell_walk how, std::vector<source<T>> from, F f)
      : walk_(std::move(how))
      , left_(std::move(from[0]))
      , right_(std::move(from[1]))
      , f_(f) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    const std::size_t left_step = walk_.steps()[0];
    const std::size_t right_step = walk_.steps()[1];
    for (std::size_t i = 0; i < out[0].rows; ++i) {
      const T* left = left_.at(in, i);
      const T* right = right_.at(in, i);
      R* to = out[0].row<R>(i);
      walk_.runs([&](std::size_t count, const auto& at, std::size_t begin) {
        loop(count, left + at[0], left_step, right + at[1], right_step, to + begin);
      });
    }
  }

private:
  void loop(std::size_t count, const T* l, std::size_t l_step, const T* r, std::size_t r_step, R* to) const {
    if (l_step == 1 && r_step == 1)
      for (std::size_t k = 0; k < count; ++k) to[k] = f_(l[k], r[k]);
    else if (l_step == 1)
      for (std::size_t k = 0; k < count; ++k) to[k] = f_(l[k], *r);
    else if (r_step == 1)
      for (std::size_t k = 0; k < count; ++k) to[k] = f_(*l, r[k]);
    else
      std::fill(to, to + count, f_(*l, *r));
  }
  cell_walk walk_;
  source<T> left_, right_;
  F f_;
};

struct pair_of_inputs {
  std::array<operand, 2> inputs;
  broadcast shapes;
};

result<pair_of_inputs> read_pair(const attribute_reader& node, node_inputs inputs) {
  pair_of_inputs out;
  for (std::size_t i = 0; i < 2; ++i) {
    auto input = number_operand(node, inputs, i);
    if (!input) return tl::make_unexpected(input.error());
    out.inputs[i] = std::move(*input);
  }
  if (out.inputs[0].type != out.inputs[1].type)
    return node.wrong(fmt::format("its inputs have the types {} and {}", to_string(out.inputs[0].type),
                                  to_string(out.inputs[1].type)));
  auto shapes = broadcast_of(node, out.inputs[0], out.inputs[1]);
  if (!shapes) return tl::make_unexpected(shapes.error());
  out.shapes = std::move(*shapes);
  return out;
}

template <class T, class R, class F> std::unique_ptr<operation> make_of_two(const pair_of_inputs& from, F f) {
  const std::array shapes{from.shapes.left, from.shapes.right};
  return std::make_unique<of_two<T, R, F>>(cell_walk{from.shapes.dims, shapes}, sources_of<T>(from.inputs), f);
}

// ---- numbers to numbers ----

// Integers wrap around; a division by 0 gives 0. Floats do as they do.
struct add {
  static constexpr bool takes_integers = true;
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    return a + b;
  }
};
struct subtract {
  static constexpr bool takes_integers = true;
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
    return a - b;
  }
};
struct multiply {
  static constexpr bool takes_integers = true;
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    return a * b;
  }
};
struct divide {
  static constexpr bool takes_integers = true;
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if (b == static_cast<T>(-1)) return subtract{}(T{0}, a); // the least integer by -1 has no room
    }
    return a / b;
  }
};
struct power {
  static constexpr bool takes_integers = false;
  template <class T> T operator()(T a, T b) const {
    if (b == 2) return a * a;
    if (b == T(0.5)) return std::sqrt(a);
    return std::pow(a, b);
  }
};
template <class F>
result<std::unique_ptr<operation>> make_arithmetic(const attribute_reader& node, const pair_of_inputs& from) {
  using made = std::unique_ptr<operation>;
  switch (from.inputs[0].type) {
  case element::f32:
    return made{make_of_two<float, float>(from, F{})};
  case element::f64:
    return made{make_of_two<double, double>(from, F{})};
  case element::i64:
    if constexpr (F::takes_integers) return made{make_of_two<std::int64_t, std::int64_t>(from, F{})};
    break;
  default:
    break;
  }
  return node.unsupported(fmt::format("its inputs have the type {}", to_string(from.inputs[0].type)));
}

// Floats of a row with a constant for each: the shape that most models have, and that linear maps take in.
template <class F> class with_constants final : public cellwise_linear {
public:
  with_constants(std::vector<float> fixed, bool fixed_first)
      : fixed_(std::move(fixed))
      , fixed_first_(fixed_first) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const float* from = in[0].row<float>(i);
      float* to = out[0].row<float>(i);
      if (fixed_first_)
        for (std::size_t k = 0; k < fixed_.size(); ++k) to[k] = F{}(fixed_[k], from[k]);
      else
        for (std::size_t k = 0; k < fixed_.size(); ++k) to[k] = F{}(from[k], fixed_[k]);
    }
  }
  double factor(std::size_t i) const override {
    if (std::is_same_v<F, multiply>) return fixed_[i];
    if (std::is_same_v<F, divide>) return 1 / static_cast<double>(fixed_[i]);
    return std::is_same_v<F, subtract> && fixed_first_ ? -1 : 1;
  }
  double term(std::size_t i) const override {
    if (std::is_same_v<F, add>) return fixed_[i];
    if (std::is_same_v<F, subtract>)
      return fixed_first_ ? static_cast<double>(fixed_[i]) : -static_cast<double>(fixed_[i]);
    return 0;
  }
  std::size_t cells() const override { return fixed_.size(); }

private:
  std::vector<float> fixed_;
  bool fixed_first_;
};

// nullptr: the inputs are of another shape or type.
template <class F> std::unique_ptr<operation> make_with_constants(const pair_of_inputs& from) {
  const std::size_t fixed = of_the_row(from.inputs[0]) ? 1 : 0;
  const operand& row = from.inputs[1 - fixed];
  if (of_the_row(from.inputs[fixed]) || !of_the_row(row) || row.type != element::f32 || row.dims != from.shapes.dims)
    return nullptr;
  if (fixed == 0 && std::is_same_v<F, divide>) return nullptr;
  const auto numbers = from.inputs[fixed].fixed->as<float>();
  const shape& dims = fixed == 0 ? from.shapes.left : from.shapes.right;
  std::vector<float> all;
  for (const std::uint32_t cell : cells_at(row.dims, broadcast_strides(dims, row.dims))) all.push_back(numbers[cell]);
  if (std::is_same_v<F, divide> && std::find(all.begin(), all.end(), 0.0F) != all.end()) return nullptr;
  return std::make_unique<with_constants<F>>(std::move(all), fixed == 0);
}

// Whether it is 1 minus probabilities.
bool is_complement(const pair_of_inputs& from) {
  return of_the_row(from.inputs[1]) && !of_the_row(from.inputs[0]) && from.inputs[1].value->probabilities &&
         from.inputs[0].width() == 1 && from.inputs[0].fixed->as<double>()[0] == 1;
}

template <class F> result<built_node> build_arithmetic(attribute_reader& node, node_inputs inputs) {
  const auto pair = read_pair(node, inputs);
  if (!pair) return tl::make_unexpected(pair.error());
  value_type output = plain(pair->inputs[0].type, pair->shapes.dims);
  output.probabilities = std::is_same_v<F, subtract> && is_complement(*pair);
  if constexpr (!std::is_same_v<F, power>)
    if (auto op = make_with_constants<F>(*pair)) return deliver(node, std::move(op), pair->inputs, std::move(output));
  auto op = make_arithmetic<F>(node, *pair);
  if (!op) return tl::make_unexpected(op.error());
  return deliver(node, std::move(*op), pair->inputs, std::move(output));
}

// ---- to booleans ----

struct equal {
  template <class T> std::uint8_t operator()(T a, T b) const { return a == b; }
};
struct less {
  template <class T> std::uint8_t operator()(T a, T b) const { return a < b; }
};
struct less_or_equal {
  template <class T> std::uint8_t operator()(T a, T b) const { return a <= b; }
};
struct greater {
  template <class T> std::uint8_t operator()(T a, T b) const { return a > b; }
};
struct greater_or_equal {
  template <class T> std::uint8_t operator()(T a, T b) const { return a >= b; }
};

template <class F> result<built_node> build_comparison(attribute_reader& node, node_inputs inputs) {
  const auto pair = read_pair(node, inputs);
  if (!pair) return tl::make_unexpected(pair.error());
  if (pair->inputs[0].type == element::boolean && !std::is_same_v<F, equal>)
    return node.unsupported("its inputs are bool, expected numbers");
  auto op = with_number_type(pair->inputs[0].type,
                             [&](auto number) { return make_of_two<decltype(number), std::uint8_t>(*pair, F{}); });
  return deliver(node, std::move(op), pair->inputs, plain(element::boolean, pair->shapes.dims));
}

template <class F> result<built_node> build_logic(attribute_reader& node, node_inputs inputs, F f) {
  const auto pair = read_pair(node, inputs);
  if (!pair) return tl::make_unexpected(pair.error());
  if (pair->inputs[0].type != element::boolean)
    return node.wrong(fmt::format("its inputs have the type {}, expected bool", to_string(pair->inputs[0].type)));
  return deliver(node, make_of_two<std::uint8_t, std::uint8_t>(*pair, f), pair->inputs,
                 plain(element::boolean, pair->shapes.dims));
}

} // namespace

result<built_node> build_add(attribute_reader& node, node_inputs inputs) { return build_arithmetic<add>(node, inputs); }
result<built_node> build_sub(attribute_reader& node, node_inputs inputs) {
  return build_arithmetic<subtract>(node, inputs);
}
result<built_node> build_mul(attribute_reader& node, node_inputs inputs) {
  return build_arithmetic<multiply>(node, inputs);
}
result<built_node> build_div(attribute_reader& node, node_inputs inputs) {
  return build_arithmetic<divide>(node, inputs);
}

result<built_node> build_pow(attribute_reader& node, node_inputs inputs) {
  // The exponent may be an integer where the base is a float.
  std::optional<constant> exponent;
  std::array<node_input, 2> both{inputs[0], inputs[1]};
  const auto base = real_operand(node, inputs, 0);
  if (!base) return tl::make_unexpected(base.error());
  if (const constant* fixed = inputs[1].fixed; fixed != nullptr && fixed->is_number() && fixed->type() != base->type) {
    exponent = constant{fixed->dims, {}};
    if (base->type == element::f32)
      exponent->data = fixed->as<float>();
    else
      exponent->data = fixed->as<double>();
    both[1].fixed = &*exponent;
  }
  return build_arithmetic<power>(node, both);
}

result<built_node> build_equal(attribute_reader& node, node_inputs inputs) {
  return build_comparison<equal>(node, inputs);
}
result<built_node> build_less(attribute_reader& node, node_inputs inputs) {
  return build_comparison<less>(node, inputs);
}
result<built_node> build_less_or_equal(attribute_reader& node, node_inputs inputs) {
  return build_comparison<less_or_equal>(node, inputs);
}
result<built_node> build_greater(attribute_reader& node, node_inputs inputs) {
  return build_comparison<greater>(node, inputs);
}
result<built_node> build_greater_or_equal(attribute_reader& node, node_inputs inputs) {
  return build_comparison<greater_or_equal>(node, inputs);
}
result<built_node> build_and(attribute_reader& node, node_inputs inputs) {
  return build_logic(node, inputs, [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a & b); });
}
result<built_node> build_or(attribute_reader& node, node_inputs inputs) {
  return build_logic(node, inputs, [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a | b); });
}
result<built_node> build_xor(attribute_reader& node, node_inputs inputs) {
  return build_logic(node, inputs, [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
}

} // namespace troupe::model
