#pragma once
// The shell around the coordinator's decisions: cluster/election.hpp says when to claim, cluster/coordinator_core.hpp
// what to do while ruling; this actor feeds both and carries out what they say. One on every node with the role; at
// most one rules. It quits, and its node with it, when its clerk ends or owes an answer for longer than any call may
// take.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/interfaces.hpp"
#include "cluster/coordinator_core.hpp"
#include "cluster/election.hpp"

namespace troupe {

struct coordinator_config {
  node_ref self;
  std::string address; ///< of this node, goes into the claim
  core_config core;
  election_timings timings;
  std::uint64_t seed = 0;                ///< of the election's jitter
  std::function<std::int64_t()> unix_ms; ///< for the time shown beside a model; empty: the machine's clock
};

struct coordinator_state {
  static constexpr const char* name = "coordinator";
  coordinator_config cfg;
  std::unique_ptr<coordinator_core> core;
  std::unique_ptr<election> votes;
  clerk_actor clerk;
  std::uint64_t clerk_owes = 0;        ///< answers
  std::int64_t clerk_silent_ticks = 0; ///< since its last answer, while it owes one
  dialer_actor dialer;
  std::unique_ptr<lease_writer> leases;
  milliseconds since_contact{0};
  std::set<node_ref> refused; ///< ports that were found closed, before or while ruling
  bool control_caught_up = false, lease_caught_up = false;
  std::map<std::string, std::string> told;                ///< what about -> the problem that was logged last
  std::string trouble;                                    ///< why the last term, or the last claim, came to nothing
  election_phase shown_phase = election_phase::following; ///< last one logged
  std::unordered_map<std::string, std::vector<caf::typed_response_promise<change_reply>>> waiting; ///< by change id
};

coordinator_actor::behavior_type coordinator(coordinator_actor::stateful_pointer<coordinator_state> self,
                                             coordinator_config cfg, clerk_actor clerk, dialer_actor dialer,
                                             std::shared_ptr<std::unique_ptr<lease_writer>> leases);

} // namespace troupe
