// The kernels, for the instruction set of whoever includes this: generic.cpp and avx2.cpp, each in a namespace of its
// own. KERNEL is the attribute that functions need, `lanes` the floats of a vector, `rows_max` the rows of a product
// that are worked on at once. Nothing of the standard library is called here but what is inline in every build: a
// function compiled for AVX2 must not be the one that the linker keeps for all.

using floats = float __attribute__((vector_size(lanes * 4)));
using ints = std::int32_t __attribute__((vector_size(lanes * 4)));
using floats_in_memory = float __attribute__((vector_size(lanes * 4), aligned(4), may_alias));

#define INLINE_KERNEL KERNEL __attribute__((always_inline)) inline

INLINE_KERNEL floats load(const float* from) { return *reinterpret_cast<const floats_in_memory*>(from); }
INLINE_KERNEL void store(float* to, floats value) { *reinterpret_cast<floats_in_memory*>(to) = value; }
INLINE_KERNEL floats all(float value) { return value - floats{}; } // minus 0, since that changes no value
INLINE_KERNEL floats at_least(floats x, floats low) { return low > x ? low : x; }
INLINE_KERNEL floats at_most(floats x, floats high) { return high < x ? high : x; }

// ---- products ----

struct tile_job {
  const float* a;
  std::size_t lda;
  const float* b;
  const std::uint32_t* filter; // where each k's columns begin, from b on; nullptr: one after the other
  const float* bias;
  float* c;
  std::size_t ldc;
  std::size_t k;
  std::size_t columns; // of c; fewer than the panel's in the last one
};

template <int R, int V> INLINE_KERNEL void store_tile(const tile_job& job, const floats (&sums)[R][V]) {
  float* c = job.c;
  const std::size_t ldc = job.ldc;
  const std::size_t columns = job.columns;
  if (columns == V * lanes) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r, c += ldc)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(c + v * lanes, sums[r][v]);
    return;
  }
  float whole[R][V * lanes];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(whole[r] + v * lanes, sums[r][v]);
  for (int r = 0; r < R; ++r, c += ldc)
    for (std::size_t i = 0; i < columns; ++i) c[i] = whole[r][i];
}

template <int R, int V>
INLINE_KERNEL void add_products(floats (&sums)[R][V], const float* a, std::size_t lda, const float* b) {
  floats columns[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) columns[v] = load(b + v * lanes);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const floats weight = all(a[static_cast<std::size_t>(r) * lda]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] += weight * columns[v];
  }
}

// `R` rows by one panel of `V` vectors. Few rows are summed in several phases, so that one addition need not wait for
// the one before.
template <int R, int V, bool packed> KERNEL void tile(const tile_job& job, const product& of) {
  constexpr int phases = R * V <= 2 ? 4 : R * V <= 6 ? 2 : 1;
  floats sums[phases][R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      sums[0][r][v] = of.bias_of_rows ? all(job.bias[r]) : load(job.bias + v * lanes);
#pragma GCC unroll 4
      for (int p = 1; p < phases; ++p) sums[p][r][v] = floats{};
    }
  const float* a = job.a;
  const std::size_t lda = job.lda;
  const float* b = job.b;
  const std::uint32_t* filter = job.filter;
  const std::size_t k_end = job.k;
  std::size_t k = 0;
  for (; k + phases <= k_end; k += phases)
#pragma GCC unroll 4
    for (std::size_t p = 0; p < phases; ++p)
      add_products<R, V>(sums[p], a + k + p, lda, packed ? b + (k + p) * V * lanes : b + filter[k + p]);
  for (; k < k_end; ++k) add_products<R, V>(sums[0], a + k, lda, packed ? b + k * V * lanes : b + filter[k]);
  const floats low = all(of.low);
  const floats high = all(of.high);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
#pragma GCC unroll 4
      for (int p = 1; p < phases; ++p) sums[0][r][v] += sums[p][r][v];
      sums[0][r][v] = at_least(sums[0][r][v], low);
    }
  if (of.high < __builtin_inff()) // not behind a Relu
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[0][r][v] = at_most(sums[0][r][v], high);
  store_tile<R, V>(job, sums[0]);
}

