// ReduceSum and its like, ArgMax and ArgMin: what becomes of several cells of a row. Sums of floats are in double: it
// costs little, and is nearer to the truth than any order of float additions.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// Which cells are reduced to which: group after group of `size`; all of the row's in their order where `cells` is
// empty.
struct grouping {
  std::size_t groups = 1, size = 1;
  std::vector<std::uint32_t> cells;
  shape dims; // of the result
};

result<grouping> group(const attribute_reader& node, const operand& from, const std::vector<std::size_t>& axes,
                       bool keep) {
  grouping out;
  const auto strides = strides_of(from.dims);
  shape order;
  std::vector<std::size_t> steps;
  for (const bool reduced : {false, true})
    for (std::size_t i = 0; i < from.dims.size(); ++i) {
      const bool here = std::binary_search(axes.begin(), axes.end(), i);
      if (!reduced && here && keep) out.dims.push_back(1);
      if (!reduced && !here) out.dims.push_back(from.dims[i]);
      if (here != reduced) continue;
      order.push_back(from.dims[i]);
      steps.push_back(strides[i]);
      (reduced ? out.size : out.groups) *= static_cast<std::size_t>(from.dims[i]);
    }
  if (out.size == 0) return node.wrong("it reduces nothing to one");
  out.cells = cells_at(order, steps);
  bool in_order = true;
  for (std::size_t i = 0; i < out.cells.size() && in_order; ++i) in_order = out.cells[i] == i;
  if (in_order) out.cells.clear();
  return out;
}

template <class T, class F> class reduction final : public operation {
public:
  explicit reduction(grouping how)
      : how_(std::move(how)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t g = 0; g < how_.groups; ++g) {
        const std::size_t begin = g * how_.size;
        const auto cell = [&](std::size_t k) { return from[how_.cells.empty() ? begin + k : how_.cells[begin + k]]; };
        to[g] = F::template of<T>(how_.size, cell);
      }
    }
  }

private:
  grouping how_;
};

template <class T> using sum_type = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

template <class T, class Cell, class Map> sum_type<T> sum_of(std::size_t size, const Cell& cell, const Map& map) {
  sum_type<T> sum = 0;
  for (std::size_t k = 0; k < size; ++k) sum += map(static_cast<sum_type<T>>(cell(k)));
  return sum;
}
constexpr auto as_is = [](auto x) { return x; };
constexpr auto squared = [](auto x) { return x * x; };
// A negative integer is a large unsigned one.
template <class T>
constexpr auto absolute = [](auto x) {
  if constexpr (std::is_floating_point_v<T>) return std::abs(x);
  return static_cast<std::int64_t>(x) < 0 ? static_cast<decltype(x)>(0 - x) : x;
};

struct sum {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    return static_cast<T>(sum_of<T>(size, cell, as_is));
  }
};
struct mean {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(sum_of<T>(size, cell, as_is)) / static_cast<T>(size);
    else
      return static_cast<T>(sum_of<T>(size, cell, as_is) / static_cast<double>(size));
  }
};
struct sum_square {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    return static_cast<T>(sum_of<T>(size, cell, squared));
  }
};
struct l1 {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    return static_cast<T>(sum_of<T>(size, cell, absolute<T>));
  }
};
struct l2 {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    return static_cast<T>(std::sqrt(static_cast<double>(sum_of<T>(size, cell, squared))));
  }
};
struct log_sum {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    return static_cast<T>(std::log(static_cast<double>(sum_of<T>(size, cell, as_is))));
  }
};
struct product {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    sum_type<T> all = 1;
    for (std::size_t k = 0; k < size; ++k) all *= static_cast<sum_type<T>>(cell(k));
    return static_cast<T>(all);
  }
};
struct largest {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    T best = cell(0);
    for (std::size_t k = 1; k < size; ++k) best = cell(k) > best || cell(k) != cell(k) ? cell(k) : best;
    return best;
  }
};
struct smallest {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    T best = cell(0);
    for (std::size_t k = 1; k < size; ++k) best = cell(k) < best || cell(k) != cell(k) ? cell(k) : best;
    return best;
  }
};
struct log_sum_exp {
  template <class T, class Cell> static T of(std::size_t size, const Cell& cell) {
    const auto top = static_cast<double>(largest::of<T>(size, cell));
    if (!std::isfinite(top)) return static_cast<T>(top);
    double all = 0;
    for (std::size_t k = 0; k < size; ++k) all += std::exp(static_cast<double>(cell(k)) - top);
    return static_cast<T>(top + std::log(all));
  }
};

// No axes given: all of them, the batch included, unless that is said to mean none.
result<std::vector<std::size_t>> read_axes(attribute_reader& node, node_inputs inputs, const operand& from,
                                           bool& identity) {
  const auto given = integers_of(node, inputs, 1, "axes");
  if (!given) return tl::make_unexpected(given.error());
  const auto nothing_means_none = node.flag("noop_with_empty_axes");
  if (!nothing_means_none) return tl::make_unexpected(nothing_means_none.error());
  if (*given && !(*given)->empty()) return axes_of(node, from, **given);
  identity = *nothing_means_none;
  std::vector<std::size_t> all;
  if (identity) return all;
  if (of_the_row(from)) return node.unsupported("without axes it reduces the batch too");
  for (std::size_t i = 0; i < from.dims.size(); ++i) all.push_back(i);
  return all;
}

