#include "cluster/lane.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace troupe {

hold_state next(hold_state state, hold_event event) {
  using s = hold_state;
  using e = hold_event;
  switch (state) {
  case s::reading:
    switch (event) {
    case e::grant:
      return s::reading;
    case e::revoke:
      return s::draining;
    case e::fail:
      return s::stopped;
    case e::drained:
      return s::reading;
    }
    break;
  case s::stopped:
    switch (event) {
    case e::grant:
      return s::draining;
    case e::revoke:
      return s::draining;
    case e::fail:
      return s::stopped;
    case e::drained:
      return s::stopped;
    }
    break;
  case s::draining:
    switch (event) {
    case e::grant:
      return s::draining;
    case e::revoke:
      return s::draining;
    case e::fail:
      return s::draining;
    case e::drained:
      return s::released;
    }
    break;
  case s::released:
    switch (event) {
    case e::grant:
      return s::reading;
    case e::revoke:
      return s::released;
    case e::fail:
      return s::released;
    case e::drained:
      return s::released;
    }
    break;
  }
  return state;
}

lane_table::decision lane_table::grant(const partition_grant& grant) {
  using kind = decision::kind;
  auto* known = find(grant.where);
  if (!known) {
    auto slot = next_slot_++;
    auto& added = held_[slot];
    added.slot = slot;
    added.where = grant.where;
    added.epoch = grant.epoch;
    return {kind::start, slot};
  }
  if (grant.epoch <= known->epoch) {
    // The same one again is a repeat, not news that came too late.
    if (grant.epoch < known->epoch) ++stale_;
    return {};
  }
  known->epoch = grant.epoch;
  auto before = known->state;
  known->state = next(before, hold_event::grant);
  if (known->state == hold_state::reading) return {};
  known->again = grant;
  return {before == hold_state::draining ? kind::ignore : kind::drain, known->slot};
}

lane_table::decision lane_table::revoke(const topic_partition& where, control_offset epoch) {
  using kind = decision::kind;
  auto* known = find(where);
  if (!known) return {};
  if (epoch < known->epoch) {
    ++stale_;
    return {};
  }
  known->epoch = epoch;
  known->again.reset();
  auto before = known->state;
  known->state = next(before, hold_event::revoke);
  return {before == hold_state::draining ? kind::ignore : kind::drain, known->slot};
}

bool lane_table::fail(std::uint32_t slot, const std::string& problem) {
  auto at = held_.find(slot);
  if (at == held_.end() || at->second.state != hold_state::reading) return false;
  at->second.state = next(at->second.state, hold_event::fail);
  at->second.problem = problem;
  return true;
}

std::optional<partition_grant> lane_table::drained(std::uint32_t slot) {
  auto at = held_.find(slot);
  TROUPE_ASSERT(at != held_.end() && next(at->second.state, hold_event::drained) == hold_state::released);
  auto again = std::move(at->second.again);
  held_.erase(at);
  return again;
}

const lane_table::partition* lane_table::find(std::uint32_t slot) const {
  auto at = held_.find(slot);
  return at == held_.end() ? nullptr : &at->second;
}

lane_table::partition* lane_table::find(const topic_partition& where) {
  auto at = std::find_if(held_.begin(), held_.end(), [&](const auto& p) { return p.second.where == where; });
  return at == held_.end() ? nullptr : &at->second;
}

bool lane_table::any(hold_state state) const {
  return std::any_of(held_.begin(), held_.end(), [&](const auto& p) { return p.second.state == state; });
}

std::string lane_table::problem() const {
  std::string text;
  for (const auto& [slot, held] : held_) {
    if (held.state != hold_state::stopped) continue;
    if (!text.empty()) text += "; ";
    text += to_string(held.where) + " stopped: " + held.problem;
  }
  return text;
}

} // namespace troupe
