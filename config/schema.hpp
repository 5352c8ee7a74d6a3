#pragma once
// What config/schema.json says, applied to a document: checks, defaults, other names, places for --set. Keywords of our
// own in it: x-unit, x-agree (inherited by what is inside), x-allowed (the bounds in words), x-default-text,
// x-alias-of, x-secret. Internal to config/.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/json.hpp"
#include "config/problems.hpp"

namespace troupe::config {

/// Places whose value came out of a ${...} -> its text before. What is in there is never shown in an error.
using origins = std::map<std::string, std::string>;

/// The parsed schema; made once, immutable.
const json::value& schema_root();

/// Follows $ref.
const json::value& resolved(const json::value& node);

/// The schema of a member of an object: its own entry or that of additionalProperties; nullptr where it is unknown.
const json::value* member_schema(const json::value& node, std::string_view key);

bool has_type(const json::value& node, std::string_view type);

/// "an integer from 1 to 65536 (rows)": what is accepted.
std::string allowed_text(const json::value& node);

/// Whether a place ("kafka.sasl.password", "node.tls.passphrase") holds a secret, by its name alone.
bool is_secret(std::string_view path);

/// Whether what it holds is left out where a config is shown: secrets, and other PEM texts, which nobody wants to read.
bool is_redacted(std::string_view path);
inline constexpr std::string_view redacted_text = "<redacted>";

/// How a value is quoted in a message: short, without what is secret or came out of a ${...}.
std::string shown_value(const std::string& path, const json::value& value, const origins& expanded);

/// Rewrites the spellings that mean the same into one, before checking: a comma list in `subscribe`, offsets given as
/// an object inside a string. Reports what can't be read.
void normalize(json::document& doc, problem_list& problems);

/// Reports all that the schema does not allow.
void validate(json::document& doc, const origins& expanded, problem_list& problems);

/// Removes what `problems` holds so that the rest can be looked at: bad members go, bad elements become null.
void remove_bad(json::value& value, const std::string& path, const problem_list& problems);

/// Moves values under other names (x-alias-of) to the real one; both at once is a problem.
void apply_aliases(json::value& value, const json::value& node, const std::string& path, json::allocator& memory,
                   problem_list& problems);

/// Adds every option that is missing and has a default, and every section.
void fill_defaults(json::value& value, const json::value& node, json::allocator& memory);

/// Applies one "a.b=c".
void apply_set(json::document& doc, const std::string& assignment, problem_list& problems);

} // namespace troupe::config
