// The functions of one number: Relu, Sigmoid, Exp, Abs, Not, ... Floats go through the kernels where those have the
// curve; everything else is a loop over what the standard library computes.
#include "model/operators/activation.hpp"

#include <cmath>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

using kernels::curve;

template <class T, class F> class cellwise final : public operation {
public:
  explicit cellwise(F f)
      : f_(f) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t k = 0; k < in[0].width; ++k) to[k] = f_(from[k]);
    }
  }

private:
  F f_;
};

template <class T, class F> std::unique_ptr<operation> make_cellwise(F f) {
  return std::make_unique<cellwise<T, F>>(f);
}

// f, for float and double.
template <class F> result<built_node> real_function(attribute_reader& node, node_inputs inputs, F f) {
  const auto input = real_operand(node, inputs, 0);
  if (!input) return tl::make_unexpected(input.error());
  auto op = input->type == element::f32 ? make_cellwise<float>(f) : make_cellwise<double>(f);
  return deliver(node, std::move(op), {&*input, 1}, plain(input->type, input->dims));
}

// Whether every number of it is one of 0 to 1.
enum class gives { numbers, probabilities };

// A curve that the kernels have for floats; f for doubles.
template <class F>
result<built_node> curve_function(attribute_reader& node, node_inputs inputs, activation how, F f,
                                  gives what = gives::numbers) {
  const auto input = real_operand(node, inputs, 0);
  if (!input) return tl::make_unexpected(input.error());
  std::unique_ptr<operation> op;
  if (input->type == element::f32)
    op = std::make_unique<activation_step>(how);
  else
    op = make_cellwise<double>(f);
  value_type output = plain(input->type, input->dims);
  output.probabilities = what == gives::probabilities;
  return deliver(node, std::move(op), {&*input, 1}, std::move(output));
}

activation curve_of(curve kind, float slope = 0) {
  activation how;
  how.curve = kind;
  how.slope = slope;
  return how;
}

// f for float, double and int64.
template <class F> result<built_node> number_function(attribute_reader& node, node_inputs inputs, F f) {
  const auto input = number_operand(node, inputs, 0);
  if (!input) return tl::make_unexpected(input.error());
  if (input->type == element::boolean) return node.unsupported("its input 0 is bool, expected numbers");
  auto op = with_number_type(input->type, [&](auto number) { return make_cellwise<decltype(number)>(f); });
  return deliver(node, std::move(op), {&*input, 1}, plain(input->type, input->dims));
}

template <class T> T negated(T x) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(0 - static_cast<std::uint64_t>(x)); // the least integer has no negative: it stays
  else
    return -x;
}

// An attribute that scales a curve.
result<float> finite(attribute_reader& node, std::string_view name, float otherwise) {
  return node.number(name, otherwise);
}

// A bound of Clip: an input of the numbers' type or, before opset 11, an attribute.
template <class T>
result<T> bound_of(attribute_reader& node, node_inputs inputs, std::size_t index, std::string_view name, T otherwise) {
  const auto given = number_of(node, inputs, index, name);
  if (!given) return tl::make_unexpected(given.error());
  if (!*given) return otherwise;
  if (node.has(name)) {
    if (std::is_integral_v<T>) return node.wrong(fmt::format("the attribute {} bounds floats only", name));
    return static_cast<T>(**given);
  }
  if (inputs[index].fixed->type() != element_of<T>())
    return node.wrong(fmt::format("its input {} has the type {}, expected {}", name,
                                  to_string(inputs[index].fixed->type()), to_string(element_of<T>())));
  return inputs[index].fixed->template as<T>()[0];
}

template <class T> T softplus(T x) {
  // The exponent is never positive.
  return std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)));
}

template <class T> T sigmoid(T x) {
  const T e = std::exp(-std::abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

} // namespace

void apply(const activation& how, float* numbers, std::size_t rows, std::size_t width, std::size_t stride) {
  if (how.is_clamp()) {
    for (std::size_t i = 0; i < rows; ++i, numbers += stride)
      for (std::size_t k = 0; k < width; ++k) {
        const float x = numbers[k] < how.low ? how.low : numbers[k];
        numbers[k] = x > how.high ? how.high : x;
      }
    return;
  }
  const auto put = kernels::best().apply;
  if (stride == width) return put(*how.curve, how.slope, numbers, numbers, rows * width);
  for (std::size_t i = 0; i < rows; ++i, numbers += stride) put(*how.curve, how.slope, numbers, numbers, width);
}

void activation_step::run(std::span<const cells_in> in, std::span<const cells_out> out) const {
  const std::size_t width = in[0].width;
  for (std::size_t i = 0; i < in[0].rows; ++i) {
    const float* from = in[0].row<float>(i);
    float* to = out[0].row<float>(i);
    if (how_.curve) {
      kernels::best().apply(*how_.curve, how_.slope, from, to, width);
      continue;
    }
    for (std::size_t k = 0; k < width; ++k) {
      const float x = from[k] < how_.low ? how_.low : from[k];
      to[k] = x > how_.high ? how_.high : x;
    }
  }
}

result<built_node> build_relu(attribute_reader& node, node_inputs inputs) {
  activation how;
  how.low = 0;
  return curve_function(node, inputs, how, [](auto x) { return x < 0 ? 0 : x; });
}

result<built_node> build_leaky_relu(attribute_reader& node, node_inputs inputs) {
  const auto alpha = finite(node, "alpha", 0.01F);
  if (!alpha) return tl::make_unexpected(alpha.error());
  return curve_function(node, inputs, curve_of(curve::leaky_relu, *alpha),
                        [slope = *alpha](double x) { return x < 0 ? static_cast<double>(slope) * x : x; });
}

result<built_node> build_sigmoid(attribute_reader& node, node_inputs inputs) {
  return curve_function(node, inputs, curve_of(curve::sigmoid), sigmoid<double>, gives::probabilities);
}

result<built_node> build_tanh(attribute_reader& node, node_inputs inputs) {
  return curve_function(node, inputs, curve_of(curve::tanh), [](double x) { return std::tanh(x); });
}

result<built_node> build_exp(attribute_reader& node, node_inputs inputs) {
  return curve_function(node, inputs, curve_of(curve::exp), [](double x) { return std::exp(x); });
}

result<built_node> build_log(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::log(x); });
}

