#pragma once
// RapidJSON set up so that no row can hurt it: iterative, validating UTF-8, numbers left as text.
// Included by row_parser.cpp only. Each of the flags closes a hole that kills a process (see
// tests/model/row_parser.cpp).

#include <cstddef>
#include <cstring>
#include <string_view>

#include <rapidjson/reader.h>

#include "model/plain_run.hpp"

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
};

inline constexpr unsigned row_flags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                                      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseInsituFlag;

using row_reader = rapidjson::GenericReader<row_utf8, row_utf8>;

} // namespace troupe::model
