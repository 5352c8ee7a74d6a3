#pragma once
// Runs of plain ASCII inside JSON strings, eight bytes at a time. Used by row_reader.hpp and flat_row.cpp, so that both
// ways through a row have one idea of what is plain. Pure; any thread.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace troupe::model {

static_assert(std::endian::native == std::endian::little, "the lowest byte of a word is its first");

/// The top bit of each byte that ends a run: quote, backslash, control character, not ASCII. A borrow can set bits
/// wrongly, but only above a byte that is set rightly, and the lowest is the one that counts.
inline std::uint64_t plain_run_stops(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101u;
  constexpr std::uint64_t tops = 0x8080808080808080u;
  const std::uint64_t quote = word ^ (ones * '"');
  const std::uint64_t backslash = word ^ (ones * '\\');
  return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word) | word) & tops;
}

/// The number of bytes from `from` on that a JSON string may hold as they are and that are ASCII.
inline std::size_t plain_run(const char* from, const char* end) {
  const char* at = from;
  while (end - at >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    if (const std::uint64_t mask = plain_run_stops(word); mask != 0)
      return static_cast<std::size_t>(at - from) + static_cast<std::size_t>(std::countr_zero(mask) / 8);
    at += 8;
  }
  while (at != end && static_cast<unsigned char>(*at) >= 0x20 && static_cast<unsigned char>(*at) < 0x80 && *at != '"' &&
         *at != '\\')
    ++at;
  return static_cast<std::size_t>(at - from);
}

} // namespace troupe::model
