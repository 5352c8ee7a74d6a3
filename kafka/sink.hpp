#pragma once
// The producer of a lane: row_sink (cluster/ports.hpp) over librdkafka.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "cluster/ports.hpp"
#include "kafka/properties.hpp"

namespace troupe::kafka {

/// What a lane has to know of a topic it writes to.
struct topic_limits {
  std::int32_t partitions = 0;
  std::size_t max_message_bytes = 1048588; ///< the topic's max.message.bytes; Kafka's default
  bool compacted = false;                  ///< it takes no record without a key
  /// How far a record's timestamp may lie before or after the broker's clock. Outside of that a record gets the time of
  /// producing.
  std::int64_t timestamp_before_max_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t timestamp_after_max_ms = std::numeric_limits<std::int64_t>::max();
};

struct sink_settings {
  kafka_properties properties; ///< the user's; what exactness needs is fixed here and wins
  std::string output_topic;
  std::string dead_letter_topic; ///< may be empty
  topic_limits output, dead_letter;
};

/// Opens the client; does not wait for Kafka. REQUIRES: the topics exist, or the broker may create them by its
/// defaults. Records without headers and with timestamp -1 take the faster way (rd_kafka_produce_batch).
result<std::unique_ptr<row_sink>> make_sink(const sink_settings& settings);

/// A sink whose records belong to transactions, and the transactions. Both share one client; either may go first.
struct transactional_sink {
  std::unique_ptr<row_sink> sink;
  std::unique_ptr<row_transaction> transaction;
};
/// The same for exactly_once; offsets are committed to `group_id`. `source_topic` is any that has offsets there.
result<transactional_sink> make_transactional_sink(const sink_settings& settings, const std::string& transactional_id,
                                                   const std::string& group_id, const std::string& source_topic);

} // namespace troupe::kafka
