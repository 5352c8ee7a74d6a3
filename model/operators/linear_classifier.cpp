// LinearClassifier as onnxruntime computes it, its special cases of two classes included: with one row of coefficients
// the label is the second class where the score is positive, and the scores become {1-s, s}, or {1-p, p} with LOGISTIC;
// the other transforms are not applied to it.
#include <algorithm>

#include <fmt/format.h>

#include "model/kernels/kernels.hpp"
#include "model/operators/linear.hpp"
#include "model/operators/post_transform.hpp"

namespace troupe::model {
namespace {

// One row of coefficients for two classes, or two that are each other's negation.
class one_row_classifier final : public linear_operation {
public:
  one_row_classifier(linear_map map, bool logistic)
      : map_(std::move(map))
      , logistic_(logistic) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores: sized once, and the operation itself stays immutable.
    thread_local std::vector<double> scores;
    scores.resize(in[0].rows);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = map_.at(in[0].row<float>(i), map_.outputs() - 1);
      *out[0].row<std::int64_t>(i) = scores[i] > 0;
    }
    if (logistic_)
      put_logistic(scores, out[1]);
    else
      put_plain(scores, out[1]);
  }

  std::unique_ptr<operation> after_scaling(const std::vector<float>& offset,
                                           const std::vector<float>& scale) const override {
    return std::make_unique<one_row_classifier>(map_.after_scaling(offset, scale), logistic_);
  }

private:
  static void put_plain(const std::vector<double>& scores, const cells_out& out) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      out.row<float>(i)[0] = static_cast<float>(1.0 - scores[i]);
      out.row<float>(i)[1] = static_cast<float>(scores[i]);
    }
  }
  static void put_logistic(const std::vector<double>& scores, const cells_out& out) {
    const auto pairs = kernels::best().logistic_pairs;
    if (out.stride == 2) return pairs(scores.data(), out.row<float>(0), scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) pairs(&scores[i], out.row<float>(i), 1);
  }

  linear_map map_;
  bool logistic_;
};

class linear_classifier final : public linear_operation {
public:
  linear_classifier(linear_map map, post_transform how)
      : map_(std::move(map))
      , post_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores: sized once, and the operation itself stays immutable.
    thread_local std::vector<double> scores;
    scores.resize(map_.outputs());
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      for (std::size_t c = 0; c < scores.size(); ++c) scores[c] = map_.at(in[0].row<float>(i), c);
      const auto best = std::max_element(scores.begin(), scores.end()); // the first of equals
      *out[0].row<std::int64_t>(i) = best - scores.begin();
      model::apply(post_, scores);
      std::transform(scores.begin(), scores.end(), out[1].row<float>(i),
                     [](double s) { return static_cast<float>(s); });
    }
  }

  std::unique_ptr<operation> after_scaling(const std::vector<float>& offset,
                                           const std::vector<float>& scale) const override {
    return std::make_unique<linear_classifier>(map_.after_scaling(offset, scale), post_);
  }

private:
  linear_map map_;
  post_transform post_;
};

} // namespace

result<built_node> build_linear_classifier(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto classes = read_classes(node, "classlabels_ints", "classlabels_strings");
  if (!classes) return tl::make_unexpected(classes.error());
  const auto weights = node.floats("coefficients");
  if (!weights) return tl::make_unexpected(weights.error());
  const auto intercepts = node.floats("intercepts");
  if (!intercepts) return tl::make_unexpected(intercepts.error());
  const auto how = read_post_transform(node);
  if (!how) return tl::make_unexpected(how.error());
  // Told to by exporters, without a meaning for the result.
  if (const auto multi = node.flag("multi_class"); !multi) return tl::make_unexpected(multi.error());

  const std::size_t count = (*classes)->names.size();
  const std::size_t width = (*input)->width();
  const std::size_t rows = intercepts->size();
  if (count < 2) return node.wrong("it has one class label, expected two or more");
  if (rows != count && !(rows == 1 && count == 2))
    return node.wrong(fmt::format("intercepts has {} entries for {} classes", rows, count));
  if (weights->size() / rows != width || weights->size() % rows != 0)
    return node.wrong(
        fmt::format("coefficients has {} entries, expected {} rows x {} inputs", weights->size(), rows, width));

  if (rows == 1 && *how == post_transform::probit)
    return node.unsupported("post_transform PROBIT of one row of coefficients for two classes is not defined");

  built_node built;
  linear_map map{*weights, *intercepts, width};
  const bool logistic = *how == post_transform::logistic;
  if (rows == 1 || (logistic && map.is_mirrored()))
    built.op = std::make_unique<one_row_classifier>(std::move(map), logistic);
  else
    built.op = std::make_unique<linear_classifier>(std::move(map), *how);
  built.outputs.push_back(label_of(*classes));
  built.outputs.push_back(numbers_of(count));
  built.outputs[1].classes = *classes;
  built.outputs[1].probabilities = rows > 1 ? gives_probabilities(*how) : *how == post_transform::logistic;
  return built;
}

} // namespace troupe::model
