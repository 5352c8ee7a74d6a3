#pragma once
// A JSON or UBJSON file as a tree of values, for loaders of model formats. Strict, and bounded before anything is
// allocated: depth, memory. Arrays of numbers are kept as such. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/memory_budget.hpp"

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
  memory_budget* memory = nullptr;                 ///< charged for every value that is kept; nullptr: no bound
  bool (*ignored)(std::string_view key) = nullptr; ///< members whose values are checked, but not kept
};

/// Fails (errc::invalid) with what is wrong and the byte where.
result<json_value> parse_json(std::string_view file, const document_limits& limits);
result<json_value> parse_ubjson(std::string_view file, const document_limits& limits);

} // namespace troupe::model
