#pragma once
// Notices that this process was frozen (SIGSTOP, a suspended machine, a swap storm): a gap on the lane's clock that is
// longer than the cluster waits before it gives a silent node's partitions to others. Pure: the time is an argument.
//
// It sees what the clock sees. A process passes CLOCK_BOOTTIME, which counts suspends; CLOCK_MONOTONIC does not. A
// virtual machine whose host pauses it, clocks and all, has no clock that tells: such a lane finds out when the node
// reads of its removal in the control topic.
//
// The lane calls note() at the start of every handler that could produce, and a tick bounds the gap of a healthy one to
// about 50 ms. Once frozen it stays frozen: the lane's generation is over.

#include <chrono>
#include <optional>

namespace troupe {

using mono_time = std::chrono::steady_clock::time_point;

class freeze_guard {
public:
  explicit freeze_guard(std::chrono::milliseconds limit)
      : limit_(limit) {}

  /// True while nothing suspicious happened. REQUIRES: `now` does not go back.
  bool note(mono_time now) {
    if (last_ && now - *last_ > limit_) frozen_ = true;
    last_ = now;
    return !frozen_;
  }
  [[nodiscard]] bool frozen() const { return frozen_; }

private:
  std::chrono::milliseconds limit_;
  std::optional<mono_time> last_;
  bool frozen_ = false;
};

} // namespace troupe
