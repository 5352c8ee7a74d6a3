#include "model/feature_filler.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include <fmt/format.h>

#include "model/json_text.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr double largest_whole = 9007199254740992.0; // 2^53: beyond it a double skips integers

rejection reject(row_fault& fault, rejection code, const feature_spec& spec, std::string sentence) {
  fault = {code, spec.name, std::move(sentence)};
  return code;
}

const char* kind_of(std::string_view literal) {
  switch (literal.front()) {
  case '"':
    return "a string";
  case '{':
    return "an object";
  case '[':
    return "an array";
  case 't':
  case 'f':
    return "a boolean";
  case 'n':
    return "null";
  default:
    return "a number";
  }
}

const char* wanted(const feature_spec& spec) {
  if (!spec.dims.empty()) return "an array of numbers";
  switch (spec.type) {
  case feature_type::text:
    return "a string";
  case feature_type::boolean:
    return "a boolean";
  case feature_type::integer:
    return "an integer";
  default:
    return "a number";
  }
}

bool is_number(std::string_view literal) {
  return literal.front() == '-' || (literal.front() >= '0' && literal.front() <= '9');
}

bool read_double(std::string_view text, double& out) {
  if (text.size() == 1) {
    out = text[0] - '0';
    return true;
  }
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), out);
  return status == std::errc{} && end == text.data() + text.size();
}

// Whether the cell of the model can hold the number.
bool fits(feature_type type, double value) {
  switch (type) {
  case feature_type::number:
    return std::isfinite(static_cast<float>(value));
  case feature_type::real:
    return std::isfinite(value);
  case feature_type::integer:
    return std::trunc(value) == value && std::abs(value) <= largest_whole;
  default:
    return value == 0 || value == 1;
  }
}

bool in_range(const feature_spec& spec, double value) {
  return !(spec.low && value < *spec.low) && !(spec.high && value > *spec.high);
}

bool known_category(const feature_spec& spec, std::string_view text) {
  return spec.categories.empty() || std::binary_search(spec.categories.begin(), spec.categories.end(), text);
}

} // namespace

feature_filler::feature_filler(std::vector<feature_slot> slots)
    : slots_(std::move(slots))
    , counts_(slots_.size()) {
  for (const auto& [spec, column] : slots_)
    quick_.push_back({static_cast<std::uint32_t>(column),
                      spec.type == feature_type::number && spec.dims.empty() && !spec.low && !spec.high});
}

void feature_filler::begin(row_values out) {
  out_ = out;
  odd_.clear();
}

// ---- the quick way ----

bool feature_filler::quick_checked_number(std::size_t feature, double value, bool whole) {
  const feature_slot& slot = slots_[feature];
  const feature_spec& spec = slot.spec;
  if (!spec.dims.empty() || spec.type == feature_type::text) return false;
  if (spec.type != feature_type::number && !(whole && spec.type == feature_type::integer) && !fits(spec.type, value))
    return false;
  if (spec.type == feature_type::number && !std::isfinite(static_cast<float>(value))) return false;
  if (!in_range(spec, value)) return false;
  out_.numbers[slot.column] = value;
  return true;
}

bool feature_filler::quick_cell(std::size_t feature, std::size_t cell, double value) {
  const feature_slot& slot = slots_[feature];
  if (cell >= slot.spec.width() || !fits(slot.spec.type, value) || !in_range(slot.spec, value)) return false;
  out_.numbers[slot.column + cell] = value;
  return true;
}

bool feature_filler::quick_boolean(std::size_t feature, bool value) {
  const feature_slot& slot = slots_[feature];
  if (slot.spec.type != feature_type::boolean || !slot.spec.dims.empty()) return false;
  out_.numbers[slot.column] = value;
  return true;
}

bool feature_filler::quick_text(std::size_t feature, std::string_view text) {
  const feature_slot& slot = slots_[feature];
  if (slot.spec.type != feature_type::text || !slot.spec.dims.empty() || !known_category(slot.spec, text)) return false;
  out_.texts[slot.column] = text;
  return true;
}

bool feature_filler::quick_absent(std::size_t feature, oddity how) {
  const feature_slot& slot = slots_[feature];
  if (slot.spec.on_missing == treatment::reject) return false;
  put_missing(slot);
  odd_.push_back({feature, how});
  return true;
}

// ---- the general way ----

rejection feature_filler::take(std::size_t feature, std::string_view literal, row_fault& fault) {
  const feature_slot& slot = slots_[feature];
  const feature_spec& spec = slot.spec;
  if (literal.front() == 'n')
    return absent(slot, feature, oddity::null, rejection::null_feature,
                  fmt::format("feature {} is null, not {}", quoted(spec.name), wanted(spec)), fault);
  if (!spec.dims.empty() && literal.front() == '[') return take_array(slot, feature, literal, fault);
  if (spec.dims.empty() && spec.type == feature_type::text && literal.front() == '"') {
    const bool as_is = literal.find('\\') == std::string_view::npos;
    return take_text(slot, feature, as_is ? literal.substr(1, literal.size() - 2) : keep(*string_value(literal)),
                     fault);
  }
  if (spec.dims.empty() && spec.type == feature_type::boolean && (literal == "true" || literal == "false"))
    return take_number(slot, feature, literal == "true", fault);
  if (spec.dims.empty() && spec.type != feature_type::text && is_number(literal)) {
    double value = 0;
    if (!read_double(literal, value) ||
        (spec.type != feature_type::integer && spec.type != feature_type::boolean && !fits(spec.type, value)))
      return invalid(slot, feature, oddity::wrong_type, rejection::number_out_of_range,
                     fmt::format("feature {} is {}, which a {} can't hold", quoted(spec.name), quoted(literal),
                                 spec.type == feature_type::number ? "float" : "double"),
                     fault);
    if (fits(spec.type, value)) return take_number(slot, feature, value, fault);
    return invalid(slot, feature, oddity::wrong_type, rejection::wrong_type,
                   fmt::format("feature {} is {}, not {}", quoted(spec.name), quoted(literal), wanted(spec)), fault);
  }
  return invalid(slot, feature, oddity::wrong_type, rejection::wrong_type,
                 fmt::format("feature {} is {}, not {}", quoted(spec.name), kind_of(literal), wanted(spec)), fault);
}

