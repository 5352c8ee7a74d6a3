#pragma once
// JSON values into the cells of features, with the treatment that the signature asks for where a value is missing,
// null, of the wrong type, out of range or unknown. Used by both ways through a row (row_parser.cpp, flat_row.cpp), so
// that they have one idea of a feature. One thread; allocates nothing once warm, but for strings with escapes.

#include <cmath>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/feature.hpp"
#include "model/rejection.hpp"

namespace troupe::model {

/// Where a row's features go.
struct row_values {
  double* numbers = nullptr;
  std::string_view* texts = nullptr;
};

/// Why the row was rejected.
struct row_fault {
  rejection code = rejection::none;
  std::string feature;  ///< empty where no feature is to blame
  std::string sentence; ///< printable ASCII
};

class feature_filler {
public:
  /// REQUIRES: columns fit into what begin() gets.
  explicit feature_filler(std::vector<feature_slot> slots);

  const std::vector<feature_slot>& slots() const { return slots_; }
  /// Before each row.
  void begin(row_values out);
  /// Before each batch: texts of earlier rows are no longer needed.
  void forget_texts() { texts_.clear(); }

  /// The quick way: whether the value is good as it is. False: nothing was decided, the general way must.
  bool quick_number(std::size_t feature, double value, bool whole) {
    const quick_slot& slot = quick_[feature];
    if (!slot.plain) return quick_checked_number(feature, value, whole);
    out_.numbers[slot.column] = value;
    return whole || std::isfinite(static_cast<float>(value));
  }
  bool quick_cell(std::size_t feature, std::size_t cell, double value); ///< of an array of numbers
  bool quick_boolean(std::size_t feature, bool value);
  bool quick_text(std::size_t feature, std::string_view text); ///< `text` lives as long as the row
  bool quick_absent(std::size_t feature, oddity how);          ///< missing or null

  /// The general way: fills the feature from a JSON value, or says in `fault` why not. REQUIRES: `literal` is valid
  /// JSON without lone surrogates, and lives as long as the row.
  rejection take(std::size_t feature, std::string_view literal, row_fault& fault);
  /// The row has no such field.
  rejection take_missing(std::size_t feature, row_fault& fault);

  /// After a good row: counts what was treated in it.
  void keep_counts();
  /// What was treated since the last call, by feature; empty where nothing was.
  std::vector<oddity_counts>& counts() { return counts_; }
  bool any_counts() const { return any_; }
  void clear_counts();

private:
  /// What the quick way needs of a number, eight of them to a cache line.
  struct quick_slot {
    std::uint32_t column = 0;
    bool plain = false; ///< one float of any size
  };
  struct odd_value {
    std::size_t feature;
    oddity what;
  };

  bool quick_checked_number(std::size_t feature, double value, bool whole);
  rejection take_array(const feature_slot& slot, std::size_t feature, std::string_view literal, row_fault& fault);
  rejection take_number(const feature_slot& slot, std::size_t feature, double value, row_fault& fault);
  rejection take_text(const feature_slot& slot, std::size_t feature, std::string_view text, row_fault& fault);
  rejection invalid(const feature_slot& slot, std::size_t feature, oddity what, rejection code, std::string sentence,
                    row_fault& fault);
  rejection absent(const feature_slot& slot, std::size_t feature, oddity what, rejection code, std::string sentence,
                   row_fault& fault);
  void put_missing(const feature_slot& slot) const;
  void put_replacement(const feature_slot& slot) const;
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::vector<feature_slot> slots_;
  std::vector<quick_slot> quick_; // by feature
  row_values out_;
  std::vector<odd_value> odd_; // of this row
  std::vector<oddity_counts> counts_;
  bool any_ = false;
  std::deque<std::string> texts_; // those that are not in the row as they are
};

} // namespace troupe::model
