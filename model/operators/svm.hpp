#pragma once
// What SVMClassifier and SVMRegressor share: reading the kernel, and the decisions of a batch, be they sums over
// support vectors or, where the kernel is linear, the products with weights into which those were summed up beforehand.

#include <memory>
#include <span>
#include <vector>

#include "model/operators/linear.hpp"
#include "model/operators/svm_kernel.hpp"

namespace troupe::model {

/// kernel_type and kernel_params; `always_linear`: whatever it says, as onnxruntime has it where there are no support
/// vectors.
result<svm_kernel_setup> read_svm_kernel(attribute_reader& node, bool always_linear);

/// Numbers of a row, several for each.
class svm_decisions {
public:
  virtual ~svm_decisions() = default;
  virtual std::size_t count() const = 0;
  /// Of rows [first, first + rows): out[row * count() + i]. REQUIRES: rows <= kernel_machine::rows_at_once.
  virtual void run(const cells_in& x, std::size_t first, std::size_t rows, double* out) const = 0;
};

/// What the decisions below take: the vectors in blocks, or a linear map for each of `decisions`.
std::size_t decision_bytes(const svm_kernel_setup& setup, std::size_t vector_cells, std::size_t width,
                           std::size_t decisions);
/// One number: the weighted kernels of all support vectors and `rho`.
std::unique_ptr<svm_decisions> one_decision(svm_kernel_setup setup, const std::vector<float>& vectors,
                                            std::size_t width, const std::vector<float>& weights, float rho);
/// One number for each pair of classes, (0,1), (0,2), ..., (1,2), ...: libsvm's one against one. `starts`: as in
/// kernel_machine, a group a class; `weights`: classes - 1 lists; `rho`: one for each pair.
std::unique_ptr<svm_decisions> pair_decisions(svm_kernel_setup setup, const std::vector<float>& vectors,
                                              std::size_t width, std::vector<std::size_t> starts,
                                              const std::vector<float>& weights, const std::vector<float>& rho);
/// weights . x + rho, for as many numbers as there are weights for.
std::unique_ptr<svm_decisions> linear_decisions(const std::vector<float>& weights, std::size_t width, float rho);

} // namespace troupe::model
