// Concat along the columns and FeatureVectorizer.
#include <fmt/format.h>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

class join final : public operation {
public:
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    Eigen::Index column = 0;
    for (const rows_in& part : in) {
      out[0].middleCols(column, part.cols()) = part;
      column += part.cols();
    }
  }
};

} // namespace

result<built_node> join_columns(attribute_reader& node, std::span<const value_type> inputs) {
  value_type joined;
  joined.width = 0;
  for (const value_type& input : inputs) {
    if (auto ok = require_numbers(node, input); !ok) return tl::make_unexpected(ok.error());
    joined.width += input.width;
  }
  built_node built;
  built.op = std::make_unique<join>();
  built.outputs.push_back(joined);
  built.joins = true;
  return built;
}

result<built_node> build_concat(attribute_reader& node, std::span<const value_type> inputs) {
  const auto axis = node.integer("axis", 0);
  if (!axis) return tl::make_unexpected(axis.error());
  if (*axis != 1 && *axis != -1)
    return node.unsupported(fmt::format("axis {} is not supported, only 1 (columns)", *axis));
  return join_columns(node, inputs);
}

result<built_node> build_feature_vectorizer(attribute_reader& node, std::span<const value_type> inputs) {
  const auto widths = node.integers("inputdimensions");
  if (!widths) return tl::make_unexpected(widths.error());
  if (widths->size() != inputs.size())
    return node.wrong(fmt::format("inputdimensions has {} entries for {} inputs", widths->size(), inputs.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if ((*widths)[i] < 0 || static_cast<std::size_t>((*widths)[i]) != inputs[i].width)
      return node.wrong(
          fmt::format("inputdimensions[{}] is {}, but the input has {} columns", i, (*widths)[i], inputs[i].width));
  return join_columns(node, inputs);
}

} // namespace troupe::model