rejection feature_filler::take_missing(std::size_t feature, row_fault& fault) {
  const feature_slot& slot = slots_[feature];
  return absent(slot, feature, oddity::missing, rejection::missing_feature,
                fmt::format("the row has no field {}, which the model needs", quoted(slot.spec.name)), fault);
}

// Arrays may be nested as the dimensions are, or flat; what counts is how many numbers there are.
rejection feature_filler::take_array(const feature_slot& slot, std::size_t feature, std::string_view literal,
                                     row_fault& fault) {
  const feature_spec& spec = slot.spec;
  const std::size_t width = spec.width();
  std::size_t cell = 0;
  bool odd = false;
  for (std::size_t at = 0; at < literal.size();) {
    const char c = literal[at];
    if (c == '[' || c == ']' || c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(literal.find_first_of(",] \t\r\n", at), literal.size());
    const std::string_view text = literal.substr(at, end - at);
    double value = text == "true";
    const bool boolean = spec.type == feature_type::boolean && (text == "true" || text == "false");
    if (!boolean && (!is_number(text) || !read_double(text, value) || !fits(spec.type, value)))
      return invalid(
          slot, feature, oddity::wrong_type, rejection::wrong_type,
          fmt::format("feature {} has {} as element {}, not a number that fits", quoted(spec.name), quoted(text), cell),
          fault);
    if (cell < width) out_.numbers[slot.column + cell] = value;
    odd = odd || !in_range(spec, value);
    ++cell;
    at = end;
  }
  if (cell != width)
    return invalid(slot, feature, oddity::wrong_type, rejection::wrong_type,
                   fmt::format("feature {} has {} numbers, expected {}", quoted(spec.name), cell, width), fault);
  if (!odd) return rejection::none;
  return invalid(slot, feature, oddity::out_of_range, rejection::outside_range,
                 fmt::format("feature {} has an element outside of the range of the training rows", quoted(spec.name)),
                 fault);
}

rejection feature_filler::take_number(const feature_slot& slot, std::size_t feature, double value, row_fault& fault) {
  out_.numbers[slot.column] = value;
  if (in_range(slot.spec, value)) return rejection::none;
  return invalid(
      slot, feature, oddity::out_of_range, rejection::outside_range,
      fmt::format("feature {} is {}, outside of the range of the training rows", quoted(slot.spec.name), value), fault);
}

rejection feature_filler::take_text(const feature_slot& slot, std::size_t feature, std::string_view text,
                                    row_fault& fault) {
  out_.texts[slot.column] = text;
  if (known_category(slot.spec, text)) return rejection::none;
  return invalid(
      slot, feature, oddity::unknown_category, rejection::unknown_category,
      fmt::format("feature {} is {}, which the training rows don't have", quoted(slot.spec.name), quoted(text)), fault);
}

rejection feature_filler::invalid(const feature_slot& slot, std::size_t feature, oddity what, rejection code,
                                  std::string sentence, row_fault& fault) {
  switch (what == oddity::wrong_type ? slot.spec.on_wrong_type : slot.spec.on_invalid) {
  case treatment::reject:
    return reject(fault, code, slot.spec, std::move(sentence));
  case treatment::as_is:
    odd_.push_back({feature, what});
    return rejection::none;
  case treatment::as_missing:
    if (slot.spec.on_missing == treatment::reject) return reject(fault, code, slot.spec, std::move(sentence));
    odd_.push_back({feature, what});
    put_missing(slot);
    return rejection::none;
  case treatment::replace:
    break;
  }
  odd_.push_back({feature, what});
  put_replacement(slot);
  return rejection::none;
}

rejection feature_filler::absent(const feature_slot& slot, std::size_t feature, oddity what, rejection code,
                                 std::string sentence, row_fault& fault) {
  if (slot.spec.on_missing == treatment::reject) return reject(fault, code, slot.spec, std::move(sentence));
  odd_.push_back({feature, what});
  put_missing(slot);
  return rejection::none;
}

void feature_filler::put_missing(const feature_slot& slot) const {
  if (slot.spec.type == feature_type::text)
    out_.texts[slot.column] = slot.spec.missing_text;
  else
    std::fill_n(out_.numbers + slot.column, slot.spec.width(), slot.spec.missing_number);
}

void feature_filler::put_replacement(const feature_slot& slot) const {
  if (slot.spec.type == feature_type::text)
    out_.texts[slot.column] = slot.spec.invalid_text;
  else
    std::fill_n(out_.numbers + slot.column, slot.spec.width(), slot.spec.invalid_number);
}

// ---- counting ----

void feature_filler::keep_counts() {
  for (const odd_value& odd : odd_) ++counts_[odd.feature][static_cast<std::size_t>(odd.what)];
  any_ = any_ || !odd_.empty();
}

void feature_filler::clear_counts() {
  std::fill(counts_.begin(), counts_.end(), oddity_counts{});
  any_ = false;
}

} // namespace troupe::model
