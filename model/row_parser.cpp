#include "model/row_parser.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <rapidjson/error/en.h>

#include "base/assert.hpp"
#include "model/flat_row.hpp"
#include "model/json_text.hpp"
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

} // namespace

// Both the state of a parser and the handler of RapidJSON's events.
struct row_parser::impl {
  using SizeType = rapidjson::SizeType;
  using entry = name_table::entry;

  impl(wanted_fields wanted_by, row_limits given, row_paths ways)
      : names(wanted_by.names)
      , features(std::move(wanted_by.features))
      , nested(std::move(wanted_by.nested))
      , record_unknown(wanted_by.record_unknown)
      , limits(given)
      , paths(ways)
      , feature_names(features.slots().size(), no_name) {
    for (std::size_t i = 0; i < wanted_by.names.size(); ++i)
      if (const std::int32_t feature = wanted_by.names[i].feature; feature >= 0)
        feature_names.at(static_cast<std::size_t>(feature)) = static_cast<std::uint32_t>(i);
  }

  // The value of a top-level field that is a feature, or has some inside.
  struct feature_value {
    std::int32_t feature, nested; // of its known_name
    std::uint32_t begin, end;
  };

  name_table names;
  feature_filler features;
  std::vector<std::vector<nested_feature>> nested;
  bool record_unknown;
  row_limits limits;
  row_paths paths;
  std::vector<std::uint32_t> feature_names; // of each feature: the index of its name
  row_reader reader;
  std::vector<char> decoded; // the string being read, escapes resolved
  std::vector<row_field> recorded;
  row_fault fault;
  std::uint64_t flat_rows = 0;

  // Of the row being parsed.
  std::string_view row;
  const row_stream* stream = nullptr;
  std::vector<feature_value> values; // of features, in the order of the row
  std::vector<bool> nested_found;    // of each feature: whether its pointer led somewhere
  std::uint32_t depth = 0;
  std::uint32_t members = 0;
  bool has_escapes = false;
  bool not_an_object = false;
  const entry* field = nullptr; // the top-level field whose value comes next or is being read
  bool wanted = false;          // its bytes are recorded
  std::uint32_t last_end = 0;   // where the value before it ended
  std::uint32_t key_end = 0;
  rejection stopped = rejection::none; // why the handler stopped the reader

  rejection reject(rejection code, std::string_view feature, std::string sentence) {
    fault.code = code;
    fault.feature = feature;
    fault.sentence = std::move(sentence);
    return code;
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
    if (field->feature >= 0 || field->nested >= 0)
      values.push_back({field->feature, field->nested, value_begin(), end});
    if (wanted) {
      const auto quote = static_cast<std::uint32_t>(row.find('"', last_end));
      recorded.push_back({quote, key_end, value_begin(), end, field->tag});
    }
    last_end = end;
  }

  bool scalar() {
    if (depth == 0) not_an_object = true;
    if (depth == 1 && !not_an_object) close_field(position());
    return true;
  }

  bool open(bool object) {
    if (depth == 0 && !object) not_an_object = true;
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
  bool Null() { return scalar(); }
  bool Bool(bool) { return scalar(); }
  bool StartObject() { return open(true); }
  bool EndObject(SizeType) { return close(); }
  bool StartArray() { return open(false); }
  bool EndArray(SizeType) { return close(); }

  bool String(const char* text, SizeType size, bool) {
    if (!text_is_sound(text, size)) return stop(rejection::invalid_utf8);
    return scalar();
  }

  bool Key(const char* text, SizeType size, bool) {
    if (++members > limits.fields) return stop(rejection::too_many_fields);
    if (!text_is_sound(text, size)) return stop(rejection::invalid_utf8);
    if (depth != 1) return true;
    key_end = position();
    if (members == 1) last_end = static_cast<std::uint32_t>(row.find('{')) + 1;
    field = names.find({text, size});
    if (field == nullptr) {
      reject(rejection::duplicate_key, "", fmt::format("the field {} is there twice", quoted({text, size})));
      return stop(rejection::duplicate_key);
    }
    wanted = field->known ? field->tag >= 0 : record_unknown;
    return true;
  }

  bool RawNumber(const char*, SizeType, bool) { return scalar(); }

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

  void begin(std::string_view given, row_values out) {
    row = given;
    depth = 0;
    members = 0;
    not_an_object = false;
    field = nullptr;
    wanted = false;
    last_end = 0;
    stopped = rejection::none;
    recorded.clear();
    values.clear();
    names.begin_row();
    features.begin(out);
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
      return stopped; // told when it was found
    }
  }

