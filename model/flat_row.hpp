#pragma once
// The quick way through an ordinary row: one object of numbers and short strings, read in one pass. Used by row_parser,
// on its thread, before the general way; allocates nothing once it has seen a few rows.
//
// It only ever says yes. Whatever is not plain (an escape, a byte that is not ASCII, a nested value, a number with an
// exponent or of many digits, a feature that is no number or is missing, a name that comes twice, broken text) makes it
// give up, and the general way reads the row from its start and decides. So each rejection has one source.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/name_table.hpp"
#include "model/row_parser.hpp"

namespace troupe::model {

/// Where a row goes, and what bounds it.
struct flat_row_target {
  name_table& names;
  std::span<float> features;
  std::vector<row_field>& recorded;
  bool record_unknown;
  std::uint32_t fields_max;
};

/// Whether the row is flat and good: then `features` and `recorded` are what the general way would have made of it.
/// Otherwise they hold a part of it, and `names` has begun a row that it must begin again.
/// REQUIRES: features.size() is the number of features in `names`, and row.size() fits into 32 bits.
bool read_flat_row(std::string_view row, const flat_row_target& to);

} // namespace troupe::model
