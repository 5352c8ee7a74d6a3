#pragma once
// Small JSON objects of the control plane: records, leases, bodies of changes. Reading is strict about what is asked
// for (type, bounds) and indifferent to members that nobody asks for, since a newer version may have written them. Only
// for .cpp files of cluster/ and actors/.
//
// Text from outside goes through RapidJSON with the flags that field experience asks for: iterative (depth can't
// overflow the stack), encoding checked, numbers kept as text and read with from_chars.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/result.hpp"

namespace troupe::json {

using writer = rapidjson::Writer<rapidjson::StringBuffer>;

/// `text` with every byte that is not valid UTF-8 replaced by '?': what we write must always be readable.
std::string clean(std::string_view text);
/// True for one JSON object, fit to be pasted into another document.
bool is_object(std::string_view text);

/// Writes one object, member by member.
class object_writer {
public:
  object_writer()
      : out_(buffer_) {
    out_.StartObject();
  }
  object_writer& text(const char* name, std::string_view value);
  object_writer& number(const char* name, std::int64_t value);
  object_writer& flag(const char* name, bool value);
  object_writer& texts(const char* name, const std::vector<std::string>& values);
  std::string done();

private:
  rapidjson::StringBuffer buffer_;
  writer out_;
};

/// Reads one object. The first thing that is wrong is remembered, what follows reads as empty; ask failed() at the end.
class object_reader {
public:
  /// `what` begins the error sentences: "record 'member/a'".
  object_reader(std::string what, std::string_view text);
  std::string text(const char* name, bool required = true);
  std::int64_t number(const char* name, std::int64_t lowest, std::int64_t highest, bool required = true,
                      std::int64_t missing = 0);
  bool flag(const char* name, bool required = true, bool missing = false);
  std::vector<std::string> texts(const char* name, bool required = true);
  /// A number of 64 bits as hex digits.
  std::uint64_t hex(const char* name);
  void complain(const std::string& sentence);
  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }

private:
  const rapidjson::Value* find(const char* name, bool required);
  std::string what_, error_;
  rapidjson::Document document_;
};

} // namespace troupe::json
