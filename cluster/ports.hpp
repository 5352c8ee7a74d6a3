#pragma once
// Everything the actors ask of Kafka, as interfaces. kafka/ implements them over librdkafka; tests and the simulation
// over memory. Two shapes only:
//
//  * The ports of a lane and of a log reader never block: submit, and be woken; then poll for what there is. `wake_fn`
//  may be
//    called from any thread, at any time between on_ready() and the port's destruction; spurious wakes are fine; a wake
//    is owed whenever something to poll appeared after the last poll came back empty.
//  * The ports of the control plane block, each call within the limit that it takes. They run on the thread of a
//  detached
//    actor of their own (actors/clerk, actors/librarian), never on a scheduler thread.
//
// All failures are results; a fatal one (errc::fenced, or `source_event::fatal`) means that the port is lost: throw it
// away, make a new one, and own nothing until granted again.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "cluster/ids.hpp"

namespace troupe {

using std::chrono::milliseconds;
using wake_fn = std::function<void()>;

// ---- the data path: one row_source and one row_sink a lane
// ------------------------------------------------------------

/// Headers of a record, as name/value pairs; a value can be null.
struct header_view {
  std::string_view name;
  std::optional<std::string_view> value;
};

/// One record as it came from Kafka. Valid only during the call that hands it out.
struct record_view {
  std::uint32_t slot = 0; ///< the number that assign() gave this partition
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;        ///< -1: the record has none
  std::optional<std::string_view> key;   ///< absent: null key
  std::optional<std::string_view> value; ///< absent: a tombstone
  bool has_headers = false;              ///< then row_source::headers() gives them
};

/// Receives what drain() takes out, in order.
class row_visitor {
public:
  virtual ~row_visitor() = default;
  virtual void row(const record_view& record) = 0;
};

/// One partition's part in a commit that the broker refused.
struct refused_commit {
  std::uint32_t slot = 0;
  bool for_good = false; ///< the topic is gone, or not ours to read: trying again is hardly of use
  std::string message;
};

struct source_event {
  enum class kind {
    end_of_partition, ///< everything before `offset` was handed out; the next record will be at `offset` or later
    committed,        ///< the commit with `token` is durable, but for the partitions in `refused`: commit those again
    commit_failed,    ///< none of it is (message, or `refused`, says why); commit again
    partition_error,  ///< `slot` can't be read on: offset out of range, topic deleted. It stays stopped
    denied,           ///< `slot` may not be read at the moment (message says what to do); the source keeps trying
    allowed,          ///< and now it may
    disconnected,     ///< no broker can be reached (message says why); the source keeps trying
    connected,        ///< and again
    fatal,            ///< the source is lost
  } what;
  std::uint32_t slot = 0;
  std::int64_t offset = -1;
  std::uint64_t token = 0;
  std::string message;
  std::vector<refused_commit> refused{};
};

struct partition_start {
  std::uint32_t slot;
  topic_partition where;
  std::int64_t offset;
};
/// `offset` is the next one to read (Kafka's convention); `metadata` goes into the committed offset's metadata string.
struct partition_commit {
  std::uint32_t slot;
  std::int64_t offset;
  std::string metadata;
};

/// A lane's consumer: explicit partitions, explicit offsets, no group protocol. One thread at a time; nothing blocks
/// except the destructor, which is bounded (kafka/ closes on a thread of its own).
class row_source {
public:
  virtual ~row_source() = default;
  virtual void on_ready(wake_fn wake) = 0;
  /// Adds partitions; each starts exactly at its offset. REQUIRES: slots are not in use.
  virtual void assign(std::span<const partition_start> starts) = 0;
  /// Takes partitions away; no row of them is handed out afterwards.
  virtual void unassign(std::span<const std::uint32_t> slots) = 0;
  /// Hands out up to max_rows rows that are there already, until their values exceed max_bytes. Returns how many.
  /// Per partition offsets strictly increase from the assigned one: an older offset that comes again is dropped here.
  virtual std::size_t drain(std::size_t max_rows, std::size_t max_bytes, row_visitor& visitor) = 0;
  /// REQUIRES: called from inside row_visitor::row(), for the record just handed out.
  virtual std::vector<header_view> headers() = 0;
  /// Commits to the consumer group, asynchronously: a source_event with `token` tells the end of it. Slots may have
  /// been taken away already: a lane that gives a partition up commits what it still had under way.
  virtual void commit(std::span<const partition_commit> commits, std::uint64_t token) = 0;
  virtual void poll(std::vector<source_event>& events) = 0;
  /// Last known end of the partition's log (for the lag), -1 if unknown. Cheap, no request.
  virtual std::int64_t end_offset(std::uint32_t slot) = 0;
};

/// One record to produce. The views need to live only during the call.
struct produce_record {
  enum class target : std::uint8_t { output, dead_letter } to = target::output;
  std::int32_t partition = -1; ///< -1: by the key, as Java clients do (murmur2_random)
  std::optional<std::string_view> key;
  std::string_view value;
  bool null_value = false;
  std::int64_t timestamp_ms = -1; ///< -1: now
  std::span<const header_view> headers;
  std::uint64_t token = 0; ///< comes back in `delivery`
};

/// `count` records with this token are durable (ok), or will never be (not ok: then none that was produced later will
/// be).
struct delivery {
  std::uint64_t token = 0;
  std::uint32_t count = 0;
  bool ok = true;
  std::string message; ///< why not
};

/// A lane's idempotent producer. One thread at a time; nothing blocks except the bounded destructor. Order of produce()
/// is the order in each output partition.
class row_sink {
public:
  virtual ~row_sink() = default;
  virtual void on_ready(wake_fn wake) = 0;
  /// Takes records from the front until its queue is full; returns how many it took. It wakes when there is room again.
  virtual std::size_t produce(std::span<const produce_record> records) = 0;
  /// Appends deliveries, merged by token where they follow each other. Never more than was produced.
  virtual void poll(std::vector<delivery>& deliveries) = 0;
  virtual std::int32_t partition_count(produce_record::target to) = 0;
  /// Largest value + key + headers that the target's topic takes.
  virtual std::size_t record_bytes_max(produce_record::target to) = 0;
  /// The target's topic is compacted: it takes no record without a key.
  virtual bool needs_key(produce_record::target to) = 0;
};

/// The next offset to read of a partition, to be committed with the records that were made of the rows before it.
struct transaction_offset {
  topic_partition where;
  std::int64_t offset = 0;
  std::string metadata;
};

struct transaction_event {
  enum class kind {
    opened,    ///< whoever had this transactional.id before is fenced; what it had not committed is aborted
    committed, ///< the transaction with `token` is: records and offsets together; the next one has begun
    lost,      ///< the producer is; what became of a commit under way is not known here (message says why)
  } what = kind::lost;
  std::uint64_t token = 0;
  std::string message;
};

/// The transactions of a lane with exactly_once. One is always open, from `opened` on: what the sink produces belongs
/// to it, until commit(). One thread at a time; nothing blocks: the calls of librdkafka have a thread of their own. A
/// port destroyed with a transaction open leaves it to whoever opens or fences the same id next, which aborts it.
class row_transaction {
public:
  virtual ~row_transaction() = default;
  virtual void on_ready(wake_fn wake) = 0;
  /// Commits all that was produced since the last commit, with these offsets of the group; a transaction_event with
  /// `token` tells the end of it. REQUIRES: opened, every record is delivered, no commit is under way.
  virtual void commit(std::vector<transaction_offset> offsets, std::uint64_t token) = 0;
  virtual void poll(std::vector<transaction_event>& events) = 0;
};

/// What a lane needs to open its ports.
struct lane_topics {
  std::string pipeline, group_id, output_topic, dead_letter_topic; ///< dead_letter_topic may be empty
  std::string transactional_id{};                                  ///< empty: at_least_once
  std::vector<std::string> source_topics{};                        ///< whose partitions it may be granted
};
struct lane_ports {
  std::unique_ptr<row_source> source;
  std::unique_ptr<row_sink> sink;
  std::unique_ptr<row_transaction> transaction{}; ///< null: at_least_once, the source commits
};
/// Opens the ports of a lane; does not wait for Kafka.
using lane_factory = std::function<result<lane_ports>(const lane_topics&)>;

// ---- the control plane's logs
// -----------------------------------------------------------------------------------------

struct log_record {
  std::int64_t offset = -1;
  std::int64_t timestamp_ms = -1;
  std::string key;
  std::optional<std::string> value; ///< absent: a tombstone
};

/// Tails one single-partition topic, committed records only (isolation.level=read_committed). Never blocks.
class log_reader {
public:
  virtual ~log_reader() = default;
  virtual void on_ready(wake_fn wake) = 0;
  virtual void poll(std::vector<log_record>& records) = 0;
  /// True once everything that was in the log when it was opened has been polled.
  virtual bool caught_up() const = 0;
  /// Offset after the last record or marker that was read: all below it has been polled.
  virtual std::int64_t position() const = 0;
  /// Time since the broker last answered (a fetch that found nothing counts), and not with a denial. Tells a silent log
  /// from a lost Kafka.
  virtual milliseconds since_last_contact() const = 0;
  /// What the broker answers instead of the log, which it does not allow to be read, and what to do; empty if it does.
  virtual std::string denied() const { return {}; }
  /// Set for good when the log is not the one that was opened (shorter than what was read, deleted, or another
  /// cluster).
  virtual std::optional<error> lost() const = 0;
};

struct log_write {
  std::string key;
  std::optional<std::string> value;
};

struct committed_offset {
  topic_partition where;
  std::optional<std::int64_t> offset;
  std::string metadata;
};

/// The only way to write the control topic: a transactional producer with the id `troupe.<cluster>.coordinator`.
/// Blocks.
class control_writer {
public:
  virtual ~control_writer() = default;
  /// Fences whoever wrote before. Opening again after a loss makes a new producer.
  virtual result<void> open(milliseconds limit) = 0;
  /// One transaction; returns the offset of the first record once it is committed. errc::fenced: somebody newer rules.
  /// errc::timeout: unknown whether it happened; the writer is lost. One that is lost says errc::fenced.
  virtual result<std::int64_t> append(std::span<const log_write> records, milliseconds limit) = 0;
  /// Commits offsets of a group in a transaction of this writer. So one that was frozen and does not know that somebody
  /// newer rules is refused, where offset_store::commit() would put offsets back. Errors as append().
  virtual result<void> commit_offsets(const std::string& group, std::span<const committed_offset> offsets,
                                      milliseconds limit) = 0;
};

/// Writes the lease topic. Never waits for the broker.
class lease_writer {
public:
  virtual ~lease_writer() = default;
  virtual void beat(std::string value) = 0;
};

/// Committed offsets of consumer groups, and where a partition without one starts. Blocks.
class offset_store {
public:
  virtual ~offset_store() = default;
  virtual result<std::vector<committed_offset>>
  committed(const std::string& group, std::span<const topic_partition> where, milliseconds limit) = 0;
  virtual result<void> commit(const std::string& group, std::span<const committed_offset> offsets,
                              milliseconds limit) = 0;
  /// First and next offset of each partition: {low, high}.
  virtual result<std::vector<std::pair<std::int64_t, std::int64_t>>> bounds(std::span<const topic_partition> where,
                                                                            milliseconds limit) = 0;
  /// First offset whose timestamp is at or after the given one (the end if there is none).
  virtual result<std::vector<std::int64_t>>
  at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>> where, milliseconds limit) = 0;
};

