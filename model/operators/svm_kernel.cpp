#include "model/operators/svm_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.hpp"

namespace troupe::model {
namespace {

// Four packets of eight: enough sums at once that no addition waits for the one before it. Without AVX a packet is two
// registers.
typedef float packet __attribute__((vector_size(32)));
typedef std::int32_t int_packet __attribute__((vector_size(32)));
typedef float half_packet __attribute__((vector_size(16)));
typedef double double_packet __attribute__((vector_size(32)));

constexpr std::size_t packet_lanes = 8;
constexpr std::size_t packets = 4;
constexpr std::size_t lanes = packet_lanes * packets;
static_assert(lanes == kernel_machine::block_vectors);

#define TROUPE_INLINE [[gnu::always_inline]] inline

TROUPE_INLINE void load(packet& to, const float* from) { std::memcpy(&to, from, sizeof to); }
TROUPE_INLINE void store(float* to, const packet& from) { std::memcpy(to, &from, sizeof from); }

// e^x: 2^n e^r with |r| <= ln(2) / 2, and Taylor's series of e^r, whose rest is below half a unit in the last place.
// From -87 on down it is e^-87, which is as good as nothing; NaN stays NaN.
TROUPE_INLINE void exp_of(packet& x) {
  constexpr float round = 12582912.f; // 1.5 * 2^23: adding it leaves the integer in the last bits
  constexpr std::int32_t round_bits = 0x4B400000;
  const packet low = packet{} - 87.f;
  const packet high = packet{} + 88.f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const packet shifted = x * 1.44269504f + round;
  const packet n = shifted - round;
  packet r = x - n * 0.693359375f; // ln 2 in two parts; the product with the first is exact
  r = r - n * -2.12194440e-4f;
  packet sum = r * (1.f / 5040) + 1.f / 720;
  sum = sum * r + 1.f / 120;
  sum = sum * r + 1.f / 24;
  sum = sum * r + 1.f / 6;
  sum = sum * r + 0.5f;
  sum = sum * (r * r) + r;
  sum = sum + 1.f;
  int_packet bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = ((bits - round_bits) << 23) + 0x3F800000; // 2^n
  packet scale;
  std::memcpy(&scale, &bits, sizeof scale);
  x = sum * scale;
}

// The quotient of two polynomials that Eigen and onnxruntime take too: off by at most 4e-7 of the result, which is
// never beyond 1. NaN stays NaN.
TROUPE_INLINE void tanh_of(packet& x) {
  const packet end = packet{} + 9.f; // from where on it is 1 as a float
  x = x > end ? end : x;
  x = x < -end ? -end : x;
  const packet square = x * x;
  packet above = square * -2.76076847742355e-16f + 2.00018790482477e-13f;
  above = above * square + -8.60467152213735e-11f;
  above = above * square + 5.12229709037114e-08f;
  above = above * square + 1.48572235717979e-05f;
  above = above * square + 6.37261928875436e-04f;
  above = above * square + 4.89352455891786e-03f;
  packet below = square * 1.19825839466702e-06f + 1.18534705686654e-04f;
  below = below * square + 2.26843463243900e-03f;
  below = below * square + 4.89352518554385e-03f;
  x = x * above / below;
  const packet one = packet{} + 1.f;
  x = x > one ? one : x;
  x = x < -one ? -one : x;
}

template <bool distance> TROUPE_INLINE void add(packet& sum, float cell, const float* vectors) {
  packet v;
  load(v, vectors);
  if constexpr (distance) {
    const packet difference = cell - v;
    sum += difference * difference;
  } else {
    sum += cell * v;
  }
}

template <bool distance>
TROUPE_INLINE void block_of(const float* x, const float* vectors, std::size_t width, packet (&sums)[packets]) {
  packet s0{}, s1{}, s2{}, s3{};
  for (std::size_t feature = 0; feature < width; ++feature, vectors += lanes) {
    const float cell = x[feature];
    add<distance>(s0, cell, vectors);
    add<distance>(s1, cell, vectors + packet_lanes);
    add<distance>(s2, cell, vectors + 2 * packet_lanes);
    add<distance>(s3, cell, vectors + 3 * packet_lanes);
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}

// What becomes of a distance or a product: the kernel, or for a polynomial of other degrees than 2 and 3 its base.
TROUPE_INLINE void finish(const svm_kernel_setup& setup, packet& value) {
  if (setup.kernel == svm_kernel::rbf) {
    value = value * -setup.gamma;
    exp_of(value);
  } else if (setup.kernel != svm_kernel::linear) {
    value = value * setup.gamma + setup.coef0;
    if (setup.kernel == svm_kernel::sigmoid) tanh_of(value);
    if (setup.kernel == svm_kernel::poly && setup.degree == 2) value = value * value;
    if (setup.kernel == svm_kernel::poly && setup.degree == 3) value = value * value * value;
  }
}

// A batch for the vector code.
struct kernel_job {
  const svm_kernel_setup& setup;
  const float* x;
  std::size_t x_stride, rows, width;
  const float* vectors;
  std::size_t blocks;
  float* kernels; // rows x blocks x lanes
};

TROUPE_INLINE void fill_kernels(const kernel_job& job) {
  for (std::size_t block = 0; block < job.blocks; ++block) {
    const float* vectors = job.vectors + block * job.width * lanes;
    for (std::size_t row = 0; row < job.rows; ++row) {
      packet values[packets];
      if (job.setup.kernel == svm_kernel::rbf)
        block_of<true>(job.x + row * job.x_stride, vectors, job.width, values);
      else
        block_of<false>(job.x + row * job.x_stride, vectors, job.width, values);
      float* to = job.kernels + (row * job.blocks + block) * lanes;
      for (std::size_t k = 0; k < packets; ++k) {
        finish(job.setup, values[k]);
        store(to + k * packet_lanes, values[k]);
      }
    }
  }
}

TROUPE_INLINE double dot(const float* kernels, const double* weights, std::size_t size) {
  double_packet a{}, b{};
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    half_packet k0, k1;
    double_packet w0, w1;
    std::memcpy(&k0, kernels + i, sizeof k0);
    std::memcpy(&k1, kernels + i + 4, sizeof k1);
    std::memcpy(&w0, weights + i, sizeof w0);
    std::memcpy(&w1, weights + i + 4, sizeof w1);
    a += __builtin_convertvector(k0, double_packet) * w0;
    b += __builtin_convertvector(k1, double_packet) * w1;
  }
  a += b;
  double sum = (a[0] + a[1]) + (a[2] + a[3]);
  for (; i < size; ++i) sum += static_cast<double>(kernels[i]) * weights[i];
  return sum;
}

struct sum_job {
  const float* kernels;
  const double* weights; // `lists` of `vectors`
  std::size_t vectors, lists;
  const std::size_t* starts; // of the groups
  std::size_t groups;
  double* out;
};

TROUPE_INLINE void fill_sums(const sum_job& job) {
  for (std::size_t group = 0; group < job.groups; ++group) {
    const std::size_t begin = job.starts[group];
    const std::size_t size = job.starts[group + 1] - begin;
    for (std::size_t list = 0; list < job.lists; ++list)
      job.out[group * job.lists + list] = dot(job.kernels + begin, job.weights + list * job.vectors + begin, size);
  }
}

template <bool tanh> TROUPE_INLINE void apply_to_all(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; i += packet_lanes) {
    packet x;
    load(x, values + i);
    if constexpr (tanh)
      tanh_of(x);
    else
      exp_of(x);
    store(values + i, x);
  }
}

void kernels_any(const kernel_job& job) { fill_kernels(job); }
void sums_any(const sum_job& job) { fill_sums(job); }
void exp_any(float* values, std::size_t count) { apply_to_all<false>(values, count); }
void tanh_any(float* values, std::size_t count) { apply_to_all<true>(values, count); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void kernels_wide(const kernel_job& job) { fill_kernels(job); }
__attribute__((target("avx2,fma"))) void sums_wide(const sum_job& job) { fill_sums(job); }
__attribute__((target("avx2,fma"))) void exp_wide(float* values, std::size_t count) {
  apply_to_all<false>(values, count);
}
__attribute__((target("avx2,fma"))) void tanh_wide(float* values, std::size_t count) {
  apply_to_all<true>(values, count);
}
bool has_wide() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
constexpr auto kernels_wide = kernels_any;
constexpr auto sums_wide = sums_any;
constexpr auto exp_wide = exp_any;
constexpr auto tanh_wide = tanh_any;
bool has_wide() { return false; }
#endif

// What is left of a polynomial of another degree.
void finish_power(const svm_kernel_setup& setup, std::span<float> values) {
  if (setup.kernel != svm_kernel::poly || setup.degree == 2 || setup.degree == 3) return;
  for (float& value : values) value = std::pow(value, setup.degree);
}

} // namespace

kernel_machine::kernel_machine(svm_kernel_setup setup, std::span<const float> vectors, std::size_t width,
                               std::vector<std::size_t> starts, std::span<const float> weights, svm_code code)
    : setup_(setup)
    , width_(width)
    , starts_(std::move(starts))
    , lists_(weights.size() / starts_.back())
    , blocks_((starts_.back() + lanes - 1) / lanes)
    , vectors_(blocks_ * lanes * width, 0.f)
    , weights_(weights.begin(), weights.end())
    , wide_(code == svm_code::best && has_wide()) {
  TROUPE_ASSERT(vectors.size() == starts_.back() * width && weights.size() == lists_ * starts_.back());
  for (std::size_t i = 0; i < starts_.back(); ++i)
    for (std::size_t feature = 0; feature < width; ++feature)
      vectors_[(i / lanes * width + feature) * lanes + i % lanes] = vectors[i * width + feature];
}

void kernel_machine::sums(const cells_in& x, std::size_t first, std::size_t rows, double* out) const {
  TROUPE_ASSERT(rows <= rows_at_once && x.width == width_);
  // Scratch of a thread that scores; the machine itself stays immutable.
  thread_local std::vector<float> kernels;
  const std::size_t row_size = blocks_ * lanes;
  if (kernels.size() < row_size * rows) kernels.resize(row_size * rows);
  const kernel_job job{setup_, x.row<float>(first), x.stride, rows, width_, vectors_.data(), blocks_, kernels.data()};
  (wide_ ? kernels_wide : kernels_any)(job);
  finish_power(setup_, {kernels.data(), row_size * rows});
  for (std::size_t row = 0; row < rows; ++row)
    (wide_ ? sums_wide : sums_any)({kernels.data() + row * row_size, weights_.data(), starts_.back(), lists_,
                                    starts_.data(), groups(), out + row * groups() * lists_});
}

namespace {
void run_padded(std::span<float> values, void (*code)(float*, std::size_t)) {
  std::vector<float> padded(values.begin(), values.end());
  padded.resize((values.size() + packet_lanes - 1) / packet_lanes * packet_lanes);
  code(padded.data(), padded.size());
  std::copy_n(padded.begin(), values.size(), values.begin());
}
} // namespace

void svm_exp(std::span<float> values, svm_code code) {
  run_padded(values, code == svm_code::best && has_wide() ? exp_wide : exp_any);
}

void svm_tanh(std::span<float> values, svm_code code) {
  run_padded(values, code == svm_code::best && has_wide() ? tanh_wide : tanh_any);
}

} // namespace troupe::model
