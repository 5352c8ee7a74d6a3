#include "config/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>

namespace troupe::config::json {
namespace {

// Numbers come as strings and are converted here: RapidJSON 1.1.0 reads outside its tables on some of them.
constexpr unsigned parse_flags = rapidjson::kParseCommentsFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;

syntax_error at_offset(std::string_view text, std::size_t offset, std::string what) {
  auto before = text.substr(0, std::min(offset, text.size()));
  auto line_start = before.rfind('\n');
  syntax_error result;
  result.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  result.column = line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start;
  result.what = std::move(what);
  return result;
}

/// Stands between the reader and the document: passes everything on, refuses what the document should never hold.
class guard {
public:
  guard(document& target, const rapidjson::StringStream& stream, std::string_view text)
      : target_(target)
      , stream_(stream)
      , text_(text) {}

  bool Null() { return target_.Null(); }
  bool Bool(bool b) { return target_.Bool(b); }
  bool Int(int i) { return target_.Int(i); }
  bool Uint(unsigned u) { return target_.Uint(u); }
  bool Int64(std::int64_t i) { return target_.Int64(i); }
  bool Uint64(std::uint64_t u) { return target_.Uint64(u); }
  bool Double(double d) { return target_.Double(d); }

  bool RawNumber(const char* digits, rapidjson::SizeType length, bool) {
    const char* end = digits + length;
    std::int64_t whole = 0;
    if (auto got = std::from_chars(digits, end, whole); got.ec == std::errc{} && got.ptr == end)
      return target_.Int64(whole);
    double real = 0;
    if (auto got = std::from_chars(digits, end, real); got.ec != std::errc{} || got.ptr != end || !std::isfinite(real))
      return refuse("a number is out of range");
    return target_.Double(real);
  }

  bool String(const char* chars, rapidjson::SizeType length, bool) {
    if (has_nul(chars, length)) return refuse("a string holds the character \\u0000");
    return target_.String(chars, length, true);
  }

  bool StartObject() {
    if (!descend()) return false;
    keys_.emplace_back();
    return target_.StartObject();
  }

  bool Key(const char* chars, rapidjson::SizeType length, bool) {
    if (has_nul(chars, length)) return refuse("a name holds the character \\u0000");
    std::string key(chars, length);
    if (!keys_.back().insert(key).second)
      note(fmt::format("\"{}\" stands twice in the same object; remove one of them", key.substr(0, 80)));
    return target_.Key(chars, length, true);
  }

  bool EndObject(rapidjson::SizeType members) {
    --depth_;
    keys_.pop_back();
    return target_.EndObject(members);
  }

  bool StartArray() { return descend() && target_.StartArray(); }

  bool EndArray(rapidjson::SizeType elements) {
    --depth_;
    return target_.EndArray(elements);
  }

  std::vector<syntax_error> errors;
  bool refused = false; ///< the parse was ended by this class, which has said why

private:
  static bool has_nul(const char* chars, std::size_t length) {
    return std::string_view(chars, length).find('\0') != std::string_view::npos;
  }

  bool descend() {
    if (++depth_ > max_depth) return refuse(fmt::format("more than {} levels of nesting", max_depth));
    return true;
  }

  // While a handler runs, the reader's stream still stands at the beginning of the token.
  void note(std::string what) { errors.push_back(at_offset(text_, stream_.Tell(), std::move(what))); }

  bool refuse(std::string what) {
    note(std::move(what));
    refused = true;
    return false;
  }

