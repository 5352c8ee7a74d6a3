#include "model/feature.hpp"

namespace troupe::model {

std::string_view to_string(feature_type type) {
  switch (type) {
  case feature_type::number:
    return "number";
  case feature_type::real:
    return "double";
  case feature_type::integer:
    return "integer";
  case feature_type::boolean:
    return "boolean";
  case feature_type::text:
    break;
  }
  return "string";
}

std::optional<feature_type> feature_type_of(std::string_view word) {
  for (const auto type :
       {feature_type::number, feature_type::real, feature_type::integer, feature_type::boolean, feature_type::text})
    if (to_string(type) == word) return type;
  // MLflow's words.
  if (word == "float") return feature_type::number;
  if (word == "long") return feature_type::integer;
  return std::nullopt;
}

std::string_view to_string(oddity what) {
  switch (what) {
  case oddity::missing:
    return "missing";
  case oddity::null:
    return "null";
  case oddity::wrong_type:
    return "wrong_type";
  case oddity::out_of_range:
    return "out_of_range";
  case oddity::unknown_category:
    break;
  }
  return "unknown_category";
}

} // namespace troupe::model
