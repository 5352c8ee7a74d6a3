#pragma once
// Finding one's way in JSON that row_parser has found to be sound: JSON pointers (RFC 6901) of carried fields, and the
// metadata of model files. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace troupe::model {

/// "/user/id" -> {"user", "id"}, with ~0 and ~1 resolved. Fails (errc::invalid) where the text doesn't start with '/',
/// names nothing, or has another escape.
result<std::vector<std::string>> parse_pointer(std::string_view pointer);

/// The bytes of what `path` leads to from `value`: members by name (the first of that name), elements by number.
/// Nothing where it leads nowhere. REQUIRES: `value` is valid JSON.
std::optional<std::string_view> walk(std::string_view value, const std::string* path_begin,
                                     const std::string* path_end);
/// The elements of an array, none where `array` is something else. REQUIRES: `array` is valid JSON.
std::vector<std::string_view> elements(std::string_view array);

/// What a string stands for, or nothing where `value` is something else. REQUIRES: `value` is valid JSON without lone
/// surrogates.
std::optional<std::string> string_value(std::string_view value);

} // namespace troupe::model