template <int V, std::size_t most, bool packed>
KERNEL void rows_of_tile(std::size_t rows, const tile_job& job, const product& of) {
  switch (rows) {
  case 1:
    return tile<1, V, packed>(job, of);
  case 2:
    return tile<2, V, packed>(job, of);
  case 3:
    return tile<(most >= 3 ? 3 : 1), V, packed>(job, of);
  case 4:
    return tile<(most >= 4 ? 4 : 1), V, packed>(job, of);
  case 5:
    return tile<(most >= 5 ? 5 : 1), V, packed>(job, of);
  default:
    return tile<(most >= 6 ? 6 : 1), V, packed>(job, of);
  }
}

// How many of the rows that are left go together, at most `most`: 8 are 4 + 4 rather than 6 + 2.
INLINE_KERNEL std::size_t even_share(std::size_t left, std::size_t most) {
  if (left <= most) return left;
  return left >= 2 * most ? most : (left + 1) / 2;
}

// All rows by one panel, which starts at `column` of c.
KERNEL void panel_of(const product& of, std::size_t row, std::size_t row_end, std::size_t column, const float* b) {
  const std::size_t left = of.n - column;
  while (row < row_end) {
    const std::size_t rows = even_share(row_end - row, rows_max);
    const std::size_t columns = left < panel ? left : panel;
    const float* bias = of.bias_of_rows ? of.bias + row : of.bias + column;
    const tile_job job{of.a + row * of.lda,          of.lda, b,    nullptr, bias,
                       of.c + row * of.ldc + column, of.ldc, of.k, columns};
    if (left <= panel / 2)
      rows_of_tile<panel / 2 / lanes, rows_max, true>(rows, job, of);
    else
      rows_of_tile<panel / lanes, rows_max, true>(rows, job, of);
    row += rows;
  }
}

// Rows in blocks that stay in the nearest cache while the panels go by.
KERNEL void multiply(const product& of) {
  constexpr std::size_t block_cells = 4096;
  const std::size_t fit = block_cells / (of.k == 0 ? 1 : of.k);
  const std::size_t block = fit < 4 * rows_max ? 4 * rows_max : fit / rows_max * rows_max;
  for (std::size_t row = 0; row < of.m; row += block) {
    const std::size_t row_end = of.m - row < block ? of.m : row + block;
    const float* b = of.b;
    for (std::size_t column = 0; column < of.n; column += panel) {
      panel_of(of, row, row_end, column, b);
      b += panel * of.k;
    }
  }
}

// ---- convolutions ----

// From left to right, in whole vectors: what one run writes beyond its end, the next one overwrites.
INLINE_KERNEL float* put_zeros(float* to, std::size_t count) {
  store(to, floats{});
  if (count > lanes) // rare: the compiler makes a call of the loop
    for (std::size_t i = lanes; i < count; i += lanes) store(to + i, floats{});
  return to + count;
}

// A run that reads or writes beyond `from_end` or `to_end` when it is copied in whole vectors is copied cell by cell.
INLINE_KERNEL void copy_run(const float* from, const float* from_end, float* to, const float* to_end,
                            std::size_t count) {
  const std::size_t whole = (count + lanes - 1) / lanes * lanes;
  if (from + whole <= from_end && to + whole <= to_end)
    for (std::size_t x = 0; x < count; x += lanes) store(to + x, load(from + x));
  else
    for (std::size_t x = 0; x < count; ++x) to[x] = from[x];
}

KERNEL void pad(const padding& given) {
  const padding job = given; // what is stored could be part of the other one
  const std::size_t width = job.row_cells();
  const float* from = job.from;
  const float* from_end = from + job.channels * job.rows * job.columns;
  float* to = put_zeros(job.to, job.above * width + job.left);
  const float* to_end = job.to + job.left + job.channels * job.channel_cells() + beyond;
  for (std::size_t c = 0; c < job.channels; ++c) {
    for (std::size_t y = 0; y < job.rows; ++y, from += job.columns) {
      copy_run(from, from_end, to, to_end, job.columns);
      to = put_zeros(to + job.columns, job.gap);
    }
    to = put_zeros(to, (job.below + (c + 1 < job.channels ? job.above : 0)) * width);
  }
}

INLINE_KERNEL void copy_panel(const float* from, float* to) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < panel; i += lanes) store(to + i, load(from + i));
}

