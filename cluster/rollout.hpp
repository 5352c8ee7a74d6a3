#pragma once
// How a model version goes live, and which versions a node keeps loaded. Pure functions over the folded log and the
// reports.
//
//             every live scorer and ingest member is ready
//   staged ------------------------------------------------> ready     (and the alias moves, in the same append)
//     |  ^                                                     |
//     |  +------------ registered or promoted again -----------+
//     |  +------------ registered again -----+                 |
//     v                                      |
//   failed   one of them could not load it: nothing else changes, what ran before keeps running

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "cluster/cluster_state.hpp"
#include "cluster/report.hpp"

namespace troupe {

/// Versions that every node with role ingest or scorer has to have loaded: staged ones, and those that an alias, or its
/// previous version (so that a rollback is instant), points to. Others may be unloaded.
std::set<model_key> wanted_models(const cluster_state& state);

/// The latest report of a member, null if it has not reported in this term.
using report_lookup = std::function<const node_report*(const node_ref&)>;

/// How far a version is, over the members that have to load it.
struct model_readiness {
  std::vector<std::string> ready, waiting;
  std::vector<std::pair<std::string, std::string>> failed; ///< node, reason
  bool everywhere() const { return waiting.empty() && failed.empty() && !ready.empty(); }
};
model_readiness readiness(const cluster_state& state, const report_lookup& report, const model_key& which);

enum class rollout_event : std::uint8_t { all_ready, one_failed, staged_again };
/// The state machine above. An event that has no arrow leaves the state as it is.
model_record::state_kind next(model_record::state_kind state, rollout_event event);

/// Records that move rollouts on: staged -> ready (and its alias), staged -> failed. Empty if nothing is due.
std::vector<control_record> advance_rollouts(const cluster_state& state, const report_lookup& report, term_id term);

} // namespace troupe
