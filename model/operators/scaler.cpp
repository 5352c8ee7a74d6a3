#include <fmt/format.h>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

class scaler final : public operation {
public:
  scaler(std::vector<float> offset, std::vector<float> scale)
      : offset_(std::move(offset))
      , scale_(std::move(scale)) {}
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    for (Eigen::Index row = 0; row < in[0].rows(); ++row)
      for (Eigen::Index column = 0; column < in[0].cols(); ++column) {
        const auto i = static_cast<std::size_t>(column);
        out[0](row, column) =
            static_cast<float>((static_cast<double>(in[0](row, column)) - static_cast<double>(offset_[i])) *
                               static_cast<double>(scale_[i]));
      }
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

result<built_node> build_scaler(attribute_reader& node, std::span<const value_type> inputs) {
  if (auto ok = require_numbers(node, inputs[0]); !ok) return tl::make_unexpected(ok.error());
  auto offset = per_column(node, "offset", inputs[0].width);
  if (!offset) return tl::make_unexpected(offset.error());
  auto scale = per_column(node, "scale", inputs[0].width);
  if (!scale) return tl::make_unexpected(scale.error());
  built_node built;
  built.op = std::make_unique<scaler>(std::move(*offset), std::move(*scale));
  built.outputs.emplace_back();
  built.outputs[0].width = inputs[0].width;
  return built;
}

} // namespace troupe::model
