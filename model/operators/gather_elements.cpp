// GatherElements: each cell of the result is a cell of the data, which along one axis is the one that the row's index
// names, and along the others is at the same place.
#include <algorithm>

#include <fmt/format.h>

#include "model/operators/tensor.hpp"

namespace troupe::model {
namespace {

// An index that is out of the axis is taken as that of Gather is: from the end if it is negative, and then the nearest.
template <class T> class gather_elements final : public operation {
public:
  /// `origins`: of each cell of the result, where it would lie with the index 0; `step`: from there to the next index.
  gather_elements(std::vector<std::uint32_t> origins, std::size_t step, std::size_t size)
      : origins_(std::move(origins))
      , step_(step)
      , last_(static_cast<std::int64_t>(size) - 1) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      const std::int64_t* indices = in[1].row<std::int64_t>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t k = 0; k < origins_.size(); ++k) {
        const std::int64_t index = indices[k] < 0 ? indices[k] + last_ + 1 : indices[k];
        to[k] = from[origins_[k] + static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, last_)) * step_];
      }
    }
  }

private:
  std::vector<std::uint32_t> origins_;
  std::size_t step_;
  std::int64_t last_;
};

} // namespace

result<built_node> build_gather_elements(attribute_reader& node, node_inputs inputs) {
  const auto from = number_operand(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const auto indices = number_operand(node, inputs, 1);
  if (!indices) return tl::make_unexpected(indices.error());
  if (!of_the_row(*from) || !of_the_row(*indices))
    return node.unsupported("expected data and indices that are both computed from the row");
  if (indices->type != element::i64) return node.wrong("its indices are no integers");
  const auto given = node.integer("axis", 0);
  if (!given) return tl::make_unexpected(given.error());
  const auto axis = axis_of(node, *from, *given);
  if (!axis) return tl::make_unexpected(axis.error());
  const shape &data = from->dims, &dims = indices->dims;
  if (data.size() != dims.size()) return node.wrong("its data and its indices differ in their dimensions");
  for (std::size_t i = 0; i < dims.size(); ++i)
    if (i != *axis && dims[i] > data[i])
      return node.wrong(fmt::format("its indices have {} elements where its data have {}", dims[i], data[i]));
  auto strides = strides_of(data);
  const std::size_t step = std::exchange(strides[*axis], 0);
  auto origins = cells_at(dims, strides);
  auto op = with_number_type(from->type, [&](auto number) -> std::unique_ptr<operation> {
    return std::make_unique<gather_elements<decltype(number)>>(std::move(origins), step,
                                                               static_cast<std::size_t>(data[*axis]));
  });
  const operand both[] = {*from, *indices};
  return deliver(node, std::move(op), both, plain(from->type, dims));
}

} // namespace troupe::model
