// TreeEnsembleRegressor as onnxruntime computes it: with one target only PROBIT is applied of the post transforms; of
// several, one without any weight counts as 0, whatever its base value.
#include <cmath>

#include <fmt/format.h>

#include "model/operators/tree_ensemble.hpp"

namespace troupe::model {
namespace {

template <class T> class tree_regressor final : public operation {
public:
  /// REQUIRES: base.size() == targets.
  tree_regressor(forest<T> trees, aggregate how, bool average, std::vector<T> base, post_transform post)
      : trees_(std::move(trees))
      , needs_has_(how != aggregate::sum)
      , divisor_(average ? static_cast<T>(trees_.trees()) : T{1})
      , base_(std::move(base))
      , post_(base_.size() > 1 || post == post_transform::probit ? post : post_transform::none)
      , always_(base_.size()) {
    for (std::size_t k = 0; k < always_.size(); ++k) {
      always_[k] = trees_.always(k);
      const bool mixed = base_.size() > 1 && !trees_.always(k) && !trees_.never(k);
      needs_has_ = needs_has_ || mixed;
    }
  }

  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores: sized once, and the operation itself stays immutable.
    thread_local std::vector<T> sums;
    thread_local std::vector<std::uint8_t> has;
    thread_local std::vector<double> scores;
    const std::size_t targets = base_.size();
    sums.assign(in[0].rows * targets, T{0});
    if (needs_has_) has.assign(sums.size(), 0);
    trees_.run(in[0], sums.data(), needs_has_ ? has.data() : nullptr);
    scores.resize(targets);
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = sums.data() + i * targets;
      float* to = out[0].row<float>(i);
      for (std::size_t k = 0; k < targets; ++k) {
        const bool counts = targets == 1 || (needs_has_ ? has[i * targets + k] != 0 : always_[k] != 0);
        scores[k] = counts ? static_cast<double>(from[k] / divisor_ + base_[k]) : 0.0;
      }
      model::apply(post_, scores);
      for (std::size_t k = 0; k < targets; ++k) to[k] = static_cast<float>(scores[k]);
    }
  }

private:
  forest<T> trees_;
  bool needs_has_;
  T divisor_;
  std::vector<T> base_;
  post_transform post_;
  std::vector<std::uint8_t> always_; // of each target: all rows have a weight for it
};

struct aggregation {
  aggregate how = aggregate::sum;
  bool average = false;
};

result<aggregation> read_aggregate(attribute_reader& node) {
  constexpr aggregation all[] = {
      {aggregate::sum, false}, {aggregate::sum, true}, {aggregate::min, false}, {aggregate::max, false}};
  const auto mode = node.mode("aggregate_function");
  if (!mode) return tl::make_unexpected(mode.error());
  return all[*mode]; // in the order of its modes
}

template <class T>
result<std::unique_ptr<operation>> build(const attribute_reader& node, const ensemble_attributes& given,
                                         std::size_t width, std::size_t targets, aggregation how) {
  auto trees = build_forest<T>(node, given, width, targets, how.how);
  if (!trees) return tl::make_unexpected(trees.error());
  std::vector<T> base(given.base_values.begin(), given.base_values.end());
  base.resize(targets, T{0});
  return std::make_unique<tree_regressor<T>>(std::move(*trees), how.how, how.average, std::move(base), given.how);
}

} // namespace

result<built_node> build_tree_ensemble_regressor(attribute_reader& node, node_inputs inputs) {
  const auto input = row_numbers(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto given = read_ensemble(node, "target");
  if (!given) return tl::make_unexpected(given.error());
  const auto targets = node.integer("n_targets", 1);
  if (!targets) return tl::make_unexpected(targets.error());
  const auto how = read_aggregate(node);
  if (!how) return tl::make_unexpected(how.error());
  constexpr std::int64_t targets_max = 1 << 20;
  if (*targets < 1 || *targets > targets_max)
    return node.wrong(fmt::format("n_targets is {}, expected 1 to {}", *targets, targets_max));
  const auto count = static_cast<std::size_t>(*targets);
  if (!given->base_values.empty() && given->base_values.size() != count)
    return node.wrong(
        fmt::format("the attribute base_values has {} entries for {} targets", given->base_values.size(), count));

  const std::size_t width = (*input)->width();
  auto op = given->doubles || (*input)->type == element::f64 ? build<double>(node, *given, width, count, *how)
                                                             : build<float>(node, *given, width, count, *how);
  if (!op) return tl::make_unexpected(op.error());
  built_node built;
  built.op = std::move(*op);
  built.outputs.push_back(numbers_of(count));
  return built;
}

} // namespace troupe::model
