#include "model/flat_row.hpp"

#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

#include "model/plain_run.hpp"

namespace troupe::model {
namespace {

// A number this short without an exponent is far from every bound of float, double and RapidJSON.
constexpr std::ptrdiff_t number_bytes_max = 24;
// Integers of as many digits are exact as doubles.
constexpr std::ptrdiff_t exact_digits_max = 15;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct flat_reader {
  using entry = name_table::entry;

  const char* const begin;
  const char* at;
  const char* const end;
  const flat_row_target& to;
  std::size_t features_found = 0;
  std::uint32_t members = 0;

  void skip_space() {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) ++at;
  }

  bool take(char c) {
    if (at == end || *at != c) return false;
    ++at;
    return true;
  }

  bool take(std::string_view word) {
    if (static_cast<std::size_t>(end - at) < word.size() || std::memcmp(at, word.data(), word.size()) != 0)
      return false;
    at += word.size();
    return true;
  }

  std::uint32_t offset(const char* of) const { return static_cast<std::uint32_t>(of - begin); }

  // What follows the opening quote, the closing one included.
  bool read_string() {
    at += plain_run(at, end);
    return take('"');
  }

  const entry* read_name() {
    if (const entry* guess = to.names.expected(); guess != nullptr && guess->plain) {
      const std::size_t size = guess->text.size();
      // The quote first: it differs most often, and where it is there the name is all inside the row.
      if (static_cast<std::size_t>(end - at) > size && at[size] == '"' && equal(at, guess->text)) {
        at += size + 1;
        return to.names.find_expected();
      }
    }
    const char* const name = at;
    if (!read_string()) return nullptr;
    return to.names.find({name, static_cast<std::size_t>(at - 1 - name)});
  }

  // Most names have a few letters, for which calling memcmp takes longer than comparing.
  static bool equal(const char* bytes, std::string_view name) {
    if (name.size() > 8) return std::memcmp(bytes, name.data(), name.size()) == 0;
    for (std::size_t i = 0; i < name.size(); ++i)
      if (bytes[i] != name[i]) return false;
    return true;
  }

  // A number by the grammar of RFC 8259 without an exponent; its value to `out`, and whether it is an integer that a
  // double holds exactly.
  bool read_number(double* out, bool* whole = nullptr) {
    const char* const number = at;
    const bool negative = take('-');
    const char* const digits = at;
    std::uint64_t value = 0; // wraps where there are more digits than it is used for
    while (at != end && is_digit(*at)) value = value * 10 + static_cast<std::uint64_t>(*at++ - '0');
    const std::ptrdiff_t digit_count = at - digits;
    if (digit_count == 0 || (*digits == '0' && digit_count > 1)) return false;
    bool integer = true;
    if (take('.')) {
      integer = false;
      const char* const fraction = at;
      while (at != end && is_digit(*at)) ++at;
      if (at == fraction) return false;
    }
    // An exponent is not looked for: it is no comma, space or bracket, so it ends the attempt.
    if (at - number > number_bytes_max) return false;
    if (out == nullptr) return true;
    if (integer && digit_count <= exact_digits_max) {
      const auto exact = static_cast<double>(value);
      *out = negative ? -exact : exact;
      if (whole != nullptr) *whole = true;
      return true;
    }
    const auto [stop, status] = std::from_chars(number, at, *out);
    return status == std::errc{} && stop == at;
  }

  // [1,2,3] as the cells of a feature.
  bool read_cells(std::size_t feature) {
    std::size_t cell = 0;
    do {
      skip_space();
      double value = 0;
      if (!read_number(&value) || !to.features.quick_cell(feature, cell++, value)) return false;
      skip_space();
    } while (take(','));
    return take(']') && cell == to.features.slots()[feature].spec.width();
  }

  bool read_feature(std::size_t feature) {
    if (at == end) return false;
    ++features_found;
    switch (*at) {
    case '"': {
      const char* const text = ++at;
      return read_string() && to.features.quick_text(feature, {text, static_cast<std::size_t>(at - 1 - text)});
    }
    case 't':
      return take("true") && to.features.quick_boolean(feature, true);
    case 'f':
      return take("false") && to.features.quick_boolean(feature, false);
    case 'n':
      return take("null") && to.features.quick_absent(feature, oddity::null);
    case '[':
      ++at;
      return !to.features.slots()[feature].spec.dims.empty() && read_cells(feature);
    default:
      double value = 0;
      bool whole = false;
      return read_number(&value, &whole) && to.features.quick_number(feature, value, whole);
    }
  }

  bool read_other() {
    if (at == end) return false;
    switch (*at) {
    case '"':
      ++at;
      return read_string();
    case 't':
      return take("true");
    case 'f':
      return take("false");
    case 'n':
      return take("null");
    default:
      return read_number(nullptr);
    }
  }

  bool read_field() {
    skip_space();
    const char* const key = at;
    if (!take('"') || ++members > to.fields_max) return false;
    const entry* field = read_name();
    if (field == nullptr) return false;
    const char* const key_end = at;
    skip_space();
    if (!take(':')) return false;
    skip_space();
    const char* const value = at;
    if (field->nested >= 0) return false;
    if (!(field->feature >= 0 ? read_feature(static_cast<std::size_t>(field->feature)) : read_other())) return false;
    if (field->known ? field->tag >= 0 : to.record_unknown)
      to.recorded.push_back({offset(key), offset(key_end), offset(value), offset(at), field->tag});
    return true;
  }

  bool read() {
    skip_space();
    if (!take('{')) return false;
    do {
      if (!read_field()) return false;
      skip_space();
    } while (take(','));
    if (!take('}')) return false;
    skip_space();
    return at == end && (features_found == to.feature_names.size() || fill_missing());
  }

  bool fill_missing() {
    for (std::size_t i = 0; i < to.feature_names.size(); ++i)
      if ((to.feature_names[i] == no_name || !to.names.seen(to.feature_names[i])) &&
          !to.features.quick_absent(i, oddity::missing))
        return false;
    return true;
  }
};

} // namespace

bool read_flat_row(std::string_view row, row_values out, const flat_row_target& to) {
  to.recorded.clear();
  to.names.begin_row();
  to.features.begin(out);
  return flat_reader{row.data(), row.data(), row.data() + row.size(), to}.read();
}

} // namespace troupe::model
