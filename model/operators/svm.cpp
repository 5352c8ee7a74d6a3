#include "model/operators/svm.hpp"

#include <fmt/format.h>

namespace troupe::model {
namespace {

class linear_map_decisions final : public svm_decisions {
public:
  explicit linear_map_decisions(linear_map map)
      : map_(std::move(map)) {}
  std::size_t count() const override { return map_.outputs(); }
  void run(const cells_in& x, std::size_t first, std::size_t rows, double* out) const override {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t k = 0; k < map_.outputs(); ++k) *out++ = map_.at(x.row<float>(first + i), k);
  }

private:
  linear_map map_;
};

// Pairs of groups; or a single group, which has one number.
class kernel_decisions final : public svm_decisions {
public:
  kernel_decisions(kernel_machine machine, const std::vector<float>& rho)
      : machine_(std::move(machine))
      , rho_(rho.begin(), rho.end()) {}
  std::size_t count() const override { return rho_.size(); }
  void run(const cells_in& x, std::size_t first, std::size_t rows, double* out) const override {
    const std::size_t groups = machine_.groups();
    const std::size_t lists = machine_.lists();
    thread_local std::vector<double> sums;
    sums.resize(kernel_machine::rows_at_once * groups * lists);
    machine_.sums(x, first, rows, sums.data());
    for (std::size_t row = 0; row < rows; ++row, out += rho_.size()) {
      const double* of_row = sums.data() + row * groups * lists;
      if (groups == 1) {
        out[0] = of_row[0] + rho_[0];
        continue;
      }
      std::size_t pair = 0;
      for (std::size_t i = 0; i < groups; ++i)
        for (std::size_t j = i + 1; j < groups; ++j, ++pair)
          out[pair] = of_row[i * lists + j - 1] + of_row[j * lists + i] + rho_[pair];
    }
  }

private:
  kernel_machine machine_;
  std::vector<double> rho_;
};

// Adds weight x vector of the vectors [begin, end) to `sum`.
void add_vectors(std::span<double> sum, const std::vector<float>& vectors, const float* weights, std::size_t begin,
                 std::size_t end) {
  const std::size_t width = sum.size();
  for (std::size_t i = begin; i < end; ++i)
    for (std::size_t feature = 0; feature < width; ++feature)
      sum[feature] += static_cast<double>(weights[i]) * static_cast<double>(vectors[i * width + feature]);
}

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

} // namespace

result<svm_kernel_setup> read_svm_kernel(attribute_reader& node, bool always_linear) {
  const auto mode = node.mode("kernel_type");
  if (!mode) return tl::make_unexpected(mode.error());
  const auto parameters = node.floats("kernel_params");
  if (!parameters) return tl::make_unexpected(parameters.error());
  svm_kernel_setup setup;
  setup.kernel = static_cast<svm_kernel>(*mode);
  if (always_linear) setup.kernel = svm_kernel::linear;
  if (setup.kernel == svm_kernel::linear && parameters->empty()) return setup;
  if (parameters->size() != 3)
    return node.wrong(fmt::format("kernel_params has {} entries, expected gamma, coef0, degree", parameters->size()));
  setup.gamma = (*parameters)[0];
  setup.coef0 = (*parameters)[1];
  setup.degree = (*parameters)[2];
  if (setup.kernel == svm_kernel::rbf && setup.gamma < 0)
    return node.wrong(fmt::format("kernel_params[0], gamma, is {}, below 0", setup.gamma));
  return setup;
}

std::size_t decision_bytes(const svm_kernel_setup& setup, std::size_t vector_cells, std::size_t width,
                           std::size_t decisions) {
  if (setup.kernel == svm_kernel::linear) return decisions * width * sizeof(double);
  return (vector_cells + kernels::vector_block * width) * sizeof(float);
}

std::unique_ptr<svm_decisions> one_decision(svm_kernel_setup setup, const std::vector<float>& vectors,
                                            std::size_t width, const std::vector<float>& weights, float rho) {
  if (setup.kernel != svm_kernel::linear)
    return std::make_unique<kernel_decisions>(kernel_machine{setup, vectors, width, {0, weights.size()}, weights},
                                              std::vector<float>{rho});
  std::vector<double> sum(width, 0);
  add_vectors(sum, vectors, weights.data(), 0, weights.size());
  return std::make_unique<linear_map_decisions>(linear_map{std::move(sum), doubles({rho}), width});
}

std::unique_ptr<svm_decisions> pair_decisions(svm_kernel_setup setup, const std::vector<float>& vectors,
                                              std::size_t width, std::vector<std::size_t> starts,
                                              const std::vector<float>& weights, const std::vector<float>& rho) {
  const std::size_t count = starts.back();
  const std::size_t groups = starts.size() - 1;
  if (setup.kernel != svm_kernel::linear)
    return std::make_unique<kernel_decisions>(kernel_machine{setup, vectors, width, std::move(starts), weights}, rho);
  std::vector<double> sums(rho.size() * width, 0);
  std::size_t pair = 0;
  for (std::size_t i = 0; i < groups; ++i)
    for (std::size_t j = i + 1; j < groups; ++j, ++pair) {
      const std::span<double> sum{sums.data() + pair * width, width};
      add_vectors(sum, vectors, weights.data() + (j - 1) * count, starts[i], starts[i + 1]);
      add_vectors(sum, vectors, weights.data() + i * count, starts[j], starts[j + 1]);
    }
  return std::make_unique<linear_map_decisions>(linear_map{std::move(sums), doubles(rho), width});
}

std::unique_ptr<svm_decisions> linear_decisions(const std::vector<float>& weights, std::size_t width, float rho) {
  return std::make_unique<linear_map_decisions>(
      linear_map{doubles(weights), std::vector<double>(weights.size() / width, static_cast<double>(rho)), width});
}

} // namespace troupe::model
