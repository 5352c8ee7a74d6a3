#include <fmt/format.h>

#include "model/operators/linear.hpp"

namespace troupe::model {
namespace {

class linear_regressor final : public operation {
public:
  explicit linear_regressor(linear_map map)
      : map_(std::move(map)) {}
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    for (Eigen::Index row = 0; row < in[0].rows(); ++row)
      for (std::size_t target = 0; target < map_.outputs(); ++target)
        out[0](row, static_cast<Eigen::Index>(target)) = static_cast<float>(map_.at(in[0], row, target));
  }

private:
  linear_map map_;
};

} // namespace

result<built_node> build_linear_regressor(attribute_reader& node, std::span<const value_type> inputs) {
  if (auto ok = require_numbers(node, inputs[0]); !ok) return tl::make_unexpected(ok.error());
  const auto weights = node.floats("coefficients");
  if (!weights) return tl::make_unexpected(weights.error());
  auto intercepts = node.floats("intercepts");
  if (!intercepts) return tl::make_unexpected(intercepts.error());
  const auto targets = node.integer("targets", 1);
  if (!targets) return tl::make_unexpected(targets.error());
  const auto post = node.text("post_transform", "NONE");
  if (!post) return tl::make_unexpected(post.error());
  if (*post != "NONE") return node.unsupported("post_transform is supported only as NONE");
  const std::size_t width = inputs[0].width;
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
  built.outputs.emplace_back();
  built.outputs[0].width = count;
  return built;
}

} // namespace troupe::model