  rejection explain_error(rapidjson::ParseErrorCode error, std::size_t at) {
    if (error == rapidjson::kParseErrorTermination) return explain_stop(at);
    if (error == rapidjson::kParseErrorNumberTooBig) {
      const bool blamed = depth == 1 && !not_an_object && field != nullptr && field->feature >= 0;
      return reject(rejection::number_out_of_range,
                    blamed ? std::string_view{features.slots()[static_cast<std::size_t>(field->feature)].spec.name}
                           : std::string_view{},
                    fmt::format("the number at byte {} is more than a double can hold", at));
    }
    if (error == rapidjson::kParseErrorStringUnicodeSurrogateInvalid)
      return reject(rejection::invalid_utf8, "", fmt::format("the escape at byte {} is of a lone surrogate", at));
    if (check_utf8(row) == utf8_state::invalid)
      return reject(rejection::invalid_utf8, "", fmt::format("the row is not UTF-8 near byte {}", at));
    return reject(rejection::invalid_json, "",
                  fmt::format("{} At byte {} of {}", rapidjson::GetParseError_En(error), at, row.size()));
  }

  // The row is sound; the first feature that is not good, in the order of the row, rejects it.
  rejection take_features() {
    if (!nested.empty()) nested_found.assign(features.slots().size(), false);
    for (const feature_value& value : values) {
      const std::string_view literal = row.substr(value.begin, value.end - value.begin);
      if (value.feature >= 0)
        if (const rejection code = features.take(static_cast<std::size_t>(value.feature), literal, fault);
            code != rejection::none)
          return code;
      if (value.nested < 0) continue;
      for (const nested_feature& inside : nested[static_cast<std::size_t>(value.nested)]) {
        const auto found = walk(literal, inside.path.data(), inside.path.data() + inside.path.size());
        if (!found) continue;
        nested_found[inside.feature] = true;
        if (const rejection code = features.take(inside.feature, *found, fault); code != rejection::none) return code;
      }
    }
    for (std::size_t i = 0; i < feature_names.size(); ++i) {
      const bool found = feature_names[i] == no_name ? nested_found[i] : names.seen(feature_names[i]);
      if (found) continue;
      if (const rejection code = features.take_missing(i, fault); code != rejection::none) return code;
    }
    return rejection::none;
  }

  bool parse_flat(std::string_view given, row_values out) {
    if (paths != row_paths::flat_first || given.size() > limits.row_bytes || limits.nesting_depth == 0) return false;
    if (!read_flat_row(given, out, {names, features, feature_names, recorded, record_unknown, limits.fields}))
      return false;
    ++flat_rows;
    return true;
  }

  rejection parse(std::string_view given, row_values out) {
    const rejection code = parse_flat(given, out) ? rejection::none : parse_general(given, out);
    if (code == rejection::none) features.keep_counts();
    return code;
  }

  rejection parse_general(std::string_view given, row_values out) {
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
    return take_features();
  }
};

row_parser::row_parser(wanted_fields wanted, row_limits limits, row_paths paths)
    : impl_(std::make_unique<impl>(std::move(wanted), limits, paths)) {}
row_parser::row_parser(row_parser&&) noexcept = default;
row_parser& row_parser::operator=(row_parser&&) noexcept = default;
row_parser::~row_parser() = default;

rejection row_parser::parse(std::string_view row, row_values out) { return impl_->parse(row, out); }
void row_parser::forget_texts() { impl_->features.forget_texts(); }
feature_filler& row_parser::features() { return impl_->features; }
std::span<const row_field> row_parser::fields() const { return impl_->recorded; }
const row_fault& row_parser::fault() const { return impl_->fault; }
std::uint64_t row_parser::flat_rows() const { return impl_->flat_rows; }

} // namespace troupe::model