/// Shuts a lane's producer out for good: what it has not committed is aborted, what it tries from now on fails. Blocks.
class lane_fencer {
public:
  virtual ~lane_fencer() = default;
  virtual result<void> fence(const std::string& transactional_id, milliseconds limit) = 0;
};

struct topic_info {
  std::string name;
  std::int32_t partitions = 0;
};

/// Topics by name. Never creates one by asking for it. Blocks.
class topic_catalog {
public:
  virtual ~topic_catalog() = default;
  /// Only those that exist.
  virtual result<std::vector<topic_info>> find(std::span<const std::string> names, milliseconds limit) = 0;
};

struct blob_location {
  std::int64_t first_offset = -1;
  std::uint32_t chunks = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// Contents of models, in chunks in the models topic, named by sha256. Blocks.
class model_store {
public:
  virtual ~model_store() = default;
  virtual result<blob_location> put(std::span<const char> content, const std::string& sha256, milliseconds limit) = 0;
  /// Checked by length and sha256.
  virtual result<std::vector<char>> get(const blob_location& where, milliseconds limit) = 0;
};

/// Names of the cluster's own topics.
std::string control_topic(const std::string& cluster);
std::string lease_topic(const std::string& cluster);
std::string models_topic(const std::string& cluster);
/// Of the lane of a pipeline on a node, in all its lives. Names may hold dots, so something else parts them.
std::string transactional_id(const std::string& cluster, const std::string& pipeline, const std::string& node);

} // namespace troupe
