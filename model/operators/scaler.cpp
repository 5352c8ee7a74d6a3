#include <fmt/format.h>

#include "model/operators/linear.hpp"

namespace troupe::model {
namespace {

class scaler final : public operation {
public:
  scaler(std::vector<float> offset, std::vector<float> scale)
      : offset_(std::move(offset))
      , scale_(std::move(scale)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const float* from = in[0].row<float>(i);
      float* to = out[0].row<float>(i);
      for (std::size_t k = 0; k < offset_.size(); ++k)
        to[k] = static_cast<float>((static_cast<double>(from[k]) - static_cast<double>(offset_[k])) *
                                   static_cast<double>(scale_[k]));
    }
  }
  std::unique_ptr<operation> fused_with(const operation& next) const override {
    const auto* linear = dynamic_cast<const linear_operation*>(&next);
    return linear == nullptr ? nullptr : linear->after_scaling(offset_, scale_);
  }

private:
  std::vector<float> offset_;
  std::vector<float> scale_;
};

// One value for all columns, or one for each.
result<std::vector<float>> per_column(attribute_reader& node, std::string_view name, std::size_t width) {
  auto values = node.floats(name);
  if (!values) return values;
  if (values->size() == 1) return std::vector<float>(width, values->front());
  if (values->size() != width)
    return node.wrong(fmt::format("{} has {} entries for {} columns", name, values->size(), width));
  return values;
}

} // namespace

result<built_node> build_scaler(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const std::size_t width = (*input)->width();
  auto offset = per_column(node, "offset", width);
  if (!offset) return tl::make_unexpected(offset.error());
  auto scale = per_column(node, "scale", width);
  if (!scale) return tl::make_unexpected(scale.error());
  built_node built;
  built.op = std::make_unique<scaler>(std::move(*offset), std::move(*scale));
  built.outputs.push_back(numbers_of(width));
  return built;
}

} // namespace troupe::model
