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
INLINE_KERNEL floats clamp(floats x, floats low, floats high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}

// ---- products ----

struct tile_job {
  const float* a;
  std::size_t lda;
  const float* b;
  const float* bias;
  float* c;
  std::size_t ldc;
  std::size_t k;
  std::size_t columns; // of c; fewer than the panel's in the last one
};

// `R` rows by one panel of `V` vectors. Few rows are summed in several phases, so that one addition need not wait for
// the one before.
template <int R, int V> KERNEL void tile(const tile_job& job, const product& of) {
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
  const float* b = job.b;
  std::size_t k = 0;
  for (; k + phases <= job.k; k += phases, b += phases * V * lanes)
#pragma GCC unroll 4
    for (int p = 0; p < phases; ++p) {
      floats columns[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) columns[v] = load(b + (p * V + v) * lanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const floats weight = all(a[static_cast<std::size_t>(r) * job.lda + k + static_cast<std::size_t>(p)]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[p][r][v] += weight * columns[v];
      }
    }
  for (; k < job.k; ++k, b += V * lanes)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        sums[0][r][v] += all(a[static_cast<std::size_t>(r) * job.lda + k]) * load(b + v * lanes);
  const floats low = all(of.low);
  const floats high = all(of.high);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
#pragma GCC unroll 4
      for (int p = 1; p < phases; ++p) sums[0][r][v] += sums[p][r][v];
      sums[0][r][v] = clamp(sums[0][r][v], low, high);
    }
    float* c = job.c + static_cast<std::size_t>(r) * job.ldc;
    if (job.columns == V * lanes) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(c + v * lanes, sums[0][r][v]);
    } else {
      float whole[V * lanes];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(whole + v * lanes, sums[0][r][v]);
      for (std::size_t i = 0; i < job.columns; ++i) c[i] = whole[i];
    }
  }
}

template <int V> KERNEL void rows_of_tile(std::size_t rows, const tile_job& job, const product& of) {
  switch (rows) {
  case 1:
    return tile<1, V>(job, of);
  case 2:
    return tile<2, V>(job, of);
  case 3:
    return tile<(rows_max >= 3 ? 3 : 1), V>(job, of);
  case 4:
    return tile<(rows_max >= 4 ? 4 : 1), V>(job, of);
  case 5:
    return tile<(rows_max >= 5 ? 5 : 1), V>(job, of);
  default:
    return tile<(rows_max >= 6 ? 6 : 1), V>(job, of);
  }
}

// All rows by one panel, which starts at `column` of c. Rows are dealt out evenly: 8 are 4 + 4 rather than 6 + 2.
KERNEL void panel_of(const product& of, std::size_t row, std::size_t row_end, std::size_t column, const float* b) {
  const std::size_t left = of.n - column;
  while (row < row_end) {
    const std::size_t rows_left = row_end - row;
    const std::size_t pieces = (rows_left + rows_max - 1) / rows_max;
    const std::size_t rows = (rows_left + pieces - 1) / pieces;
    const std::size_t columns = left < panel ? left : panel;
    const float* bias = of.bias_of_rows ? of.bias + row : of.bias + column;
    const tile_job job{of.a + row * of.lda, of.lda, b, bias, of.c + row * of.ldc + column, of.ldc, of.k, columns};
    if (left <= panel / 2)
      rows_of_tile<panel / 2 / lanes>(rows, job, of);
    else
      rows_of_tile<panel / lanes>(rows, job, of);
    row += rows;
  }
}

