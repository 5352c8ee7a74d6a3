#include "cluster/membership.hpp"

#include <algorithm>

namespace troupe {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

void failure_detector::begin_term(steady_time now) {
  for (auto& [node, known] : nodes_) {
    if (known.refused && now - *known.refused > 2 * removal_timeout_) known.refused.reset();
    known = {now, known.refused, std::nullopt};
  }
}

void failure_detector::watch(const node_ref& node, steady_time now) { nodes_.try_emplace(node, entry{now, {}, {}}); }

bool failure_detector::heard(const node_report& report, steady_time now) {
  auto& known = nodes_[report.node];
  if (known.report && report.sequence <= known.report->sequence) return false;
  known = {now, std::nullopt, report};
  return true;
}

void failure_detector::refused(const node_ref& node, steady_time now) {
  nodes_.try_emplace(node, entry{now, {}, {}}).first->second.refused = now;
}

void failure_detector::forget(const node_ref& node) { nodes_.erase(node); }

void failure_detector::stood_still(std::chrono::nanoseconds gap, steady_time now) {
  for (auto& [node, known] : nodes_) known.since = std::min(now, known.since + gap);
}

std::optional<std::string> failure_detector::dead(const node_ref& node, steady_time now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return std::nullopt;
  if (found->second.refused) return "its port refuses connections";
  const auto silent = duration_cast<milliseconds>(now - found->second.since);
  if (silent <= removal_timeout_) return std::nullopt;
  return "not heard from for " + std::to_string(removal_timeout_.count()) + " ms";
}

const node_report* failure_detector::latest(const node_ref& node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() || !found->second.report ? nullptr : &*found->second.report;
}

std::optional<milliseconds> failure_detector::silence(const node_ref& node, steady_time now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return std::nullopt;
  return duration_cast<milliseconds>(now - found->second.since);
}

} // namespace troupe
