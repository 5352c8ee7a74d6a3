// The kernels of every instruction set that this processor has, against loops in double.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "model/kernels/kernels.hpp"

using namespace troupe::model;
using troupe::model::kernels::curve;
using troupe::model::kernels::similarity;
using troupe::model::kernels::vector_block;

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

// An image whose rows and channels are apart, as pools and cuts take it.
struct image {
  std::size_t channels, rows, columns, row_cells, channel_cells;
  std::vector<float> cells;
  image(std::size_t c, std::size_t y, std::size_t x, std::size_t gap, unsigned seed)
      : channels(c)
      , rows(y)
      , columns(x)
      , row_cells(x + gap)
      , channel_cells(y * (x + gap) + 2 * gap)
      , cells(random_numbers(c * channel_cells, 1, seed)) {}
  float at(std::size_t c, std::size_t y, std::size_t x) const { return cells[c * channel_cells + y * row_cells + x]; }
};

constexpr std::size_t guarded = 40; // cells behind a result, which must stay as they are

bool untouched(const std::vector<float>& cells) {
  return std::all_of(cells.end() - guarded, cells.end(), [](float x) { return x == 77; });
}

void check_pool(const kernels::table& on, const image& from, std::size_t size, std::size_t step, std::size_t apart,
                bool sums) {
  const std::size_t extent = (size - 1) * apart + 1;
  if (extent > from.rows || extent > from.columns) return;
  const std::size_t down = (from.rows - extent) / step + 1;
  const std::size_t across = (from.columns - extent) / step + 1;
  std::vector<float> memory(from.columns + kernels::beyond);
  std::vector<float> to(from.channels * down * across + guarded, 77);
  on.pool({from.cells.data(), to.data(), memory.data(), from.channels, from.columns, from.row_cells, from.channel_cells,
           down, across, size, size, step, step, apart, apart, sums});
  double worst = 0;
  for (std::size_t i = 0; i < from.channels * down * across; ++i) {
    const std::size_t c = i / (down * across), y = i / across % down * step, x = i % across * step;
    double sum = 0, largest = -1e9;
    for (std::size_t k = 0; k < size * size; ++k) {
      const auto cell = static_cast<double>(from.at(c, y + k / size * apart, x + k % size * apart));
      sum += cell;
      largest = std::max(largest, cell);
    }
    worst = std::max(worst, std::abs(static_cast<double>(to[i]) - (sums ? sum : largest)));
  }
  BOOST_TEST(worst < 1e-5, on.name << " " << from.columns << " columns, windows of " << size << " by " << step);
  BOOST_TEST(untouched(to), on.name << " wrote beside the result");
}

