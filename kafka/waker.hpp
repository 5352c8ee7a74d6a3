#pragma once
// The wake_fn of a port, callable from the client's threads while its owner sets or clears it.
// INTERNAL to kafka/.

#include <mutex>
#include <utility>

#include "cluster/ports.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class waker {
public:
  /// Replaces the function. Once it has returned, the old one is not running and won't be called again.
  void set(wake_fn wake) {
    std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }
  void call() {
    std::lock_guard lock(mutex_);
    if (wake_) wake_();
  }

private:
  std::mutex mutex_;
  wake_fn wake_;
};

/// `to` is called whenever the queue gets something after it was empty. REQUIRES: silence() before `to` goes.
inline void wake_on(rd_kafka_queue_t* queue, waker& to) {
  rd_kafka_queue_cb_event_enable(
      queue, [](rd_kafka_t*, void* opaque) { static_cast<waker*>(opaque)->call(); }, &to);
}
inline void silence(rd_kafka_queue_t* queue) { rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr); }

} // namespace troupe::kafka