// Runs are copied whole, from left to right: what one writes beyond its end, the next one or the next k overwrites.
KERNEL void gather_tile(const convolution& job, const conv_tile& tile) {
  float* to = job.panel_memory;
  const std::size_t width = tile.columns <= panel / 2 ? panel / 2 : panel;
  for (std::size_t k = 0; k < job.sum.k; ++k, to += width) {
    const float* from = job.image + job.filter[k];
    if (tile.runs == 0)
      for (std::size_t i = 0; i < width; ++i) to[i] = from[tile.offsets[i]];
    for (std::uint32_t run = 0; run < tile.runs; ++run) copy_panel(from + tile.offsets[run], to + tile.starts[run]);
  }
}

KERNEL void convolve_all(const convolution& job) {
  constexpr std::size_t width = conv_vectors * lanes;
  const product& of = job.sum;
  for (std::size_t row = 0; row < of.m;) {
    const std::size_t rows = even_share(of.m - row, conv_rows_max);
    tile_job one{of.a + row * of.lda, of.lda, job.image, job.filter, of.bias + row,
                 of.c + row * of.ldc, of.ldc, of.k,      width};
    for (std::size_t i = 0; i < of.n; i += width, one.b += width, one.c += width)
      rows_of_tile<conv_vectors, conv_rows_max, false>(rows, one, of);
    row += rows;
  }
}

KERNEL void convolve(const convolution& job) {
  if (job.tiles == nullptr) return convolve_all(job);
  product sum = job.sum;
  sum.b = job.panel_memory;
  for (std::size_t i = 0; i < job.tile_count; ++i) {
    gather_tile(job, job.tiles[i]);
    sum.n = job.tiles[i].columns;
    sum.c = job.sum.c + i * panel;
    panel_of(sum, 0, sum.m, 0, sum.b);
  }
}

KERNEL void cut(const cutting& job) {
  const float* from_end = job.from + job.channels * job.channel_cells;
  float* to = job.to;
  const float* to_end = to + job.channels * job.rows * job.columns;
  for (std::size_t c = 0; c < job.channels; ++c)
    for (std::size_t y = 0; y < job.rows; ++y, to += job.columns)
      copy_run(job.from + c * job.channel_cells + y * job.row_cells, from_end, to, to_end, job.columns);
}

// ---- pools ----

template <bool sums> INLINE_KERNEL floats combined(floats a, floats b) { return sums ? a + b : b > a ? b : a; }
template <bool sums> INLINE_KERNEL float combined(float a, float b) { return sums ? a + b : b > a ? b : a; }

// The first, third, ... of the numbers of two vectors, or the second, fourth, ...; within halves of vectors, which is
// one instruction, and in_order() makes up for.
template <class F> INLINE_KERNEL F first_of_pairs(F a, F b) {
  if constexpr (sizeof(F) == 16)
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
  else
    return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14);
}
template <class F> INLINE_KERNEL F second_of_pairs(F a, F b) {
  if constexpr (sizeof(F) == 16)
    return __builtin_shufflevector(a, b, 1, 3, 5, 7);
  else
    return __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
}
template <class F> INLINE_KERNEL F in_order(F x) {
  if constexpr (sizeof(F) == 16)
    return x;
  else
    return __builtin_shufflevector(x, x, 0, 1, 4, 5, 2, 3, 6, 7);
}

// The rows of a window, cell by cell.
template <bool sums> INLINE_KERNEL void combine_rows(const pooling& job, const float* first) {
  const std::size_t step = job.apart_down * job.row_cells;
  std::size_t x = 0;
  for (; x + lanes <= job.columns; x += lanes) {
    floats all = load(first + x);
    for (std::size_t k = 1; k < job.size_down; ++k) all = combined<sums>(all, load(first + k * step + x));
    store(job.memory + x, all);
  }
  for (; x < job.columns; ++x) {
    float all = first[x];
    for (std::size_t k = 1; k < job.size_down; ++k) all = combined<sums>(all, first[k * step + x]);
    job.memory[x] = all;
  }
}

