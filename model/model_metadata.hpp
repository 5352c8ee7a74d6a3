#pragma once
// What a model file says about itself in metadata_props: names of the features, the positive class, golden rows.
// docs/models.md has the keys for users. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/binding.hpp"
#include "model/memory_budget.hpp"

namespace troupe::model {

struct loaded_model;

/// Rows with the results that the exporter saw for them.
struct golden_rows {
  std::vector<std::string> rows; ///< each a JSON object
  std::vector<std::vector<double>>
      expected; ///< of each row: all probabilities, that of the positive class, or the values
};

struct model_metadata {
  std::vector<told_feature> features;     ///< of the signature; empty: not told
  std::vector<std::string> feature_names; ///< of the key feature_names; empty: not told
  std::optional<std::string> positive_class;
  std::optional<golden_rows> golden;
};

/// The text of the keys troupe.signature, feature_names and troupe.golden; absent ones are nullopt.
struct metadata_texts {
  std::optional<std::string> format, signature, feature_names, golden, baseline;
};

/// Fails (errc::invalid), naming the key and what is wrong in it.
result<model_metadata> read_metadata(const metadata_texts& texts, memory_budget& memory);

/// Scores the golden rows and compares: |difference| <= 1e-5 * max(1, |expected|). Fails (errc::invalid), naming the
/// row and both values; gives the largest difference.
result<double> check_golden(const loaded_model& model, const golden_rows& golden);

} // namespace troupe::model
