#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// The k largest or smallest of `size` cells, `inner` apart, `outer` times over; the first of equals first.
struct selection {
  std::size_t outer = 1, size = 1, inner = 1, k = 1;
  bool largest = true;
};

template <class T> class top_k final : public operation {
public:
  explicit top_k(selection how)
      : how_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    // Scratch of a thread that scores.
    thread_local std::vector<std::size_t> order;
    order.resize(how_.size);
    for (std::size_t i = 0; i < in[0].rows; ++i)
      for (std::size_t o = 0; o < how_.outer; ++o)
        for (std::size_t n = 0; n < how_.inner; ++n) {
          const T* from = in[0].row<T>(i) + o * how_.size * how_.inner + n;
          sort(from, order);
          const std::size_t begin = o * how_.k * how_.inner + n;
          for (std::size_t k = 0; k < how_.k; ++k) {
            out[0].row<T>(i)[begin + k * how_.inner] = from[order[k] * how_.inner];
            out[1].row<std::int64_t>(i)[begin + k * how_.inner] = static_cast<std::int64_t>(order[k]);
          }
        }
  }

private:
  void sort(const T* from, std::vector<std::size_t>& order) const {
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto before = [&](std::size_t a, std::size_t b) {
      const T x = from[a * how_.inner];
      const T y = from[b * how_.inner];
      // NaN counts as the largest; without that there would be no order.
      if (x != x || y != y) return x == x || y == y ? (how_.largest ? x != x : y != y) : a < b;
      if (x != y) return how_.largest ? x > y : x < y;
      return a < b;
    };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(how_.k), order.end(), before);
  }
  selection how_;
};

// K: an input since opset 10, an attribute before.
result<std::int64_t> read_k(attribute_reader& node, node_inputs inputs) {
  if (node.has("k")) return node.integer("k", 0);
  const auto input = fixed_integers(node, inputs, 1, "K");
  if (!input) return tl::make_unexpected(input.error());
  if (input->size() != 1) return node.wrong("its input K is not one number");
  return input->front();
}

} // namespace

result<built_node> build_top_k(attribute_reader& node, node_inputs inputs) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  if (!of_the_row(*from) || from->type == element::boolean)
    return node.unsupported("expected numbers that are a value of the row");
  const auto k = read_k(node, inputs);
  if (!k) return tl::make_unexpected(k.error());
  const auto given = node.integer("axis", -1);
  if (!given) return tl::make_unexpected(given.error());
  const auto largest = node.flag("largest");
  if (!largest) return tl::make_unexpected(largest.error());
  // Sorted is one of the orders that `sorted` 0 leaves open.
  if (const auto sorted = node.flag("sorted"); !sorted) return tl::make_unexpected(sorted.error());
  const auto axis = axis_of(node, *from, *given);
  if (!axis) return tl::make_unexpected(axis.error());
  shape dims = from->dims;
  if (*k < 1 || *k > dims[*axis]) return node.wrong(fmt::format("k is {} of {} elements", *k, dims[*axis]));
  selection how;
  for (std::size_t i = 0; i < dims.size(); ++i)
    (i < *axis ? how.outer : i == *axis ? how.size : how.inner) *= static_cast<std::size_t>(dims[i]);
  how.k = static_cast<std::size_t>(*k);
  how.largest = *largest;
  dims[*axis] = *k;
  built_node built;
  built.op = with_number_type(from->type, [&](auto number) -> std::unique_ptr<operation> {
    return std::make_unique<top_k<decltype(number)>>(how);
  });
  built.outputs = {plain(from->type, dims), plain(element::i64, dims)};
  return built;
}

} // namespace troupe::model
