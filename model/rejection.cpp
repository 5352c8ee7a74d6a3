#include "model/rejection.hpp"

#include <array>

#include "base/assert.hpp"

namespace troupe::model {
namespace {

struct description {
  std::string_view text;
  stage where;
};

// In the order of the enumeration.
constexpr std::array<description, rejection_count> descriptions{{
    {"NONE", stage::parse},
    {"NULL_VALUE", stage::parse},
    {"EMPTY_VALUE", stage::parse},
    {"ROW_TOO_LARGE", stage::parse},
    {"INVALID_JSON", stage::parse},
    {"INVALID_UTF8", stage::parse},
    {"NOT_AN_OBJECT", stage::parse},
    {"TOO_DEEP", stage::parse},
    {"TOO_MANY_FIELDS", stage::parse},
    {"DUPLICATE_KEY", stage::parse},
    {"MISSING_FEATURE", stage::bind},
    {"NULL_FEATURE", stage::bind},
    {"WRONG_TYPE", stage::bind},
    {"NUMBER_OUT_OF_RANGE", stage::bind},
    {"NOT_FINITE", stage::predict},
    {"OUTPUT_TOO_LARGE", stage::serialize},
    {"INTERNAL", stage::predict},
    {"OUTSIDE_RANGE", stage::bind},
    {"UNKNOWN_CATEGORY", stage::bind},
    {"UNACCEPTABLE_RECORD", stage::produce},
}};

const description& describe(rejection code) {
  const auto index = static_cast<std::size_t>(code);
  TROUPE_ASSERT(index < descriptions.size());
  return descriptions[index];
}

} // namespace

std::string_view to_string(rejection code) { return describe(code).text; }

stage stage_of(rejection code) {
  TROUPE_ASSERT(code != rejection::none);
  return describe(code).where;
}

std::string_view to_string(stage where) {
  switch (where) {
  case stage::parse:
    return "PARSE";
  case stage::bind:
    return "BIND";
  case stage::transform:
    return "TRANSFORM";
  case stage::predict:
    return "PREDICT";
  case stage::serialize:
    return "SERIALIZE";
  case stage::produce:
    return "PRODUCE";
  }
  TROUPE_ASSERT(false);
}

} // namespace troupe::model
