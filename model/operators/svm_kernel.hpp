#pragma once
// The kernels of support vector machines, of a batch of rows against all support vectors, and the sums that are made of
// them. Used by SVMClassifier and SVMRegressor. The loops are those of model/kernels.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/cells.hpp"
#include "model/kernels/kernels.hpp"

namespace troupe::model {

enum class svm_kernel : std::uint8_t { linear, poly, rbf, sigmoid };

struct svm_kernel_setup {
  svm_kernel kernel = svm_kernel::linear;
  float gamma = 0, coef0 = 0, degree = 0;
};

class kernel_machine {
public:
  /// `vectors`: one after another, `width` cells each. `starts`: where the vectors of each group begin, and the end of
  /// the last group. `weights`: lists of one weight a vector, one after another. REQUIRES: width > 0, the sizes agree.
  kernel_machine(svm_kernel_setup setup, std::span<const float> vectors, std::size_t width,
                 std::vector<std::size_t> starts, std::span<const float> weights,
                 const kernels::table& code = kernels::best());

  std::size_t groups() const { return starts_.size() - 1; }
  std::size_t lists() const { return lists_; }
  /// Sums of weight x kernel of each row of [first, first + rows), group and list: out[(row * groups() + group) *
  /// lists() + list]. Allocates nothing once warm. REQUIRES: rows <= rows_at_once.
  void sums(const cells_in& x, std::size_t first, std::size_t rows, double* out) const;
  static constexpr std::size_t rows_at_once = 16;

private:
  svm_kernel_setup setup_;
  std::size_t width_;
  std::vector<std::size_t> starts_;
  std::size_t lists_;
  std::size_t blocks_;         // of support vectors, the last one filled up with zeros
  std::vector<float> vectors_; // as kernels::machine wants them
  std::vector<double> weights_;
  const kernels::table* code_;
};

} // namespace troupe::model
