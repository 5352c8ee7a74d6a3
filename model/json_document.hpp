#pragma once
// A JSON or UBJSON file as a tree of values, for loaders of model formats. Strict, and bounded before anything is
// allocated: depth, number of values, number of numbers. Arrays of numbers are kept as such. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace troupe::model {

struct json_value {
  enum class kind { null, boolean, number, text, array, object };
  kind what = kind::null;
  bool flag = false;
  double number = 0;
  std::string text;
  std::vector<double> numbers;   ///< array of nothing but numbers
  std::vector<json_value> items; ///< array of other values; values of an object
  std::vector<std::string> keys; ///< of an object; all differ

  /// nullptr: not an object, or no such key.
  const json_value* find(std::string_view key) const;
  bool is_array() const { return what == kind::array; }
  /// An array that may be read as numbers: it has nothing else.
  bool is_numbers() const { return what == kind::array && items.empty(); }
};

struct document_limits {
  std::size_t depth_max = 32;
  std::size_t values_max = 1u << 21;
  std::size_t numbers_max = 1u << 26;
  bool (*ignored)(std::string_view key) = nullptr; ///< members whose values are checked, but not kept
};

/// Fails (errc::invalid) with what is wrong and the byte where.
result<json_value> parse_json(std::string_view file, const document_limits& limits);
result<json_value> parse_ubjson(std::string_view file, const document_limits& limits);

} // namespace troupe::model