  document& target_;
  const rapidjson::StringStream& stream_;
  std::string_view text_;
  std::vector<std::set<std::string>> keys_;
  int depth_ = 0;
};

std::string describe(rapidjson::ParseErrorCode code) {
  switch (code) {
  case rapidjson::kParseErrorDocumentEmpty:
    return "the text is empty";
  case rapidjson::kParseErrorDocumentRootNotSingular:
    return "text follows after the end of the document";
  case rapidjson::kParseErrorValueInvalid:
    return "a value is expected here (a trailing comma is not allowed)";
  case rapidjson::kParseErrorObjectMissName:
    return "a name in double quotes is expected here (a trailing comma is not allowed)";
  case rapidjson::kParseErrorObjectMissColon:
    return "a ':' is expected after the name";
  case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
    return "a ',' or '}' is expected here";
  case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
    return "a ',' or ']' is expected here";
  case rapidjson::kParseErrorNumberTooBig:
    return "a number is out of range";
  default:
    return rapidjson::GetParseError_En(code);
  }
}

template <class Writer> void write(const value& of, Writer& writer, bool sorted) {
  if (of.IsObject()) {
    std::vector<const value::Member*> members;
    for (const auto& member : of.GetObject()) members.push_back(&member);
    if (sorted)
      std::sort(members.begin(), members.end(),
                [](const auto* a, const auto* b) { return string_of(a->name) < string_of(b->name); });
    writer.StartObject();
    for (const auto* member : members) {
      writer.Key(member->name.GetString(), member->name.GetStringLength());
      write(member->value, writer, sorted);
    }
    writer.EndObject();
  } else if (of.IsArray()) {
    if constexpr (requires { writer.SetFormatOptions(rapidjson::kFormatDefault); }) {
      bool flat = std::none_of(of.Begin(), of.End(), [](const value& e) { return e.IsObject() || e.IsArray(); });
      writer.SetFormatOptions(flat ? rapidjson::kFormatSingleLineArray : rapidjson::kFormatDefault);
    }
    writer.StartArray();
    for (const auto& element : of.GetArray()) write(element, writer, sorted);
    writer.EndArray();
    if constexpr (requires { writer.SetFormatOptions(rapidjson::kFormatDefault); })
      writer.SetFormatOptions(rapidjson::kFormatDefault);
  } else {
    of.Accept(writer);
  }
}

void cut(std::string& text, std::size_t limit) {
  if (limit == 0 || text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
  text += "...";
}

} // namespace

tl::expected<document, std::vector<syntax_error>> parse(std::string_view text) {
  using failures = std::vector<syntax_error>;
  if (auto nul = text.find('\0'); nul != std::string_view::npos)
    return tl::make_unexpected(failures{at_offset(text, nul, "a NUL byte; this is not a text file")});
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  std::string terminated(text);
  rapidjson::StringStream stream(terminated.c_str());
  rapidjson::Reader reader;
  document result;
  guard checks(result, stream, text);
  rapidjson::ParseResult outcome;
  auto generate = [&](document&) {
    outcome = reader.Parse<parse_flags>(stream, checks);
    return !outcome.IsError();
  };
  result.Populate(generate);
  if (outcome.IsError() && !checks.refused)
    checks.errors.push_back(at_offset(text, outcome.Offset(), describe(outcome.Code())));
  if (!checks.errors.empty()) return tl::make_unexpected(std::move(checks.errors));
  return result;
}

std::string_view string_of(const value& text) {
  return text.IsString() ? std::string_view(text.GetString(), text.GetStringLength()) : std::string_view();
}

value make_string(std::string_view text, allocator& memory) {
  return value(text.data() == nullptr ? "" : text.data(), static_cast<rapidjson::SizeType>(text.size()), memory);
}

const value* find(const value& object, std::string_view key) {
  if (!object.IsObject()) return nullptr;
  for (const auto& member : object.GetObject())
    if (string_of(member.name) == key) return &member.value;
  return nullptr;
}

value* find(value& object, std::string_view key) {
  return const_cast<value*>(find(static_cast<const value&>(object), key));
}

void put(value& object, std::string_view key, value&& member, allocator& memory) {
  if (auto* present = find(object, key))
    *present = std::move(member);
  else
    object.AddMember(make_string(key, memory), std::move(member), memory);
}

std::string to_text(const value& of, std::size_t limit) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  write(of, writer, false);
  std::string text(buffer.GetString(), buffer.GetSize());
  cut(text, limit);
  return text;
}

std::string to_canonical_text(const value& of) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  write(of, writer, true);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string to_pretty_text(const value& of) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 2);
  write(of, writer, false);
  return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

std::string member_path(const std::string& parent, std::string_view key) {
  std::string path = parent.empty() ? std::string() : parent + ".";
  if (key.size() > 100) return path + std::string(key.substr(0, 100)) + "...";
  return path.append(key);
}

std::string element_path(const std::string& parent, std::size_t index) { return fmt::format("{}[{}]", parent, index); }

} // namespace troupe::config::json
