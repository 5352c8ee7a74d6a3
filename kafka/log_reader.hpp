#pragma once
// Tails one single-partition topic: log_reader of cluster/ports.hpp over one consumer that is assigned partition 0.
// INTERNAL to kafka/; others use make_log_reader (kafka/control_ports.hpp).
//
// One thread at a time calls it; nothing blocks except the destructor, which is bounded.
//
// How contact is told: the consumer always has a fetch at the leader, so a healthy broker answers at least every
// `fetch_wait`. Each answer to Fetch or ListOffsets counts, as it arrives (struct contact). End-of-partition events
// would not do (one per end reached), nor would the application's queue (silent while the log is).

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/ports.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_log_reader final : public log_reader {
public:
  static result<std::unique_ptr<log_reader>> open(const kafka_properties& user, const std::string& topic,
                                                  log_start from, milliseconds fetch_wait);
  ~kafka_log_reader() override;

  void on_ready(wake_fn wake) override;
  void poll(std::vector<log_record>& records) override;
  bool caught_up() const override { return caught_up_; }
  std::int64_t position() const override { return position_; }
  milliseconds since_last_contact() const override;
  std::string denied() const override { return denied_; }
  std::optional<error> lost() const override;

private:
  using clock = std::chrono::steady_clock;

  kafka_log_reader(std::string topic, log_start from)
      : topic_(std::move(topic))
      , from_(from) {}
  result<void> start(const kafka_properties& user, milliseconds fetch_wait);
  std::int64_t first_offset() const;
  result<void> assign(std::int64_t offset);
  void take(const rd_kafka_message_t& message, std::vector<log_record>& records);
  void take_failure(const rd_kafka_message_t& message);
  static void on_error(rd_kafka_t*, int code, const char* reason, void* self);
  void out_of_range(std::string_view detail);
  void advance(std::int64_t next);
  void check_cluster();
  void note_denial(rd_kafka_resp_err_t code);
  void ask_again();
  void lose(std::string what);

  const std::string topic_;
  const log_start from_;
  const std::shared_ptr<contact> contact_ = std::make_shared<contact>();
  wake_fn wake_;
  std::int64_t position_ = 0;
  bool caught_up_ = false;
  bool positioned_ = false; ///< something was read: position_ counts
  bool restarted_ = false;  ///< an expired tail is being taken up again: the next offset is checked
  std::string cluster_id_;
  clock::time_point next_cluster_check_{};
  std::optional<clock::time_point> missing_since_; ///< the broker said that the topic is unknown
  std::string denied_;                             ///< why the log may not be read, until something of it comes
  clock::time_point denied_since_{}, next_ask_{};
  std::optional<error> lost_;
  handle_ptr client_;
  queue_ptr queue_; ///< before client_ in destruction
};

} // namespace troupe::kafka
