#include "cluster/json_text.hpp"

#include <charconv>

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

namespace troupe::json {
namespace {

constexpr unsigned flags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;

std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(at), second = byte(at + 1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!tail(at + 1) || !tail(at + 2)) return 0;
    const bool overlong = first == 0xE0 && second < 0xA0, surrogate = first == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!tail(at + 1) || !tail(at + 2) || !tail(at + 3)) return 0;
    const bool overlong = first == 0xF0 && second < 0x90, beyond = first == 0xF4 && second > 0x8F;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

/// Accepts everything inside one object, nothing else at the top.
struct object_check : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, object_check> {
  int depth = 0;
  bool Default() { return depth > 0; }
  bool StartObject() { return ++depth > 0; }
  bool EndObject(rapidjson::SizeType) { return --depth >= 0; }
  bool StartArray() { return depth++ > 0; }
  bool EndArray(rapidjson::SizeType) { return --depth >= 0; }
};

} // namespace

std::string clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto length = sequence_length(text, at);
    if (length == 0) {
      out += '?';
      ++at;
    } else {
      out.append(text.substr(at, length));
      at += length;
    }
  }
  return out;
}

bool is_object(std::string_view text) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  object_check check;
  return !reader.Parse<flags>(stream, check).IsError();
}

object_writer& object_writer::text(const char* name, std::string_view value) {
  const auto cleaned = clean(value);
  out_.Key(name);
  out_.String(cleaned.data(), static_cast<rapidjson::SizeType>(cleaned.size()));
  return *this;
}

object_writer& object_writer::number(const char* name, std::int64_t value) {
  out_.Key(name);
  out_.Int64(value);
  return *this;
}

object_writer& object_writer::flag(const char* name, bool value) {
  out_.Key(name);
  out_.Bool(value);
  return *this;
}

object_writer& object_writer::texts(const char* name, const std::vector<std::string>& values) {
  out_.Key(name);
  out_.StartArray();
  for (const auto& value : values) {
    const auto cleaned = clean(value);
    out_.String(cleaned.data(), static_cast<rapidjson::SizeType>(cleaned.size()));
  }
  out_.EndArray();
  return *this;
}

std::string object_writer::done() {
  out_.EndObject();
  return {buffer_.GetString(), buffer_.GetSize()};
}

object_reader::object_reader(std::string what, std::string_view text)
    : what_(std::move(what)) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  document_.ParseStream<flags, rapidjson::UTF8<>>(stream);
  if (document_.HasParseError())
    complain("not JSON at byte " + std::to_string(document_.GetErrorOffset()) + ": " +
             rapidjson::GetParseError_En(document_.GetParseError()));
  else if (!document_.IsObject())
    complain("not a JSON object");
}

void object_reader::complain(const std::string& sentence) {
  if (error_.empty()) error_ = what_ + ": " + sentence;
}

const rapidjson::Value* object_reader::find(const char* name, bool required) {
  if (failed()) return nullptr;
  const auto found = document_.FindMember(name);
  if (found != document_.MemberEnd()) return &found->value;
  if (required) complain(std::string("field '") + name + "' is missing");
  return nullptr;
}

std::string object_reader::text(const char* name, bool required) {
  const auto* value = find(name, required);
  if (!value) return {};
  if (!value->IsString()) {
    complain(std::string("field '") + name + "' is not a string");
    return {};
  }
  return {value->GetString(), value->GetStringLength()};
}

std::int64_t object_reader::number(const char* name, std::int64_t lowest, std::int64_t highest, bool required,
                                   std::int64_t missing) {
  const auto* value = find(name, required);
  if (!value) return missing;
  std::int64_t number = 0;
  if (value->IsString()) {
    const char* end = value->GetString() + value->GetStringLength();
    const auto parsed = std::from_chars(value->GetString(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end && number >= lowest && number <= highest) return number;
  }
  complain(std::string("field '") + name + "' is not an integer from " + std::to_string(lowest) + " to " +
           std::to_string(highest));
  return missing;
}

bool object_reader::flag(const char* name, bool required, bool missing) {
  const auto* value = find(name, required);
  if (!value) return missing;
  if (!value->IsBool()) {
    complain(std::string("field '") + name + "' is neither true nor false");
    return missing;
  }
  return value->GetBool();
}

std::vector<std::string> object_reader::texts(const char* name, bool required) {
  const auto* value = find(name, required);
  std::vector<std::string> out;
  if (!value) return out;
  if (!value->IsArray()) {
    complain(std::string("field '") + name + "' is not an array of strings");
    return out;
  }
  for (const auto& element : value->GetArray()) {
    if (!element.IsString()) {
      complain(std::string("field '") + name + "' is not an array of strings");
      return {};
    }
    out.emplace_back(element.GetString(), element.GetStringLength());
  }
  return out;
}

std::uint64_t object_reader::hex(const char* name) {
  const auto digits = text(name);
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size()) return number;
  complain(std::string("field '") + name + "' is not a hexadecimal number of 64 bits");
  return 0;
}

} // namespace troupe::json
