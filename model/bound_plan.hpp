#pragma once
// What scoring_plan is inside: the model, the names that the row parser looks for, and the shape of the output. Made by
// scoring_plan::make, which checks everything; used by scoring_session.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/name_table.hpp"
#include "model/row_parser.hpp"
#include "model/scoring.hpp"

namespace troupe::model {

/// What is copied of a recorded field of the row.
struct carry_rule {
  struct part {
    std::vector<std::string> path; ///< from the field's value inwards; empty: all of it
    std::string key;               ///< "\"id\":"
  };
  std::vector<part> parts;
};

/// A member of the output that comes from the model.
struct output_member {
  enum class kind_type { number, label, probabilities, values, text } kind = kind_type::number;
  std::string key;        ///< "\"pred\":"
  std::size_t column = 0; ///< number
  std::string text;       ///< text: JSON, as it is written
};

class bound_plan final : public scoring_plan {
public:
  std::vector<std::string> feature_names() const override;
  std::vector<treated_feature> treated() const override;

  std::shared_ptr<const loaded_model> model;
  wanted_fields wanted; ///< features, carried fields and names of the output
  row_limits limits;
  std::vector<carry_rule> carry; ///< by known_name::tag
  std::vector<output_member> members;
  std::vector<std::string> labels;     ///< classes as JSON values: 1 or "yes"
  std::vector<std::string> label_keys; ///< classes as JSON keys with the colon: "1":
  /// Of each feature and oddity, one after another: rows, of all sessions.
  mutable std::vector<std::atomic<std::uint64_t>> oddities;
};

} // namespace troupe::model
