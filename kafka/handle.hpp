#pragma once
// What every piece of kafka/ needs of librdkafka: owning pointers, one way to open a client, errors as sentences.
// INTERNAL to kafka/: it includes rdkafka.h, which no other folder may.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <librdkafka/rdkafka.h>

#include "base/result.hpp"
#include "cluster/ids.hpp"
#include "kafka/properties.hpp"

namespace troupe::kafka {

using std::chrono::milliseconds;

/// Deleter made of a C function.
template <auto Function> struct c_deleter {
  template <class T> void operator()(T* p) const noexcept { Function(p); }
};

using queue_ptr = std::unique_ptr<rd_kafka_queue_t, c_deleter<rd_kafka_queue_destroy>>;
using event_ptr = std::unique_ptr<rd_kafka_event_t, c_deleter<rd_kafka_event_destroy>>;
using error_ptr = std::unique_ptr<rd_kafka_error_t, c_deleter<rd_kafka_error_destroy>>;
using topic_ptr = std::unique_ptr<rd_kafka_topic_t, c_deleter<rd_kafka_topic_destroy>>;
using message_ptr = std::unique_ptr<rd_kafka_message_t, c_deleter<rd_kafka_message_destroy>>;
using conf_ptr = std::unique_ptr<rd_kafka_conf_t, c_deleter<rd_kafka_conf_destroy>>;
using group_metadata_ptr =
    std::unique_ptr<rd_kafka_consumer_group_metadata_t, c_deleter<rd_kafka_consumer_group_metadata_destroy>>;
using partition_list_ptr =
    std::unique_ptr<rd_kafka_topic_partition_list_t, c_deleter<rd_kafka_topic_partition_list_destroy>>;

/// Runs `work` on a thread of its own and waits for it, at most for `limit`. False: it is still running, abandoned; so
/// `work` must own what it touches. For the calls of librdkafka that are known to hang.
bool run_bounded(std::function<void()> work, milliseconds limit, const char* what);

/// rd_kafka_destroy() on a thread of its own, since it can hang; waits at most `limit`, then leaves it behind with a
/// warning. A consumer is not closed first (it would talk to a group that we never join). REQUIRES: every queue, topic
/// and message of the client is destroyed already.
struct handle_destroyer {
  milliseconds limit{5000};
  std::shared_ptr<void> kept; ///< what the client's threads touch; lives until the last of them has ended
  void operator()(rd_kafka_t* client) const noexcept;
};
using handle_ptr = std::unique_ptr<rd_kafka_t, handle_destroyer>;
/// For the clients of a lane, which are closed on a scheduler thread: what takes longer goes on without it.
constexpr milliseconds lane_close_limit{300};

enum class role { consumer, producer };

/// When the brokers last answered a request other than a greeting (version, login). Written by threads of the client,
/// read by anyone. `answered`, if set (before the client is opened), is called on such a thread at each answer: keep it
/// cheap, call nothing of librdkafka.
struct contact {
  std::atomic<std::int64_t> last_ns{0}; ///< steady clock; 0: never
  std::function<void()> answered;
  /// If set (before the client is opened), called at the end of each commit, on a thread of the client, with what the
  /// broker said of each partition. The same rules.
  std::function<void(const rd_kafka_topic_partition_list_t&)> committed;
  /// Requests sent so far, again or not, that end a transaction or take offsets into one. Counted if
  /// `counts_transactions` (set before the client is opened).
  std::atomic<int> end_requests{0}, offset_requests{0};
  bool counts_transactions = false;
  /// Count only answers of the partitions' leaders (Fetch, ListOffsets), not of any broker. Set before the client is
  /// opened.
  bool leaders_only = false;
  /// Time since then; since the construction if there was none yet.
  milliseconds age() const;
  const std::chrono::steady_clock::time_point born = std::chrono::steady_clock::now();
};

/// Opens a client; does not wait for Kafka. Properties of `fixed` win over those of `user`; names or values that
/// librdkafka does not know, and properties that load code, run commands or swap the cluster, are errc::invalid.
/// `events` are the RD_KAFKA_EVENT_* to get on the main queue. `adjust`, when given, sets callbacks before the client
/// exists; `watch`, when given, is kept up to date (and alive) as long as the client. Log lines of the client go to the
/// spdlog logger "kafka" (the default logger if there is none). A producer's properties in the hands of a consumer, and
/// the other way round, are ignored in silence.
result<handle_ptr> open_client(role which, const kafka_properties& user, const kafka_properties& fixed, int events = 0,
                               const std::function<void(rd_kafka_conf_t*)>& adjust = {},
                               std::shared_ptr<contact> watch = {});

/// "Broker: Unknown topic or partition (UNKNOWN_TOPIC_OR_PART)"
std::string describe(rd_kafka_resp_err_t code);
/// The kind of failure that a code means for our callers.
errc kind_of(rd_kafka_resp_err_t code);
/// Kafka answers, and does not allow it. That is mended, or was done, by somebody who grants rights.
bool is_denial(rd_kafka_resp_err_t code);
/// errc by the code; message: "<doing>: <describe(code)>", and `detail` in brackets if there is any. A denial says what
/// to do.
error make_error(rd_kafka_resp_err_t code, const std::string& doing, std::string_view detail = {});
error make_error(const rd_kafka_error_t* failure, const std::string& doing);

/// `text` with CR, LF, ESC and the other control characters escaped, so that a log line stays one line.
std::string printable(std::string_view text);

/// A partition list of the given entries' capacity.
inline partition_list_ptr make_partition_list(std::size_t capacity) {
  return partition_list_ptr(rd_kafka_topic_partition_list_new(static_cast<int>(capacity)));
}

/// Adds the next offset of a partition, to be committed; `metadata` may be empty.
void add_commit(rd_kafka_t* client, rd_kafka_topic_partition_list_t* list, const topic_partition& where,
                std::int64_t offset, const std::string& metadata);

/// True if the client talks to the embedded broker. Blocks up to `limit`.
bool is_embedded(rd_kafka_t* client, milliseconds limit);

} // namespace troupe::kafka
