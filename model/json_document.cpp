#include "model/json_document.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "model/text.hpp"

namespace troupe::model {
namespace {

using kind = json_value::kind;

// What is charged, with the room that a vector keeps for more.
constexpr std::size_t number_bytes = 2 * sizeof(double);
constexpr std::size_t key_bytes = 2 * sizeof(std::string);
constexpr std::size_t value_bytes = 2 * sizeof(json_value);

// Values as they come; the first fault stops everything.
class document_builder {
public:
  explicit document_builder(const document_limits& limits)
      : limits_(limits) {}

  bool number(double value) {
    if (ignoring_ > 0) return true;
    if (json_value* array = open_array()) {
      if (!array->items.empty()) return stop("an array mixes numbers with other values");
      if (!charge(number_bytes)) return false;
      array->numbers.push_back(value);
      return true;
    }
    json_value made;
    made.what = kind::number;
    made.number = value;
    return add(std::move(made));
  }
  bool null() { return add({}); }
  bool flag(bool value) {
    json_value made;
    made.what = kind::boolean;
    made.flag = value;
    return add(std::move(made));
  }
  bool text(std::string_view value) {
    if (ignoring_ > 0) return true;
    if (check_utf8(value) != utf8_state::valid) return stop("a text is not UTF-8");
    json_value made;
    made.what = kind::text;
    made.text = value;
    return add(std::move(made));
  }
  bool key(std::string_view name) {
    if (ignoring_ > 0) return true;
    if (check_utf8(name) != utf8_state::valid) return stop("a key is not UTF-8");
    ignore_next_ = limits_.ignored != nullptr && limits_.ignored(name);
    if (ignore_next_) return true;
    open_.back().keys.emplace_back(name);
    return charge(key_bytes + name.size());
  }
  bool open(bool object) {
    if (open_.size() + ignoring_ >= limits_.depth_max) return stop("it is nested too deeply");
    if (ignoring_ > 0 || ignore_next_) {
      ++ignoring_;
      ignore_next_ = false;
      return true;
    }
    open_.emplace_back();
    open_.back().what = object ? kind::object : kind::array;
    return true;
  }
  bool close() {
    if (ignoring_ > 0) {
      --ignoring_;
      return true;
    }
    json_value made = std::move(open_.back());
    open_.pop_back();
    if (!keys_differ(made.keys)) return stop("an object has a key twice");
    return add(std::move(made));
  }

  bool stop(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
    return false;
  }
  /// `text`: "JSON"; `otherwise` where no fault was found here.
  tl::unexpected<error> refusal(std::string_view text, std::size_t byte, std::string_view otherwise) const {
    if (beyond_memory_) return fail(errc::invalid, fmt::format("at byte {} of the {}: {}", byte, text, fault_));
    return fail(errc::invalid,
                fmt::format("the {} is broken at byte {}: {}", text, byte, fault_.empty() ? otherwise : fault_));
  }
  json_value take_root() { return std::move(root_); }

private:
  json_value* open_array() { return !open_.empty() && open_.back().what == kind::array ? &open_.back() : nullptr; }

  bool add(json_value made) {
    if (ignoring_ > 0) return true;
    if (ignore_next_) {
      ignore_next_ = false;
      return true;
    }
    if (!charge(value_bytes + made.text.size())) return false;
    if (open_.empty()) {
      root_ = std::move(made);
      return true;
    }
    if (!open_.back().numbers.empty()) return stop("an array mixes numbers with other values");
    open_.back().items.push_back(std::move(made));
    return true;
  }

  bool charge(std::size_t bytes) {
    if (limits_.memory == nullptr) return true;
    const auto ok = limits_.memory->charge(bytes, "one more value");
    if (ok) return true;
    beyond_memory_ = true;
    return stop(ok.error().message);
  }

  static bool keys_differ(const std::vector<std::string>& keys) {
    std::vector<std::string_view> sorted(keys.begin(), keys.end());
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  }

  const document_limits& limits_;
  std::vector<json_value> open_;
  json_value root_;
  bool beyond_memory_ = false;
  std::size_t ignoring_ = 0; // open containers below an ignored key
  bool ignore_next_ = false;
  std::string fault_;
};

// ---- JSON ----

// Of a number that a double can't hold: whether it is too small, not too large.
bool is_tiny(std::string_view number) {
  if (number.front() == '-') number.remove_prefix(1);
  return number.find("e-") != std::string_view::npos || number.find("E-") != std::string_view::npos ||
         (number.substr(0, 2) == "0." && number.find_first_of("eE") == std::string_view::npos);
}

struct json_events {
  document_builder& out;
  bool Null() { return out.null(); }
  bool Bool(bool value) { return out.flag(value); }
  bool Int(int) { return false; } // numbers come as texts
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    double value = 0;
    const auto [end, error] = std::from_chars(text, text + size, value);
    if (error == std::errc::result_out_of_range) {
      if (!is_tiny({text, size})) return out.stop("a number is too large");
      value = 0;
    } else if (error != std::errc{} || end != text + size) {
      return out.stop("a number can't be read");
    }
    return out.number(value);
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return out.text({text, size}); }
  bool Key(const char* text, rapidjson::SizeType size, bool) { return out.key({text, size}); }
  bool StartObject() { return out.open(true); }
  bool EndObject(rapidjson::SizeType) { return out.close(); }
  bool StartArray() { return out.open(false); }
  bool EndArray(rapidjson::SizeType) { return out.close(); }
};

// ---- UBJSON ----

class ubjson_reader {
public:
  ubjson_reader(std::string_view file, document_builder& out)
      : file_(file)
      , out_(out) {}

