#include "model/text.hpp"

#include <cstddef>

namespace troupe::model {
namespace {

constexpr std::size_t longest_quoted = 64;
constexpr char hex_digits[] = "0123456789abcdef";

// How many bytes the character has that starts with `lead`, and what its second byte may be. 0: no character starts so.
struct sequence {
  std::size_t length;
  unsigned char second_min;
  unsigned char second_max;
};

constexpr sequence sequence_of(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

} // namespace

std::string quoted(std::string_view name) {
  std::string out = "'";
  for (const char c : name.substr(0, longest_quoted)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += "\\x";
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 15];
    }
  }
  out += name.size() > longest_quoted ? "...'" : "'";
  return out;
}

void append_json_string(std::string& out, std::string_view name) {
  out += '"';
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += hex_digits[byte >> 4];
      out += hex_digits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

utf8_state check_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const sequence expected = sequence_of(lead);
    if (expected.length == 0) return utf8_state::invalid;
    for (std::size_t i = 1; i < expected.length; ++i) {
      if (at + i == text.size()) return utf8_state::cut;
      const auto byte = static_cast<unsigned char>(text[at + i]);
      const unsigned char low = i == 1 ? expected.second_min : 0x80;
      const unsigned char high = i == 1 ? expected.second_max : 0xBF;
      if (byte < low || byte > high) return utf8_state::invalid;
    }
    at += expected.length;
  }
  return utf8_state::valid;
}

} // namespace troupe::model