result<built_node> build_sqrt(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::sqrt(x); });
}

result<built_node> build_reciprocal(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return 1 / x; });
}

result<built_node> build_floor(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::floor(x); });
}

result<built_node> build_ceil(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::ceil(x); });
}

result<built_node> build_round(attribute_reader& node, node_inputs inputs) {
  // To the even one where two are as near, as ONNX has it and the processor is set.
  return real_function(node, inputs, [](auto x) { return std::nearbyint(x); });
}

result<built_node> build_erf(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::erf(x); });
}

result<built_node> build_softplus(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return softplus(x); });
}

result<built_node> build_softsign(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return x / (1 + std::abs(x)); });
}

result<built_node> build_elu(attribute_reader& node, node_inputs inputs) {
  const auto alpha = finite(node, "alpha", 1);
  if (!alpha) return tl::make_unexpected(alpha.error());
  return real_function(node, inputs,
                       [a = *alpha](auto x) { return x < 0 ? static_cast<decltype(x)>(a) * std::expm1(x) : x; });
}

result<built_node> build_selu(attribute_reader& node, node_inputs inputs) {
  const auto alpha = finite(node, "alpha", 1.67326319217681884765625F);
  if (!alpha) return tl::make_unexpected(alpha.error());
  const auto gamma = finite(node, "gamma", 1.05070102214813232421875F);
  if (!gamma) return tl::make_unexpected(gamma.error());
  return real_function(node, inputs, [a = *alpha, g = *gamma](auto x) {
    using real = decltype(x);
    return static_cast<real>(g) * (x > 0 ? x : static_cast<real>(a) * std::expm1(x));
  });
}

result<built_node> build_hard_sigmoid(attribute_reader& node, node_inputs inputs) {
  const auto alpha = finite(node, "alpha", 0.2F);
  if (!alpha) return tl::make_unexpected(alpha.error());
  const auto beta = finite(node, "beta", 0.5F);
  if (!beta) return tl::make_unexpected(beta.error());
  return real_function(node, inputs, [a = *alpha, b = *beta](auto x) {
    using real = decltype(x);
    const real y = static_cast<real>(a) * x + static_cast<real>(b);
    return y < 0 ? real{0} : y > 1 ? real{1} : y;
  });
}

result<built_node> build_sin(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::sin(x); });
}

result<built_node> build_cos(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::cos(x); });
}

result<built_node> build_tan(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::tan(x); });
}

result<built_node> build_atan(attribute_reader& node, node_inputs inputs) {
  return real_function(node, inputs, [](auto x) { return std::atan(x); });
}

result<built_node> build_neg(attribute_reader& node, node_inputs inputs) {
  return number_function(node, inputs, [](auto x) { return negated(x); });
}

result<built_node> build_abs(attribute_reader& node, node_inputs inputs) {
  return number_function(node, inputs, [](auto x) { return x > 0 ? x : negated(x); });
}

result<built_node> build_sign(attribute_reader& node, node_inputs inputs) {
  return number_function(node, inputs, [](auto x) {
    using number = decltype(x);
    return static_cast<number>(x > 0 ? number{1} : x < 0 ? static_cast<number>(-1) : number{0});
  });
}

result<built_node> build_not(attribute_reader& node, node_inputs inputs) {
  const auto input = number_operand(node, inputs, 0);
  if (!input) return tl::make_unexpected(input.error());
  if (input->type != element::boolean) return node.wrong("its input 0 is not bool");
  auto op = make_cellwise<std::uint8_t>([](std::uint8_t x) { return static_cast<std::uint8_t>(x == 0); });
  return deliver(node, std::move(op), {&*input, 1}, plain(element::boolean, input->dims));
}

result<built_node> build_clip(attribute_reader& node, node_inputs inputs) {
  const auto input = number_operand(node, inputs, 0);
  if (!input) return tl::make_unexpected(input.error());
  if (input->type == element::boolean) return node.unsupported("its input 0 is bool, expected numbers");
  return with_number_type(input->type, [&](auto number) -> result<built_node> {
    using type = decltype(number);
    using bounds = std::numeric_limits<type>;
    const auto low = bound_of<type>(node, inputs, 1, "min", bounds::has_infinity ? -bounds::infinity() : bounds::min());
    if (!low) return tl::make_unexpected(low.error());
    const auto high = bound_of<type>(node, inputs, 2, "max", bounds::has_infinity ? bounds::infinity() : bounds::max());
    if (!high) return tl::make_unexpected(high.error());
    std::unique_ptr<operation> op;
    if constexpr (std::is_same_v<type, float>) {
      activation how;
      how.low = *low;
      how.high = *high;
      op = std::make_unique<activation_step>(how);
    } else {
      op = make_cellwise<type>([l = *low, h = *high](type x) {
        const type above = x < l ? l : x;
        return above > h ? h : above;
      });
    }
    return deliver(node, std::move(op), {&*input, 1}, plain(input->type, input->dims));
  });
}

} // namespace troupe::model
