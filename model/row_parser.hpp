#pragma once
// One row of JSON into a row of features, and the raw bytes of the fields that are carried along. Strict by RFC 8259
// and bounded in every direction; whatever the bytes are, the answer is features or a rejection. Used by
// scoring_session, on its thread; allocates nothing once it has seen a few rows.
//
// What a feature may be is told by its slot (feature.hpp). Integers beyond 2^53 are rounded as any double is. A number
// that a double can't hold (1e400), that is not 0 but would become 0 (1e-400), or that the model's float32 input can't
// hold (1e39) is number_out_of_range; so is 1e400 in any other field. What is wrong with the text (stage PARSE) wins
// over what is wrong with a feature (stage BIND), whichever comes first in the row.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/feature_filler.hpp"
#include "model/name_table.hpp"
#include "model/rejection.hpp"

namespace troupe::model {

struct row_limits {
  std::uint32_t row_bytes = 1u << 20;
  std::uint32_t nesting_depth = 32; ///< the top-level object is depth 1
  std::uint32_t fields = 100'000;   ///< members of all objects of the row together
};

/// A top-level field: where its name (quotes included) and its value are in the row.
struct row_field {
  std::uint32_t key_begin, key_end, value_begin, value_end;
  std::int32_t tag; ///< of the known name; -1: a name that is not known
};

/// Which ways through a row there are. The outcome is the same; tests compare the two.
enum class row_paths {
  flat_first,   ///< ordinary rows in one pass (flat_row.hpp), all others by RapidJSON
  general_only, ///< all rows by RapidJSON
};

/// A feature inside a top-level field.
struct nested_feature {
  std::size_t feature = 0;
  std::vector<std::string> path; ///< from the field's value inwards
};

/// What a parser looks for.
struct wanted_fields {
  std::vector<known_name> names; ///< the fields that matter; they differ
  std::vector<feature_slot> features;
  std::vector<std::vector<nested_feature>> nested; ///< by known_name::nested
  bool record_unknown = false;                     ///< fields that are not among the names are recorded
};

class row_parser {
public:
  row_parser(wanted_fields wanted, row_limits limits, row_paths paths = row_paths::flat_first);
  row_parser(row_parser&&) noexcept;
  row_parser& operator=(row_parser&&) noexcept;
  ~row_parser();

  /// Fills `out` and `fields()`, or says why not, with `fault()`. Texts point into the row or into the parser's own
  /// memory, which forget_texts() gives up. REQUIRES: `out` has room for the columns of all features.
  rejection parse(std::string_view row, row_values out);
  /// Before a batch: texts of rows parsed so far are no longer needed.
  void forget_texts();
  /// What was treated in good rows; the reader clears it.
  feature_filler& features();
  /// The recorded fields of the last row, in its order; void after a rejection. Valid until the next parse.
  std::span<const row_field> fields() const;
  /// Of the last row, where it was rejected.
  const row_fault& fault() const;
  /// How many rows have gone the quick way.
  std::uint64_t flat_rows() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::model