  bool run() {
    if (!value(next())) return false;
    while (!frames_.empty())
      if (!step()) return false;
    skip_nothing();
    return at_ == file_.size() || out_.stop("there is something behind its end");
  }
  std::size_t position() const { return at_; }

private:
  struct frame {
    bool object;
    char type;                       // of all values; 0: each has its own
    std::optional<std::size_t> left; // absent: until it is closed
  };

  char next() { return at_ < file_.size() ? file_[at_++] : '\0'; }
  char peek() const { return at_ < file_.size() ? file_[at_] : '\0'; }
  void skip_nothing() {
    while (peek() == 'N' && at_ < file_.size()) ++at_;
  }
  bool truncated() { return out_.stop("it is truncated"); }

  template <class T> std::optional<T> big_endian() {
    if (file_.size() - at_ < sizeof(T)) return std::nullopt;
    unsigned char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes[sizeof(T) - 1 - i] = static_cast<unsigned char>(file_[at_ + i]);
    at_ += sizeof(T);
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }

  static std::size_t bytes_of(char type) {
    switch (type) {
    case 'i':
    case 'U':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0; // no number
    }
  }

  std::optional<double> number(char type) {
    auto as_double = [](auto value) { return value ? std::optional{static_cast<double>(*value)} : std::nullopt; };
    switch (type) {
    case 'i':
      return as_double(big_endian<std::int8_t>());
    case 'U':
      return as_double(big_endian<std::uint8_t>());
    case 'I':
      return as_double(big_endian<std::int16_t>());
    case 'l':
      return as_double(big_endian<std::int32_t>());
    case 'L':
      return as_double(big_endian<std::int64_t>());
    case 'd':
      return as_double(big_endian<float>());
    case 'D':
      return as_double(big_endian<double>());
    default:
      return std::nullopt;
    }
  }

  std::optional<std::size_t> length() {
    const char type = next();
    if (bytes_of(type) == 0 || type == 'd' || type == 'D') return std::nullopt;
    const auto value = number(type);
    if (!value || *value < 0) return std::nullopt;
    return static_cast<std::size_t>(*value);
  }

  std::optional<std::string_view> text() {
    const auto size = length();
    if (!size || *size > file_.size() - at_) return std::nullopt;
    const std::string_view found = file_.substr(at_, *size);
    at_ += *size;
    return found;
  }

  // One value, or the beginning of a container.
  bool value(char type) {
    if (bytes_of(type) > 0) {
      const auto found = number(type);
      return found ? out_.number(*found) : truncated();
    }
    switch (type) {
    case 'Z':
      return out_.null();
    case 'T':
    case 'F':
      return out_.flag(type == 'T');
    case 'S':
      if (const auto found = text()) return out_.text(*found);
      return truncated();
    case '[':
    case '{':
      return open(type == '{');
    default:
      return at_ >= file_.size() ? truncated() : out_.stop("a value has an unknown type");
    }
  }

  bool open(bool object) {
    frame made{object, '\0', std::nullopt};
    if (peek() == '$') {
      ++at_;
      made.type = next();
      if (bytes_of(made.type) == 0) return out_.stop("a container is of a type that is no number");
      if (peek() != '#') return out_.stop("a typed container has no count");
    }
    if (peek() == '#') {
      ++at_;
      const auto count = length();
      if (!count) return out_.stop("a container has no proper count");
      // A value has at least one byte, so no count can promise more than the file holds.
      if (*count > (file_.size() - at_) / std::max<std::size_t>(bytes_of(made.type), 1)) return truncated();
      made.left = *count;
    }
    frames_.push_back(made);
    return out_.open(object);
  }

  bool close() {
    frames_.pop_back();
    return out_.close();
  }

  // The next value of the container that is open, or its end.
  bool step() {
    frame& in = frames_.back();
    if (!in.type) skip_nothing();
    if (in.left) {
      if (*in.left == 0) return close();
      --*in.left;
    } else if (peek() == (in.object ? '}' : ']')) {
      ++at_;
      return close();
    }
    if (at_ >= file_.size()) return truncated();
    const char type = in.type;
    if (in.object) {
      const auto name = text();
      if (!name) return out_.stop("an object has no proper key");
      if (!out_.key(*name)) return false;
    }
    return value(type != '\0' ? type : next());
  }

  std::string_view file_;
  document_builder& out_;
  std::vector<frame> frames_;
  std::size_t at_ = 0;
};

} // namespace

const json_value* json_value::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

result<json_value> parse_json(std::string_view file, const document_limits& limits) {
  document_builder builder{limits};
  json_events events{builder};
  rapidjson::Reader reader;
  rapidjson::MemoryStream bytes{file.data(), file.size()};
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  const auto parsed = reader.Parse<flags>(bytes, events);
  if (parsed.IsError()) return builder.refusal("JSON", parsed.Offset(), rapidjson::GetParseError_En(parsed.Code()));
  return builder.take_root();
}

result<json_value> parse_ubjson(std::string_view file, const document_limits& limits) {
  document_builder builder{limits};
  ubjson_reader reader{file, builder};
  if (!reader.run()) return builder.refusal("UBJSON", reader.position(), "");
  return builder.take_root();
}

} // namespace troupe::model
