#pragma once
// The coordinator's hand in Kafka: everything it does there that blocks. Detached, with ports of its own.

#include <map>
#include <memory>
#include <string>

#include "actors/interfaces.hpp"

namespace troupe {

/// Where the partitions of a pipeline start that have no committed offset; those that `values` leaves out: at the
/// latest.
struct start_rule {
  enum class kind { earliest, latest, offsets, timestamps } at = kind::latest;
  /// topic -> partition -> offset (-2 earliest, -1 latest), or milliseconds since the epoch.
  std::map<std::string, std::map<std::int32_t, std::int64_t>> values;
};

struct clerk_pipeline {
  std::string group_id;
  start_rule starting;
  bool exactly_once = false;
  bool fail_on_data_loss = true; ///< false: a committed offset that is gone is replaced by the nearest one left
};

struct clerk_ports {
  std::unique_ptr<control_writer> writer;
  std::unique_ptr<offset_store> offsets;
  std::unique_ptr<topic_catalog> topics;
  std::unique_ptr<lane_fencer> fencer;
};

struct clerk_config {
  std::map<std::string, clerk_pipeline> pipelines;
  milliseconds limit{5000}; ///< of every single call to Kafka
};

struct clerk_state {
  static constexpr const char* name = "clerk";
  clerk_config cfg;
  clerk_ports ports;
};

clerk_actor::behavior_type clerk(clerk_actor::stateful_pointer<clerk_state> self, clerk_config cfg,
                                 std::shared_ptr<clerk_ports> ports);

/// Committed offsets of `where`; those that have none are resolved by the rule and committed before this returns, so
/// that a crash before the first row cannot move the start. With exactly_once only the newest coordinator can do that:
/// one that was frozen here would put back what lanes have committed since. Partitions that were added to a topic in
/// use start at its first row, whatever the rule says: none of their rows may be skipped. Lanes that are to be fenced
/// are, before any offset is read; partitions of one that can't be are left out. Exposed for tests.
result<found_starts> resolve_starts(const clerk_pipeline& pipeline, const std::vector<action::start_query>& where,
                                    clerk_ports& ports, milliseconds limit);

} // namespace troupe
