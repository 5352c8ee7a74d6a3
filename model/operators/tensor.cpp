#include "model/operators/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace troupe::model {
namespace {

// Of a value of the row; graph_builder has the bound on all of them together. A constant may be larger: weights are.
constexpr std::int64_t row_cells_max = std::int64_t{1} << 22;
constexpr std::int64_t constant_cells_max = std::int64_t{1} << 24;

template <std::size_t bytes> class pick final : public operation {
public:
  pick(std::vector<std::uint32_t> from, const std::byte* filler)
      : from_(std::move(from)) {
    std::memcpy(filler_.data(), filler, bytes);
  }
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const std::byte* row = in[0].data + i * in[0].stride * bytes;
      std::byte* to = out[0].data + i * out[0].stride * bytes;
      for (const std::uint32_t cell : from_) {
        std::memcpy(to, cell == nothing_there ? filler_.data() : row + std::size_t{cell} * bytes, bytes);
        to += bytes;
      }
    }
  }

private:
  std::vector<std::uint32_t> from_;
  std::array<std::byte, bytes> filler_{};
};

// The same where long runs of cells stay together.
class pick_runs final : public operation {
public:
  struct run_of_cells {
    std::size_t from, count; // bytes
  };
  explicit pick_runs(std::vector<run_of_cells> runs, std::size_t cell)
      : runs_(std::move(runs))
      , cell_(cell) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const std::byte* row = in[0].data + i * in[0].stride * cell_;
      std::byte* to = out[0].data + i * out[0].stride * cell_;
      for (const run_of_cells& piece : runs_) {
        std::memcpy(to, row + piece.from, piece.count);
        to += piece.count;
      }
    }
  }

private:
  std::vector<run_of_cells> runs_;
  std::size_t cell_;
};

// Whether the mean run is long enough for copying it at once; empty: it is not, or something is filled in.
std::vector<pick_runs::run_of_cells> long_runs(const std::vector<std::uint32_t>& from, std::size_t cell) {
  std::vector<pick_runs::run_of_cells> runs;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] == nothing_there) return {};
    if (i > 0 && from[i] == from[i - 1] + 1)
      runs.back().count += cell;
    else
      runs.push_back({from[i] * cell, cell});
    if (i >= 256 && runs.size() > i / 4) return {};
  }
  if (runs.size() * 4 > from.size()) runs.clear();
  return runs;
}

// A constant as the one row of a batch. Texts are looked at through views that `texts` keeps.
cells_in as_row(const constant& from, std::vector<std::string_view>& texts) {
  cells_in cells{nullptr, from.type(), 1, from.size(), from.size()};
  if (!from.is_number()) {
    texts.assign(from.texts().begin(), from.texts().end());
    cells.data = reinterpret_cast<const std::byte*>(texts.data());
    return cells;
  }
  std::visit([&](const auto& values) { cells.data = reinterpret_cast<const std::byte*>(values.data()); }, from.data);
  return cells;
}

constant run_once(const operation& op, std::span<const operand> from, const value_type& output) {
  std::vector<std::vector<std::string_view>> texts(from.size());
  std::vector<cells_in> in;
  for (std::size_t i = 0; i < from.size(); ++i) in.push_back(as_row(*from[i].fixed, texts[i]));
  constant made{output.dims, {}};
  const std::size_t width = output.width();
  if (output.type == element::text) {
    std::vector<std::string_view> views(width);
    const cells_out out{reinterpret_cast<std::byte*>(views.data()), output.type, 1, width, width};
    op.run(in, {&out, 1});
    made.data = std::vector<std::string>(views.begin(), views.end());
    return made;
  }
  with_number_type(output.type, [&](auto number) {
    std::vector<decltype(number)> values(width);
    const cells_out out{reinterpret_cast<std::byte*>(values.data()), output.type, 1, width, width};
    op.run(in, {&out, 1});
    made.data = std::move(values);
  });
  return made;
}

} // namespace

std::size_t operand::width() const {
  std::size_t width = 1;
  for (const std::int64_t size : dims) width *= static_cast<std::size_t>(size);
  return width;
}

bool is_plain_label(const value_type& value) {
  if (!value.label || !value.classes->numbers) return false;
  for (std::size_t i = 0; i < value.classes->names.size(); ++i)
    if (value.classes->names[i] != std::to_string(i)) return false;
  return true;
}

std::shared_ptr<const class_list> counted_classes(std::size_t count) {
  auto classes = std::make_shared<class_list>();
  classes->numbers = true;
  for (std::size_t i = 0; i < count; ++i) classes->names.push_back(std::to_string(i));
  return classes;
}

result<operand> any_operand(const attribute_reader& node, node_inputs inputs, std::size_t index) {
  if (index >= inputs.size() || inputs[index].absent())
    return node.wrong(fmt::format("its input {} is missing", index));
  const node_input& input = inputs[index];
  if (input.fixed != nullptr) return operand{input.fixed->type(), input.fixed->dims, input.fixed, nullptr};
  return operand{input.value->type, input.value->dims, nullptr, input.value};
}