// A filter of 3 x 3 with padding all around, on every cell of the padded image, and cut out.
void check_convolution(const kernels::table& on, std::size_t channels, std::size_t rows, std::size_t columns,
                       std::size_t outputs) {
  const image from(channels, rows, columns, 0, 5);
  kernels::padding padding{from.cells.data(), nullptr, channels, rows, columns, 1, 1, 1, 1};
  std::vector<float> padded(1 + channels * padding.channel_cells() + kernels::beyond, 77);
  padding.to = padded.data();
  on.pad(padding);
  std::vector<std::uint32_t> filter;
  for (std::size_t k = 0; k < channels * 9; ++k)
    filter.push_back(
        static_cast<std::uint32_t>(k / 9 * padding.channel_cells() + k / 3 % 3 * padding.row_cells() + k % 3));
  const auto weights = random_numbers(outputs * filter.size(), 1, 6);
  const auto bias = random_numbers(outputs, 1, 7);
  kernels::convolution job;
  job.image = padded.data();
  job.filter = filter.data();
  job.sum.a = weights.data();
  job.sum.lda = job.sum.k = filter.size();
  job.sum.m = outputs;
  job.sum.n = (rows - 1) * padding.row_cells() + columns;
  job.sum.ldc = job.sum.n + kernels::beyond;
  job.sum.bias = bias.data();
  job.sum.bias_of_rows = true;
  job.sum.low = 0;
  job.sum.high = infinity;
  std::vector<float> results(outputs * job.sum.ldc);
  job.sum.c = results.data();
  on.convolve(job);
  std::vector<float> to(outputs * rows * columns + guarded, 77);
  on.cut({results.data(), to.data(), outputs, rows, columns, padding.row_cells(), job.sum.ldc});
  double worst = 0;
  for (std::size_t i = 0; i < outputs * rows * columns; ++i) {
    const std::size_t o = i / (rows * columns), y = i / columns % rows, x = i % columns;
    double sum = static_cast<double>(bias[o]);
    for (std::size_t k = 0; k < filter.size(); ++k) {
      const std::size_t above = y + k / 3 % 3, left = x + k % 3; // with the padding
      if (above == 0 || above > rows || left == 0 || left > columns) continue;
      sum += static_cast<double>(weights[o * filter.size() + k]) *
             static_cast<double>(from.at(k / 9, above - 1, left - 1));
    }
    worst = std::max(worst, std::abs(std::max(sum, 0.0) - static_cast<double>(to[i])));
  }
  BOOST_TEST(worst < 2e-5, on.name << " " << channels << " x " << rows << " x " << columns << ": " << worst);
  BOOST_TEST(untouched(to), on.name << " wrote beside the result");
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

BOOST_AUTO_TEST_CASE(convolve__any_image__as_a_loop) {
  for (const auto* on : tables())
    for (const std::size_t columns : {1U, 2U, 7U, 8U, 14U, 28U})
      for (const std::size_t outputs : {1U, 2U, 3U, 4U, 5U, 8U}) {
        check_convolution(*on, 1, 5, columns, outputs);
        check_convolution(*on, 3, 1, columns, outputs);
      }
}

BOOST_AUTO_TEST_CASE(pool__any_window__as_a_loop) {
  for (const auto* on : tables())
    for (const std::size_t columns : {2U, 5U, 8U, 14U, 16U, 37U})
      for (const std::size_t gap : {0U, 3U})
        for (const std::size_t size : {1U, 2U, 3U})
          for (const std::size_t step : {1U, 2U, 3U})
            for (const bool sums : {false, true}) {
              check_pool(*on, image(2, 6, columns, gap, 8), size, step, 1, sums);
              check_pool(*on, image(1, 5, columns, gap, 9), size, step, 2, sums);
            }
}

BOOST_AUTO_TEST_CASE(narrow__any_count__rounds_to_the_nearest) {
  const std::vector<double> from{0.1, -0.1, 1e300, -1e-300, 16777217, 3, 1.0 / 3, 2, 7.7, std::nan(""), 1e-40};
  for (const auto* on : tables())
    for (std::size_t count = 0; count <= from.size(); ++count) {
      std::vector<float> to(from.size() + 1, 77);
      on->narrow(from.data(), to.data(), count);
      for (std::size_t i = 0; i < count; ++i)
        BOOST_TEST((to[i] == static_cast<float>(from[i]) || (std::isnan(from[i]) && std::isnan(to[i]))));
      BOOST_TEST(to[count] == 77);
    }
}

BOOST_AUTO_TEST_CASE(logistic_pairs__any_count__rounded_once) {
  std::vector<double> scores{0, -0.0, 710, -710, 1e300, -1e300, 36.7, -36.7, std::nan("")};
  for (int i = -400; i < 400; ++i) scores.push_back(i * 0.2503);
  const auto logistic = [](double x) { return static_cast<float>(1 / (1 + std::exp(-x))); };
  for (const auto* on : tables())
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{6}, scores.size()}) {
      std::vector<float> to(2 * scores.size() + 1, 77);
      on->logistic_pairs(scores.data(), to.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const bool is_nan = std::isnan(scores[i]) && std::isnan(to[2 * i]) && std::isnan(to[2 * i + 1]);
        const bool is_same = to[2 * i] == logistic(-scores[i]) && to[2 * i + 1] == logistic(scores[i]);
        BOOST_TEST((is_nan || is_same), scores[i] << ": " << to[2 * i] << ", " << to[2 * i + 1]);
      }
      BOOST_TEST(to[2 * count] == 77);
    }
}

