#pragma once
// One row by both ways through a row parser, and whether they agree. For tests of model/row_parser and model/flat_row.

#include <boost/test/unit_test.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "model/row_parser.hpp"

namespace troupe::model {
inline std::ostream& operator<<(std::ostream& out, rejection code) { return out << to_string(code); }
} // namespace troupe::model

namespace troupe::model::testing {

/// Names whose `feature` counts numbers, one cell each, in a row of floats.
inline wanted_fields wanted(std::vector<known_name> names, bool record_unknown) {
  wanted_fields fields{std::move(names), {}, {}, record_unknown};
  for (const known_name& name : fields.names)
    if (name.feature >= 0) {
      const auto index = static_cast<std::size_t>(name.feature);
      if (fields.features.size() <= index) fields.features.resize(index + 1);
      fields.features[index].spec.name = name.text;
      fields.features[index].column = index;
    }
  return fields;
}

/// Two parsers of the same names, kept warm from row to row, of which only one may take the quick way.
class both_ways {
public:
  both_ways(const std::vector<known_name>& names, bool record_unknown, row_limits limits)
      : both_ways(wanted(names, record_unknown), limits) {}
  both_ways(const wanted_fields& fields, row_limits limits)
      : either_(fields, limits)
      , general_(fields, limits, row_paths::general_only) {
    for (const feature_slot& slot : fields.features)
      (slot.spec.type == feature_type::text ? texts_ : numbers_) += slot.spec.width();
  }

  /// Fails the test where the outcomes differ; gives the code.
  rejection compare(std::string_view row) {
    // A copy of the exact size, so that AddressSanitizer sees a read beyond it.
    const std::vector<char> exact(row.begin(), row.end());
    const std::string expected = outcome(general_, exact);
    const std::string got = outcome(either_, exact);
    BOOST_REQUIRE_MESSAGE(got == expected, "the row " << row << " gives " << got << " instead of " << expected);
    return code_;
  }

  std::uint64_t flat_rows() const { return either_.flat_rows(); }
  std::uint64_t flat_rows_of_general() const { return general_.flat_rows(); }

private:
  // All that a caller can see, as text.
  std::string outcome(row_parser& parser, const std::vector<char>& row) {
    std::vector<double> numbers(numbers_, -1.0);
    std::vector<std::string_view> texts(texts_);
    parser.forget_texts();
    parser.features().clear_counts();
    code_ = parser.parse({row.data(), row.size()}, {numbers.data(), texts.data()});
    std::string text{to_string(code_)};
    if (code_ != rejection::none) return text + " " + parser.fault().feature + ": " + parser.fault().sentence;
    for (const double value : numbers) text += " " + std::to_string(std::bit_cast<std::uint64_t>(value));
    for (const std::string_view value : texts) text += " '" + std::string{value} + "'";
    for (const oddity_counts& counts : parser.features().counts())
      for (const std::uint64_t count : counts) text += " " + std::to_string(count);
    for (const row_field& f : parser.fields()) {
      text += " [";
      for (const std::uint32_t at : {f.key_begin, f.key_end, f.value_begin, f.value_end})
        text += std::to_string(at) + " ";
      text += std::to_string(f.tag) + "]";
    }
    return text;
  }

  row_parser either_;
  row_parser general_;
  std::size_t numbers_ = 0;
  std::size_t texts_ = 0;
  rejection code_ = rejection::none;
};

} // namespace troupe::model::testing