result<operand> number_operand(const attribute_reader& node, node_inputs inputs, std::size_t index) {
  auto input = any_operand(node, inputs, index);
  if (!input) return input;
  if (input->value != nullptr && input->value->label && !is_plain_label(*input->value))
    return node.unsupported(fmt::format("its input {} is a label, whose classes are not 0, 1, 2, ...", index));
  if (input->type == element::text)
    return node.unsupported(fmt::format("its input {} is text, expected numbers", index));
  return input;
}

result<operand> real_operand(const attribute_reader& node, node_inputs inputs, std::size_t index) {
  auto input = number_operand(node, inputs, index);
  if (input && input->type != element::f32 && input->type != element::f64)
    return node.unsupported(
        fmt::format("its input {} has the type {}, supported are float and double", index, to_string(input->type)));
  return input;
}

result<std::size_t> axis_of(const attribute_reader& node, const operand& of, std::int64_t axis) {
  if (of.value != nullptr) return row_axis(node, *of.value, axis);
  const auto rank = static_cast<std::int64_t>(of.dims.size());
  if (axis < -rank || axis >= rank)
    return node.wrong(fmt::format("axis {} is outside of a constant of {} dimensions", axis, rank));
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

result<std::vector<std::size_t>> axes_of(const attribute_reader& node, const operand& of,
                                         const std::vector<std::int64_t>& axes) {
  std::vector<std::size_t> found;
  for (const std::int64_t axis : axes) {
    const auto one = axis_of(node, of, axis);
    if (!one) return tl::make_unexpected(one.error());
    if (std::find(found.begin(), found.end(), *one) != found.end())
      return node.wrong(fmt::format("axis {} is there twice", axis));
    found.push_back(*one);
  }
  std::sort(found.begin(), found.end());
  return found;
}

result<std::size_t> checked_width(const attribute_reader& node, const shape& dims, bool of_the_row) {
  const std::int64_t cells_max = of_the_row ? row_cells_max : constant_cells_max;
  std::int64_t width = 1;
  if (dims.size() > 16) return node.wrong("its result has more than 16 dimensions");
  for (const std::int64_t size : dims) {
    if (size < 0 || (size == 0 && of_the_row)) return node.wrong(fmt::format("its result has a dimension of {}", size));
    if (size != 0 && width > cells_max / size)
      return node.wrong(fmt::format("its result has more than {} elements{}", cells_max, of_the_row ? " a row" : ""));
    width *= size;
  }
  return static_cast<std::size_t>(width);
}

result<std::vector<std::int64_t>> fixed_integers(const attribute_reader& node, node_inputs inputs, std::size_t index,
                                                 std::string_view name) {
  const auto input = fixed_value(node, inputs, index, name);
  if (!input) return tl::make_unexpected(input.error());
  if ((*input)->type() != element::i64 || (*input)->dims.size() > 1)
    return node.wrong(fmt::format("its input {} is no list of integers", name));
  return std::get<std::vector<std::int64_t>>((*input)->data);
}

result<std::optional<std::vector<std::int64_t>>> integers_of(attribute_reader& node, node_inputs inputs,
                                                             std::size_t index, std::string_view name) {
  using found = std::optional<std::vector<std::int64_t>>;
  const bool given = index < inputs.size() && !inputs[index].absent();
  if (given && node.has(name)) return node.wrong(fmt::format("{} is both an input and an attribute", name));
  if (!given && !node.has(name)) return found{};
  auto integers = given ? fixed_integers(node, inputs, index, name) : node.integers(name);
  if (!integers) return tl::make_unexpected(integers.error());
  return found{std::move(*integers)};
}

result<std::optional<double>> number_of(attribute_reader& node, node_inputs inputs, std::size_t index,
                                        std::string_view name) {
  using found = std::optional<double>;
  if (index < inputs.size() && !inputs[index].absent()) {
    const auto input = fixed_value(node, inputs, index, name);
    if (!input) return tl::make_unexpected(input.error());
    if (!(*input)->is_number() || (*input)->size() != 1 || (*input)->dims.size() > 1)
      return node.wrong(fmt::format("its input {} is not one number", name));
    return found{(*input)->as<double>()[0]};
  }
  if (!node.has(name)) return found{};
  const auto attribute = node.any_number(name, 0);
  if (!attribute) return tl::make_unexpected(attribute.error());
  if (std::isnan(*attribute)) return node.wrong(fmt::format("the attribute {} is NaN", name));
  return found{static_cast<double>(*attribute)};
}

result<built_node> deliver(const attribute_reader& node, std::unique_ptr<operation> op, std::span<const operand> from,
                           value_type output) {
  const bool row = std::any_of(from.begin(), from.end(), of_the_row);
  if (const auto width = checked_width(node, output.dims, row); !width) return tl::make_unexpected(width.error());
  built_node built;
  if (row) {
    built.op = std::move(op);
    built.outputs.push_back(std::move(output));
  } else {
    const std::size_t cell = output.type == element::text ? sizeof(std::string) : cell_bytes(output.type);
    if (auto ok = node.charge(output.width() * cell); !ok) return tl::make_unexpected(ok.error());
    built.fixed = run_once(*op, from, output);
  }
  return built;
}

built_node reshaped(const operand& from, shape dims) {
  built_node built;
  if (from.fixed != nullptr) {
    built.fixed = constant{std::move(dims), from.fixed->data};
    return built;
  }
  value_type output = *from.value;
  if (output.dims != dims && dims.size() > 1) output.classes = output.label ? output.classes : nullptr;
  output.dims = std::move(dims);
  built.outputs.push_back(std::move(output));
  return built;
}

value_type plain(element type, shape dims) { return {type, std::move(dims), nullptr, false, false}; }

// ---- broadcasting ----

namespace {

// A constant's dimensions without the leading 1 that stands for the batch of a value with `rank` dimensions behind it.
result<shape> beside_the_row(const attribute_reader& node, const operand& fixed, std::size_t rank) {
  shape dims = fixed.dims;
  if (dims.size() > rank + 1)
    return node.unsupported("a constant has more dimensions than the value of the row that it meets");
  if (dims.size() == rank + 1) {
    if (dims[0] != 1)
      return node.unsupported(fmt::format(
          "a constant has {} where the other input has the batch: rows are independent of each other", dims[0]));
    dims.erase(dims.begin());
  }
  return dims;
}

shape widened(const shape& dims, std::size_t rank) {
  shape out(rank - dims.size(), 1);
  out.insert(out.end(), dims.begin(), dims.end());
  return out;
}

} // namespace

result<broadcast> broadcast_of(const attribute_reader& node, const operand& left, const operand& right) {
  broadcast out{{}, left.dims, right.dims};
  if (of_the_row(left) && of_the_row(right) && left.dims.size() != right.dims.size())
    return node.unsupported("its inputs differ in their number of dimensions: a batch would meet another dimension");
  for (const bool swap : {false, true}) {
    const operand& fixed = swap ? right : left;
    const operand& other = swap ? left : right;
    if (of_the_row(fixed) || !of_the_row(other)) continue;
    auto dims = beside_the_row(node, fixed, other.dims.size());
    if (!dims) return tl::make_unexpected(dims.error());
    (swap ? out.right : out.left) = std::move(*dims);
  }
  const std::size_t rank = std::max(out.left.size(), out.right.size());
  out.left = widened(out.left, rank);
  out.right = widened(out.right, rank);
  for (std::size_t i = 0; i < rank; ++i) {
    if (out.left[i] != out.right[i] && out.left[i] != 1 && out.right[i] != 1)
      return node.wrong(fmt::format("its inputs have {} and {} elements along a dimension", out.left[i], out.right[i]));
    out.dims.push_back(out.left[i] == 1 ? out.right[i] : out.left[i]);
  }
  const bool row = of_the_row(left) || of_the_row(right);
  if (const auto width = checked_width(node, out.dims, row); !width) return tl::make_unexpected(width.error());
  return out;
}

std::vector<std::size_t> strides_of(const shape& dims) {
  std::vector<std::size_t> strides(dims.size());
  std::size_t step = 1;
  for (std::size_t i = dims.size(); i-- > 0; step *= static_cast<std::size_t>(dims[i])) strides[i] = step;
  return strides;
}

std::vector<std::size_t> broadcast_strides(const shape& from, const shape& to) {
  auto strides = strides_of(from);
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i] == 1 && to[i] != 1) strides[i] = 0;
  return strides;
}

