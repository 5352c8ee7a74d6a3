// Softmax and LogSoftmax: over one dimension since opset 13, over everything from one on before.
#include <cmath>

#include <fmt/format.h>

#include "model/kernels/kernels.hpp"
#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// `inner` numbers apart, `size` of them, `outer` times over.
struct groups {
  std::size_t outer = 1, size = 1, inner = 1;
};

class softmax_of_floats final : public operation {
public:
  softmax_of_floats(groups of, bool logarithm)
      : of_(of)
      , logarithm_(logarithm) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    const auto softmax = kernels::best().softmax;
    for (std::size_t i = 0; i < in[0].rows; ++i)
      for (std::size_t o = 0; o < of_.outer; ++o)
        softmax(in[0].row<float>(i) + o * of_.size, out[0].row<float>(i) + o * of_.size, of_.size, logarithm_);
  }

private:
  groups of_;
  bool logarithm_;
};

// Doubles, and numbers that do not lie side by side.
template <class T> class softmax_apart final : public operation {
public:
  softmax_apart(groups of, bool logarithm)
      : of_(of)
      , logarithm_(logarithm) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i)
      for (std::size_t o = 0; o < of_.outer; ++o)
        for (std::size_t k = 0; k < of_.inner; ++k) {
          const std::size_t begin = o * of_.size * of_.inner + k;
          one(in[0].row<T>(i) + begin, out[0].row<T>(i) + begin);
        }
  }

private:
  void one(const T* from, T* to) const {
    T largest = from[0];
    for (std::size_t i = 0; i < of_.size; ++i) largest = std::max(largest, from[i * of_.inner]);
    T sum = 0;
    for (std::size_t i = 0; i < of_.size; ++i) {
      const T shifted = from[i * of_.inner] - largest;
      const T raised = std::exp(shifted);
      sum += raised;
      to[i * of_.inner] = logarithm_ ? shifted : raised;
    }
    const T log_sum = std::log(sum);
    for (std::size_t i = 0; i < of_.size; ++i) {
      T& x = to[i * of_.inner];
      x = logarithm_ ? x - log_sum : x / sum;
    }
  }
  groups of_;
  bool logarithm_;
};

result<built_node> build(attribute_reader& node, node_inputs inputs, bool logarithm) {
  const auto from = real_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const bool one_dimension = node.opset() >= 13;
  const auto given = node.integer("axis", one_dimension ? -1 : 1);
  if (!given) return tl::make_unexpected(given.error());
  const auto axis = axis_of(node, *from, *given);
  if (!axis) return tl::make_unexpected(axis.error());
  groups of;
  for (std::size_t i = 0; i < from->dims.size(); ++i) {
    const bool inside = i == *axis || (!one_dimension && i > *axis);
    (i < *axis ? of.outer : inside ? of.size : of.inner) *= static_cast<std::size_t>(from->dims[i]);
  }
  if (of.size == 0) return node.wrong("its input is empty");
  std::unique_ptr<operation> op;
  if (from->type == element::f64)
    op = std::make_unique<softmax_apart<double>>(of, logarithm);
  else if (of.inner > 1)
    op = std::make_unique<softmax_apart<float>>(of, logarithm);
  else
    op = std::make_unique<softmax_of_floats>(of, logarithm);
  value_type output = plain(from->type, from->dims);
  output.probabilities = !logarithm;
  return deliver(node, std::move(op), {&*from, 1}, std::move(output));
}

} // namespace

result<built_node> build_softmax(attribute_reader& node, node_inputs inputs) { return build(node, inputs, false); }
result<built_node> build_log_softmax(attribute_reader& node, node_inputs inputs) { return build(node, inputs, true); }

} // namespace troupe::model