BOOST_AUTO_TEST_CASE(apply__curves__to_the_last_bits) {
  for (const auto* on : tables()) {
    const auto exp = [](double x) { return std::exp(x); };
    BOOST_TEST(worst_of(*on, curve::exp, -87, 88.5F, exp) < 2.0);
    BOOST_TEST(worst_of(*on, curve::exp, -1, 1, exp) < 2.0);
    const auto tanh = [](double x) { return std::tanh(x); };
    BOOST_TEST(worst_of(*on, curve::tanh, -12, 12, tanh) < 3.5);
    BOOST_TEST(worst_of(*on, curve::tanh, -0.7F, 0.7F, tanh) < 3.5);
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

BOOST_AUTO_TEST_CASE(compare__each_similarity__as_loops_in_double) {
  constexpr std::size_t blocks = 2, rows = 3, count = blocks * vector_block;
  for (const auto* on : tables())
    for (const std::size_t width : {std::size_t{1}, std::size_t{5}, std::size_t{30}})
      for (const auto how :
           {similarity::line, similarity::square, similarity::cube, similarity::sigmoid, similarity::rbf}) {
        const auto x = random_numbers(rows * (width + 2), 1, 5);
        const auto vectors = random_numbers(count * width, 1, 6);
        std::vector<float> to(rows * count);
        on->compare({how, 0.3F, 0.1F, x.data(), width + 2, rows, width, vectors.data(), blocks, to.data()});
        double worst = 0;
        for (std::size_t row = 0; row < rows; ++row)
          for (std::size_t i = 0; i < count; ++i) {
            double product = 0, distance = 0;
            for (std::size_t f = 0; f < width; ++f) {
              const auto a = static_cast<double>(x[row * (width + 2) + f]);
              const auto b =
                  static_cast<double>(vectors[(i / vector_block * width + f) * vector_block + i % vector_block]);
              product += a * b;
              distance += (a - b) * (a - b);
            }
            const double line = static_cast<double>(0.3F) * product + static_cast<double>(0.1F);
            double right = line;
            if (how == similarity::square) right = line * line;
            if (how == similarity::cube) right = line * line * line;
            if (how == similarity::sigmoid) right = std::tanh(line);
            if (how == similarity::rbf) right = std::exp(static_cast<double>(-0.3F) * distance);
            worst = std::max(worst, std::abs(static_cast<double>(to[row * count + i]) - right));
          }
        BOOST_TEST(worst < 1e-5);
      }
}

BOOST_AUTO_TEST_CASE(compare__rbf_of_any_distance__to_the_last_bits_and_nan_stays) {
  for (const auto* on : tables()) {
    // One feature; support vectors at 0, so that the distance is the square of the row.
    const std::vector<float> vectors(vector_block, 0.0F);
    std::vector<float> x{0, 1e-20F, 1e19F, 1e30F, -infinity, std::nanf("")};
    for (int i = 0; i < 9'000; ++i) x.push_back(static_cast<float>(i) * 1e-3F);
    std::vector<float> to(x.size() * vector_block);
    on->compare({similarity::rbf, 1, 0, x.data(), 1, x.size(), 1, vectors.data(), 1, to.data()});
    BOOST_TEST(to[0] == 1.0F);
    BOOST_TEST(to[vector_block] == 1.0F);
    for (const std::size_t far : {2u, 3u, 4u}) BOOST_TEST(to[far * vector_block] < 2e-38F);
    BOOST_TEST(std::isnan(to[5 * vector_block]));
    double worst = 0;
    for (std::size_t i = 6; i < x.size(); ++i) {
      const double right = std::exp(-static_cast<double>(x[i] * x[i]));
      worst = std::max(worst, std::abs(static_cast<double>(to[i * vector_block + 7]) - right) / right);
    }
    BOOST_TEST(worst < 2.4e-7);
  }
}

BOOST_AUTO_TEST_CASE(weigh__parts_of_any_size__sums_of_each_list) {
  const std::size_t starts[] = {0, 0, 1, 8, 40, 77};
  const auto numbers = random_numbers(77, 1, 8);
  const auto of_lists = random_numbers(2 * 77, 1, 9);
  const std::vector<double> weights(of_lists.begin(), of_lists.end());
  for (const auto* on : tables()) {
    std::vector<double> to(5 * 2, 77);
    on->weigh({numbers.data(), weights.data(), 77, 2, starts, 5, to.data()});
    for (std::size_t part = 0; part < 5; ++part)
      for (std::size_t list = 0; list < 2; ++list) {
        double right = 0;
        for (std::size_t i = starts[part]; i < starts[part + 1]; ++i)
          right += static_cast<double>(numbers[i]) * weights[list * 77 + i];
        BOOST_TEST(std::abs(to[part * 2 + list] - right) < 1e-12);
      }
  }
}

BOOST_AUTO_TEST_CASE(softmax__any_count__sums_to_one) {
  for (const auto* on : tables())
    for (const std::size_t count : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 10U, 16U, 20U}) {
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
      auto in_place = x;
      on->softmax(in_place.data(), in_place.data(), count, false);
      BOOST_TEST(in_place == y);
    }
}

BOOST_AUTO_TEST_SUITE_END()
