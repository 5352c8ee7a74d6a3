// The kernels of every instruction set that this processor has, against loops in double.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "model/kernels/kernels.hpp"

using namespace troupe::model;
using troupe::model::kernels::curve;

namespace {

std::vector<const kernels::table*> tables() {
  std::vector<const kernels::table*> all{&kernels::generic()};
  if (kernels::avx2() != nullptr) all.push_back(kernels::avx2());
  return all;
}

std::vector<float> random_numbers(std::size_t count, float size, unsigned seed) {
  std::mt19937 engine{seed};
  std::uniform_real_distribution<float> any(-size, size);
  std::vector<float> out(count);
  for (float& x : out) x = any(engine);
  return out;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

// m x k by k x n with a bias, on rows that are apart, all clamped to at least -1.
void check_product(const kernels::table& on, std::size_t m, std::size_t k, std::size_t n) {
  const std::size_t lda = k + 3, ldc = n + 5;
  const auto a = random_numbers(m * lda, 1, 1);
  const auto b = random_numbers(k * n, 1, 2);
  auto bias = random_numbers(n, 1, 3);
  bias.resize(kernels::padded(n));
  const auto packed = kernels::pack(b.data(), k, n, n, 1);
  std::vector<float> c(m * ldc, 77);
  kernels::product job;
  job.a = a.data();
  job.lda = lda;
  job.b = packed.data();
  job.c = c.data();
  job.ldc = ldc;
  job.m = m;
  job.n = n;
  job.k = k;
  job.bias = bias.data();
  job.low = -1;
  job.high = infinity;
  on.multiply(job);
  double worst = 0;
  bool untouched = true;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < ldc; ++j) {
      if (j >= n) {
        untouched = untouched && c[i * ldc + j] == 77;
        continue;
      }
      double sum = static_cast<double>(bias[j]);
      for (std::size_t x = 0; x < k; ++x)
        sum += static_cast<double>(a[i * lda + x]) * static_cast<double>(b[x * n + j]);
      worst = std::max(worst, std::abs(std::max(sum, -1.0) - static_cast<double>(c[i * ldc + j])));
    }
  BOOST_TEST(worst < 1e-5 + 1e-7 * static_cast<double>(k),
             on.name << " " << m << " x " << k << " x " << n << ": " << worst);
  BOOST_TEST(untouched, on.name << " wrote beside the result");
}

// The worst difference in units of the last place, for results that are not tiny.
template <class F> double worst_of(const kernels::table& on, curve kind, float from, float to, const F& f) {
  double worst = 0;
  std::vector<float> x, y;
  for (int i = 0; i <= 20001; ++i) x.push_back(from + (to - from) * static_cast<float>(i) / 20001.0F);
  y.resize(x.size());
  on.apply(kind, 0.1F, x.data(), y.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double right = f(static_cast<double>(x[i]));
    const double step = std::max(std::abs(right), 1e-37) * 1.2e-7;
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - right) / step);
  }
  return worst;
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernels)

BOOST_AUTO_TEST_CASE(multiply__any_shape__as_a_loop) {
  for (const auto* on : tables())
    for (const std::size_t m : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 13U, 40U})
      for (const std::size_t k : {0U, 1U, 2U, 3U, 4U, 5U, 17U})
        for (const std::size_t n : {1U, 7U, 8U, 9U, 15U, 16U, 17U, 24U, 25U, 50U}) check_product(*on, m, k, n);
  for (const auto* on : tables()) check_product(*on, 70, 900, 33); // several blocks of rows
}

BOOST_AUTO_TEST_CASE(apply__curves__to_the_last_bits) {
  for (const auto* on : tables()) {
    const auto exp = [](double x) { return std::exp(x); };
    BOOST_TEST(worst_of(*on, curve::exp, -87, 88.5F, exp) < 2.0);
    BOOST_TEST(worst_of(*on, curve::exp, -1, 1, exp) < 2.0);
    const auto tanh = [](double x) { return std::tanh(x); };
    BOOST_TEST(worst_of(*on, curve::tanh, -12, 12, tanh) < 3.0);
    BOOST_TEST(worst_of(*on, curve::tanh, -0.7F, 0.7F, tanh) < 3.0);
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    BOOST_TEST(worst_of(*on, curve::sigmoid, -80, 80, sigmoid) < 4.0);
    BOOST_TEST(worst_of(*on, curve::leaky_relu, -3, 3,
                        [](double x) { return x < 0 ? x * static_cast<double>(0.1F) : x; }) < 1.0);
  }
}

BOOST_AUTO_TEST_CASE(apply__odd_numbers__as_the_standard_library) {
  const std::vector<float> x{std::nanf(""), infinity, -infinity, 0, -0.0F, 89, -104, -200, 1e30F, -1e30F};
  for (const auto* on : tables()) {
    std::vector<float> y(x.size());
    on->apply(curve::exp, 0, x.data(), y.data(), x.size());
    BOOST_TEST(std::isnan(y[0]));
    BOOST_TEST(y[1] == infinity);
    BOOST_TEST(y[2] == 0.0F);
    BOOST_TEST(y[3] == 1.0F);
    BOOST_TEST(y[5] == infinity);
    BOOST_TEST(y[7] == 0.0F);
    on->apply(curve::tanh, 0, x.data(), y.data(), x.size());
    BOOST_TEST(std::isnan(y[0]));
    BOOST_TEST(y[1] == 1.0F);
    BOOST_TEST(y[2] == -1.0F);
    BOOST_TEST(y[9] == -1.0F);
    on->apply(curve::sigmoid, 0, x.data(), y.data(), x.size());
    BOOST_TEST(std::isnan(y[0]));
    BOOST_TEST(y[1] == 1.0F);
    BOOST_TEST(y[2] == 0.0F);
    BOOST_TEST(y[3] == 0.5F);
    on->apply(curve::relu, 0, x.data(), y.data(), x.size());
    BOOST_TEST(std::isnan(y[0]));
    BOOST_TEST(y[2] == 0.0F);
  }
}

BOOST_AUTO_TEST_CASE(softmax__any_count__sums_to_one) {
  for (const auto* on : tables())
    for (const std::size_t count : {1U, 2U, 7U, 8U, 9U, 20U}) {
      const auto x = random_numbers(count, 30, 4);
      std::vector<float> y(count), logarithms(count);
      on->softmax(x.data(), y.data(), count, false);
      on->softmax(x.data(), logarithms.data(), count, true);
      double all = 0;
      for (const float value : x) all += std::exp(static_cast<double>(value));
      for (std::size_t i = 0; i < count; ++i) {
        const double right = std::exp(static_cast<double>(x[i])) / all;
        BOOST_TEST(std::abs(static_cast<double>(y[i]) - right) < 1e-6 * right + 1e-12);
        BOOST_TEST(std::abs(static_cast<double>(logarithms[i]) - std::log(right)) < 1e-5);
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()
