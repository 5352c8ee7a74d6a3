#pragma once
// What a node tells the coordinator about itself, every heartbeat: the whole truth, never a difference, so that a new
// coordinator, or one that missed ten of them, knows all there is to know from the next one. Plain values, no CAF.

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/ids.hpp"

namespace troupe {

/// A partition that a lane holds: granted, and not yet released.
struct held_partition {
  topic_partition where;
  std::int64_t position = -1;   ///< next offset to read
  std::int64_t committed = -1;  ///< last offset that this lane committed, -1: none yet
  std::int64_t end_offset = -1; ///< known end of the log, -1 unknown
};

/// The lane of one pipeline on one node.
struct lane_report {
  std::string pipeline;
  generation_id generation;
  std::vector<held_partition> holding;
  std::string problem;         ///< why it can't go on ("" if it can); for people
  bool stopped_by_row = false; ///< errors.tolerance is none and a bad row came: the pipeline has to stop
  bool opened = false;         ///< its producer is open; with exactly_once that has shut out all earlier generations
};

/// One model version as this node sees it.
struct model_report {
  std::string name;
  model_version version;
  enum class state_kind : std::uint8_t { loading, ready, failed } state = state_kind::loading;
  std::string message; ///< why it failed
};

struct node_report {
  node_ref node;
  std::string address;            ///< host:port that others dial
  std::vector<std::string> roles; ///< ingest, scorer, coordinator
  std::uint32_t scorers = 0;
  std::string fingerprint;    ///< of the cluster-wide config
  std::uint64_t sequence = 0; ///< grows with every report of an incarnation; an older one is ignored
  control_offset applied;     ///< control records below this have been obeyed
  bool kafka_lost = false;    ///< no contact with Kafka for kafka_loss_timeout_ms; its lanes have stopped themselves
  bool leaving = false;       ///< asked to stop: wants its partitions taken away
  std::vector<lane_report> lanes;
  std::vector<model_report> models;
  std::string stats; ///< JSON object of counters and rates, for `troupe status`; opaque to decisions
};

template <class I> typename I::result_type inspect(I& f, topic_partition& x) { return f(x.topic, x.partition); }
template <class I> typename I::result_type inspect(I& f, node_ref& x) { return f(x.name, x.incarnation); }
template <class I> typename I::result_type inspect(I& f, held_partition& x) {
  return f(x.where, x.position, x.committed, x.end_offset);
}
template <class I> typename I::result_type inspect(I& f, lane_report& x) {
  return f(x.pipeline, x.generation, x.holding, x.problem, x.stopped_by_row, x.opened);
}
template <class I> typename I::result_type inspect(I& f, model_report& x) {
  return f(x.name, x.version, x.state, x.message);
}
template <class I> typename I::result_type inspect(I& f, node_report& x) {
  return f(x.node, x.address, x.roles, x.scorers, x.fingerprint, x.sequence, x.applied, x.kafka_lost, x.leaving,
           x.lanes, x.models, x.stats);
}

} // namespace troupe
