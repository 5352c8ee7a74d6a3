#pragma once
// What the tensor operators of ai.onnx share: an input as a tensor, whether it is a value of the row or a constant of
// the file; axes and shapes that cannot overflow; broadcasting; and computing now what depends on constants only. For
// that a constant is run as the one row of a batch, so that an operator is written once. Used by operators/ only.

#include <array>
#include <functional>

#include "model/operators/operator.hpp"

namespace troupe::model {

/// Multiplications, or the like, that one operation may take for a row; more is a mistake or an attack.
constexpr std::size_t row_work_max = std::size_t{1} << 32;

using shape = std::vector<std::int64_t>;

/// An input of a tensor operator. `dims` are those that it may touch: of a value of the row the ones behind the batch,
/// of a constant all of them.
struct operand {
  element type = element::f32;
  shape dims;
  const constant* fixed = nullptr;   ///< this or
  const value_type* value = nullptr; ///< that
  std::size_t width() const;
};

/// Numbers or booleans. A label counts as its integers where its classes are 0, 1, 2, ...; other labels and text fail.
result<operand> number_operand(const attribute_reader&, node_inputs, std::size_t index);
/// float or double.
result<operand> real_operand(const attribute_reader&, node_inputs, std::size_t index);
/// Text too.
result<operand> any_operand(const attribute_reader&, node_inputs, std::size_t index);
/// A label whose cells are what its class names say.
bool is_plain_label(const value_type&);
/// Classes "0", "1", ... of `count`.
std::shared_ptr<const class_list> counted_classes(std::size_t count);

/// The axis as an index into `of.dims`; fails for the batch of a value of the row and for one that is not there.
result<std::size_t> axis_of(const attribute_reader&, const operand& of, std::int64_t axis);
/// `axes` likewise, sorted; fails where one is there twice.
result<std::vector<std::size_t>> axes_of(const attribute_reader&, const operand& of, const std::vector<std::int64_t>&);
/// The cells of a result; fails where they are more than any value or constant may have, or none.
result<std::size_t> checked_width(const attribute_reader&, const shape& dims, bool of_the_row);
/// A constant input of integers, of at most one dimension.
result<std::vector<std::int64_t>> fixed_integers(const attribute_reader&, node_inputs, std::size_t index,
                                                 std::string_view name);
/// Axes or the like from the attribute, or from the input where later opsets have them; absent: nothing.
result<std::optional<std::vector<std::int64_t>>> integers_of(attribute_reader&, node_inputs, std::size_t index,
                                                             std::string_view name);
/// The attribute or, where later opsets have it, the input as a number; absent: nothing.
result<std::optional<double>> number_of(attribute_reader&, node_inputs, std::size_t index, std::string_view name);

/// A step whose result is `output`; or, where `from` are all constants, what it gives for them.
/// REQUIRES: `op` reads those of `from` that are values of the row, or all where none is.
result<built_node> deliver(const attribute_reader&, std::unique_ptr<operation> op, std::span<const operand> from,
                           value_type output);
/// The first input under another shape: no work for a value of the row.
built_node reshaped(const operand& from, shape dims);
/// Numbers or text of a type and shape, and nothing else known about them.
value_type plain(element type, shape dims);
/// Such a result of an operator whose inputs are like its first one.
inline bool of_the_row(const operand& from) { return from.value != nullptr; }

/// The shape that both broadcast to. `left` and `right` are values of the row or constants; a constant that has as many
/// dimensions as the value must have 1 where that has its batch.
struct broadcast {
  shape dims;
  shape left, right; ///< their shapes with as many dimensions as `dims`
};
result<broadcast> broadcast_of(const attribute_reader&, const operand& left, const operand& right);
/// Steps between cells of neighbours in row-major order.
std::vector<std::size_t> strides_of(const shape& dims);
/// Likewise, 0 where a dimension of `from` is 1 and that of `to` is not. REQUIRES: as many dimensions.
std::vector<std::size_t> broadcast_strides(const shape& from, const shape& to);
/// Of each cell of `dims`, in row-major order: where `strides` lead to.
std::vector<std::uint32_t> cells_at(const shape& dims, const std::vector<std::size_t>& strides, std::size_t first = 0);

/// An operation that gives cells of a row in another order: cell i is cell from[i] of the row, or `filler` where that
/// is nothing_there.
constexpr std::uint32_t nothing_there = 0xFFFFFFFF;
std::unique_ptr<operation> make_pick(std::vector<std::uint32_t> from, element type, double filler = 0);

/// An operation that gives, for each integer of the row, that part of the table's first dimension.
/// REQUIRES: numbers, and at least one.
std::unique_ptr<operation> make_lookup(const constant& table);

/// What multiplies every cell of a row by a number and adds another one, so that it can be taken into a linear map.
class cellwise_linear : public operation {
public:
  /// Of cell i. REQUIRES: i < cells().
  virtual double factor(std::size_t i) const = 0;
  virtual double term(std::size_t i) const = 0;
  virtual std::size_t cells() const = 0;
};

/// Calls `call` with a T of the type. REQUIRES: not text.
template <class Call> auto with_number_type(element type, const Call& call) {
  switch (type) {
  case element::f64:
    return call(double{});
  case element::i64:
    return call(std::int64_t{});
  case element::boolean:
    return call(std::uint8_t{});
  default:
    return call(float{});
  }
}

} // namespace troupe::model
