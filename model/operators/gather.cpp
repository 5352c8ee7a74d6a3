// Gather, Slice, Transpose, Expand, Tile and Pad: which cell of the input each cell of the result is, known when the
// model is loaded. Only a Gather out of a constant takes its indices from the row.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

value_type like(const operand& from, shape dims) {
  value_type output = plain(from.type, std::move(dims));
  output.probabilities = of_the_row(from) && from.value->probabilities;
  return output;
}

// What is left of a shape around an axis.
struct around {
  std::size_t outer = 1, size = 1, inner = 1;
};
around axis_of_shape(const shape& dims, std::size_t axis) {
  around out;
  for (std::size_t i = 0; i < dims.size(); ++i)
    (i < axis ? out.outer : i == axis ? out.size : out.inner) *= static_cast<std::size_t>(dims[i]);
  return out;
}

// Rows of a constant table that integers of the row choose, as embeddings do. One that is out of the table counts from
// its end if it is negative, and takes the nearest there is where that does not help either: a row can't fail here.
template <class T> class lookup final : public operation {
public:
  lookup(std::vector<T> table, std::size_t size, std::size_t inner)
      : table_(std::move(table))
      , size_(size)
      , inner_(inner) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const std::int64_t* indices = in[0].row<std::int64_t>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t k = 0; k < in[0].width; ++k, to += inner_) {
        const auto last = static_cast<std::int64_t>(size_) - 1;
        const std::int64_t index = indices[k] < 0 ? indices[k] + last + 1 : indices[k];
        const auto at = static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, last));
        std::copy_n(table_.data() + at * inner_, inner_, to);
      }
    }
  }

private:
  std::vector<T> table_;
  std::size_t size_, inner_;
};

result<built_node> gather_of_table(const attribute_reader& node, const operand& table, const operand& indices,
                                   std::int64_t axis) {
  if (!table.fixed->is_number()) return node.unsupported("its table has texts, supported are numbers");
  const auto at = axis_of(node, table, axis);
  if (!at) return tl::make_unexpected(at.error());
  // What is before the axis would come before the batch.
  if (*at != 0) return node.unsupported("axis must be 0 where the indices are computed from the row");
  if (table.width() == 0) return node.wrong("its table is empty");
  shape dims = indices.dims;
  dims.insert(dims.end(), table.dims.begin() + 1, table.dims.end());
  return deliver(node, make_lookup(*table.fixed), {&indices, 1}, plain(table.type, std::move(dims)));
}

// Starts, ends, axes and steps of Slice: attributes before opset 10, inputs since then.
struct slicing {
  std::vector<std::int64_t> starts, ends, axes, steps;
};

result<slicing> read_slicing(attribute_reader& node, node_inputs inputs, std::size_t first_axis) {
  slicing out;
  constexpr std::array names{"starts", "ends", "axes", "steps"};
  const std::array lists{&out.starts, &out.ends, &out.axes, &out.steps};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto given = integers_of(node, inputs, i + 1, names[i]);
    if (!given) return tl::make_unexpected(given.error());
    if (*given)
      *lists[i] = **given;
    else if (i < 2)
      return node.wrong(fmt::format("its {} are missing", names[i]));
    else
      lists[i]->assign(out.starts.size(), 1);
    if (lists[i]->size() != out.starts.size() || out.starts.size() > 16)
      return node.wrong(
          fmt::format("its {} have {} entries for {} starts", names[i], lists[i]->size(), out.starts.size()));
    if (i == 2 && !*given) std::iota(out.axes.begin(), out.axes.end(), static_cast<std::int64_t>(first_axis));
  }
  return out;
}

// From start to end of `size` elements, as Python counts: negative ones from the end, outside ones at the border.
struct range {
  std::int64_t begin = 0, count = 0;
};
range range_of(std::int64_t start, std::int64_t end, std::int64_t step, std::int64_t size) {
  const auto placed = [&](std::int64_t at) { return at < 0 ? (at < -size ? -1 : at + size) : at; };
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? size : size - 1;
  const std::int64_t begin = std::clamp(placed(start), low, high);
  const std::int64_t stop = std::clamp(placed(end), low, high);
  const std::int64_t distance = step > 0 ? stop - begin : begin - stop;
  if (distance <= 0) return {begin, 0};
  // -step of the least integer has no room, but then the first step leaves the range anyway.
  const std::int64_t length = step > 0 ? step : step < -size ? size + 1 : -step;
  return {begin, (distance - 1) / length + 1};
}

// Slicing the batch by all of itself is the identity, which some exporters write.
bool keeps_all(const slicing& given, std::size_t i) {
  return given.starts[i] == 0 && given.steps[i] == 1 && given.ends[i] >= std::numeric_limits<std::int32_t>::max();
}

