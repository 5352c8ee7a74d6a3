#pragma once
// Makes the Kafka side of the control plane's ports (cluster/ports.hpp). Free of rdkafka, so that cli/ may include it.
//
// All take the user's Kafka properties as they stand in the config. Nothing here waits for Kafka: a client connects in
// the background, and what can't be reached shows up in the first call that needs it. errc::invalid: a property is
// refused.
//
// REQUIRES for all of them: the topic exists. Nobody here creates one by asking for it, except that a producer's
// metadata request would: so control_writer and model_store look before they open a producer, and whoever makes a
// lease_writer has to look first (topic_catalog).

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "cluster/ports.hpp"
#include "kafka/properties.hpp"

namespace troupe::kafka {

/// Where a log_reader starts.
struct log_start {
  /// Records before the end to start at; negative: from the beginning. A tail that has expired goes on at what is left
  /// of the log (the lease topic, kept for minutes); a log read from its beginning that lost records is lost().
  std::int64_t tail_records = -1;

  static log_start beginning() { return {}; }
  static log_start tail(std::int64_t records) { return {records}; }
};

/// How long a fetch that finds nothing stays at the broker. A real broker answers early when there is something. The
/// embedded broker sleeps the whole time, so there it has to be short.
constexpr milliseconds fetch_wait_default{250};
constexpr milliseconds fetch_wait_embedded{10};

result<std::unique_ptr<log_reader>> make_log_reader(const kafka_properties& user, const std::string& topic,
                                                    log_start from, milliseconds fetch_wait = fetch_wait_default);

/// Writes control_topic(cluster). Opens no client before control_writer::open().
std::unique_ptr<control_writer> make_control_writer(const kafka_properties& user, const std::string& cluster);

/// Writes lease_topic(cluster). REQUIRES: the topic is known to exist.
result<std::unique_ptr<lease_writer>> make_lease_writer(const kafka_properties& user, const std::string& cluster);

result<std::unique_ptr<offset_store>> make_offset_store(const kafka_properties& user);

result<std::unique_ptr<topic_catalog>> make_topic_catalog(const kafka_properties& user);

/// A client lives only as long as a call.
std::unique_ptr<lane_fencer> make_lane_fencer(const kafka_properties& user);

/// Set by any thread to end a call that is under way.
using stop_flag = std::shared_ptr<const std::atomic<bool>>;

/// Contents in models_topic(cluster). `content_bytes_max` bounds both what is put and what get() takes into memory. A
/// client lives only as long as a call. Once `stop` is set calls end with errc::unavailable, within a second once Kafka
/// has answered whether the topic exists (ten if it does not).
std::unique_ptr<model_store> make_model_store(const kafka_properties& user, const std::string& cluster,
                                              std::size_t content_bytes_max,
                                              milliseconds fetch_wait = fetch_wait_default, stop_flag stop = {});

} // namespace troupe::kafka
