#pragma once
// RapidJSON set up so that no row can hurt it: iterative, validating UTF-8, numbers left as text.
// Included by row_parser.cpp only. Each of the flags closes a hole that kills a process (see
// tests/model/row_parser.cpp).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <rapidjson/reader.h>

namespace troupe::model {

/// RapidJSON's idea of an in-situ stream, over bytes that are not NUL-terminated and stay as they are: decoded strings
/// go to a scratch buffer instead. In-situ parsing is what makes RapidJSON copy each byte at most once. Peek gives NUL
/// at the end, so whoever parses must compare Tell() with the size afterwards: a NUL byte in the text ends the parse as
/// well.
struct row_stream {
  using Ch = char;
  const char* begin;
  const char* current;
  const char* end;
  char* scratch;
  char* put;

  /// REQUIRES: room for row.size() + 4 bytes in `decoded`; decoding never makes a string longer.
  row_stream(std::string_view row, char* decoded)
      : begin(row.data())
      , current(begin)
      , end(begin + row.size())
      , scratch(decoded)
      , put(decoded) {}
  char Peek() const { return current == end ? '\0' : *current; }
  char Take() { return current == end ? '\0' : *current++; }
  std::size_t Tell() const { return static_cast<std::size_t>(current - begin); }
  // Of the string being decoded; only one is alive at a time.
  char* PutBegin() { return put = scratch; }
  void Put(char c) { *put++ = c; }
  void Flush() {}
  std::size_t PutEnd(char* from) { return static_cast<std::size_t>(put - from); }
};

/// UTF-8 that copies runs of plain ASCII eight bytes at a time instead of validating each; everything else goes
/// RapidJSON's way.
struct row_utf8 : rapidjson::UTF8<char> {
  static bool Validate(row_stream& in, row_stream& out) {
    const std::size_t run = plain_run(in.current, in.end);
    if (run == 0) return rapidjson::UTF8<char>::Validate(in, out);
    std::memcpy(out.put, in.current, run);
    out.put += run;
    in.current += run;
    return true;
  }
  // For the branch of strings on RapidJSON's stack, which is compiled but never taken.
  template <class Out> static bool Validate(row_stream& in, Out& out) {
    return rapidjson::UTF8<char>::Validate(in, out);
  }

private:
  static_assert(std::endian::native == std::endian::little, "the lowest byte of a word is its first");
  static constexpr std::uint64_t ones = 0x0101010101010101u;
  static constexpr std::uint64_t tops = 0x8080808080808080u;

  // The top bit of each byte that ends a run: quote, backslash, control character, not ASCII. A borrow can set bits
  // wrongly, but only above a byte that is set rightly, and the lowest is the one that counts.
  static std::uint64_t stops(std::uint64_t word) {
    const std::uint64_t quote = word ^ (ones * '"');
    const std::uint64_t backslash = word ^ (ones * '\\');
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word) | word) &
           tops;
  }

  static std::size_t plain_run(const char* from, const char* end) {
    const char* at = from;
    while (end - at >= 8) {
      std::uint64_t word;
      std::memcpy(&word, at, sizeof word);
      if (const std::uint64_t mask = stops(word); mask != 0)
        return static_cast<std::size_t>(at - from) + static_cast<std::size_t>(std::countr_zero(mask) / 8);
      at += 8;
    }
    while (at != end && static_cast<unsigned char>(*at) >= 0x20 && static_cast<unsigned char>(*at) < 0x80 &&
           *at != '"' && *at != '\\')
      ++at;
    return static_cast<std::size_t>(at - from);
  }
};

inline constexpr unsigned row_flags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                                      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseInsituFlag;

using row_reader = rapidjson::GenericReader<row_utf8, row_utf8>;

} // namespace troupe::model
