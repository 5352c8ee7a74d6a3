#pragma once
// One limit for a call that is made of several waits. Counted on the steady clock.

#include <algorithm>
#include <chrono>

namespace troupe::kafka {

class deadline {
public:
  explicit deadline(std::chrono::milliseconds limit)
      : end_(std::chrono::steady_clock::now() + limit) {}

  bool passed() const { return std::chrono::steady_clock::now() >= end_; }
  /// Rounded up; 0 once it has passed, never negative (librdkafka takes -1 for "for ever").
  std::chrono::milliseconds left() const {
    using std::chrono::milliseconds;
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end_ - std::chrono::steady_clock::now()));
  }
  /// The same for librdkafka, and never more than `most`.
  int left_ms(std::chrono::milliseconds most = std::chrono::hours(1)) const {
    return static_cast<int>(std::min(left(), most).count());
  }

private:
  std::chrono::steady_clock::time_point end_;
};

} // namespace troupe::kafka
