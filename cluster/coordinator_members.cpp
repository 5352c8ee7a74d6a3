// Who is in the cluster: admission, refusal, removal.

#include "cluster/coordinator_batch.hpp"

namespace troupe {
namespace {

constexpr std::chrono::seconds refusal_kept{60};

member_record removal(const member& who, std::string reason, term_id term) {
  return {who.node, who.address, who.roles, who.scorers, false, std::move(reason), term};
}

} // namespace

/// The log was written under another config.
bool coordinator_core::foreign_log() const {
  return state_.cluster() && state_.cluster()->fingerprint != config_.fingerprint;
}

void coordinator_core::decide_cluster(batch& out) const {
  const auto& known = state_.cluster();
  if (!known) {
    out.add(control_record{cluster_record{config_.cluster_id, config_.fingerprint, config_.protocol, *term_}});
    out.because("found cluster " + config_.cluster);
  } else if (foreign_log() && state_.members().empty()) {
    // Nobody is left who runs with the old config: this is a cluster that was stopped to change it.
    out.add(control_record{cluster_record{known->cluster_id, config_.fingerprint, config_.protocol, *term_}});
    out.because("config fingerprint changes from " + known->fingerprint + " to " + config_.fingerprint);
  }
}

std::optional<std::string> coordinator_core::refusal_of(const node_report& report, steady_time now) const {
  if (state_.is_member(report.node)) return std::nullopt;
  const auto& name = report.node.name;
  if (report.fingerprint != config_.fingerprint)
    return "node " + name + " has config fingerprint " + report.fingerprint + ", the cluster runs with " +
           config_.fingerprint + ": give it the same cluster and pipelines sections, or stop all nodes to change them";
  if (name.empty() || name.find('/') != std::string::npos)
    return "node name '" + name + "' is not allowed: it may not be empty or contain '/'";
  if (state_.was_removed(report.node))
    return "node " + name + " was removed from the cluster under this incarnation; it has to join as a new one";
  const auto* holder = state_.find_member(name);
  if (!holder || nodes_.dead(holder->node, now)) return std::nullopt;
  // Two processes can't listen on one address: the one that reports from there has replaced the other.
  if (holder->address == report.address) return std::nullopt;
  return "node name " + name + " is already alive at " + holder->address +
         ": give this node another --name, or stop that one";
}

bool coordinator_core::holds_nothing(const node_ref& node) const {
  for (const auto& [which, how] : state_.partitions())
    if (how.node == node && freedom_of(which) == freedom::held) return false;
  const auto* report = report_of(node);
  if (!report) return false;
  for (const auto& lane : report->lanes)
    if (!lane.holding.empty()) return false;
  return true;
}

void coordinator_core::decide_members(batch& out, steady_time now) {
  for (const auto& [name, who] : state_.members()) {
    nodes_.watch(who.node, now);
    const auto* report = report_of(who.node);
    std::string reason;
    if (report && report->leaving && holds_nothing(who.node)) reason = "left";
    // This very process asks the question, so it is alive.
    else if (const auto dead = nodes_.dead(who.node, now); dead && who.node != self_)
      reason = *dead;
    if (reason.empty()) continue;
    out.add(control_record{removal(who, reason, *term_)});
    out.because("remove " + name + " (" + reason + ")");
  }
  admit(out, now);
}

void coordinator_core::admit(batch& out, steady_time now) {
  for (const auto& [node, entry] : nodes_.all()) {
    if (!entry.report || state_.is_member(node) || nodes_.dead(node, now)) continue;
    const auto& report = *entry.report;
    if (auto why = refusal_of(report, now)) {
      refusals_[node] = {node, report.address, std::move(*why), entry.since};
      continue;
    }
    refusals_.erase(node);
    // One that is leaving before it was admitted has no business in here any more.
    if (report.leaving || foreign_log()) continue;
    const control_record record =
        member_record{node, report.address, report.roles, report.scorers, true, "joined", *term_};
    if (out.has(record)) continue;
    out.add(record);
    out.because("admit " + node.name);
  }
}

void coordinator_core::forget_silent(steady_time now) {
  std::vector<node_ref> forgotten;
  for (const auto& [node, entry] : nodes_.all())
    if (!state_.is_member(node) && now - entry.since > refusal_kept) forgotten.push_back(node);
  for (const auto& node : forgotten) nodes_.forget(node);
  std::erase_if(refusals_, [&](const auto& known) {
    return now - known.second.last > refusal_kept || state_.is_member(known.first);
  });
  std::erase_if(probed_, [&](const auto& known) { return !state_.is_member(known.first); });
}

} // namespace troupe
