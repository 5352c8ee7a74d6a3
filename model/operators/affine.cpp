#include "model/operators/affine.hpp"

#include <algorithm>
#include <cmath>

#include "model/operators/tensor.hpp"

namespace troupe::model {

affine::affine(const float* weights, std::size_t inputs, std::size_t outputs, std::size_t row_step,
               std::size_t column_step, std::vector<float> bias, std::size_t repeats)
    : packed_(kernels::pack(weights, inputs, outputs, row_step, column_step))
    , bias_(std::move(bias))
    , inputs_(inputs)
    , outputs_(outputs)
    , repeats_(repeats) {
  bias_.resize(kernels::padded(outputs), 0.0F);
}

void affine::run(std::span<const cells_in> in, std::span<const cells_out> out) const {
  const cells_in& from = in[0];
  const cells_out& to = out[0];
  if (repeats_ == 1) return multiply(from.row<float>(0), from.stride, to.row<float>(0), to.stride, from.rows);
  if (from.stride == from.width && to.stride == to.width)
    return multiply(from.row<float>(0), inputs_, to.row<float>(0), outputs_, from.rows * repeats_);
  for (std::size_t i = 0; i < from.rows; ++i)
    multiply(from.row<float>(i), inputs_, to.row<float>(i), outputs_, repeats_);
}

void affine::multiply(const float* from, std::size_t from_stride, float* to, std::size_t to_stride,
                      std::size_t rows) const {
  kernels::product job;
  job.a = from;
  job.lda = from_stride;
  job.b = packed_.data();
  job.c = to;
  job.ldc = to_stride;
  job.m = rows;
  job.n = outputs_;
  job.k = inputs_;
  job.bias = bias_.data();
  job.low = then_.low;
  job.high = then_.high;
  kernels::best().multiply(job);
  if (!then_.is_clamp()) apply(then_, to, rows, outputs_, to_stride);
}

float affine::weight(std::size_t input, std::size_t output) const {
  const std::size_t begin = output / kernels::panel * kernels::panel;
  const std::size_t width = std::min(kernels::padded(outputs_) - begin, kernels::panel);
  return packed_[begin * inputs_ + input * width + (output - begin)];
}

std::unique_ptr<operation> affine::fused_with(const operation& next) const {
  if (activated_) return nullptr;
  if (const auto* step = dynamic_cast<const activation_step*>(&next)) {
    auto fused = std::make_unique<affine>(*this);
    fused->then_ = step->how();
    fused->activated_ = true;
    return fused;
  }
  if (const auto* linear = dynamic_cast<const cellwise_linear*>(&next)) return with(*linear);
  if (const auto* second = dynamic_cast<const affine*>(&next)) return with(*second);
  return nullptr;
}

// (x W + b) f + t = x (W f) + (b f + t), where f and t are the same for each of the repeats.
std::unique_ptr<operation> affine::with(const cellwise_linear& next) const {
  if (next.cells() != outputs_ * repeats_) return nullptr;
  for (std::size_t i = outputs_; i < next.cells(); ++i)
    if (next.factor(i) != next.factor(i % outputs_) || next.term(i) != next.term(i % outputs_)) return nullptr;
  std::vector<float> weights(inputs_ * outputs_);
  std::vector<float> bias(outputs_);
  for (std::size_t o = 0; o < outputs_; ++o) {
    for (std::size_t i = 0; i < inputs_; ++i)
      weights[i * outputs_ + o] = static_cast<float>(static_cast<double>(weight(i, o)) * next.factor(o));
    bias[o] = static_cast<float>(static_cast<double>(bias_[o]) * next.factor(o) + next.term(o));
    // A factor that leaves the range of floats would make something else of finite sums.
    if (!std::isfinite(bias[o])) return nullptr;
  }
  if (!std::all_of(weights.begin(), weights.end(), [](float w) { return std::isfinite(w); })) return nullptr;
  return std::make_unique<affine>(weights.data(), inputs_, outputs_, outputs_, 1, std::move(bias), repeats_);
}

// (x W + b) V + c = x (W V) + (b V + c), where one product is no more work than two.
std::unique_ptr<operation> affine::with(const affine& next) const {
  constexpr std::size_t work_max = std::size_t{1} << 28; // what loading may spend on it
  const std::size_t last = next.outputs_;
  if (repeats_ != 1 || next.repeats_ != 1 || next.inputs_ != outputs_) return nullptr;
  if (inputs_ * last > inputs_ * outputs_ + outputs_ * last || inputs_ * last > work_max / outputs_) return nullptr;
  std::vector<float> weights(inputs_ * last);
  std::vector<float> bias(last);
  std::vector<double> sums(last);
  const auto add = [&](std::size_t middle, double factor) {
    for (std::size_t o = 0; o < last; ++o) sums[o] += factor * static_cast<double>(next.weight(middle, o));
  };
  for (std::size_t i = 0; i <= inputs_; ++i) { // the bias is the row behind the last
    std::fill(sums.begin(), sums.end(), 0.0);
    for (std::size_t m = 0; m < outputs_; ++m) add(m, static_cast<double>(i < inputs_ ? weight(i, m) : bias_[m]));
    for (std::size_t o = 0; o < last; ++o)
      if (i < inputs_)
        weights[i * last + o] = static_cast<float>(sums[o]);
      else
        bias[o] = static_cast<float>(sums[o] + static_cast<double>(next.bias_[o]));
  }
  const auto finite = [](float w) { return std::isfinite(w); };
  if (!std::all_of(weights.begin(), weights.end(), finite) || !std::all_of(bias.begin(), bias.end(), finite))
    return nullptr;
  auto fused = std::make_unique<affine>(weights.data(), inputs_, last, last, 1, std::move(bias), 1);
  fused->then_ = next.then_;
  fused->activated_ = next.activated_;
  return fused;
}

} // namespace troupe::model
