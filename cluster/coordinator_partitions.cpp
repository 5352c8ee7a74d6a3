// Which node reads which partition: plan, revoke, wait until free, find the start, grant.

#include <algorithm>

#include "cluster/coordinator_batch.hpp"

namespace troupe {
namespace {

const lane_report* lane_of(const node_report* report, const std::string& pipeline) {
  if (!report) return nullptr;
  for (const auto& lane : report->lanes)
    if (lane.pipeline == pipeline) return &lane;
  return nullptr;
}

bool holds(const lane_report* lane, const topic_partition& where) {
  return lane && std::any_of(lane->holding.begin(), lane->holding.end(),
                             [&](const held_partition& held) { return held.where == where; });
}

} // namespace

bool coordinator_core::exactly_once(const std::string& pipeline) const {
  return std::any_of(config_.pipelines.begin(), config_.pipelines.end(),
                     [&](const pipeline_spec& spec) { return spec.name == pipeline && spec.exactly_once; });
}

const partition_state* coordinator_core::partition(const partition_key& which) const {
  const auto found = state_.partitions().find(which);
  return found == state_.partitions().end() ? nullptr : &found->second;
}

void coordinator_core::decide_pipelines(batch& out) const {
  for (const auto& [name, who] : state_.members()) {
    const auto* report = report_of(who.node);
    if (!report) continue;
    for (const auto& lane : report->lanes) {
      if (!lane.stopped_by_row || !state_.pipeline_running(lane.pipeline)) continue;
      const auto known = state_.pipelines().find(lane.pipeline);
      // A report from before the pipeline was resumed tells of the old row.
      if (known != state_.pipelines().end() && report->applied <= known->second.at) continue;
      const control_record record = pipeline_record{lane.pipeline, false, lane.problem, "node " + name, *term_};
      if (out.has(record)) continue;
      out.add(record);
      out.because("stop pipeline " + lane.pipeline + " (" + lane.problem + ")");
    }
  }
}

/// Every member that may own partitions has said what it holds. Those that stay silent are removed after a while, so
/// this never takes longer than the removal timeout.
bool coordinator_core::settled() const {
  for (const auto& [name, who] : state_.members())
    if (who.has_role("ingest") && !report_of(who.node)) return false;
  return true;
}

/// May another lane have it? With exactly_once its last owner can't be trusted to be gone: what it had under way could
/// still be committed, unless it let go of the partition itself, or was shut out.
coordinator_core::freedom coordinator_core::freedom_of(const partition_key& which) const {
  const auto* known = partition(which);
  if (!known) return freedom::free;
  const bool fencing = exactly_once(which.pipeline);
  const auto gone = fencing ? freedom::free_once_fenced : freedom::free;
  const auto* member = state_.find_member(known->node.name);
  const auto* report = member ? report_of(member->node) : nullptr;
  const auto* lane = lane_of(report, which.pipeline);
  const bool same_life = member && member->node == known->node;
  if (fencing && lane && !report->kafka_lost && (!same_life || lane->generation > known->generation)) {
    if (lane->opened) return freedom::free;          // by opening it has shut out the lanes before it
    if (lane->problem.empty()) return freedom::held; // it is about to
  }
  if (!same_life) return gone;
  if (!report) return freedom::held;
  if (lane && lane->generation > known->generation) return gone;
  if (holds(lane, which.where)) return freedom::held;
  if (report->kafka_lost) return gone;
  if (known->state != partition_record::state_kind::revoked || report->applied <= known->at) return freedom::held;
  return lane ? freedom::free : gone; // it has let go of it, with everything committed
}

std::vector<plan_member> coordinator_core::eligible() const {
  std::vector<plan_member> members;
  for (const auto& [name, who] : state_.members()) {
    const auto* report = report_of(who.node);
    if (!who.has_role("ingest") || !report || report->leaving || report->kafka_lost) continue;
    plan_member member{name, who.joined, {}};
    for (const auto& lane : report->lanes) member.lanes.push_back({lane.pipeline, !lane.problem.empty()});
    members.push_back(std::move(member));
  }
  return members;
}

std::vector<partition_key> coordinator_core::wanted_partitions() const {
  std::set<partition_key> wanted;
  for (const auto& pipeline : config_.pipelines)
    for (const auto& topic : pipeline.topics)
      if (const auto size = topic_sizes_.find(topic); size != topic_sizes_.end())
        for (std::int32_t p = 0; p < size->second; ++p) wanted.insert({pipeline.name, {topic, p}});
  return {wanted.begin(), wanted.end()};
}

void coordinator_core::decide_partitions(batch& out, actions& fetches, steady_time now) {
  if (!topics_known_ || !settled()) return;
  const auto wanted = wanted_partitions();
  std::map<partition_key, std::string> previous;
  for (const auto& which : wanted)
    // One that was taken away is nobody's: it goes where there is room.
    if (const auto* known = partition(which); known && known->state == partition_record::state_kind::granted)
      previous[which] = known->node.name;
  auto members = eligible();
  // Who is dead is removed by this very append, or the next, and who has started again is replaced by it: nothing is
  // granted to them any more.
  std::erase_if(members, [&](const plan_member& who) {
    const auto& node = state_.find_member(who.name)->node;
    const bool replaced = out.has(control_record{member_record{node, {}, {}, 0, false, {}, *term_}});
    return replaced || (who.name != self_.name && nodes_.dead(node, now).has_value());
  });
  const auto plan = plan_assignment(members, wanted, previous, config_.limits);
  std::map<std::string, std::vector<std::pair<partition_key, planned_owner>>> free;
  std::size_t revoked = 0;
  for (const auto& which : wanted) {
    const auto& owner = plan.at(which);
    const auto* known = partition(which);
    if (freedom_of(which) != freedom::held) {
      // One that has no owner yet has a start all the same: rows that come before the first model are not to be
      // skipped.
      if (!owner.node.empty() || !known) free[which.pipeline].emplace_back(which, owner);
      continue;
    }
    if (known->state == partition_record::state_kind::revoked) continue;
    const auto* report = report_of(known->node);
    std::string reason;
    if (report && report->leaving)
      reason = "from " + known->node.name + ", which is leaving";
    else if (owner.node.empty() || owner.node == known->node.name)
      continue;
    else if (report && report->kafka_lost)
      reason = "from " + known->node.name + ", which has lost Kafka";
    else
      reason = owner.reason;
    out.add(
        control_record{partition_record{which.pipeline, which.where, partition_record::state_kind::revoked, known->node,
                                        known->generation, known->offset, known->metadata, reason, *term_}});
    ++revoked;
  }
  if (revoked > 0) out.because("revoke " + std::to_string(revoked) + " partitions");
  for (const auto& pipeline : config_.pipelines) fetch_or_grant(out, fetches, pipeline, free[pipeline.name], now);
}

void coordinator_core::fetch_or_grant(batch& out, actions& fetches, const pipeline_spec& pipeline,
                                      const std::vector<std::pair<partition_key, planned_owner>>& free,
                                      steady_time now) {
  std::vector<action::start_query> unknown;
  bool first_unknown = false;
  for (const auto& [which, owner] : free) {
    const auto* known = partition(which);
    // Resolved and committed once while nobody owns it, and asked for again when somebody does: it may have been reset
    // by hand.
    if (owner.node.empty() && resolved_early_.contains(which)) continue;
    if (!owner.node.empty() && resolved_early_.erase(which) > 0) starts_.erase(which);
    const auto start = starts_.find(which);
    if (start != starts_.end() && start->second.record == (known ? known->at : control_offset{-1})) continue;
    starts_.erase(which);
    first_unknown = first_unknown || !known;
    const auto& where = which.where;
    const auto in_use = [&](const auto& entry) {
      return entry.first.pipeline == pipeline.name && entry.first.where.topic == where.topic;
    };
    const bool added_later = !known && std::any_of(state_.partitions().begin(), state_.partitions().end(), in_use);
    const bool fenced_first = freedom_of(which) == freedom::free_once_fenced;
    unknown.push_back(
        {where, added_later,
         fenced_first ? transactional_id(config_.cluster, pipeline.name, known->node.name) : std::string()});
  }
  if (!unknown.empty() && !starts_asked_.contains(pipeline.name) && now >= starts_next_[pipeline.name]) {
    starts_asked_.insert(pipeline.name);
    for (const auto& [which, owner] : free)
      if (owner.node.empty()) resolved_early_.insert(which);
    fetches.push_back(action::fetch_starts{pipeline.name, std::move(unknown)});
  }
  std::size_t granted = 0;
  for (const auto& [which, owner] : free) {
    const auto start = starts_.find(which);
    if (start == starts_.end()) continue;
    const auto* known = partition(which);
    // The partitions of a new topic are granted together: one that came after the others would count as added later.
    if (!known && first_unknown) continue;
    const auto* who = state_.find_member(owner.node);
    const auto* lane = who ? lane_of(report_of(who->node), pipeline.name) : nullptr;
    if (!lane || (pipeline.exactly_once && !lane->opened)) continue;
    const bool taken_away = known && known->state == partition_record::state_kind::revoked;
    const auto& found = start->second.found;
    out.add(control_record{partition_record{pipeline.name, which.where, partition_record::state_kind::granted,
                                            who->node, lane->generation, found.offset, found.metadata,
                                            taken_away ? known->reason : owner.reason, *term_}});
    ++granted;
  }
  if (granted > 0) out.because("grant " + std::to_string(granted) + " partitions of " + pipeline.name);
}

} // namespace troupe
