#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/node_walks.hpp"

namespace troupe::node_walk {
namespace {

/// A lane has ended, or was made to. The generation that is reported now is nobody's: it says that the last one holds
/// nothing any more, and whatever is granted to it before the next lane opens is void.
void close(self_ptr self, node_state::lane& lane, const std::string& why) {
  lane.actor = nullptr;
  ++lane.generation.value;
  lane.grants.clear();
  auto held = lane.last ? std::move(lane.last->report.holding) : std::vector<held_partition>{};
  lane.respawn_at = now(self) + lane.respawn.died(held);
  lane.last.reset();
  lane.problem = why;
  self->state.report_due = true;
}

lane_version lane_version_of(self_ptr self, const node_pipeline& pipeline, model_version version) {
  auto* model = self->state.cluster.find_model(pipeline.model, version);
  return {version, model ? model->record.where.sha256 : ""};
}

void spawn(self_ptr self, const node_pipeline& pipeline, model_version version) {
  auto& s = self->state;
  auto& lane = s.lanes[pipeline.name];
  ++lane.generation.value;
  auto opened = s.parts.spawn_lane(pipeline.name, lane.generation, caf::actor_cast<lane_owner_actor>(self));
  if (!opened) {
    spdlog::error("pipeline {}: no lane: {}", pipeline.name, opened.error().message);
    close(self, lane, opened.error().message);
    // A library that hangs gets better by a new process only.
    if (opened.error().code == errc::internal)
      stop(self, make_error(node_exit::colleague_lost, opened.error().message));
    return;
  }
  lane.actor = *opened;
  lane.problem.clear();
  self->monitor(lane.actor);
  self->send(lane.actor, lane_version_of(self, pipeline, version));
  if (!s.cluster.pipeline_running(pipeline.name)) self->send(lane.actor, lane_pause{true, control_offset{-1}});
  for (auto& [key, scorer] : s.scorers) self->send(lane.actor, scorer);
  s.report_due = true;
  spdlog::info("pipeline {}: lane generation {} is open", pipeline.name, lane.generation.value);
}

/// The lane that a decision about a partition is meant for; null if it is meant for another node, or an older lane.
node_state::lane* meant_for(self_ptr self, const partition_key& which, const partition_state& how) {
  if (how.node != self->state.cfg.self) return nullptr;
  auto lane = self->state.lanes.find(which.pipeline);
  if (lane == self->state.lanes.end() || !lane->second.actor || lane->second.generation != how.generation)
    return nullptr;
  return &lane->second;
}

} // namespace

void keep_lanes(self_ptr self) {
  auto& s = self->state;
  if (!s.cfg.has_role("ingest") || s.leaving || s.ended || s.kafka_lost || !s.cluster.is_member(s.cfg.self)) return;
  for (auto& pipeline : s.cfg.pipelines) {
    auto version = version_in_force(self, pipeline);
    if (!version || !has_plan(self, pipeline, *version)) continue;
    auto& lane = s.lanes[pipeline.name];
    if (lane.actor || now(self) < lane.respawn_at || !s.may_open_lane) continue;
    s.may_open_lane = false;
    spawn(self, pipeline, *version);
  }
}

void obey(self_ptr self, const news::granted& grant) {
  if (auto known = self->state.lanes.find(grant.which.pipeline); known != self->state.lanes.end())
    known->second.respawn.granted(grant.which.where, grant.how.offset, grant.how.node == self->state.cfg.self);
  auto* lane = meant_for(self, grant.which, grant.how);
  if (!lane) return;
  lane->grants[grant.which.where] = grant.how.at;
  self->send(lane->actor, lane_grant{grant.which.where, grant.how.offset, grant.how.metadata, grant.how.at});
  self->state.report_due = true;
  spdlog::info("pipeline {}: {} is ours from offset {} ({})", grant.which.pipeline, to_string(grant.which.where),
               grant.how.offset, grant.how.reason);
}

void obey(self_ptr self, const news::revoked& revoke) {
  auto* lane = meant_for(self, revoke.which, revoke.how);
  if (!lane) return;
  self->send(lane->actor, lane_revoke{revoke.which.where, revoke.how.at});
  spdlog::info("pipeline {}: {} is taken away ({})", revoke.which.pipeline, to_string(revoke.which.where),
               revoke.how.reason);
}

void obey(self_ptr self, const news::alias_changed& change) {
  for (auto& pipeline : self->state.cfg.pipelines) {
    if (pipeline.model != change.model || pipeline.alias != change.alias) continue;
    spdlog::info("pipeline {}: {}@{} is in force", pipeline.name, change.model, change.version.value);
    auto lane = self->state.lanes.find(pipeline.name);
    if (lane != self->state.lanes.end() && lane->second.actor)
      self->send(lane->second.actor, lane_version_of(self, pipeline, change.version));
  }
}

void obey(self_ptr self, const news::pipeline_changed& change) {
  auto lane = self->state.lanes.find(change.name);
  if (change.how.running)
    spdlog::info("pipeline {} runs", change.name);
  else
    spdlog::error("pipeline {} is stopped: {} {}", change.name, change.how.reason, change.how.where);
  if (lane != self->state.lanes.end() && lane->second.actor)
    self->send(lane->second.actor, lane_pause{!change.how.running, change.how.at});
}

namespace {

/// Alarms are in the log as well as in the status.
void tell_problem(const std::string& pipeline, const std::string& problem) {
  if (problem.empty())
    spdlog::info("pipeline {}: its problem here is over", pipeline);
  else
    spdlog::error("pipeline {}: {}", pipeline, problem);
}

} // namespace

void heard_lane(self_ptr self, const lane_state& state) {
  auto lane = self->state.lanes.find(state.report.pipeline);
  if (lane == self->state.lanes.end() || lane->second.generation != state.report.generation || !lane->second.actor)
    return;
  auto& known = lane->second;
  auto held = [](const lane_state& s) {
    std::vector<topic_partition> all;
    for (auto& partition : s.report.holding) all.push_back(partition.where);
    return all;
  };
  const std::string before = known.last ? known.last->report.problem : "";
  if (before != state.report.problem) tell_problem(state.report.pipeline, state.report.problem);
  bool changed = !known.last || held(*known.last) != held(state) || before != state.report.problem ||
                 known.last->report.opened != state.report.opened ||
                 known.last->report.stopped_by_row != state.report.stopped_by_row;
  known.last = state;
  // What the lane has seen is told by its own list; only what is still in its mailbox is added to it.
  std::erase_if(known.grants, [&](auto& grant) { return grant.second <= state.seen; });
  known.respawn.alive(state.report.holding);
  if (changed) self->state.report_due = true;
}

bool lost_lane(self_ptr self, const caf::actor_addr& actor, const caf::error& why) {
  for (auto& [pipeline, lane] : self->state.lanes) {
    if (!lane.actor || lane.actor.address() != actor) continue;
    auto text = sentence_of(why, self->system().render(why));
    spdlog::warn("pipeline {}: lane generation {} has ended: {}", pipeline, lane.generation.value, text);
    close(self, lane, text);
    return true;
  }
  return false;
}

void end_lanes(self_ptr self, const std::string& why) {
  for (auto& [pipeline, lane] : self->state.lanes) {
    if (!lane.actor) continue;
    self->demonitor(lane.actor.address());
    self->send_exit(lane.actor, caf::exit_reason::user_shutdown);
    close(self, lane, why);
  }
}

void drain_lanes(self_ptr self) {
  for (auto& [pipeline, lane] : self->state.lanes) {
    if (!lane.actor) continue;
    auto epoch = self->state.cluster.applied();
    for (auto& [where, at] : lane.grants) self->send(lane.actor, lane_revoke{where, epoch});
    if (lane.last)
      for (auto& partition : lane.last->report.holding) self->send(lane.actor, lane_revoke{partition.where, epoch});
  }
}

bool holds_partitions(self_ptr self) {
  for (auto& [pipeline, lane] : self->state.lanes)
    if (lane.actor && (!lane.grants.empty() || (lane.last && !lane.last->report.holding.empty()))) return true;
  return false;
}

} // namespace troupe::node_walk