result<shape> permutation_of(attribute_reader& node, const operand& from) {
  const std::size_t batch = of_the_row(from) ? 1 : 0;
  const auto rank = static_cast<std::int64_t>(from.dims.size() + batch);
  auto perm = node.integers("perm");
  if (!perm) return perm;
  if (perm->empty())
    for (std::int64_t i = rank; i-- > 0;) perm->push_back(i);
  if (static_cast<std::int64_t>(perm->size()) != rank)
    return node.wrong(fmt::format("perm has {} entries for {} dimensions", perm->size(), rank));
  std::vector<bool> seen(perm->size(), false);
  for (std::int64_t& axis : *perm) {
    if (axis < 0 || axis >= rank || seen[static_cast<std::size_t>(axis)])
      return node.wrong("perm is no permutation of the dimensions");
    seen[static_cast<std::size_t>(axis)] = true;
  }
  if (batch == 0) return perm;
  if ((*perm)[0] != 0) return node.unsupported("perm moves the batch: rows are independent of each other");
  shape rest(perm->begin() + 1, perm->end());
  for (std::int64_t& axis : rest) --axis;
  return rest;
}

} // namespace

std::unique_ptr<operation> make_lookup(const constant& table) {
  const around part = axis_of_shape(table.dims, 0);
  return with_number_type(table.type(), [&](auto number) -> std::unique_ptr<operation> {
    using type = decltype(number);
    return std::make_unique<lookup<type>>(std::get<std::vector<type>>(table.data), part.size, part.inner);
  });
}

result<built_node> build_gather(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto indices = number_operand(node, inputs, 1);
  if (!indices) return tl::make_unexpected(indices.error());
  if (indices->type != element::i64) return node.wrong("its indices are no integers");
  const auto axis = node.integer("axis", 0);
  if (!axis) return tl::make_unexpected(axis.error());
  if (of_the_row(*indices)) {
    if (of_the_row(*from)) return node.unsupported("both its data and its indices are computed from the row");
    return gather_of_table(node, *from, *indices, *axis);
  }
  const auto at = axis_of(node, *from, *axis);
  if (!at) return tl::make_unexpected(at.error());
  shape dims(from->dims.begin(), from->dims.begin() + static_cast<std::ptrdiff_t>(*at));
  dims.insert(dims.end(), indices->dims.begin(), indices->dims.end());
  dims.insert(dims.end(), from->dims.begin() + static_cast<std::ptrdiff_t>(*at) + 1, from->dims.end());
  const auto width = checked_width(node, dims, of_the_row(*from));
  if (!width) return tl::make_unexpected(width.error());
  const around part = axis_of_shape(from->dims, *at);
  auto list = indices->fixed->as<std::int64_t>();
  for (std::int64_t& index : list) {
    const auto size = static_cast<std::int64_t>(part.size);
    if (index < -size || index >= size)
      return node.wrong(fmt::format("its index {} is outside of {} elements", index, size));
    if (index < 0) index += size;
  }
  std::vector<std::uint32_t> cells;
  cells.reserve(*width);
  for (std::size_t o = 0; o < part.outer; ++o)
    for (const std::int64_t index : list)
      for (std::size_t i = 0; i < part.inner; ++i)
        cells.push_back(static_cast<std::uint32_t>((o * part.size + static_cast<std::size_t>(index)) * part.inner + i));
  return deliver(node, make_pick(std::move(cells), from->type), {&*from, 1}, like(*from, std::move(dims)));
}

result<built_node> build_slice(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto given = read_slicing(node, inputs, 0);
  if (!given) return tl::make_unexpected(given.error());
  shape dims = from->dims;
  auto strides = strides_of(dims);
  std::vector<bool> seen(dims.size(), false);
  std::size_t first = 0;
  for (std::size_t i = 0; i < given->starts.size(); ++i) {
    if (of_the_row(*from) && given->axes[i] == 0 && keeps_all(*given, i)) continue;
    const auto axis = axis_of(node, *from, given->axes[i]);
    if (!axis) return tl::make_unexpected(axis.error());
    const std::int64_t step = given->steps[i];
    if (step == 0) return node.wrong("a step is 0");
    if (seen[*axis]) return node.wrong(fmt::format("axis {} is there twice", given->axes[i]));
    seen[*axis] = true;
    const range part = range_of(given->starts[i], given->ends[i], step, dims[*axis]);
    dims[*axis] = part.count;
    if (part.count == 0) continue;
    first += static_cast<std::size_t>(part.begin) * strides[*axis];
    // Steps back wrap around, and so does what is added to them.
    strides[*axis] *= static_cast<std::size_t>(step);
  }
  if (const auto width = checked_width(node, dims, of_the_row(*from)); !width)
    return tl::make_unexpected(width.error());
  return deliver(node, make_pick(cells_at(dims, strides, first), from->type), {&*from, 1}, like(*from, dims));
}

