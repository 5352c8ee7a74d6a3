#pragma once
// Why a row can't be predicted. A rejected row is data: it goes to the dead-letter topic with one of these codes
// (docs/dead_letters.md has the list for users). The numbers cross the wire between nodes: append, never renumber.

#include <cstdint>
#include <string_view>

namespace troupe::model {

/// Where in the walk of a row it was rejected; the words of Kafka Connect's `__connect.errors.stage`.
enum class stage : std::uint8_t { parse, bind, transform, predict, serialize, produce };

enum class rejection : std::uint8_t {
  none = 0,
  null_value,          ///< a tombstone: the record has no value
  empty_value,         ///< no bytes, or white space only
  row_too_large,       ///< longer than max_row_bytes
  invalid_json,        ///< not JSON by RFC 8259: truncated, trailing text, NaN, 01, 1., ...
  invalid_utf8,        ///< bytes that are not UTF-8, or a lone surrogate escape
  not_an_object,       ///< JSON, but not an object at the top
  too_deep,            ///< nested deeper than max_nesting_depth
  too_many_fields,     ///< more members than the bound of the parser
  duplicate_key,       ///< one name twice in the top-level object, escapes resolved
  missing_feature,     ///< a feature of the model is not in the row
  null_feature,        ///< it is there as null
  wrong_type,          ///< it is there as a string, boolean, array or object where a number belongs
  number_out_of_range, ///< 1e400, or more than a double can hold
  not_finite,          ///< the model's result is NaN or infinite
  output_too_large,    ///< the prediction is larger than the output topic takes
  internal,            ///< evaluating failed in a way that no other code names
  outside_range,       ///< a feature is outside of the range that the model's file tells, and shall be rejected then
  unknown_category,    ///< a feature is none of the categories that the model's file tells, likewise
  unacceptable_record, ///< the output topic takes no such record: it is compacted, and the row has no key
};

/// "NULL_VALUE", "MISSING_FEATURE", ...: the value of `__troupe.errors.code` and of the metric label `code`.
std::string_view to_string(rejection code);
/// The stage that reports `code`. REQUIRES: code != none.
stage stage_of(rejection code);
/// "PARSE", "BIND", ...
std::string_view to_string(stage where);
/// Number of codes, `none` included: size of tables indexed by code.
inline constexpr std::size_t rejection_count = static_cast<std::size_t>(rejection::unacceptable_record) + 1;

} // namespace troupe::model