template <class F> result<built_node> build_reduction(attribute_reader& node, node_inputs inputs, bool takes_integers) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto keep = node.flag("keepdims");
  if (!keep) return tl::make_unexpected(keep.error());
  bool identity = false;
  const auto axes = read_axes(node, inputs, *from, identity);
  if (!axes) return tl::make_unexpected(axes.error());
  if (identity) return reshaped(*from, from->dims);
  auto how = group(node, *from, *axes, *keep);
  if (!how) return tl::make_unexpected(how.error());
  value_type output = plain(from->type, how->dims);
  output.probabilities = of_the_row(*from) && from->value->probabilities &&
                         (std::is_same_v<F, mean> || std::is_same_v<F, largest> || std::is_same_v<F, smallest>);
  std::unique_ptr<operation> op;
  if (from->type == element::f32)
    op = std::make_unique<reduction<float, F>>(std::move(*how));
  else if (from->type == element::f64)
    op = std::make_unique<reduction<double, F>>(std::move(*how));
  else if (from->type == element::i64 && takes_integers)
    op = std::make_unique<reduction<std::int64_t, F>>(std::move(*how));
  else
    return node.unsupported(fmt::format("its input has the type {}", to_string(from->type)));
  return deliver(node, std::move(op), {&*from, 1}, std::move(output));
}

// ---- ArgMax, ArgMin ----

template <class T> class arg_best final : public operation {
public:
  arg_best(grouping how, bool smallest_wins, bool last)
      : how_(std::move(how))
      , smallest_(smallest_wins)
      , last_(last) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      std::int64_t* to = out[0].row<std::int64_t>(i);
      for (std::size_t g = 0; g < how_.groups; ++g) to[g] = static_cast<std::int64_t>(best_of(from, g * how_.size));
    }
  }

private:
  std::size_t best_of(const T* from, std::size_t begin) const {
    const auto cell = [&](std::size_t k) { return from[how_.cells.empty() ? begin + k : how_.cells[begin + k]]; };
    std::size_t best = 0;
    for (std::size_t k = 1; k < how_.size; ++k) {
      const bool better = smallest_ ? cell(k) < cell(best) : cell(k) > cell(best);
      if (better || (last_ && cell(k) == cell(best))) best = k;
    }
    return best;
  }
  grouping how_;
  bool smallest_, last_;
};

result<built_node> build_arg(attribute_reader& node, node_inputs inputs, bool smallest_wins) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto given = node.integer("axis", 0);
  if (!given) return tl::make_unexpected(given.error());
  const auto keep = node.flag("keepdims");
  if (!keep) return tl::make_unexpected(keep.error());
  const auto last = node.flag("select_last_index");
  if (!last) return tl::make_unexpected(last.error());
  const auto axis = axis_of(node, *from, *given);
  if (!axis) return tl::make_unexpected(axis.error());
  auto how = group(node, *from, {*axis}, *keep);
  if (!how) return tl::make_unexpected(how.error());
  value_type output = plain(element::i64, how->dims);
  // The place of the best of all columns is a class, the first one being 0.
  if (of_the_row(*from) && from->dims.size() == 1) {
    output.classes = counted_classes(from->width());
    output.label = true;
  }
  auto op = with_number_type(from->type, [&](auto number) -> std::unique_ptr<operation> {
    return std::make_unique<arg_best<decltype(number)>>(std::move(*how), smallest_wins, *last);
  });
  return deliver(node, std::move(op), {&*from, 1}, std::move(output));
}

} // namespace

result<built_node> build_reduce_sum(attribute_reader& node, node_inputs inputs) {
  return build_reduction<sum>(node, inputs, true);
}
result<built_node> build_reduce_mean(attribute_reader& node, node_inputs inputs) {
  return build_reduction<mean>(node, inputs, true);
}
result<built_node> build_reduce_max(attribute_reader& node, node_inputs inputs) {
  return build_reduction<largest>(node, inputs, true);
}
result<built_node> build_reduce_min(attribute_reader& node, node_inputs inputs) {
  return build_reduction<smallest>(node, inputs, true);
}
result<built_node> build_reduce_prod(attribute_reader& node, node_inputs inputs) {
  return build_reduction<product>(node, inputs, true);
}
result<built_node> build_reduce_l1(attribute_reader& node, node_inputs inputs) {
  return build_reduction<l1>(node, inputs, true);
}
result<built_node> build_reduce_l2(attribute_reader& node, node_inputs inputs) {
  return build_reduction<l2>(node, inputs, false);
}
result<built_node> build_reduce_sum_square(attribute_reader& node, node_inputs inputs) {
  return build_reduction<sum_square>(node, inputs, true);
}
result<built_node> build_reduce_log_sum(attribute_reader& node, node_inputs inputs) {
  return build_reduction<log_sum>(node, inputs, false);
}
result<built_node> build_reduce_log_sum_exp(attribute_reader& node, node_inputs inputs) {
  return build_reduction<log_sum_exp>(node, inputs, false);
}
result<built_node> build_arg_max(attribute_reader& node, node_inputs inputs) { return build_arg(node, inputs, false); }
result<built_node> build_arg_min(attribute_reader& node, node_inputs inputs) { return build_arg(node, inputs, true); }

} // namespace troupe::model
