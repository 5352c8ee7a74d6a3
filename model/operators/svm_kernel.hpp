#pragma once
// The kernels of support vector machines, of a batch of rows against all support vectors, and the sums that are made of
// them. Used by SVMClassifier and SVMRegressor. The vector code is there twice, for AVX2 and for any processor, chosen
// when the process starts.
//
// Squared distances are summed from differences, feature after feature, in float: so onnxruntime does it, and unlike
// |x|^2 + |v|^2 - 2xv it keeps its digits where a row lies close to a support vector and both far from the origin. The
// lanes of the vector unit are support vectors, so the order of the sum is that of a plain loop.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/cells.hpp"

namespace troupe::model {

enum class svm_kernel : std::uint8_t { linear, poly, rbf, sigmoid };

struct svm_kernel_setup {
  svm_kernel kernel = svm_kernel::linear;
  float gamma = 0, coef0 = 0, degree = 0;
};

/// Which vector code runs.
enum class svm_code {
  best, ///< that the processor has
  any,  ///< what every processor has; for tests
};

class kernel_machine {
public:
  /// `vectors`: one after another, `width` cells each. `starts`: where the vectors of each group begin, and the end of
  /// the last group. `weights`: lists of one weight a vector, one after another. REQUIRES: width > 0, the sizes agree.
  kernel_machine(svm_kernel_setup setup, std::span<const float> vectors, std::size_t width,
                 std::vector<std::size_t> starts, std::span<const float> weights, svm_code code = svm_code::best);

  std::size_t groups() const { return starts_.size() - 1; }
  std::size_t lists() const { return lists_; }
  /// Sums of weight x kernel of each row of [first, first + rows), group and list: out[(row * groups() + group) *
  /// lists() + list]. Allocates nothing once warm. REQUIRES: rows <= rows_at_once.
  void sums(const cells_in& x, std::size_t first, std::size_t rows, double* out) const;
  static constexpr std::size_t rows_at_once = 16;
  /// Support vectors are kept in blocks of so many, the last one filled up.
  static constexpr std::size_t block_vectors = 32;

private:
  svm_kernel_setup setup_;
  std::size_t width_;
  std::vector<std::size_t> starts_;
  std::size_t lists_;
  std::size_t blocks_;         // of `lanes` support vectors, the last one filled up with zeros
  std::vector<float> vectors_; // block after block: lanes of the first feature, lanes of the second, ...
  std::vector<double> weights_;
  bool wide_; // AVX2
};

/// e^x and tanh x of many, as the kernels compute them; for tests.
void svm_exp(std::span<float> values, svm_code code);
void svm_tanh(std::span<float> values, svm_code code);

} // namespace troupe::model