std::vector<std::uint32_t> cells_at(const shape& dims, const std::vector<std::size_t>& strides, std::size_t first) {
  std::vector<std::uint32_t> cells{static_cast<std::uint32_t>(first)};
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    std::vector<std::uint32_t> more;
    more.reserve(cells.size() * static_cast<std::size_t>(dims[axis]));
    for (const std::uint32_t cell : cells)
      for (std::size_t i = 0; i < static_cast<std::size_t>(dims[axis]); ++i)
        more.push_back(static_cast<std::uint32_t>(cell + i * strides[axis]));
    cells = std::move(more);
  }
  return cells;
}

std::unique_ptr<operation> make_pick(std::vector<std::uint32_t> from, element type, double filler) {
  const std::size_t cell = cell_bytes(type);
  if (auto runs = long_runs(from, cell); !runs.empty()) return std::make_unique<pick_runs>(std::move(runs), cell);
  std::array<std::byte, sizeof(std::string_view)> bytes{};
  if (type == element::text)
    new (bytes.data()) std::string_view{};
  else
    with_number_type(type, [&](auto number) {
      number = static_cast<decltype(number)>(filler);
      std::memcpy(bytes.data(), &number, sizeof number);
    });
  switch (cell) {
  case 1:
    return std::make_unique<pick<1>>(std::move(from), bytes.data());
  case 4:
    return std::make_unique<pick<4>>(std::move(from), bytes.data());
  case 8:
    return std::make_unique<pick<8>>(std::move(from), bytes.data());
  default:
    return std::make_unique<pick<sizeof(std::string_view)>>(std::move(from), bytes.data());
  }
}

} // namespace troupe::model
