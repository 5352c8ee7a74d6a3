// Concat and FeatureVectorizer.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// Joining along a dimension is putting pieces of each row side by side, `outer` times over: outer is the product of the
// dimensions before the axis, and a piece is what an input has from the axis on.
class join final : public operation {
public:
  join(std::size_t outer, element type)
      : outer_(outer)
      , cell_(cell_bytes(type)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < out[0].rows; ++i) {
      std::byte* to = out[0].data + i * out[0].stride * cell_;
      for (std::size_t k = 0; k < outer_; ++k)
        for (const cells_in& part : in) {
          const std::size_t bytes = part.width / outer_ * cell_;
          std::memcpy(to, part.data + i * part.stride * cell_ + k * bytes, bytes);
          to += bytes;
        }
    }
  }

private:
  std::size_t outer_;
  std::size_t cell_;
};

result<built_node> join_rows(attribute_reader& node, node_inputs inputs, std::size_t axis) {
  const auto first = row_value(node, inputs);
  if (!first) return tl::make_unexpected(first.error());
  value_type joined = **first;
  joined.dims[axis] = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto input = row_value(node, inputs, i);
    if (!input) return tl::make_unexpected(input.error());
    const value_type& part = **input;
    auto rest = part.dims;
    if (rest.size() == joined.dims.size()) rest[axis] = joined.dims[axis];
    if (part.type != joined.type || part.label != joined.label || rest != joined.dims)
      return node.wrong(
          fmt::format("its inputs are {} and {}, which don't fit together", to_string(**first), to_string(part)));
    joined.dims[axis] += part.dims[axis];
    joined.probabilities = joined.probabilities && part.probabilities;
  }
  if (joined.label) return node.unsupported("joining labels is not supported");
  if (inputs.size() > 1) joined.classes = nullptr;
  std::size_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(joined.dims[i]);
  built_node built;
  built.op = std::make_unique<join>(outer, joined.type);
  built.joins = outer == 1;
  built.outputs.push_back(std::move(joined));
  return built;
}

result<built_node> join_constants(const attribute_reader& node, node_inputs inputs, std::int64_t axis) {
  std::vector<operand> parts;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto part = any_operand(node, inputs, i);
    if (!part) return tl::make_unexpected(part.error());
    parts.push_back(std::move(*part));
  }
  const auto at = axis_of(node, parts[0], axis);
  if (!at) return tl::make_unexpected(at.error());
  shape joined = parts[0].dims;
  joined[*at] = 0;
  for (const operand& part : parts) {
    shape rest = part.dims;
    if (rest.size() == joined.size()) rest[*at] = joined[*at];
    if (part.type != parts[0].type || rest != joined) return node.wrong("its constants don't fit together");
    joined[*at] += part.dims[*at];
  }
  std::size_t outer = 1;
  for (std::size_t i = 0; i < *at; ++i) outer *= static_cast<std::size_t>(joined[i]);
  if (outer == 0) return node.wrong("its constants are empty");
  return deliver(node, std::make_unique<join>(outer, parts[0].type), parts, plain(parts[0].type, std::move(joined)));
}

} // namespace

result<built_node> build_concat(attribute_reader& node, node_inputs inputs) {
  const auto axis = node.integer("axis", 0);
  if (!axis) return tl::make_unexpected(axis.error());
  if (std::all_of(inputs.begin(), inputs.end(), [](const node_input& i) { return i.fixed != nullptr; }))
    return join_constants(node, inputs, *axis);
  const auto first = row_value(node, inputs);
  if (!first) return tl::make_unexpected(first.error());
  const auto where = row_axis(node, **first, *axis);
  if (!where) return tl::make_unexpected(where.error());
  return join_rows(node, inputs, *where);
}

result<built_node> build_feature_vectorizer(attribute_reader& node, node_inputs inputs) {
  const auto widths = node.integers("inputdimensions");
  if (!widths) return tl::make_unexpected(widths.error());
  if (widths->size() != inputs.size())
    return node.wrong(fmt::format("inputdimensions has {} entries for {} inputs", widths->size(), inputs.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto input = row_floats(node, inputs, i);
    if (!input) return tl::make_unexpected(input.error());
    if ((*input)->dims.size() != 1) return node.wrong(fmt::format("its input {} has no columns", i));
    if ((*widths)[i] != (*input)->dims[0])
      return node.wrong(
          fmt::format("inputdimensions[{}] is {}, but the input has {} columns", i, (*widths)[i], (*input)->dims[0]));
  }
  return join_rows(node, inputs, 0);
}

} // namespace troupe::model