template <bool sums> INLINE_KERNEL void combine_columns(const pooling& job, float* to, const float* end) {
  const std::size_t step = job.step_across;
  std::size_t x = 0;
  for (; step == 1 && x < job.columns_out && to + x + lanes <= end; x += lanes) {
    floats all = load(job.memory + x);
    for (std::size_t k = 1; k < job.size_across; ++k)
      all = combined<sums>(all, load(job.memory + x + k * job.apart_across));
    store(to + x, all);
  }
  for (; step == 2 && x < job.columns_out && to + x + lanes <= end; x += lanes) {
    const float* cells = job.memory + 2 * x;
    floats all = first_of_pairs(load(cells), load(cells + lanes));
    for (std::size_t k = 1; k < job.size_across; ++k) {
      cells += job.apart_across;
      all = combined<sums>(all, first_of_pairs(load(cells), load(cells + lanes)));
    }
    store(to + x, in_order(all));
  }
  for (; x < job.columns_out; ++x) {
    float all = job.memory[step * x];
    for (std::size_t k = 1; k < job.size_across; ++k)
      all = combined<sums>(all, job.memory[step * x + k * job.apart_across]);
    to[x] = all;
  }
}

// Windows of 2 by 2, side by side.
template <bool sums>
INLINE_KERNEL void combine_squares(const pooling& job, const float* first, const float* from_end, float* to,
                                   const float* end) {
  const float* second = first + job.apart_down * job.row_cells;
  std::size_t x = 0;
  for (; x < job.columns_out && to + x + lanes <= end && second + 2 * (x + lanes) <= from_end; x += lanes) {
    const floats left = combined<sums>(load(first + 2 * x), load(second + 2 * x));
    const floats right = combined<sums>(load(first + 2 * x + lanes), load(second + 2 * x + lanes));
    store(to + x, in_order(combined<sums>(first_of_pairs(left, right), second_of_pairs(left, right))));
  }
  for (; x < job.columns_out; ++x)
    to[x] = combined<sums>(combined<sums>(first[2 * x], second[2 * x]),
                           combined<sums>(first[2 * x + 1], second[2 * x + 1]));
}

template <bool sums> KERNEL void pool_all(const pooling& given) {
  const pooling job = given; // what is stored could be part of the other one
  const bool squares = job.size_down == 2 && job.size_across == 2 && job.step_across == 2 && job.apart_across == 1;
  const float* image = job.from;
  const float* from_end = image + job.channels * job.channel_cells;
  float* to = job.to;
  const float* end = to + job.channels * job.rows_out * job.columns_out;
  for (std::size_t c = 0; c < job.channels; ++c, image += job.channel_cells)
    for (std::size_t y = 0; y < job.rows_out; ++y, to += job.columns_out) {
      const float* first = image + y * job.step_down * job.row_cells;
      if (squares) {
        combine_squares<sums>(job, first, from_end, to, end);
        continue;
      }
      combine_rows<sums>(job, first);
      combine_columns<sums>(job, to, end);
    }
}

KERNEL void pool(const pooling& job) {
  if (job.sums)
    pool_all<true>(job);
  else
    pool_all<false>(job);
}

// ---- curves ----

