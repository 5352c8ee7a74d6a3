// The kernels as every x86-64 runs them (SSE2), the choice between them, and the packing that both share.
#include "model/kernels/kernels.hpp"

namespace troupe::model::kernels {
namespace {

#define KERNEL
constexpr int lanes = 4;
constexpr std::size_t rows_max = 2;
constexpr std::size_t conv_rows_max = 2;
constexpr int conv_vectors = 4;
#include "model/kernels/kernels.inl"
#undef KERNEL

constexpr table here = kernels_of("SSE2");

} // namespace

const table& generic() { return here; }

const table& best() {
  static const table& chosen = avx2() != nullptr ? *avx2() : generic();
  return chosen;
}

std::size_t padded(std::size_t n) {
  const std::size_t over = n % panel;
  if (over == 0) return n;
  return n - over + (over <= panel / 2 ? panel / 2 : panel);
}

std::vector<float> pack(const float* numbers, std::size_t k, std::size_t n, std::size_t row_step,
                        std::size_t column_step) {
  std::vector<float> packed(k * padded(n), 0.0F);
  for (std::size_t begin = 0; begin < n; begin += panel) {
    const std::size_t width = padded(n) - begin < panel ? padded(n) - begin : panel;
    float* to = packed.data() + begin * k;
    for (std::size_t row = 0; row < k; ++row)
      for (std::size_t i = 0; i < width && begin + i < n; ++i)
        to[row * width + i] = numbers[row * row_step + (begin + i) * column_step];
  }
  return packed;
}

} // namespace troupe::model::kernels
