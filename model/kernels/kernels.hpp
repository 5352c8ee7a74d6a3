#pragma once
// The loops over floats that most of a neural net's time goes into, once for every x86-64 and once for those with AVX2
// and FMA; which one runs is chosen when the first one is asked for. Both are made of kernels.inl. Called by
// operations; any thread; nothing is allocated.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::model::kernels {

/// Columns of a packed panel; the last panel may be half as wide.
constexpr std::size_t panel = 16;

/// C = clamp(A * B + bias), row-major: A is m x k, C is m x n, B is k x n as pack() puts it.
struct product {
  const float* a = nullptr;
  std::size_t lda = 0;
  const float* b = nullptr;
  float* c = nullptr;
  std::size_t ldc = 0;
  std::size_t m = 0, n = 0, k = 0;
  const float* bias = nullptr; ///< of each column, padded to whole panels; of each row if `bias_of_rows`
  bool bias_of_rows = false;
  float low = 0, high = 0; ///< what results are clamped to; NaN stays NaN
};

/// Where 16 neighbouring results of a convolution take their cells from, relative to the first one of the filter.
struct conv_tile {
  std::uint32_t offsets[panel] = {}; ///< of each result; or of each run of them
  std::uint32_t starts[panel] = {};  ///< the first result of each run
  std::uint32_t runs = 0;            ///< 0: results are on their own
  std::uint32_t columns = 0;         ///< results: panel, or fewer in the last tile
};

/// Another way, where neighbours in a row take theirs from neighbours: 16 at a time over the whole padded image, whose
/// cells at the ends of rows give nothing useful. What is useful is copied out of `memory` then.
struct conv_rows {
  float* memory = nullptr; ///< tile_count * panel cells for each row of the product, and panel more; nullptr: by tiles
  std::size_t rows = 0;    ///< of the result
  std::size_t columns = 0; ///< of the result
  std::size_t row_cells = 0; ///< from one row to the next in the padded image
};

/// One image, one group. `image` is padded, and may be read `panel` cells beyond its end.
struct convolution {
  const float* image = nullptr;
  const conv_tile* tiles = nullptr;
  std::size_t tile_count = 0;
  const std::uint32_t* filter = nullptr; ///< offset of each of the k cells that a filter looks at
  float* panel_memory = nullptr;         ///< (k + 1) * panel cells
  conv_rows by_rows;
  product sum; ///< a: the weights; c: the results; n: results; b is set by the kernel
};

/// What is done to each number.
enum class curve { relu, leaky_relu, sigmoid, tanh, exp };

struct table {
  void (*multiply)(const product&);
  void (*convolve)(const convolution&);
  /// `to` may be `from`. `slope` is that of leaky_relu below 0.
  void (*apply)(curve, float slope, const float* from, float* to, std::size_t count);
  /// Softmax, or its logarithm, of `count` numbers; `to` may be `from`.
  void (*softmax)(const float* from, float* to, std::size_t count, bool logarithm);
  const char* name; ///< "AVX2", "SSE2"
};

const table& best();
const table& generic();
/// nullptr: this processor has no AVX2 or no FMA.
const table* avx2();

/// k x n numbers (`row_step` and `column_step` cells apart) as product::b: panels of 16 columns, the last one of 8
/// where that is enough, each with its columns side by side for every k; what lies beyond n is 0.
std::vector<float> pack(const float* numbers, std::size_t k, std::size_t n, std::size_t row_step,
                        std::size_t column_step);
/// Columns of the panels of n columns.
std::size_t padded(std::size_t n);

} // namespace troupe::model::kernels
