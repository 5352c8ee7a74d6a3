#pragma once
// Text of strangers in JSON of ours: for --json of the commands.

#include <string_view>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace troupe::cli {

using json_writer = rapidjson::Writer<rapidjson::StringBuffer>;

/// A string where the bytes are UTF-8, else {"base64":"..."}, so that nothing is lost.
void write_bytes(json_writer& out, std::string_view bytes);
/// A string; REQUIRES: UTF-8 (names of topics, members).
void write_text(json_writer& out, std::string_view text);

} // namespace troupe::cli
