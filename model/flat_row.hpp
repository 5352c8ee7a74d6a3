#pragma once
// The quick way through an ordinary row: one object of numbers and short strings, read in one pass. Used by row_parser,
// on its thread, before the general way; allocates nothing once it has seen a few rows.
//
// It only ever says yes. Whatever is not plain (an escape, a byte that is not ASCII, a nested value but an array of
// numbers, a number with an exponent or of many digits, a feature that is not good as it is, a name that comes twice,
// broken text) makes it give up, and the general way reads the row from its start and decides. So each rejection has
// one source.

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/name_table.hpp"
#include "model/row_parser.hpp"

namespace troupe::model {

/// A feature that lies inside of a field has no name of its own.
inline constexpr std::uint32_t no_name = 0xFFFFFFFFu;

/// Where a row goes, and what bounds it.
struct flat_row_target {
  name_table& names;
  feature_filler& features;
  const std::vector<std::uint32_t>& feature_names; ///< of each feature: the index of its name, or no_name
  std::vector<row_field>& recorded;
  bool record_unknown;
  std::uint32_t fields_max;
};

/// Whether the row is flat and good: then `features` and `recorded` are what the general way would have made of it.
/// Otherwise they hold a part of it, and `names` has begun a row that it must begin again.
/// REQUIRES: row.size() fits into 32 bits.
bool read_flat_row(std::string_view row, row_values out, const flat_row_target& to);

} // namespace troupe::model
