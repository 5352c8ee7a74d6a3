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

void append_hex(std::string& out, unsigned char byte) {
  out += "\\x";
  out += hex_digits[byte >> 4];
  out += hex_digits[byte & 15];
}

// Of a whole character: C1 controls, and those that separate lines or turn the direction of writing.
bool acts_on_a_terminal(std::string_view character) {
  if (character.size() == 2) return character[0] == '\xC2' && static_cast<unsigned char>(character[1]) < 0xA0;
  if (character.size() != 3 || character[0] != '\xE2') return false;
  const auto second = static_cast<unsigned char>(character[1]);
  const auto third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && (third == 0x8E || third == 0x8F || (third >= 0xA8 && third <= 0xAE))) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

} // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0x80 ? 1 : sequence_of(lead).length;
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    const bool shown = lead < 0x80 ? lead >= 0x20 && lead != 0x7F
                                   : check_utf8(character) == utf8_state::valid && !acts_on_a_terminal(character);
    if (shown) {
      out += character;
      text.remove_prefix(character.size());
      continue;
    }
    // Of something that is no character, byte by byte: a good one may begin behind the first.
    const std::size_t escaped = check_utf8(character) == utf8_state::valid ? character.size() : 1;
    for (const char byte : text.substr(0, escaped)) append_hex(out, static_cast<unsigned char>(byte));
    text.remove_prefix(escaped);
  }
  return out;
}

std::string quoted(std::string_view name) {
  std::string out = "'";
  for (const char c : name.substr(0, longest_quoted)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      append_hex(out, byte);
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
