#pragma once
// Names from outside (rows, model files, configs) put into sentences and into JSON. Pure; any thread.

#include <string>
#include <string_view>

namespace troupe::model {

/// 'name' for a sentence in a log or a header: cut to 64 bytes, everything but printable ASCII as \xNN.
std::string quoted(std::string_view name);
/// A text of somebody else for a terminal: as it is, but what a terminal acts on instead of showing it (control
/// characters, those that turn the direction of writing) and what is not UTF-8 is \xNN, byte by byte.
std::string printable(std::string_view text);
/// Appends "name" as a JSON string. REQUIRES: name is valid UTF-8.
void append_json_string(std::string& out, std::string_view name);

enum class utf8_state {
  valid,
  cut, ///< valid but for a character that the end of the text cuts off
  invalid,
};
/// Whether `text` is UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
utf8_state check_utf8(std::string_view text);

} // namespace troupe::model
