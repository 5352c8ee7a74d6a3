#pragma once
// INTERNAL to the node actor: what its files ask of each other. All run inside the actor.

#include <utility>

#include "actors/node.hpp"

namespace troupe::node_walk {

using self_ptr = node_actor::stateful_pointer<node_state>;

// ---- node_peers.cpp
/// Dials who has to be dialled: the one that joined later dials, a node that is no member yet dials the coordinator.
void keep_peers(self_ptr self);
caf::result<peer_hello> welcome(self_ptr self, const peer_hello& hello);
void take_offer(self_ptr self, const scorer_offer& offer);
/// The connection behind this door is gone. True if it was a peer's.
bool lost_door(self_ptr self, const caf::actor_addr& door);
void forget_peer(self_ptr self, const std::string& name);
/// Offers the local scorers to peers that have not got them yet.
void introduce_scorers(self_ptr self);
/// The door of the coordinator's node; null if it is this one, or not connected.
door_actor coordinator_door(self_ptr self);
bool coordinates_here(self_ptr self);

// ---- node_models.cpp
/// Loads what the log wants loaded, drops what it does not.
void keep_models(self_ptr self);
/// Now and then, tells the metrics how often features were treated.
void count_treated(self_ptr self);
/// Why a model that is being pushed would fit no pipeline of its name; empty: it fits.
std::string why_not_fit(self_ptr self, const fit_check& check);
/// The version in force of a pipeline's model; nullopt: none yet.
std::optional<model_version> version_in_force(self_ptr self, const node_pipeline& pipeline);
bool has_plan(self_ptr self, const node_pipeline& pipeline, model_version version);
/// Every version in force is loaded here.
bool models_ready(self_ptr self);

// ---- node_lanes.cpp
/// Spawns lanes that can run, at most one a tick.
void keep_lanes(self_ptr self);
void obey(self_ptr self, const news::granted& grant);
void obey(self_ptr self, const news::revoked& revoke);
void obey(self_ptr self, const news::alias_changed& change);
void obey(self_ptr self, const news::pipeline_changed& change);
void heard_lane(self_ptr self, const lane_state& state);
bool lost_lane(self_ptr self, const caf::actor_addr& actor, const caf::error& why);
void end_lanes(self_ptr self, const std::string& why);
/// Takes all partitions from the lanes, without a word from the coordinator.
void drain_lanes(self_ptr self);
bool holds_partitions(self_ptr self);
template <class Message> void tell_lanes(self_ptr self, const Message& message) {
  for (auto& [name, lane] : self->state.lanes)
    if (lane.actor) self->send(lane.actor, message);
}

// ---- node_report.cpp
node_report make_report(self_ptr self);
void send_report(self_ptr self);
std::string local_view(self_ptr self);
void measure_rates(self_ptr self);

/// What an actor of ours has said.
std::string sentence_of(const caf::error& why, const std::string& otherwise);

inline steady_time now(self_ptr self) { return self->clock().now(); }

/// The end of the node actor. Its lanes end with it: nobody could take a partition from them any more.
inline void stop(self_ptr self, caf::error why) {
  if (std::exchange(self->state.ended, true)) return;
  end_lanes(self, "the node stops");
  self->quit(std::move(why));
}

} // namespace troupe::node_walk
