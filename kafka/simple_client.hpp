#pragma once
// Producing and consuming as `troupe produce` and `troupe consume` do it: on the clients of the lanes, blocking, no
// group.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cluster/ports.hpp"
#include "kafka/properties.hpp"

namespace troupe::kafka {

/// Sends records one by one. One thread.
class simple_producer {
public:
  /// Called for each record that was not delivered: its number (0 is the first sent) and why. From inside send() and
  /// finish().
  using failure_fn = std::function<void(std::uint64_t number, const std::string& why)>;
  struct outcome {
    std::uint64_t delivered = 0, failed = 0, unknown = 0;
  };

  /// Waits for Kafka up to `limit`. errc::not_found if the topic does not exist: it is never created.
  static result<std::unique_ptr<simple_producer>> open(const kafka_properties& properties, const std::string& topic,
                                                       milliseconds limit, failure_fn on_failure = {});
  ~simple_producer();

  std::int32_t partitions() const;
  /// Queues the record; waits up to `limit` for room. partition -1: by the key, or at random without one. The
  /// properties linger.ms and batch.size of the user apply.
  result<void> send(std::optional<std::string_view> key, std::string_view value, std::int32_t partition,
                    milliseconds limit, std::span<const header_view> headers = {});
  /// What has been delivered so far; does not wait.
  outcome progress();
  /// Waits up to `limit` until every record has its outcome; `unknown` counts those that have none then.
  outcome finish(milliseconds limit);

private:
  struct impl;
  explicit simple_producer(std::unique_ptr<impl> own);
  std::unique_ptr<impl> impl_;
};

struct consume_request {
  std::string topic;
  std::optional<std::int32_t> partition; ///< absent: all
  enum class start { beginning, end, offset } from = start::end;
  std::int64_t offset = 0; ///< for start::offset
  std::uint64_t max = 0;   ///< 0: no limit
  bool follow = true;      ///< false: ends at what was the end when it began
};

struct consumed_record {
  topic_partition where;
  std::int64_t offset = 0, timestamp_ms = -1;
  std::optional<std::string_view> key, value;
  std::vector<header_view> headers;
};

/// Hands records to `each` (views are valid during the call) until the request is satisfied, `each` returns false, or
/// `stop()`, asked every 100 ms or so, is true. `notice` gets a sentence when Kafka is lost or back. Returns how many.
/// Waits for Kafka up to `open_limit`; errc::not_found if topic or partition do not exist.
result<std::uint64_t> consume(const kafka_properties& properties, const consume_request& request,
                              milliseconds open_limit, const std::function<bool(const consumed_record&)>& each,
                              const std::function<bool()>& stop = {},
                              const std::function<void(const std::string&)>& notice = {});

} // namespace troupe::kafka
