#pragma once
// Which properties of librdkafka a config may hold. An allow-list: some of the others run commands, load code or fetch
// addresses, and some belong to Troupe, whose guarantees would break. Internal to config/, and read by its
// documentation.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/json.hpp"
#include "config/problems.hpp"
#include "config/schema.hpp"

namespace troupe::config {

enum class property_kind { text, integer, real, boolean, choice, list };

/// A property that may be set. `low` and `high` are librdkafka's bounds; `choices` is for choice (one of) and list
/// (some of).
struct kafka_property {
  std::string_view name;
  property_kind kind = property_kind::text;
  double low = 0, high = 0;
  std::string_view choices;     ///< with spaces between
  std::string_view description; ///< one sentence
};

/// A property that is refused by name, and why: the sentence ends "... is refused: <reason>".
struct refused_property {
  std::string_view name, reason;
};

const std::vector<kafka_property>& allowed_properties();
const std::vector<refused_property>& refused_properties();

/// What is accepted, in words: "an integer from 0 to 300000".
std::string allowed_text(const kafka_property& property);

/// Checks the section `kafka` and turns its values into the strings that librdkafka takes.
std::map<std::string, std::string> read_kafka_properties(const json::value& section, const origins& expanded,
                                                         problem_list& problems);

} // namespace troupe::config
