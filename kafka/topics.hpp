#pragma once
// Topics, as people and the cluster's start ask for them: create, list, describe, remove, and the cluster's own three.
// Nothing here creates a topic by naming it.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cluster/ports.hpp"
#include "kafka/properties.hpp"
#include "kafka/sink.hpp"

namespace troupe::kafka {

struct partition_description {
  std::int32_t partition = 0, leader = -1; ///< leader -1: none now
  std::vector<std::int32_t> replicas;
  std::int64_t low = -1, high = -1; ///< first and next offset; -1 if the leader did not answer
};

struct topic_description {
  std::string name;
  std::vector<partition_description> partitions;
  std::map<std::string, std::string> configs; ///< all of the topic's settings; empty on the embedded broker
};

/// What a topic's settings (as Kafka tells them) bound; a setting that is missing bounds nothing.
topic_limits limits_of(std::int32_t partitions, const std::map<std::string, std::string>& configs);
/// errc::invalid for a topic that would refuse dead letters: it is compacted, and rows need not have a key.
result<void> check_dead_letter_topic(const std::string& name, const topic_limits& limits);

/// Blocks, each call within its limit. One thread at a time.
class topic_admin {
public:
  /// Does not wait for Kafka. errc::invalid for a property that is not one.
  static result<std::unique_ptr<topic_admin>> open(const kafka_properties& properties);
  ~topic_admin();

  /// Returns once every partition has a leader. errc::conflict: it exists. errc::unsupported on the embedded broker.
  result<void> create(const std::string& name, std::int32_t partitions, std::int32_t replication_factor,
                      const std::map<std::string, std::string>& configs, milliseconds limit);
  result<std::vector<topic_info>> list(milliseconds limit); ///< by name; internal ones (__*) too
  result<bool> exists(const std::string& name, milliseconds limit);
  result<topic_description> describe(const std::string& name, milliseconds limit); ///< errc::not_found
  /// Returns once it is gone. errc::not_found; errc::unsupported on the embedded broker.
  result<void> remove(const std::string& name, milliseconds limit);
  /// What a lane has to know of a topic it writes to. errc::not_found.
  result<topic_limits> limits(const std::string& name, milliseconds limit);

  /// Makes the cluster's control, lease and models topics unless they exist, and checks partitions and cleanup policy
  /// of those that do: errc::invalid says what is wrong with which. On the embedded broker only their existence is
  /// checked.
  result<void> ensure_cluster_topics(const std::string& cluster, std::int32_t replication_factor, milliseconds limit);

  /// True on the embedded broker. errc::unavailable if no broker answers.
  result<bool> embedded(milliseconds limit);

private:
  struct impl;
  explicit topic_admin(std::unique_ptr<impl> own);
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::kafka
