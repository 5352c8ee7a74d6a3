#pragma once
// Between the checked document and the structs of config.hpp, both ways. Internal to config/.

#include <set>
#include <string>

#include "config/config.hpp"
#include "config/json.hpp"
#include "config/problems.hpp"
#include "config/schema.hpp"

namespace troupe::config {

/// Fills the structs. REQUIRES: `doc` has been through remove_bad, apply_aliases and fill_defaults. Never fails: what
/// is missing (since it was bad, and has been reported) stays zero, and what can't be read is added to `problems`.
/// `consumed`, where given, gets the name of every option that was asked for ("pipelines[].output.carry"); a test
/// compares these with the schema. Without the fingerprint.
config to_config(const json::document& doc, const origins& expanded, problem_list& problems,
                 std::set<std::string>* consumed = nullptr);

/// The document that would load to `from`; secrets are replaced by redacted_text.
json::document to_document(const config& from);

/// `cluster` and `pipelines` only, in a form where everything that matters survives the sorting of keys.
json::document to_fingerprinted_document(const config& from);

/// What the schema can't say: relations between options, and what is not safe. See docs/configuration.md.
void check_meaning(const config& loaded, problem_list& problems);

} // namespace troupe::config
