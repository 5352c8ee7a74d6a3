#pragma once
// What a model wants from a row: names, types, and what to do where a row has something else. Comes from the model
// file's signature or from names alone; read by the row parser. The words are PMML's. Pure values.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

enum class feature_type : std::uint8_t {
  number,  ///< a JSON number that float32 can hold
  real,    ///< a JSON number that a double can hold
  integer, ///< a whole JSON number of at most 2^53
  boolean, ///< true or false, or the number 1 or 0
  text,    ///< a JSON string
};
/// "number", "double", "integer", "boolean", "string": the words of the signature; read are "float" and "long", too.
std::string_view to_string(feature_type type);
std::optional<feature_type> feature_type_of(std::string_view word);

/// What to do with a value that is missing (no such field), null, or invalid.
enum class treatment : std::uint8_t {
  reject, ///< returnInvalid: the row is a dead letter
  as_is,  ///< asIs: missing is NaN or the empty text; an unknown category or a number out of range goes to the model
  as_missing, ///< asMissing: an invalid value is treated as a missing one
  replace,    ///< asValue: by the replacement
};

/// One named input of the model.
struct feature_spec {
  std::string name; ///< a top-level field; beginning with '/': a JSON pointer
  feature_type type = feature_type::number;
  std::vector<std::int64_t> dims; ///< empty: one value; else the JSON array has these dimensions, or is flat

  treatment on_missing = treatment::reject; ///< reject, as_is or replace; null is missing, too
  double missing_number = std::numeric_limits<double>::quiet_NaN();
  std::string missing_text;
  treatment on_invalid = treatment::as_is; ///< of a value with the right type that is out of range or unknown
  treatment on_wrong_type = treatment::reject;
  double invalid_number = 0;
  std::string invalid_text;
  std::optional<double> low, high;     ///< smallest and largest of the training rows
  std::vector<std::string> categories; ///< known ones, sorted; empty: not told

  std::size_t width() const {
    std::size_t all = 1;
    for (const std::int64_t one : dims) all *= static_cast<std::size_t>(one);
    return all;
  }
};

/// What a treatment was applied to; counted for each feature.
enum class oddity : std::uint8_t {
  missing,
  null,
  wrong_type,
  out_of_range,     ///< below `low` or above `high`
  unknown_category, ///< not among `categories`
};
inline constexpr std::size_t oddity_count = 5;
/// "missing", "null", "wrong_type", "out_of_range", "unknown_category": metric labels.
std::string_view to_string(oddity what);

/// Of one feature, by oddity: rows in which it was met and the row was scored all the same.
using oddity_counts = std::array<std::uint64_t, oddity_count>;

/// A feature with its place in what the row parser fills.
struct feature_slot {
  feature_spec spec;
  std::size_t column = 0; ///< the first of its cells: of the numbers, or of the texts where type is text
};

} // namespace troupe::model