// As Cephes does it: e^x = 2^power * the result, e^r, with r within half of log 2, to the last bit or two. NaN stays.
INLINE_KERNEL floats exponential_of_rest(floats x, ints& power) {
  constexpr float magic = 12582912.0F; // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits
  const floats shifted = x * 1.44269504088896341F + magic;
  const floats n = shifted - magic;
  const floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  floats p = all(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  power = reinterpret_cast<ints>(shifted) - 0x4B400000;
  return p * (r * r) + (r + 1.0F);
}

INLINE_KERNEL floats exponential(floats x) {
  x = x > 89.0F ? all(89.0F) : x; // infinite from 88.73 on
  x = x < -105.0F ? all(-105.0F) : x;
  ints power;
  const floats p = exponential_of_rest(x, power);
  // 2^power in two factors, since neither the largest nor the smallest fits into one.
  const ints half = power >> 1;
  const floats first = reinterpret_cast<floats>((half + 127) << 23);
  const floats second = reinterpret_cast<floats>((power - half + 127) << 23);
  return p * first * second;
}

// For x <= 0; from -87 on down it is e^-87, which is as good as nothing beside 1.
INLINE_KERNEL floats decay(floats x) {
  ints power;
  const floats p = exponential_of_rest(at_least(x, all(-87.0F)), power);
  return p * reinterpret_cast<floats>((power + 127) << 23);
}

INLINE_KERNEL floats magnitude(floats x) { return reinterpret_cast<floats>(reinterpret_cast<ints>(x) & 0x7FFFFFFF); }

INLINE_KERNEL floats sigmoid(floats x) {
  // The exponent is never positive, so nothing overflows and small results keep their digits.
  const floats e = exponential(-magnitude(x));
  const floats near_zero = e / (1.0F + e);
  return x < 0.0F ? near_zero : 1.0F / (1.0F + e);
}

// As Eigen and onnxruntime do it: the quotient of two polynomials, off by at most 4e-7 of the result. NaN stays.
INLINE_KERNEL floats hyperbolic_tangent(floats x) {
  x = at_least(at_most(x, all(9.0F)), all(-9.0F)); // it is 1 as a float from there on
  const floats z = x * x;
  floats above = z * -2.76076847742355e-16F + 2.00018790482477e-13F;
  above = above * z - 8.60467152213735e-11F;
  above = above * z + 5.12229709037114e-08F;
  above = above * z + 1.48572235717979e-05F;
  above = above * z + 6.37261928875436e-04F;
  above = above * z + 4.89352455891786e-03F;
  floats below = z * 1.19825839466702e-06F + 1.18534705686654e-04F;
  below = below * z + 2.26843463243900e-03F;
  below = below * z + 4.89352518554385e-03F;
  return at_least(at_most(x * above / below, all(1.0F)), all(-1.0F));
}

INLINE_KERNEL floats value_of(curve kind, floats slope, floats x) {
  switch (kind) {
  case curve::relu:
    return x < 0.0F ? floats{} : x;
  case curve::leaky_relu:
    return x < 0.0F ? slope * x : x;
  case curve::sigmoid:
    return sigmoid(x);
  case curve::tanh:
    return hyperbolic_tangent(x);
  case curve::exp:
    break;
  }
  return exponential(x);
}

template <curve kind> INLINE_KERNEL void apply_one(floats slope, const float* from, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) store(to + i, value_of(kind, slope, load(from + i)));
  if (i == count) return;
  float rest[lanes] = {};
  for (std::size_t k = i; k < count; ++k) rest[k - i] = from[k];
  store(rest, value_of(kind, slope, load(rest)));
  for (std::size_t k = i; k < count; ++k) to[k] = rest[k - i];
}

KERNEL void apply(curve kind, float slope, const float* from, float* to, std::size_t count) {
  switch (kind) {
  case curve::relu:
    return apply_one<curve::relu>(all(slope), from, to, count);
  case curve::leaky_relu:
    return apply_one<curve::leaky_relu>(all(slope), from, to, count);
  case curve::sigmoid:
    return apply_one<curve::sigmoid>(all(slope), from, to, count);
  case curve::tanh:
    return apply_one<curve::tanh>(all(slope), from, to, count);
  case curve::exp:
    return apply_one<curve::exp>(all(slope), from, to, count);
  }
}

INLINE_KERNEL floats larger(floats a, floats b) { return b > a ? b : a; }

// Lane i's number in lane i ^ `bits`.
template <int bits, class F> INLINE_KERNEL F exchanged(F x) {
  if constexpr (sizeof(F) == 16)
    return __builtin_shufflevector(x, x, 0 ^ bits, 1 ^ bits, 2 ^ bits, 3 ^ bits);
  else
    return __builtin_shufflevector(x, x, 0 ^ bits, 1 ^ bits, 2 ^ bits, 3 ^ bits, 4 ^ bits, 5 ^ bits, 6 ^ bits,
                                   7 ^ bits);
}

// In every lane.
template <class F> INLINE_KERNEL F largest_of(F x) {
  if constexpr (sizeof(F) == 32) x = larger(x, exchanged<4>(x));
  x = larger(x, exchanged<2>(x));
  return larger(x, exchanged<1>(x));
}
template <class F> INLINE_KERNEL F sum_of(F x) {
  if constexpr (sizeof(F) == 32) x += exchanged<4>(x);
  x += exchanged<2>(x);
  return x + exchanged<1>(x);
}

