#pragma once
// One life of a node inside a process: opens the ports, starts CAF and the actors, waits, stops in order. `troupe node`
// runs it again under a new incarnation when the cluster has removed the node while it was alive.

#include <cstdint>
#include <map>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "kafka/sink.hpp"

namespace troupe::cli {

/// What was found out about Kafka before the first life.
struct node_surroundings {
  bool embedded = false;                             ///< the broker is Troupe's own
  std::map<std::string, kafka::topic_limits> topics; ///< output and dead-letter topics
};

enum class node_end {
  left,    ///< told to stop, everything handed over
  removed, ///< the cluster went on without it: join again
};

/// REQUIRES: SIGINT, SIGTERM and SIGHUP are blocked in this thread. Errors: a port is in use, a property is wrong;
/// errc::conflict also where another node refuses this one.
result<node_end> run_node(const config::config& cfg, const node_surroundings& surroundings, bool rejoining);

} // namespace troupe::cli
