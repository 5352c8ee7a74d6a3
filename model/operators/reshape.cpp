// Reshape, Flatten, Squeeze, Unsqueeze and Dropout: the same cells under another shape, which is no work.
#include <algorithm>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

bool fits(std::uint64_t cells, const shape& dims) {
  std::uint64_t all = 1;
  for (const std::int64_t size : dims) {
    if (size != 0 && all > cells / static_cast<std::uint64_t>(size)) return false;
    all *= static_cast<std::uint64_t>(size);
  }
  return all == cells;
}

// The one -1 of a target shape as what the others leave of `cells`.
result<shape> with_rest(const attribute_reader& node, shape target, std::uint64_t cells) {
  const auto rest = std::find(target.begin(), target.end(), -1);
  if (rest != target.end()) {
    *rest = 1;
    if (std::find(target.begin(), target.end(), -1) != target.end()) return node.wrong("its shape has -1 twice");
    std::uint64_t others = 1;
    for (const std::int64_t size : target) {
      others *= static_cast<std::uint64_t>(size);
      if (others == 0 || others > cells) return node.wrong(fmt::format("its shape does not fit {} elements", cells));
    }
    *rest = static_cast<std::int64_t>(cells / others);
  }
  if (!fits(cells, target)) return node.wrong(fmt::format("its shape does not fit {} elements", cells));
  return target;
}

// The target behind the batch: its first dimension must keep the batch, whatever the number of rows.
result<shape> row_shape(const attribute_reader& node, const operand& from, const shape& target) {
  if (target.empty()) return node.unsupported("its shape has no place for the batch");
  shape rest(target.begin() + 1, target.end());
  const std::uint64_t cells = from.width();
  if (target[0] == -1) {
    // The others must take a row's elements exactly, so that the batch is what is left.
    if (std::find(rest.begin(), rest.end(), -1) != rest.end()) return node.wrong("its shape has -1 twice");
    if (!fits(cells, rest))
      return node.unsupported(fmt::format("its shape would mix rows: they have {} elements", cells));
    return rest;
  }
  if (target[0] == 0 || target[0] == 1) return with_rest(node, std::move(rest), cells);
  return node.unsupported(fmt::format("its shape has {} in the place of the batch, supported are 0 and -1", target[0]));
}

} // namespace

result<built_node> build_reshape(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto zeros = node.flag("allowzero");
  if (!zeros) return tl::make_unexpected(zeros.error());
  const auto given = integers_of(node, inputs, 1, "shape");
  if (!given) return tl::make_unexpected(given.error());
  if (!*given) return node.wrong("its input shape is missing");
  shape target = **given;
  if (target.size() > 16) return node.wrong("its shape has more than 16 dimensions");
  const std::size_t batch = of_the_row(*from) ? 1 : 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] < -1) return node.wrong(fmt::format("its shape has the dimension {}", target[i]));
    if (target[i] != 0 || *zeros || i < batch) continue;
    if (i - batch >= from->dims.size())
      return node.wrong(fmt::format("its shape copies dimension {}, which its input does not have", i));
    target[i] = from->dims[i - batch];
  }
  if (*zeros && batch == 1 && !target.empty() && target[0] == 0) return node.wrong("its shape has no elements");
  auto dims = batch == 1 ? row_shape(node, *from, target) : with_rest(node, target, from->width());
  if (!dims) return tl::make_unexpected(dims.error());
  return reshaped(*from, std::move(*dims));
}

result<built_node> build_flatten(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto axis = node.integer("axis", 1);
  if (!axis) return tl::make_unexpected(axis.error());
  const std::size_t batch = of_the_row(*from) ? 1 : 0;
  const auto rank = static_cast<std::int64_t>(from->dims.size() + batch);
  const std::int64_t at = *axis < 0 ? *axis + rank : *axis;
  if (at < 0 || at > rank) return node.wrong(fmt::format("axis {} is outside of {} dimensions", *axis, rank));
  if (batch == 1 && at != 1)
    return node.unsupported(fmt::format("axis {} would mix the batch with other dimensions", *axis));
  if (batch == 1) return reshaped(*from, {static_cast<std::int64_t>(from->width())});
  shape dims{1, 1};
  for (std::size_t i = 0; i < from->dims.size(); ++i) dims[static_cast<std::int64_t>(i) < at ? 0 : 1] *= from->dims[i];
  return reshaped(*from, std::move(dims));
}

result<built_node> build_squeeze(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto given = integers_of(node, inputs, 1, "axes");
  if (!given) return tl::make_unexpected(given.error());
  shape dims;
  if (!*given) {
    for (const std::int64_t size : from->dims)
      if (size != 1) dims.push_back(size);
    return reshaped(*from, std::move(dims));
  }
  const auto axes = axes_of(node, *from, **given);
  if (!axes) return tl::make_unexpected(axes.error());
  for (std::size_t i = 0; i < from->dims.size(); ++i) {
    const bool taken = std::binary_search(axes->begin(), axes->end(), i);
    if (taken && from->dims[i] != 1)
      return node.wrong(fmt::format("it takes away a dimension of {} elements", from->dims[i]));
    if (!taken) dims.push_back(from->dims[i]);
  }
  return reshaped(*from, std::move(dims));
}

result<built_node> build_unsqueeze(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto given = integers_of(node, inputs, 1, "axes");
  if (!given) return tl::make_unexpected(given.error());
  if (!*given || (*given)->empty() || (*given)->size() > 16) return node.wrong("expected 1 to 16 axes");
  // The axes are those of the result.
  operand result_of = *from;
  value_type grown;
  result_of.dims.insert(result_of.dims.end(), (*given)->size(), 1);
  if (of_the_row(*from)) {
    grown = plain(from->type, result_of.dims);
    result_of.value = &grown;
  }
  const auto axes = axes_of(node, result_of, **given);
  if (!axes) return tl::make_unexpected(axes.error());
  shape dims;
  auto next = from->dims.begin();
  for (std::size_t i = 0; i < result_of.dims.size(); ++i)
    dims.push_back(std::binary_search(axes->begin(), axes->end(), i) ? 1 : *next++);
  return reshaped(*from, std::move(dims));
}

result<built_node> build_dropout(attribute_reader& node, node_inputs inputs) {
  // What drops is decided while training only; here it is the identity.
  const auto from = real_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto ratio = number_of(node, inputs, 1, "ratio");
  if (!ratio) return tl::make_unexpected(ratio.error());
  if (const auto seed = node.integer("seed", 0); !seed) return tl::make_unexpected(seed.error());
  if (inputs.size() > 2 && !inputs[2].absent()) {
    const auto training = fixed_value(node, inputs, 2, "training_mode");
    if (!training) return tl::make_unexpected(training.error());
    if (!(*training)->is_number() || (*training)->size() != 1 || (*training)->as<double>()[0] != 0)
      return node.unsupported("training_mode is true");
  }
  return reshaped(*from, from->dims);
}

} // namespace troupe::model
