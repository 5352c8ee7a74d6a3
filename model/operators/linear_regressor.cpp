#include <fmt/format.h>

#include "model/operators/linear.hpp"

namespace troupe::model {
namespace {

class linear_regressor final : public linear_operation {
public:
  explicit linear_regressor(linear_map map)
      : map_(std::move(map)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const float* x = in[0].row<float>(i);
      float* y = out[0].row<float>(i);
      for (std::size_t target = 0; target < map_.outputs(); ++target)
        y[target] = static_cast<float>(map_.at(x, target));
    }
  }

  std::unique_ptr<operation> after_scaling(const std::vector<float>& offset,
                                           const std::vector<float>& scale) const override {
    return std::make_unique<linear_regressor>(map_.after_scaling(offset, scale));
  }

private:
  linear_map map_;
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
  const auto post = node.text("post_transform", "NONE");
  if (!post) return tl::make_unexpected(post.error());
  if (*post != "NONE") return node.unsupported("post_transform is supported only as NONE");
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
  built_node built;
  built.op = std::make_unique<linear_regressor>(linear_map{*weights, *intercepts, width});
  built.outputs.push_back(numbers_of(count));
  return built;
}

} // namespace troupe::model
