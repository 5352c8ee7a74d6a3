// SVMRegressor as onnxruntime computes it: one target; post_transform is not applied, whatever it says.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/post_transform.hpp"
#include "model/operators/svm.hpp"

namespace troupe::model {
namespace {

class svm_regressor final : public operation {
public:
  svm_regressor(std::unique_ptr<svm_decisions> decisions, bool one_class)
      : decisions_(std::move(decisions))
      , one_class_(one_class) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    constexpr std::size_t step = kernel_machine::rows_at_once;
    double values[step];
    for (std::size_t first = 0; first < in[0].rows; first += step) {
      const std::size_t rows = std::min(step, in[0].rows - first);
      decisions_->run(in[0], first, rows, values);
      for (std::size_t i = 0; i < rows; ++i) *out[0].row<float>(first + i) = result_of(static_cast<float>(values[i]));
    }
  }

private:
  float result_of(float value) const {
    if (!one_class_ || std::isnan(value)) return value;
    return value > 0 ? 1.f : -1.f;
  }

  std::unique_ptr<svm_decisions> decisions_;
  bool one_class_;
};

} // namespace

result<built_node> build_svm_regressor(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto count = node.integer("n_supports", 0);
  if (!count) return tl::make_unexpected(count.error());
  const auto weights = node.floats("coefficients");
  if (!weights) return tl::make_unexpected(weights.error());
  const auto vectors = node.floats("support_vectors");
  if (!vectors) return tl::make_unexpected(vectors.error());
  const auto rho = node.floats("rho");
  if (!rho) return tl::make_unexpected(rho.error());
  const auto one_class = node.flag("one_class");
  if (!one_class) return tl::make_unexpected(one_class.error());
  const auto setup = read_svm_kernel(node, *count == 0);
  if (!setup) return tl::make_unexpected(setup.error());
  if (const auto post = read_post_transform(node); !post) return tl::make_unexpected(post.error());

  const std::size_t width = (*input)->width();
  const std::size_t expected = *count > 0 ? static_cast<std::size_t>(*count) : width;
  if (*count < 0 || weights->size() != expected)
    return node.wrong(fmt::format("coefficients has {} entries, n_supports is {}, the input has {} columns",
                                  weights->size(), *count, width));
  if (rho->size() != 1) return node.wrong(fmt::format("rho has {} entries, expected one", rho->size()));
  if (*count > 0 && (vectors->size() / expected != width || vectors->size() % expected != 0))
    return node.wrong(fmt::format("support_vectors has {} entries, expected {} vectors x {} inputs", vectors->size(),
                                  expected, width));
  if (auto ok = node.charge(decision_bytes(*setup, vectors->size(), width, 1)); !ok)
    return tl::make_unexpected(ok.error());
  built_node built;
  auto decisions = *count > 0 ? one_decision(*setup, *vectors, width, *weights, rho->front())
                              : linear_decisions(*weights, width, rho->front());
  built.op = std::make_unique<svm_regressor>(std::move(decisions), *one_class);
  built.outputs.push_back(numbers_of(1));
  return built;
}

} // namespace troupe::model
