// BatchNormalization as it is after training: each channel times a factor, plus a term.
#include <cmath>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

class by_channel final : public cellwise_linear {
public:
  by_channel(std::vector<double> factors, std::vector<double> terms, std::size_t pixels)
      : factors_(std::move(factors))
      , terms_(std::move(terms))
      , pixels_(pixels) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    if (in[0].type == element::f32)
      rows<float>(in[0], out[0]);
    else
      rows<double>(in[0], out[0]);
  }
  double factor(std::size_t i) const override { return factors_[i / pixels_]; }
  double term(std::size_t i) const override { return terms_[i / pixels_]; }
  std::size_t cells() const override { return factors_.size() * pixels_; }

private:
  template <class T> void rows(const cells_in& in, const cells_out& out) const {
    for (std::size_t i = 0; i < in.rows; ++i) {
      const T* from = in.row<T>(i);
      T* to = out.row<T>(i);
      for (std::size_t c = 0; c < factors_.size(); ++c)
        for (std::size_t k = 0; k < pixels_; ++k, ++from, ++to)
          *to = static_cast<T>(static_cast<double>(*from) * factors_[c] + terms_[c]);
    }
  }
  std::vector<double> factors_, terms_;
  std::size_t pixels_;
};

// scale, B, mean or var: one number a channel.
result<std::vector<double>> per_channel(const attribute_reader& node, node_inputs inputs, std::size_t index,
                                        std::string_view name, std::size_t channels) {
  const auto input = fixed_value(node, inputs, index, name);
  if (!input) return tl::make_unexpected(input.error());
  if (!(*input)->is_number() || (*input)->dims.size() != 1 || (*input)->size() != channels)
    return node.wrong(fmt::format("its input {} must be {} numbers", name, channels));
  return (*input)->as<double>();
}

} // namespace

result<built_node> build_batch_normalization(attribute_reader& node, node_inputs inputs) {
  const auto from = real_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  if (!of_the_row(*from) || from->dims.empty()) return node.unsupported("expected a value of the row with channels");
  const auto epsilon = node.number("epsilon", 1e-5F);
  if (!epsilon) return tl::make_unexpected(epsilon.error());
  if (const auto momentum = node.number("momentum", 0.9F); !momentum) return tl::make_unexpected(momentum.error());
  const auto spatial = node.flag("spatial");
  if (!spatial) return tl::make_unexpected(spatial.error());
  const auto training = node.flag("training_mode");
  if (!training) return tl::make_unexpected(training.error());
  if (*training || !*spatial) return node.unsupported("only training_mode 0 and spatial 1 are supported");
  const auto channels = static_cast<std::size_t>(from->dims[0]);
  std::array<std::vector<double>, 4> numbers;
  constexpr std::array names{"scale", "B", "mean", "var"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto read = per_channel(node, inputs, i + 1, names[i], channels);
    if (!read) return tl::make_unexpected(read.error());
    numbers[i] = std::move(*read);
  }
  std::vector<double> factors, terms;
  for (std::size_t c = 0; c < channels; ++c) {
    const double variance = numbers[3][c] + static_cast<double>(*epsilon);
    if (!(variance > 0)) return node.wrong(fmt::format("var[{}] + epsilon is {}, expected more than 0", c, variance));
    factors.push_back(numbers[0][c] / std::sqrt(variance));
    terms.push_back(numbers[1][c] - numbers[2][c] * factors.back());
  }
  auto op = std::make_unique<by_channel>(std::move(factors), std::move(terms), from->width() / channels);
  return deliver(node, std::move(op), {&*from, 1}, plain(from->type, from->dims));
}

} // namespace troupe::model
