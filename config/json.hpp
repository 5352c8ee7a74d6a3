#pragma once
// RapidJSON behind a parser that survives anything: depth, duplicate keys, NUL and numbers are handled here, not by the
// library (its own number conversion crashes on some inputs). Internal to config/.

#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>
#include <tl/expected.hpp>

namespace troupe::config::json {

using value = rapidjson::Value;
using document = rapidjson::Document;
using allocator = document::AllocatorType;

/// Deeper texts are refused: nothing in a config is nested so far, and every walk over a document may recurse.
inline constexpr int max_depth = 32;

/// Why a text is not a document; line and column count from 1.
struct syntax_error {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string what;
};

/// Parses JSON; `//` and `/* */` comments are allowed, trailing commas and duplicate keys are not. All duplicates are
/// reported, everything else stops at the first. Numbers become int64 where they are integers that fit, else doubles.
tl::expected<document, std::vector<syntax_error>> parse(std::string_view text);

/// The member of `object` with that key, or nullptr; nullptr also where it is no object.
const value* find(const value& object, std::string_view key);
value* find(value& object, std::string_view key);

std::string_view string_of(const value& text);
value make_string(std::string_view text, allocator& memory);

/// Adds or replaces a member.
void put(value& object, std::string_view key, value&& member, allocator& memory);

/// Compact JSON; cut to `limit` bytes (at a character) with "..." where it is longer, 0 for no limit.
std::string to_text(const value& of, std::size_t limit = 0);

/// Compact JSON with keys sorted at every level.
std::string to_canonical_text(const value& of);

/// JSON for people: two spaces a level, arrays of scalars on one line.
std::string to_pretty_text(const value& of);

/// "a.b", "a[3]": how a place in the document is called in every message.
std::string member_path(const std::string& parent, std::string_view key);
std::string element_path(const std::string& parent, std::size_t index);

} // namespace troupe::config::json