result<built_node> build_transpose(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto perm = permutation_of(node, *from);
  if (!perm) return tl::make_unexpected(perm.error());
  if (std::is_sorted(perm->begin(), perm->end())) return reshaped(*from, from->dims);
  const auto strides = strides_of(from->dims);
  shape dims;
  std::vector<std::size_t> moved;
  for (const std::int64_t axis : *perm) {
    dims.push_back(from->dims[static_cast<std::size_t>(axis)]);
    moved.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  if (const auto width = checked_width(node, dims, of_the_row(*from)); !width)
    return tl::make_unexpected(width.error());
  return deliver(node, make_pick(cells_at(dims, moved), from->type), {&*from, 1}, like(*from, dims));
}

result<built_node> build_expand(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto target = fixed_integers(node, inputs, 1, "shape");
  if (!target) return tl::make_unexpected(target.error());
  // The target broadcasts like a constant of that shape, whose cells nobody looks at.
  constant shadow;
  operand other{from->type, *target, &shadow, nullptr};
  const auto shapes = broadcast_of(node, *from, other);
  if (!shapes) return tl::make_unexpected(shapes.error());
  auto cells = cells_at(shapes->dims, broadcast_strides(shapes->left, shapes->dims));
  return deliver(node, make_pick(std::move(cells), from->type), {&*from, 1}, plain(from->type, shapes->dims));
}

result<built_node> build_tile(attribute_reader& node, node_inputs inputs) {
  const auto from = any_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  auto repeats = fixed_integers(node, inputs, 1, "repeats");
  if (!repeats) return tl::make_unexpected(repeats.error());
  const std::size_t batch = of_the_row(*from) ? 1 : 0;
  if (repeats->size() != from->dims.size() + batch)
    return node.wrong(
        fmt::format("repeats has {} entries for {} dimensions", repeats->size(), from->dims.size() + batch));
  if (batch == 1 && (*repeats)[0] != 1) return node.unsupported("it repeats the batch");
  repeats->erase(repeats->begin(), repeats->begin() + static_cast<std::ptrdiff_t>(batch));
  // A dimension repeated r times is two: r steps of nothing, then its own.
  shape dims, walked;
  std::vector<std::size_t> steps;
  const auto strides = strides_of(from->dims);
  for (std::size_t i = 0; i < from->dims.size(); ++i) {
    if ((*repeats)[i] < 0 || (*repeats)[i] > (1 << 22)) return node.wrong("repeats has an entry out of range");
    dims.push_back(from->dims[i] * (*repeats)[i]);
    walked.insert(walked.end(), {(*repeats)[i], from->dims[i]});
    steps.insert(steps.end(), {0, strides[i]});
  }
  if (const auto width = checked_width(node, dims, batch == 1); !width) return tl::make_unexpected(width.error());
  return deliver(node, make_pick(cells_at(walked, steps), from->type), {&*from, 1}, plain(from->type, dims));
}

result<built_node> build_pad(attribute_reader& node, node_inputs inputs) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  if (const auto mode = node.mode("mode"); !mode) return tl::make_unexpected(mode.error());
  const auto pads = integers_of(node, inputs, 1, "pads");
  if (!pads) return tl::make_unexpected(pads.error());
  const auto value = number_of(node, inputs, 2, node.has("value") ? "value" : "constant_value");
  if (!value) return tl::make_unexpected(value.error());
  const std::size_t batch = of_the_row(*from) ? 1 : 0;
  const std::size_t rank = from->dims.size() + batch;
  std::vector<std::int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (inputs.size() > 3 && !inputs[3].absent()) {
    auto given = fixed_integers(node, inputs, 3, "axes");
    if (!given) return tl::make_unexpected(given.error());
    axes = std::move(*given);
  }
  if (!*pads || (*pads)->size() != 2 * axes.size())
    return node.wrong(fmt::format("expected pads with {} entries", 2 * axes.size()));
  std::vector<std::int64_t> before(from->dims.size(), 0);
  shape dims = from->dims;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t first = (**pads)[i];
    const std::int64_t last = (**pads)[i + axes.size()];
    if (first < 0 || last < 0 || first > (1 << 22) || last > (1 << 22))
      return node.unsupported("pads that are negative or larger than 4194304 are not supported");
    if (batch == 1 && axes[i] == 0 && first == 0 && last == 0) continue;
    const auto axis = axis_of(node, *from, axes[i]);
    if (!axis) return tl::make_unexpected(axis.error());
    before[*axis] = first;
    dims[*axis] = from->dims[*axis] + first + last;
  }
  if (const auto width = checked_width(node, dims, batch == 1); !width) return tl::make_unexpected(width.error());
  std::vector<std::uint32_t> cells{0};
  const auto strides = strides_of(from->dims);
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    std::vector<std::uint32_t> more;
    for (const std::uint32_t cell : cells)
      for (std::int64_t i = -before[axis]; i < dims[axis] - before[axis]; ++i)
        more.push_back(cell == nothing_there || i < 0 || i >= from->dims[axis]
                           ? nothing_there
                           : static_cast<std::uint32_t>(cell + static_cast<std::size_t>(i) * strides[axis]));
    cells = std::move(more);
  }
  auto op = make_pick(std::move(cells), from->type, value->value_or(0));
  return deliver(node, std::move(op), {&*from, 1}, plain(from->type, dims));
}

} // namespace troupe::model
