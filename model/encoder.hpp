#pragma once
// A prediction as JSON: carried fields with the bytes they came in, then what the model says. Used by scoring_session,
// on its thread.
//
// Numbers are the float32 that the model gives, in the shortest form that reads back as the same float32.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "model/bound_plan.hpp"

namespace troupe::model {

/// What the model says about a row.
struct row_result {
  std::span<const float> numbers;
  std::size_t label = 0;
};

/// Appends one JSON object. REQUIRES: numbers are finite; fields were recorded from `row` by a parser of this plan.
void encode(const bound_plan& plan, std::string_view row, std::span<const row_field> fields, const row_result& result,
            std::vector<char>& out);

} // namespace troupe::model
