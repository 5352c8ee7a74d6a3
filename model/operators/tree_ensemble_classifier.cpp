// TreeEnsembleClassifier as onnxruntime computes it, its special cases of two classes included: where the weights of
// all leaves are for one class, there is one score, and the label and the second number are made from it.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "model/operators/tree_ensemble.hpp"

namespace troupe::model {
namespace {

// What the weights say about two classes.
enum class binary_kind {
  two_scores,   ///< there are weights for both classes
  one_positive, ///< for one, none is negative: the score is a probability
  one_signed,   ///< for one, some are negative: the score is positive for the second class
};

template <class T> class tree_classifier final : public operation {
public:
  tree_classifier(forest<T> trees, std::vector<T> base, post_transform post, binary_kind kind)
      : trees_(std::move(trees))
      , base_(std::move(base))
      , post_(post)
      , kind_(kind)
      , has_(trees_.targets()) {
    for (std::size_t k = 0; k < has_.size(); ++k) {
      has_[k] = trees_.always(k);
      mixed_ = mixed_ || !(trees_.always(k) || trees_.never(k));
    }
  }

  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores: sized once, and the operation itself stays immutable.
    thread_local std::vector<T> sums;
    thread_local std::vector<std::uint8_t> has;
    thread_local std::vector<double> scores;
    const std::size_t classes = has_.size();
    sums.assign(in[0].rows * classes, T{0});
    if (mixed_) has.assign(sums.size(), 0);
    trees_.run(in[0], sums.data(), mixed_ ? has.data() : nullptr);
    scores.resize(classes);
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      T* row = sums.data() + i * classes;
      const std::uint8_t* row_has = mixed_ ? has.data() + i * classes : has_.data();
      *out[0].row<std::int64_t>(i) = classes == 2 ? two(row, row_has, scores) : several(row, row_has, scores);
      std::transform(scores.begin(), scores.end(), out[1].row<float>(i),
                     [](double s) { return static_cast<float>(s); });
    }
  }

private:
  // A class without any weight counts as 0, whatever its base value.
  static double seen(T score, bool has) { return has ? static_cast<double>(score) : 0.0; }

  std::int64_t several(T* row, const std::uint8_t* has, std::vector<double>& scores) const {
    std::size_t best = scores.size();
    for (std::size_t k = 0; k < scores.size(); ++k) {
      if (!base_.empty()) row[k] += base_[k];
      const bool counts = has[k] != 0 || !base_.empty();
      if (counts && (best == scores.size() || row[k] > row[best])) best = k;
      scores[k] = seen(row[k], counts);
    }
    model::apply(post_, scores);
    return best == scores.size() ? 0 : static_cast<std::int64_t>(best);
  }

  std::int64_t two(T* row, const std::uint8_t* has, std::vector<double>& scores) const {
    const bool second = has[1] != 0;
    if (base_.size() == 2 && second) {
      row[1] = base_[1] + row[0];
      row[0] = -row[1];
    } else {
      for (std::size_t k = 0; k < base_.size(); ++k) row[k] += base_[k];
    }
    const T positive = second ? row[1] : has[0] != 0 ? row[0] : T{0};
    if (second || base_.size() == 2) {
      scores[0] = seen(row[0], has[0] != 0);
      scores[1] = seen(row[1], second);
      model::apply(post_, scores);
    } else {
      from_one(seen(row[0], has[0] != 0), scores);
    }
    return positive > (kind_ == binary_kind::one_positive ? T{0.5} : T{0});
  }

  void from_one(double score, std::vector<double>& scores) const {
    if (post_ == post_transform::probit) {
      scores = {score, 0};
      return model::apply(post_, std::span{scores}.first(1));
    }
    if (kind_ == binary_kind::two_scores && base_.size() == 1)
      scores = {score, 0}; // onnxruntime leaves the second number to chance
    else if (post_ == post_transform::logistic)
      scores = {logistic(-score), logistic(score)};
    else if (kind_ == binary_kind::one_positive)
      scores = {static_cast<double>(T{1} - static_cast<T>(score)), score};
    else
      scores = {-score, score};
  }

  forest<T> trees_;
  std::vector<T> base_;
  post_transform post_;
  binary_kind kind_;
  std::vector<std::uint8_t> has_; // of each class, where all rows agree
  bool mixed_ = false;            // not all do
};

binary_kind kind_of(const ensemble_attributes& given) {
  const std::set<std::int64_t> ids(given.weight_ids.begin(), given.weight_ids.end());
  if (ids.size() != 1) return binary_kind::two_scores;
  const bool negative = std::any_of(given.weights.begin(), given.weights.end(), [](double w) { return w < 0; });
  return negative ? binary_kind::one_signed : binary_kind::one_positive;
}

template <class T>
result<std::unique_ptr<operation>> build(const attribute_reader& node, const ensemble_attributes& given,
                                         std::size_t width, std::size_t classes) {
  auto trees = build_forest<T>(node, given, width, classes, aggregate::sum);
  if (!trees) return tl::make_unexpected(trees.error());
  std::vector<T> base(given.base_values.begin(), given.base_values.end());
  return std::make_unique<tree_classifier<T>>(std::move(*trees), std::move(base), given.how, kind_of(given));
}

} // namespace

result<built_node> build_tree_ensemble_classifier(attribute_reader& node, node_inputs inputs) {
  const auto input = row_numbers(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto classes = read_classes(node, "classlabels_int64s", "classlabels_strings");
  if (!classes) return tl::make_unexpected(classes.error());
  const auto given = read_ensemble(node, "class");
  if (!given) return tl::make_unexpected(given.error());
  const std::size_t count = (*classes)->names.size();
  if (count < 2) return node.wrong("it has one class label, expected two or more");
  const std::size_t base = given->base_values.size();
  if (base != 0 && base != count && !(base == 1 && count == 2))
    return node.wrong(fmt::format("the attribute base_values has {} entries for {} classes", base, count));

  const std::size_t width = (*input)->width();
  auto op = given->doubles || (*input)->type == element::f64 ? build<double>(node, *given, width, count)
                                                             : build<float>(node, *given, width, count);
  if (!op) return tl::make_unexpected(op.error());
  built_node built;
  built.op = std::move(*op);
  built.outputs.push_back(label_of(*classes));
  built.outputs.push_back(numbers_of(count));
  built.outputs[1].classes = *classes;
  // Of random forests: the weights are shares, and no transform is needed.
  const bool shares = given->how == post_transform::none &&
                      std::all_of(given->weights.begin(), given->weights.end(), [](double w) { return w >= 0; }) &&
                      given->base_values.empty();
  built.outputs[1].probabilities = gives_probabilities(given->how) || shares;
  return built;
}

} // namespace troupe::model
