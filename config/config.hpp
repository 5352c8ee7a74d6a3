#pragma once
// The typed form of a cluster config file. Built by config/load.hpp from JSON that config/schema.json has checked; the
// schema is the one place for defaults, bounds and descriptions, so the members here carry none. Only cli/ sees all of
// it: every actor gets a small struct of its own.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::config {

using std::chrono::milliseconds;

/// Who must agree: all nodes of the cluster. Part of the fingerprint.
struct cluster_config {
  std::string name;                   ///< [a-z0-9][a-z0-9_.-]{0,63}; names the control topics
  milliseconds heartbeat_interval_ms; ///< how often a node reports to the coordinator
  milliseconds removal_timeout_ms;    ///< silence after which a node is removed and its partitions move
  milliseconds lease_interval_ms;     ///< how often the coordinator shows that it lives
  milliseconds lease_timeout_ms;      ///< silence on the lease topic after which a candidate moves
  milliseconds kafka_loss_timeout_ms; ///< a node cut off from Kafka for so long loses its partitions
  int replication_factor;             ///< of the three topics Troupe makes for itself
};

/// Where a partition without a committed offset starts. Spark's words.
struct starting_offsets {
  enum class kind { earliest, latest, explicit_offsets, timestamp } at = kind::latest;
  /// topic -> partition -> offset (-2 earliest, -1 latest), or -> milliseconds since the epoch for `timestamp`.
  std::map<std::string, std::map<std::int32_t, std::int64_t>> values;
};

struct output_config {
  /// Row fields copied to the output: names or JSON pointers ("/user/id"). Absent: every field that is not a feature.
  std::optional<std::vector<std::string>> carry;
  /// Output name -> what goes there: probability, probability(CLASS), label, probabilities, value, value(i), score(i),
  /// model. Empty: what suits the model ("pred", or "label" and "probabilities"). An empty choice ("prediction":
  /// "pred"): what suits the model, under this name.
  std::vector<std::pair<std::string, std::string>> prediction;
  std::vector<std::string> headers; ///< troupe.model, troupe.source, ...; in this order
  enum class timestamp_from { source, now } timestamp = timestamp_from::source;
};

struct errors_config {
  enum class tolerance_kind { none, all } tolerance = tolerance_kind::all;
  std::string dead_letter_topic; ///< empty: there is none; bad rows are then counted and skipped
  bool context_headers = true;   ///< the __connect.errors.* and __troupe.errors.* headers
};

/// One source -> model -> output. Part of the fingerprint.
struct pipeline_config {
  std::string name;
  std::vector<std::string> subscribe; ///< source topics
  starting_offsets starting;
  bool fail_on_data_loss;            ///< an offset that has vanished stops the partition with an alarm
  std::string group_id;              ///< "troupe.<cluster>.<pipeline>" unless given
  std::string model;                 ///< registered model's name
  std::string model_alias;           ///< "champion" unless given as games@alias
  std::vector<std::string> features; ///< overrides the names in the model file, in its order; usually empty
  std::string topic;                 ///< output topic
  output_config output;
  errors_config errors;
  std::string delivery; ///< at_least_once | exactly_once
  milliseconds commit_interval_ms;
  std::uint32_t max_batch_size;                 ///< rows in one batch to a scorer
  std::chrono::microseconds max_queue_delay_us; ///< how long a row may wait for others to fill a batch
  std::uint32_t max_inflight_rows;              ///< rows read and not yet produced, per lane
  std::uint64_t max_inflight_bytes;             ///< their bytes
  std::uint32_t max_uncommitted_rows; ///< rows read and not yet committed, per lane: the most that a crash repeats
  std::uint32_t max_row_bytes;        ///< a longer value is a dead letter ROW_TOO_LARGE
  std::uint32_t max_nesting_depth;    ///< deeper JSON is a dead letter TOO_DEEP
};

struct tls_config {
  std::string certificate, key, ca; ///< PEM files; all three or none
  std::string passphrase;
  [[nodiscard]] bool enabled() const { return !certificate.empty(); }
};

/// What differs from node to node; flags of `troupe node` override it. Not part of the fingerprint.
struct node_config {
  std::string name; ///< from --name; [a-z0-9][a-z0-9_.-]{0,63}
  std::string listen_host;
  std::uint16_t listen_port = 0; ///< port 0: any free one
  std::string advertise;         ///< host:port that the other nodes dial; empty: the listen address
  std::string http_host;
  std::uint16_t http_port = 0;    ///< port 0: any free one
  bool http_enabled = true;       ///< `"http": null` switches it off
  std::uint32_t scorers = 0;      ///< scorer actors, a thread each
  std::vector<std::string> roles; ///< of ingest, scorer, coordinator
  std::uint32_t index = 0;        ///< 0..255, told apart where container ids collide (docs/operations.md)
  tls_config tls;
  std::string log_level, log_format; ///< trace..error; text | json
  [[nodiscard]] bool has_role(const std::string& role) const;
};

struct config {
  cluster_config cluster;
  std::map<std::string, std::string>
      kafka; ///< librdkafka properties by their own names, checked against the allow-list
  std::vector<pipeline_config> pipelines;
  node_config node;
  std::string fingerprint; ///< hex; over `cluster` and `pipelines` as they are after defaults
};

} // namespace troupe::config
