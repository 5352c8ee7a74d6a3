#pragma once
// From names to the cells of a graph's inputs: which feature fills which columns, and what the row parser has to look
// for. Used by the loaders and by scoring_plan::make. Pure; any thread.

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/evaluator.hpp"
#include "model/row_parser.hpp"

namespace troupe::model {

/// A feature as a signature tells it; where it is silent about the type, that of the input decides.
struct told_feature {
  feature_spec spec;
  std::optional<feature_type> type;
  std::optional<bool> missing_is_text, invalid_is_text; ///< of the replacements that it tells
};

/// What the file's own inputs say: one feature an input, by its name. Nothing where the only input is a matrix, whose
/// name says nothing about its columns.
std::optional<std::vector<feature_spec>> features_of_inputs(const evaluator& graph);
/// Names for every column, or for every input. Fails (errc::invalid) where there are more or fewer. `source` begins the
/// sentence: "the metadata", "the config".
result<std::vector<feature_spec>> features_of_names(const evaluator& graph, const std::vector<std::string>& names,
                                                    std::string_view source);
/// Gives the features of a signature their types, and proves that they fill the inputs, one after another. Fails
/// (errc::invalid), naming the feature.
result<std::vector<feature_spec>> features_of_signature(const evaluator& graph, const std::vector<told_feature>& told);

/// Where each feature goes. REQUIRES: the features were made for this graph by one of the functions above.
std::vector<feature_slot> place_features(const evaluator& graph, const std::vector<feature_spec>& features);
/// What a parser needs to find them: names and JSON pointers. Fails (errc::invalid) where a name is empty, not UTF-8,
/// there twice, or a broken pointer. `source` as above.
result<wanted_fields> wanted_features(std::vector<feature_slot> slots, std::string_view source);

} // namespace troupe::model
