#include "model/native_model.hpp"

#include <algorithm>
#include <cmath>

#include "base/assert.hpp"
#include "model/binding.hpp"
#include "model/evaluator.hpp"
#include "model/operators/post_transform.hpp"

namespace troupe::model {
namespace {

// The sums of a row, in place.
void link_sums(const native_output& how, std::span<double> sums) {
  for (double& sum : sums) sum /= how.divisor;
  switch (how.link) {
  case native_link::identity:
    return;
  case native_link::sigmoid:
    for (double& sum : sums) sum = logistic(how.slope * sum);
    return;
  case native_link::softmax:
    return model::apply(post_transform::softmax, sums);
  case native_link::exponential:
    for (double& sum : sums) sum = std::exp(sum);
    return;
  case native_link::signed_square:
    for (double& sum : sums) sum = std::copysign(sum * sum, sum);
    return;
  case native_link::soft_plus:
    for (double& sum : sums) sum = std::log1p(std::exp(sum));
    return;
  case native_link::step:
    for (double& sum : sums) sum = sum > 0;
    return;
  }
}

// One row's result from its sums.
void write_row(const native_output& how, std::span<double> sums, float* out) {
  link_sums(how, sums);
  if (how.classes && sums.size() == 1) {
    out[1] = static_cast<float>(sums[0]);
    out[0] = static_cast<float>(1 - sums[0]);
    return;
  }
  std::transform(sums.begin(), sums.end(), out, [](double sum) { return static_cast<float>(sum); });
}

template <class T> class native_trees final : public operation {
public:
  native_trees(forest<T> trees, native_output how)
      : trees_(std::move(trees))
      , start_(how.start.begin(), how.start.end())
      , how_(std::move(how)) {}

  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores: sized once, and the operation itself stays immutable.
    thread_local std::vector<T> sums;
    thread_local std::vector<double> row;
    const std::size_t targets = start_.size();
    sums.resize(in[0].rows * targets);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = start_[i % targets];
    trees_.run(in[0], sums.data(), nullptr);
    row.resize(targets);
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      for (std::size_t k = 0; k < targets; ++k) row[k] = static_cast<double>(sums[i * targets + k]);
      write_row(how_, row, out[0].row<float>(i));
    }
  }

private:
  forest<T> trees_;
  std::vector<T> start_;
  native_output how_;
};

class native_line final : public operation {
public:
  native_line(std::vector<float> weights, native_output how)
      : weights_(std::move(weights))
      , how_(std::move(how)) {}

  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    thread_local std::vector<double> row;
    const std::size_t targets = how_.start.size();
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      row.assign(how_.start.begin(), how_.start.end());
      const float* x = in[0].row<float>(i);
      for (std::size_t f = 0; f < in[0].width; ++f) {
        if (std::isnan(x[f])) continue;
        for (std::size_t k = 0; k < targets; ++k)
          row[k] += static_cast<double>(x[f]) * static_cast<double>(weights_[f * targets + k]);
      }
      write_row(how_, row, out[0].row<float>(i));
    }
  }

private:
  std::vector<float> weights_;
  native_output how_;
};

result<std::shared_ptr<const loaded_model>> finish(std::shared_ptr<const operation> op, element type,
                                                   native_model about) {
  const native_output& how = about.output;
  const std::size_t width = how.classes && how.start.size() == 1 ? 2 : how.start.size();
  const std::size_t columns = about.features.size();
  std::vector<slot_shape> slots{{type, columns}, {element::f32, width}};
  value_type matrix{type, {static_cast<std::int64_t>(columns)}, nullptr, false, false};
  std::vector<graph_input> inputs{{"X", std::move(matrix), {0, 0, columns}, 0}};
  std::vector<step> steps;
  steps.push_back({std::move(op), about.name, {{0, 0, columns}}, {{1, 0, width}}});
  auto model = std::make_shared<loaded_model>();
  model->name_in_file = about.name;
  model->graph = std::make_shared<const evaluator>(std::move(slots), std::move(inputs), std::move(steps),
                                                   graph_result{{1, 0, width}, std::nullopt, how.classes});
  if (how.classes) {
    model->what = width == 2 ? task::binary_classifier : task::classifier;
    model->classes_are_numbers = true;
    for (std::size_t i = 0; i < width; ++i) model->classes.push_back(std::to_string(i));
  }
  model->targets = width;
  auto features = features_of_names(*model->graph, about.features, "the model file");
  if (!features) return tl::make_unexpected(features.error());
  model->features = std::move(*features);
  // The trees know what to do.
  for (feature_spec& feature : model->features) feature.on_missing = treatment::as_is;
  if (const auto found = wanted_features(place_features(*model->graph, model->features), "the model file"); !found)
    return tl::make_unexpected(found.error());
  return std::shared_ptr<const loaded_model>{std::move(model)};
}

} // namespace

template <class T>
result<std::shared_ptr<const loaded_model>> make_native(const forest_spec<T>& spec, native_model about) {
  TROUPE_ASSERT(about.output.start.size() == spec.targets && about.features.size() == spec.features);
  auto op = std::make_shared<const native_trees<T>>(forest<T>{spec}, about.output);
  return finish(std::move(op), element_of<T>(), std::move(about));
}

result<std::shared_ptr<const loaded_model>> make_native_linear(std::vector<float> weights, native_model about) {
  TROUPE_ASSERT(weights.size() == about.output.start.size() * about.features.size());
  auto op = std::make_shared<const native_line>(std::move(weights), about.output);
  return finish(std::move(op), element::f32, std::move(about));
}

template result<std::shared_ptr<const loaded_model>> make_native(const forest_spec<float>&, native_model);
template result<std::shared_ptr<const loaded_model>> make_native(const forest_spec<double>&, native_model);

} // namespace troupe::model
