#include <algorithm>

#include <fmt/format.h>

#include "model/operators/linear.hpp"
#include "model/operators/post_transform.hpp"

namespace troupe::model {
namespace {

class linear_regressor final : public linear_operation {
public:
  linear_regressor(linear_map map, post_transform how)
      : map_(std::move(map))
      , post_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    thread_local std::vector<double> values;
    values.resize(map_.outputs());
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      for (std::size_t target = 0; target < values.size(); ++target)
        values[target] = map_.at(in[0].row<float>(i), target);
      model::apply(post_, values);
      std::transform(values.begin(), values.end(), out[0].row<float>(i),
                     [](double y) { return static_cast<float>(y); });
    }
  }

  std::unique_ptr<operation> after_scaling(const std::vector<float>& offset,
                                           const std::vector<float>& scale) const override {
    return std::make_unique<linear_regressor>(map_.after_scaling(offset, scale), post_);
  }

private:
  linear_map map_;
  post_transform post_;
};

} // namespace

result<built_node> build_linear_regressor(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto weights = node.floats("coefficients");
  if (!weights) return tl::make_unexpected(weights.error());
  auto intercepts = node.floats("intercepts");
  if (!intercepts) return tl::make_unexpected(intercepts.error());
  const auto targets = node.integer("targets", 1);
  if (!targets) return tl::make_unexpected(targets.error());
  auto post = read_post_transform(node);
  if (!post) return tl::make_unexpected(post.error());
  const std::size_t width = (*input)->width();
  if (*targets < 1 || static_cast<std::size_t>(*targets) > weights->size())
    return node.wrong(fmt::format("targets is {}, with {} coefficients", *targets, weights->size()));
  const auto count = static_cast<std::size_t>(*targets);
  if (weights->size() / count != width || weights->size() % count != 0)
    return node.wrong(
        fmt::format("coefficients has {} entries, expected {} targets x {} inputs", weights->size(), count, width));
  if (intercepts->empty()) intercepts->resize(count);
  if (intercepts->size() != count)
    return node.wrong(fmt::format("intercepts has {} entries for {} targets", intercepts->size(), count));
  // As onnxruntime has it: of one target only PROBIT is applied.
  if (count == 1 && *post != post_transform::probit) post = post_transform::none;
  built_node built;
  built.op = std::make_unique<linear_regressor>(linear_map{*weights, *intercepts, width}, *post);
  built.outputs.push_back(numbers_of(count));
  return built;
}

} // namespace troupe::model
