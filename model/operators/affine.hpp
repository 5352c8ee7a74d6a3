#pragma once
// A row times a matrix of the file, plus a bias, and what follows it: MatMul and Gemm of floats. Several nodes of a
// file become one of these (fused_with): a bias that is added, factors, an activation, another matrix.

#include "model/kernels/kernels.hpp"
#include "model/operators/activation.hpp"
#include "model/operators/tensor.hpp"

namespace troupe::model {

class affine final : public operation {
public:
  /// inputs x outputs, `row_step` and `column_step` apart. An input of the step has `repeats` vectors a row, one after
  /// the other: [N, ..., inputs] becomes [N, ..., outputs].
  affine(const float* weights, std::size_t inputs, std::size_t outputs, std::size_t row_step, std::size_t column_step,
         std::vector<float> bias, std::size_t repeats);
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override;
  std::unique_ptr<operation> fused_with(const operation& next) const override;
  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  float weight(std::size_t input, std::size_t output) const;

private:
  std::unique_ptr<operation> with(const cellwise_linear& next) const;
  std::unique_ptr<operation> with(const affine& next) const;
  void multiply(const float* from, std::size_t from_stride, float* to, std::size_t to_stride, std::size_t rows) const;

  std::vector<float> packed_; ///< kernels::pack
  std::vector<float> bias_;   ///< padded to whole panels
  std::size_t inputs_, outputs_, repeats_;
  activation then_; ///< after the bias
  bool activated_ = false;
};

} // namespace troupe::model
