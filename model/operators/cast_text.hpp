#pragma once
// Cast between strings and numbers, written as onnxruntime writes them. Used by build_cast.

#include "model/operators/operator.hpp"

namespace troupe::model {

/// Numbers as strings: integers and booleans in decimal, floats with eight digits at most, "NaN", "INF", "-INF".
/// REQUIRES: the input is numbers, and no label.
built_node cast_to_text(const value_type& input);
/// Strings as floats or doubles; what is no number becomes NaN, so that the row becomes a dead letter, where
/// onnxruntime fails. Integers are refused: they have no NaN.
result<built_node> cast_from_text(const attribute_reader& node, const value_type& input, element to);

} // namespace troupe::model
