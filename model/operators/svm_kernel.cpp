#include "model/operators/svm_kernel.hpp"

#include <cmath>

#include "base/assert.hpp"

namespace troupe::model {
namespace {

using kernels::similarity;
using kernels::vector_block;

// A polynomial of another degree than 2 and 3 begins as its base.
similarity similarity_of(const svm_kernel_setup& setup) {
  switch (setup.kernel) {
  case svm_kernel::rbf:
    return similarity::rbf;
  case svm_kernel::sigmoid:
    return similarity::sigmoid;
  case svm_kernel::poly:
    return setup.degree == 2 ? similarity::square : setup.degree == 3 ? similarity::cube : similarity::line;
  case svm_kernel::linear:
    break;
  }
  return similarity::line;
}

void finish_power(const svm_kernel_setup& setup, std::span<float> values) {
  if (setup.kernel != svm_kernel::poly || setup.degree == 2 || setup.degree == 3) return;
  for (float& value : values) value = std::pow(value, setup.degree);
}

} // namespace

kernel_machine::kernel_machine(svm_kernel_setup setup, std::span<const float> vectors, std::size_t width,
                               std::vector<std::size_t> starts, std::span<const float> weights,
                               const kernels::table& code)
    : setup_(setup)
    , width_(width)
    , starts_(std::move(starts))
    , lists_(weights.size() / starts_.back())
    , blocks_((starts_.back() + vector_block - 1) / vector_block)
    , vectors_(blocks_ * vector_block * width, 0.f)
    , weights_(weights.begin(), weights.end())
    , code_(&code) {
  TROUPE_ASSERT(vectors.size() == starts_.back() * width && weights.size() == lists_ * starts_.back());
  if (setup_.kernel == svm_kernel::linear) setup_.gamma = 1, setup_.coef0 = 0;
  for (std::size_t i = 0; i < starts_.back(); ++i)
    for (std::size_t feature = 0; feature < width; ++feature)
      vectors_[(i / vector_block * width + feature) * vector_block + i % vector_block] = vectors[i * width + feature];
}

void kernel_machine::sums(const cells_in& x, std::size_t first, std::size_t rows, double* out) const {
  TROUPE_ASSERT(rows <= rows_at_once && x.width == width_);
  // Scratch of a thread that scores; the machine itself stays immutable.
  thread_local std::vector<float> numbers;
  const std::size_t row_size = blocks_ * vector_block;
  if (numbers.size() < row_size * rows) numbers.resize(row_size * rows);
  code_->compare({similarity_of(setup_), setup_.gamma, setup_.coef0, x.row<float>(first), x.stride, rows, width_,
                  vectors_.data(), blocks_, numbers.data()});
  finish_power(setup_, {numbers.data(), row_size * rows});
  for (std::size_t row = 0; row < rows; ++row)
    code_->weigh({numbers.data() + row * row_size, weights_.data(), starts_.back(), lists_, starts_.data(), groups(),
                  out + row * groups() * lists_});
}

} // namespace troupe::model
