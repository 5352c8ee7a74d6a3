#pragma once
// Complete lines out of the pieces of a file, for troupe score. A line that never ends takes no more memory than the
// longest row.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace troupe::cli {

/// `Taker`: line(std::string_view), without its newline and a carriage return before it; and too_long(std::uint64_t)
/// with the bytes of one that has more than `line_bytes_max`, in the order of the lines.
template <class Taker> class line_splitter {
public:
  line_splitter(Taker& taker, std::size_t line_bytes_max)
      : taker_(taker)
      , kept_max_(line_bytes_max + 1) {} // with a carriage return
  result<void> feed(std::string_view chunk) {
    for (std::size_t newline; (newline = chunk.find('\n')) != std::string_view::npos;
         chunk.remove_prefix(newline + 1)) {
      if (bytes_ == 0) {
        give(chunk.substr(0, newline), newline);
      } else {
        keep(chunk.substr(0, newline));
        give(rest_, bytes_);
        rest_.clear();
        bytes_ = 0;
      }
    }
    keep(chunk);
    return {};
  }
  result<void> finish() {
    if (bytes_ > 0) give(rest_, bytes_);
    return {};
  }
  /// Of the line that has begun.
  std::size_t kept_bytes() const { return rest_.size(); }

private:
  void keep(std::string_view part) {
    bytes_ += part.size();
    rest_ += part.substr(0, kept_max_ - rest_.size());
  }
  void give(std::string_view line, std::uint64_t bytes) {
    const bool whole = line.size() == bytes;
    if (whole && !line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (whole && line.size() < kept_max_)
      taker_.line(line);
    else
      taker_.too_long(bytes);
  }

  Taker& taker_;
  std::size_t kept_max_;
  std::string rest_;        // of the line that has begun: as much as is kept
  std::uint64_t bytes_ = 0; // of it
};

} // namespace troupe::cli
