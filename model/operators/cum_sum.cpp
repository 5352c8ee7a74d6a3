// CumSum: along an axis, the sum of what there is up to each cell. Sums of floats are in double, as those of ReduceSum.
#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// `size` cells that are summed up, `inner` apart, `outer` times over.
struct running {
  std::size_t outer = 1, size = 1, inner = 1;
  bool exclusive = false; // a cell is not in its own sum
  bool reverse = false;   // from the last cell on
};

template <class T> class cum_sum final : public operation {
public:
  explicit cum_sum(running how)
      : how_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i)
      for (std::size_t o = 0; o < how_.outer; ++o)
        for (std::size_t n = 0; n < how_.inner; ++n) {
          const std::size_t begin = o * how_.size * how_.inner + n;
          add_up(in[0].row<T>(i) + begin, out[0].row<T>(i) + begin);
        }
  }

private:
  void add_up(const T* from, T* to) const {
    // Integers wrap around, which unsigned ones may.
    std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t> sum = 0;
    for (std::size_t k = 0; k < how_.size; ++k) {
      const std::size_t at = (how_.reverse ? how_.size - 1 - k : k) * how_.inner;
      const auto before = sum;
      sum += static_cast<decltype(sum)>(from[at]);
      to[at] = static_cast<T>(how_.exclusive ? before : sum);
    }
  }
  running how_;
};

} // namespace

result<built_node> build_cum_sum(attribute_reader& node, node_inputs inputs) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  if (from->type == element::boolean) return node.unsupported("its input 0 is bool, expected numbers");
  const auto given = fixed_integers(node, inputs, 1, "axis");
  if (!given) return tl::make_unexpected(given.error());
  if (given->size() != 1) return node.wrong("its input axis is not one number");
  const auto axis = axis_of(node, *from, given->front());
  if (!axis) return tl::make_unexpected(axis.error());
  const auto exclusive = node.flag("exclusive");
  if (!exclusive) return tl::make_unexpected(exclusive.error());
  const auto reverse = node.flag("reverse");
  if (!reverse) return tl::make_unexpected(reverse.error());
  running how;
  how.exclusive = *exclusive;
  how.reverse = *reverse;
  for (std::size_t i = 0; i < from->dims.size(); ++i)
    (i < *axis ? how.outer : i == *axis ? how.size : how.inner) *= static_cast<std::size_t>(from->dims[i]);
  std::unique_ptr<operation> op;
  if (from->type == element::f64)
    op = std::make_unique<cum_sum<double>>(how);
  else if (from->type == element::i64)
    op = std::make_unique<cum_sum<std::int64_t>>(how);
  else
    op = std::make_unique<cum_sum<float>>(how);
  return deliver(node, std::move(op), {&*from, 1}, plain(from->type, from->dims));
}

} // namespace troupe::model
