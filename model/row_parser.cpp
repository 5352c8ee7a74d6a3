#include "model/row_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include <fmt/format.h>
#include <rapidjson/error/en.h>

#include "base/assert.hpp"
#include "model/flat_row.hpp"
#include "model/row_reader.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// RapidJSON lets the escape of a lone low surrogate through. Raw bytes can't give these: they are validated.
bool has_surrogate(const char* text, std::size_t size) {
  for (std::size_t i = 0; i + 1 < size; ++i)
    if (static_cast<unsigned char>(text[i]) == 0xED && static_cast<unsigned char>(text[i + 1]) >= 0xA0) return true;
  return false;
}

enum class number_state { good, out_of_range };

// `text` follows the grammar of RFC 8259: the reader has seen to it.
number_state read_number(std::string_view text, float& out) {
  if (text.size() == 1) {
    out = static_cast<float>(text[0] - '0');
    return number_state::good;
  }
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return number_state::out_of_range;
  out = static_cast<float>(value);
  return std::isfinite(out) ? number_state::good : number_state::out_of_range;
}

} // namespace

// Both the state of a parser and the handler of RapidJSON's events.
struct row_parser::impl {
  using SizeType = rapidjson::SizeType;
  using entry = name_table::entry;

  impl(const std::vector<known_name>& known, bool unknown_too, row_limits given, row_paths ways)
      : names(known)
      , record_unknown(unknown_too)
      , limits(given)
      , paths(ways) {
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i].feature >= 0) feature_names.push_back({known[i].feature, i, known[i].text});
    std::sort(feature_names.begin(), feature_names.end(), [](auto& a, auto& b) { return a.column < b.column; });
    for (std::size_t i = 0; i < feature_names.size(); ++i)
      TROUPE_ASSERT(feature_names[i].column == static_cast<std::int32_t>(i));
  }

  struct feature_name {
    std::int32_t column;
    std::size_t index_in_table;
    std::string text;
  };

  name_table names;
  bool record_unknown;
  row_limits limits;
  row_paths paths;
  std::vector<feature_name> feature_names;
  row_reader reader;
  std::vector<char> decoded; // the string being read, escapes resolved
  std::vector<row_field> recorded;
  row_fault fault;
  std::uint64_t flat_rows = 0;

  // Of the row being parsed.
  std::string_view row;
  const row_stream* stream = nullptr;
  std::span<float> features;
  std::size_t features_found = 0;
  std::uint32_t depth = 0;
  std::uint32_t members = 0;
  bool has_escapes = false;
  bool not_an_object = false;
  const entry* field = nullptr; // the top-level field whose value comes next or is being read
  bool wanted = false;          // its bytes are recorded
  std::uint32_t last_end = 0;   // where the value before it ended
  std::uint32_t key_end = 0;
  rejection stopped = rejection::none; // why the handler stopped the reader
  rejection pending = rejection::none; // the first thing wrong that doesn't end the parse

  rejection reject(rejection code, std::string_view feature, std::string sentence) {
    fault.code = code;
    fault.feature = feature;
    fault.sentence = std::move(sentence);
    return code;
  }

  // A row with two faults keeps the first, but one of the text before one of a feature.
  void note(rejection code, std::string_view feature, std::string sentence) {
    if (pending != rejection::none && !(stage_of(code) == stage::parse && stage_of(pending) != stage::parse)) return;
    pending = code;
    reject(code, feature, std::move(sentence));
  }

  bool stop(rejection code) {
    stopped = code;
    return false;
  }

  std::uint32_t position() const { return static_cast<std::uint32_t>(stream->Tell()); }

  std::uint32_t value_begin() const {
    std::uint32_t at = key_end;
    while (is_space(row[at]) || row[at] == ':') ++at;
    return at;
  }

  // The value of a top-level field ends at `end`.
  void close_field(std::uint32_t end) {
    if (wanted) {
      const auto quote = static_cast<std::uint32_t>(row.find('"', last_end));
      recorded.push_back({quote, key_end, value_begin(), end, field->tag});
    }
    last_end = end;
  }

  void wrong_type(const char* what) {
    if (field->feature < 0) return;
    ++features_found;
    const bool null = std::string_view{what} == "null";
    note(null ? rejection::null_feature : rejection::wrong_type, field->text,
         fmt::format("feature {} is {}, not a number", quoted(field->text), what));
  }

  bool scalar(const char* what) {
    if (depth == 0) not_an_object = true;
    if (depth != 1 || not_an_object) return true;
    wrong_type(what);
    close_field(position());
    return true;
  }

  bool open(const char* what, bool object) {
    if (depth == 0 && !object) not_an_object = true;
    if (depth == 1 && !not_an_object) wrong_type(what);
    if (++depth > limits.nesting_depth) return stop(rejection::too_deep);
    return true;
  }

  bool close() {
    // RapidJSON reports the end before it takes the bracket.
    if (--depth == 1 && !not_an_object) close_field(position() + 1);
    return true;
  }

  bool text_is_sound(const char* text, std::size_t size) { return !has_escapes || !has_surrogate(text, size); }

  // Events of the reader.
  bool Null() { return scalar("null"); }
  bool Bool(bool) { return scalar("a boolean"); }
  bool StartObject() { return open("an object", true); }
  bool EndObject(SizeType) { return close(); }
  bool StartArray() { return open("an array", false); }
  bool EndArray(SizeType) { return close(); }

  bool String(const char* text, SizeType size, bool) {
    if (!text_is_sound(text, size)) return stop(rejection::invalid_utf8);
    return scalar("a string");
  }

  bool Key(const char* text, SizeType size, bool) {
    if (++members > limits.fields) return stop(rejection::too_many_fields);
    if (!text_is_sound(text, size)) return stop(rejection::invalid_utf8);
    if (depth != 1) return true;
    key_end = position();
    if (members == 1) last_end = static_cast<std::uint32_t>(row.find('{')) + 1;
    field = names.find({text, size});
    if (field == nullptr) {
      note(rejection::duplicate_key, "", fmt::format("the field {} is there twice", quoted({text, size})));
      return stop(rejection::duplicate_key);
    }
    wanted = field->known ? field->tag >= 0 : record_unknown;
    return true;
  }

  // The number's bytes are those between the colon and here; in situ, RapidJSON makes no copy and its pointer is not
  // theirs.
  bool RawNumber(const char*, SizeType, bool) {
    if (depth == 0) not_an_object = true;
    if (depth != 1 || not_an_object) return true;
    if (field->feature >= 0) {
      ++features_found;
      const std::uint32_t begin = value_begin();
      const std::string_view text = row.substr(begin, position() - begin);
      if (read_number(text, features[static_cast<std::size_t>(field->feature)]) != number_state::good)
        note(rejection::number_out_of_range, field->text,
             fmt::format("feature {} is {}, which a float can't hold", quoted(field->text), quoted(text)));
    }
    close_field(position());
    return true;
  }

  // Numbers are text, so these never come.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  rejection check_size() {
    if (row.size() > limits.row_bytes)
      return reject(
          rejection::row_too_large, "",
          fmt::format("the row has {} bytes, more than the {} of max_row_bytes", row.size(), limits.row_bytes));
    if (std::all_of(row.begin(), row.end(), is_space))
      return reject(rejection::empty_value, "", row.empty() ? "the row has no bytes" : "the row is white space only");
    return rejection::none;
  }

  void begin(std::string_view given, std::span<float> out) {
    row = given;
    features = out;
    features_found = 0;
    depth = 0;
    members = 0;
    not_an_object = false;
    field = nullptr;
    wanted = false;
    last_end = 0;
    stopped = rejection::none;
    pending = rejection::none;
    recorded.clear();
    names.begin_row();
    has_escapes = std::memchr(row.data(), '\\', row.size()) != nullptr;
  }

  rejection explain_stop(std::size_t at) {
    switch (stopped) {
    case rejection::too_deep:
      return reject(stopped, "", fmt::format("the row is nested deeper than {} at byte {}", limits.nesting_depth, at));
    case rejection::too_many_fields:
      return reject(stopped, "", fmt::format("the row has more than {} fields", limits.fields));
    case rejection::invalid_utf8:
      return reject(stopped, "", fmt::format("the string before byte {} has the escape of a lone surrogate", at));
    default:
      TROUPE_ASSERT(stopped == rejection::duplicate_key);
      return stopped; // told by note() already
    }
  }

  rejection explain_error(rapidjson::ParseErrorCode error, std::size_t at) {
    if (error == rapidjson::kParseErrorTermination) return explain_stop(at);
    if (error == rapidjson::kParseErrorNumberTooBig) {
      const bool blamed = depth == 1 && !not_an_object && field != nullptr && field->feature >= 0;
      return reject(rejection::number_out_of_range, blamed ? std::string_view{field->text} : std::string_view{},
                    fmt::format("the number at byte {} is more than a double can hold", at));
    }
    if (error == rapidjson::kParseErrorStringUnicodeSurrogateInvalid)
      return reject(rejection::invalid_utf8, "", fmt::format("the escape at byte {} is of a lone surrogate", at));
    if (check_utf8(row) == utf8_state::invalid)
      return reject(rejection::invalid_utf8, "", fmt::format("the row is not UTF-8 near byte {}", at));
    return reject(rejection::invalid_json, "",
                  fmt::format("{} At byte {} of {}", rapidjson::GetParseError_En(error), at, row.size()));
  }

  rejection explain_missing() {
    for (const feature_name& f : feature_names)
      if (!names.seen(f.index_in_table))
        return reject(rejection::missing_feature, f.text,
                      fmt::format("the row has no field {}, which the model needs", quoted(f.text)));
    TROUPE_ASSERT(false);
  }

  bool parse_flat(std::string_view given, std::span<float> out) {
    if (paths != row_paths::flat_first || given.size() > limits.row_bytes || limits.nesting_depth == 0) return false;
    if (!read_flat_row(given, {names, out, recorded, record_unknown, limits.fields})) return false;
    ++flat_rows;
    return true;
  }

  rejection parse(std::string_view given, std::span<float> out) {
    if (parse_flat(given, out)) return rejection::none;
    row = given;
    if (const rejection code = check_size(); code != rejection::none) return code;
    begin(given, out);
    if (decoded.size() < row.size() + 4) decoded.resize(row.size() + 4);
    row_stream input{row, decoded.data()};
    stream = &input;
    const rapidjson::ParseResult parsed = reader.Parse<row_flags>(input, *this);
    stream = nullptr;
    if (parsed.IsError()) return explain_error(parsed.Code(), parsed.Offset());
    if (input.current != input.end)
      return reject(rejection::invalid_json, "", fmt::format("a NUL byte at byte {}", input.Tell()));
    if (not_an_object) return reject(rejection::not_an_object, "", "the row is JSON, but not an object");
    if (pending != rejection::none) return pending;
    if (features_found != feature_names.size()) return explain_missing();
    return rejection::none;
  }
};

row_parser::row_parser(const std::vector<known_name>& names, bool record_unknown, row_limits limits, row_paths paths)
    : impl_(std::make_unique<impl>(names, record_unknown, limits, paths)) {}
row_parser::row_parser(row_parser&&) noexcept = default;
row_parser& row_parser::operator=(row_parser&&) noexcept = default;
row_parser::~row_parser() = default;

rejection row_parser::parse(std::string_view row, std::span<float> features) {
  TROUPE_ASSERT(features.size() == impl_->feature_names.size());
  return impl_->parse(row, features);
}

std::span<const row_field> row_parser::fields() const { return impl_->recorded; }
const row_fault& row_parser::fault() const { return impl_->fault; }
std::uint64_t row_parser::flat_rows() const { return impl_->flat_rows; }

} // namespace troupe::model