// Rows in blocks that stay in the nearest cache while the panels go by.
KERNEL void multiply(const product& of) {
  constexpr std::size_t block_cells = 32768;
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

// Each row is copied in whole vectors: what they write beyond its end, the next row overwrites. The last one has none.
KERNEL void copy_rows(const convolution& job, std::size_t stride) {
  const conv_rows& by = job.by_rows;
  for (std::size_t m = 0; m < job.sum.m; ++m)
    for (std::size_t y = 0; y < by.rows; ++y) {
      const float* from = by.memory + m * stride + y * by.row_cells;
      float* to = job.sum.c + m * job.sum.ldc + y * by.columns;
      if (m + 1 == job.sum.m && y + 1 == by.rows)
        for (std::size_t x = 0; x < by.columns; ++x) to[x] = from[x];
      else
        for (std::size_t x = 0; x < by.columns; x += lanes) store(to + x, load(from + x));
    }
}

KERNEL void convolve_rows(const convolution& job) {
  product sum = job.sum;
  sum.b = job.panel_memory;
  sum.n = panel;
  sum.ldc = job.tile_count * panel;
  for (std::size_t i = 0; i < job.tile_count; ++i) {
    const float* image = job.image + i * panel;
    float* to = job.panel_memory;
    for (std::size_t k = 0; k < sum.k; ++k, to += panel) copy_panel(image + job.filter[k], to);
    sum.c = job.by_rows.memory + i * panel;
    panel_of(sum, 0, sum.m, 0, sum.b);
  }
  copy_rows(job, sum.ldc);
}

KERNEL void convolve(const convolution& job) {
  if (job.by_rows.memory != nullptr) return convolve_rows(job);
  product sum = job.sum;
  sum.b = job.panel_memory;
  for (std::size_t i = 0; i < job.tile_count; ++i) {
    gather_tile(job, job.tiles[i]);
    sum.n = job.tiles[i].columns;
    sum.c = job.sum.c + i * panel;
    panel_of(sum, 0, sum.m, 0, sum.b);
  }
}

// ---- curves ----

// As Cephes does it: 2^n * e^r, r within half of log 2, to the last bit or two. NaN stays.
INLINE_KERNEL floats exponential(floats x) {
  constexpr float magic = 12582912.0F; // 1.5 * 2^23: adding it leaves the nearest integer in the lowest bits
  x = x > 89.0F ? all(89.0F) : x;      // infinite from 88.73 on
  x = x < -105.0F ? all(-105.0F) : x;
  const floats shifted = x * 1.44269504088896341F + magic;
  const floats n = shifted - magic;
  const floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  floats p = all(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + (r + 1.0F);
  // 2^n in two factors, since neither the largest nor the smallest fits into one.
  const ints power = reinterpret_cast<ints>(shifted) - 0x4B400000;
  const ints half = power >> 1;
  const floats first = reinterpret_cast<floats>((half + 127) << 23);
  const floats second = reinterpret_cast<floats>((power - half + 127) << 23);
  return p * first * second;
}

INLINE_KERNEL floats magnitude(floats x) { return reinterpret_cast<floats>(reinterpret_cast<ints>(x) & 0x7FFFFFFF); }

INLINE_KERNEL floats sigmoid(floats x) {
  // The exponent is never positive, so nothing overflows and small results keep their digits.
  const floats e = exponential(-magnitude(x));
  const floats near_zero = e / (1.0F + e);
  return x < 0.0F ? near_zero : 1.0F / (1.0F + e);
}

INLINE_KERNEL floats hyperbolic_tangent(floats x) {
  const floats size = magnitude(x);
  const floats z = x * x;
  floats p = all(-5.70498872745e-3F);
  p = p * z + 2.06390887954e-2F;
  p = p * z - 5.37397155531e-2F;
  p = p * z + 1.33314422036e-1F;
  p = p * z - 3.33332819422e-1F;
  const floats small = p * z * x + x;
  const floats large = 1.0F - 2.0F / (exponential(size + size) + 1.0F);
  return size < 0.625F ? small : x < 0.0F ? -large : large;
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

KERNEL void softmax(const float* from, float* to, std::size_t count, bool logarithm) {
  float largest = from[0];
  for (std::size_t i = 1; i < count; ++i) largest = from[i] > largest ? from[i] : largest;
  const floats shift = all(largest);
  floats sums{};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const floats x = load(from + i) - shift;
    const floats e = exponential(x);
    sums += e;
    store(to + i, logarithm ? x : e);
  }
  float sum = 0;
  for (int lane = 0; lane < lanes; ++lane) sum += sums[lane];
  if (i < count) {
    float rest[lanes] = {};
    for (std::size_t k = i; k < count; ++k) rest[k - i] = from[k] - largest;
    float raised[lanes];
    store(raised, exponential(load(rest)));
    for (std::size_t k = i; k < count; ++k) {
      sum += raised[k - i];
      to[k] = logarithm ? rest[k - i] : raised[k - i];
    }
  }
  const float subtracted = logarithm ? __builtin_logf(sum) : 0.0F;
  const float factor = logarithm ? 1.0F : 1.0F / sum;
  for (std::size_t k = 0; k < count; ++k) to[k] = to[k] * factor - subtracted;
}

#undef INLINE_KERNEL

constexpr table kernels_of(const char* name) { return {multiply, convolve, apply, softmax, name}; }
