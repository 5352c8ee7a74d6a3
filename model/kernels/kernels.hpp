#pragma once
// The loops over floats that most of the time of neural nets and support vector machines goes into, once for every
// x86-64 and once for those with AVX2 and FMA; which one runs is chosen when the first one is asked for. Both are made
// of kernels.inl. Called by operations; any thread; nothing is allocated.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::model::kernels {

/// Columns of a packed panel; the last panel may be half as wide.
constexpr std::size_t panel = 16;
/// Cells behind the end of memory to work in that may be read and written.
constexpr std::size_t beyond = 32;

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

/// One image, one group. `image` is padded, and may be read `beyond` cells behind its end.
struct convolution {
  const float* image = nullptr;
  /// nullptr: neighbours take their cells from neighbours, all over the image; n results, of which those at the ends of
  /// rows mean nothing. c has `beyond` cells behind the n of each row.
  const conv_tile* tiles = nullptr;
  std::size_t tile_count = 0;
  const std::uint32_t* filter = nullptr; ///< offset of each of the k cells that a filter looks at
  float* panel_memory = nullptr;         ///< with tiles: (k + 1) * panel cells
  product sum;                           ///< a: the weights; c: the results; n: results; b is set by the kernel
};

/// The padded image of a convolution: channel after channel, row after row, 0 around them. What is right of one row is
/// also left of the next one.
struct padding {
  const float* from = nullptr;
  float* to = nullptr; ///< has `beyond` cells behind its end
  std::size_t channels = 0, rows = 0, columns = 0;
  std::size_t above = 0, below = 0;
  std::size_t left = 0; ///< of the first row
  std::size_t gap = 0;  ///< behind each row
  std::size_t row_cells() const { return columns + gap; }
  std::size_t channel_cells() const { return (above + rows + below) * row_cells(); }
};

/// Rows of an image out of those that lie `row_cells` apart.
struct cutting {
  const float* from = nullptr;
  float* to = nullptr;
  std::size_t channels = 0, rows = 0, columns = 0;
  std::size_t row_cells = 0, channel_cells = 0; ///< of `from`
};

/// Windows that lie within an image: the largest of each, or the sum.
struct pooling {
  const float* from = nullptr;
  float* to = nullptr;
  float* memory = nullptr; ///< columns cells, and `beyond`
  std::size_t channels = 0, columns = 0;
  std::size_t row_cells = 0, channel_cells = 0; ///< of `from`
  std::size_t rows_out = 0, columns_out = 0;
  std::size_t size_down = 1, size_across = 1, step_down = 1, step_across = 1;
  std::size_t apart_down = 1, apart_across = 1; ///< cells of a window from each other
  bool sums = false;
};

/// Support vectors that lie side by side: all of them with the first feature, then with the second, ...
constexpr std::size_t vector_block = 32;

/// What becomes of the product of a row and a support vector, or of their squared distance.
enum class similarity {
  line,    ///< gamma x + coef0
  square,  ///< of the line
  cube,    ///< of the line
  sigmoid, ///< tanh of the line
  rbf,     ///< e^(-gamma x) of the squared distance x
};

/// Rows against support vectors. Squared distances are summed from differences, feature after feature, in float: so
/// onnxruntime does it, and unlike |x|^2 + |v|^2 - 2xv it keeps its digits where a row lies close to a support vector
/// and both far from the origin.
struct machine {
  similarity how = similarity::line;
  float gamma = 0, coef0 = 0;
  const float* rows = nullptr;
  std::size_t row_stride = 0, row_count = 0, width = 0;
  const float* vectors = nullptr; ///< block after block
  std::size_t blocks = 0;
  float* to = nullptr; ///< row after row, blocks * vector_block numbers each
};

/// Sums of weight x number, for parts of a row of numbers and several lists of weights.
struct weighing {
  const float* numbers = nullptr;
  const double* weights = nullptr; ///< list after list, `count` each
  std::size_t count = 0, lists = 0;
  const std::size_t* starts = nullptr; ///< of the parts, and the end of the last one
  std::size_t parts = 0;
  double* to = nullptr; ///< part after part, a sum for each list
};

/// What is done to each number.
enum class curve { relu, leaky_relu, sigmoid, tanh, exp };

struct table {
  void (*multiply)(const product&);
  void (*pad)(const padding&);
  void (*convolve)(const convolution&);
  void (*cut)(const cutting&);
  void (*pool)(const pooling&);
  /// `to` may be `from`. `slope` is that of leaky_relu below 0.
  void (*apply)(curve, float slope, const float* from, float* to, std::size_t count);
  /// Softmax, or its logarithm, of `count` numbers; `to` may be `from`.
  void (*softmax)(const float* from, float* to, std::size_t count, bool logarithm);
  void (*narrow)(const double* from, float* to, std::size_t count);
  /// to[2i] and to[2i + 1] become the logistic function of -scores[i] and of scores[i], rounded once.
  void (*logistic_pairs)(const double* scores, float* to, std::size_t count);
  void (*compare)(const machine&);
  void (*weigh)(const weighing&);
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
