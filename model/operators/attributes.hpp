#pragma once
// The attributes that operators read, and the ways of which some of them name one. attribute_reader lets an operator
// read no other; the tests ask for a model with each of them and in each of the ways.

#include <span>
#include <string_view>

namespace troupe::model {

struct attribute_entry {
  std::string_view name;
  /// The texts, or the numbers as text, that it may have; an absent attribute means the first. Empty: it names no way.
  std::span<const std::string_view> modes = {};
};

/// In place of modes, of an axis: counted from the front or from the back; an absent one means neither.
extern const std::span<const std::string_view> axis_signs;

/// Of an operator by its name; empty: it has none, or there is no such operator.
std::span<const attribute_entry> attributes_of(std::string_view op);
/// nullptr: the operator does not read it.
const attribute_entry* find_attribute(std::string_view op, std::string_view name);

} // namespace troupe::model
