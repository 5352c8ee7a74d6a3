#include "model/json_text.hpp"

#include <charconv>
#include <cstdint>

#include "model/text.hpp"

namespace troupe::model {
namespace {

// A cursor over valid JSON; none of its functions checks what the parser has checked.
struct cursor {
  std::string_view text;
  std::size_t at = 0;

  void skip_space() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  }
  bool take(char c) {
    skip_space();
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  }
  std::string_view string() {
    skip_space();
    const std::size_t begin = at++;
    while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
    ++at;
    return text.substr(begin, at - begin);
  }
  std::string_view value() {
    skip_space();
    const std::size_t begin = at;
    if (text[at] == '"') return string();
    if (text[at] != '{' && text[at] != '[') {
      while (at < text.size() && std::string_view{",]} \t\r\n"}.find(text[at]) == std::string_view::npos) ++at;
      return text.substr(begin, at - begin);
    }
    std::size_t depth = 0;
    do {
      if (text[at] == '"') {
        string();
        continue;
      }
      if (text[at] == '{' || text[at] == '[') ++depth;
      if (text[at] == '}' || text[at] == ']') --depth;
      ++at;
    } while (depth != 0);
    return text.substr(begin, at - begin);
  }
};

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t code = 0;
  std::from_chars(digits.data(), digits.data() + 4, code, 16);
  return code;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    }
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
  }
  out += static_cast<char>(0x80 | (code & 0x3F));
}

// What the string literal (quotes included) stands for.
std::string unescape(std::string_view literal) {
  std::string out;
  const std::string_view body = literal.substr(1, literal.size() - 2);
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    const char c = body[++i];
    const std::size_t plain = std::string_view{"bfnrt"}.find(c);
    if (plain != std::string_view::npos) {
      out += "\b\f\n\r\t"[plain];
    } else if (c != 'u') {
      out += c;
    } else {
      std::uint32_t code = hex4(body.substr(i + 1));
      i += 4;
      if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + (hex4(body.substr(i + 3)) - 0xDC00);
        i += 6;
      }
      append_utf8(out, code);
    }
  }
  return out;
}

bool names(std::string_view literal, const std::string& wanted) {
  if (literal.find('\\') == std::string_view::npos) return literal.substr(1, literal.size() - 2) == wanted;
  return unescape(literal) == wanted;
}

std::optional<std::string_view> member(std::string_view object, const std::string& name) {
  cursor c{object, 1};
  if (c.take('}')) return std::nullopt;
  do {
    const std::string_view key = c.string();
    c.take(':');
    const std::string_view value = c.value();
    if (names(key, name)) return value;
  } while (c.take(','));
  return std::nullopt;
}

std::optional<std::string_view> element(std::string_view array, const std::string& number) {
  std::size_t wanted = 0;
  const auto [end, status] = std::from_chars(number.data(), number.data() + number.size(), wanted);
  if (status != std::errc{} || end != number.data() + number.size() || (number.size() > 1 && number[0] == '0'))
    return std::nullopt;
  cursor c{array, 1};
  if (c.take(']')) return std::nullopt;
  for (std::size_t i = 0;; ++i) {
    const std::string_view value = c.value();
    if (i == wanted) return value;
    if (!c.take(',')) return std::nullopt;
  }
}

} // namespace

result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  if (pointer.size() < 2 || pointer[0] != '/')
    return fail(errc::invalid, quoted(pointer) + " is not a JSON pointer; write it like /user/id");
  std::vector<std::string> path;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      path.emplace_back();
    } else if (pointer[i] != '~') {
      path.back() += pointer[i];
    } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
      path.back() += pointer[++i] == '0' ? '~' : '/';
    } else {
      return fail(errc::invalid,
                  "the JSON pointer " + quoted(pointer) + " has a ~ that is neither ~0 (for ~) nor ~1 (for /)");
    }
  }
  return path;
}

std::optional<std::string_view> walk(std::string_view value, const std::string* path_begin,
                                     const std::string* path_end) {
  for (; path_begin != path_end; ++path_begin) {
    std::optional<std::string_view> next;
    if (value.front() == '{')
      next = member(value, *path_begin);
    else if (value.front() == '[')
      next = element(value, *path_begin);
    if (!next) return std::nullopt;
    value = *next;
  }
  return value;
}

std::vector<std::string_view> elements(std::string_view array) {
  std::vector<std::string_view> all;
  if (array.empty() || array.front() != '[') return all;
  cursor c{array, 1};
  if (c.take(']')) return all;
  do all.push_back(c.value());
  while (c.take(','));
  return all;
}

std::optional<std::string> string_value(std::string_view value) {
  if (value.empty() || value.front() != '"') return std::nullopt;
  return unescape(value);
}

} // namespace troupe::model