// At least a vector of numbers. The last ones are a vector too, which overlaps the one before; it is read before that
// one is written.
KERNEL void softmax_of_many(const float* from, float* to, std::size_t count, bool logarithm) {
  const std::size_t last_begin = count - lanes;
  const floats last = load(from + last_begin);
  floats largest = last;
  for (std::size_t i = 0; i < last_begin; i += lanes) largest = larger(largest, load(from + i));
  largest = largest_of(largest);
  ints lane;
#pragma GCC unroll 8
  for (int i = 0; i < lanes; ++i) lane[i] = i;
  floats sums{};
  for (std::size_t i = 0; i < count; i += lanes) {
    const bool ends = i >= last_begin;
    const floats x = (ends ? last : load(from + i)) - largest;
    const floats e = exponential(x);
    const auto done = static_cast<std::int32_t>(ends ? i - last_begin : 0); // lanes that the vector before had
    sums += lane < done ? floats{} : e;
    store(to + (ends ? last_begin : i), logarithm ? x : e);
  }
  const floats sum = sum_of(sums);
  const floats subtracted = logarithm ? all(__builtin_logf(sum[0])) : floats{};
  const floats factor = logarithm ? all(1.0F) : 1.0F / sum;
  const floats last_of_to = load(to + last_begin);
  for (std::size_t i = 0; i < last_begin; i += lanes) store(to + i, load(to + i) * factor - subtracted);
  store(to + last_begin, last_of_to * factor - subtracted);
}

KERNEL void softmax(const float* from, float* to, std::size_t count, bool logarithm) {
  if (count >= lanes) return softmax_of_many(from, to, count, logarithm);
  float few[lanes];
  for (std::size_t i = 0; i < lanes; ++i) few[i] = i < count ? from[i] : -__builtin_inff();
  softmax_of_many(few, few, lanes, logarithm);
  for (std::size_t i = 0; i < count; ++i) to[i] = few[i];
}

// ---- conversions ----

constexpr int double_lanes = lanes / 2;
using doubles = double __attribute__((vector_size(double_lanes * 8), aligned(8), may_alias));
using longs = std::int64_t __attribute__((vector_size(double_lanes * 8)));

// e^x for x <= 0, to 1e-12 of it: Cody and Waite's reduction and Taylor's series.
INLINE_KERNEL doubles exponential_of_negative(doubles x) {
  constexpr double magic = 6755399441055744.0; // 1.5 * 2^52: adding it leaves the nearest integer in the lowest bits
  x = x < -700.0 ? doubles{} - 700.0 : x;
  const doubles shifted = x * 1.4426950408889634 + magic;
  const doubles n = shifted - magic;
  const doubles r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  doubles p = r * (1.0 / 3628800) + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const longs power = (reinterpret_cast<longs>(shifted) - std::int64_t{0x4338000000000000} + 1023) << 52;
  return p * reinterpret_cast<doubles>(power);
}

INLINE_KERNEL void put_logistic_pairs(doubles x, float* to, std::size_t count) {
  const doubles e = exponential_of_negative(x < 0.0 ? x : -x);
  const doubles large = 1.0 / (1.0 + e), small = e * large;
  const doubles first = x < 0.0 ? large : small, second = x < 0.0 ? small : large;
  for (std::size_t k = 0; k < count; ++k) {
    to[2 * k] = static_cast<float>(first[k]);
    to[2 * k + 1] = static_cast<float>(second[k]);
  }
}

KERNEL void logistic_pairs(const double* scores, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + double_lanes <= count; i += double_lanes)
    put_logistic_pairs(*reinterpret_cast<const doubles*>(scores + i), to + 2 * i, double_lanes);
  if (i == count) return;
  doubles rest{};
  for (std::size_t k = i; k < count; ++k) rest[k - i] = scores[k];
  put_logistic_pairs(rest, to + 2 * i, count - i);
}

KERNEL void narrow(const double* from, float* to, std::size_t count) {
  using half_floats = float __attribute__((vector_size(double_lanes * 4), aligned(4), may_alias));
  std::size_t i = 0;
  for (; i + double_lanes <= count; i += double_lanes)
    *reinterpret_cast<half_floats*>(to + i) =
        __builtin_convertvector(*reinterpret_cast<const doubles*>(from + i), half_floats);
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

#include "model/kernels/machines.inl"

#undef INLINE_KERNEL

constexpr table kernels_of(const char* name) {
  return {multiply, pad, convolve, cut, pool, apply, softmax, narrow, logistic_pairs, compare, weigh, name};
}
