#pragma once
// Who is alive, as the ruling coordinator sees it. Two ways to die: a connection to the node's port is refused (nobody
// is there), or silence longer than the removal timeout (nobody knows). Pure; time is an argument.

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "cluster/ids.hpp"
#include "cluster/report.hpp"

namespace troupe {

using steady_time = std::chrono::steady_clock::time_point;

class failure_detector {
public:
  explicit failure_detector(std::chrono::milliseconds removal_timeout)
      : removal_timeout_(removal_timeout) {}

  /// A new term: whoever was known starts again with a full timeout, and nobody has reported yet. A port that refused
  /// lately stays refused: that is often why there is a new term.
  void begin_term(steady_time now);
  /// The clock of a member that has never reported starts here (idempotent).
  void watch(const node_ref& node, steady_time now);
  /// False if it is older than what is known (the sequence went back): ignored.
  bool heard(const node_report& report, steady_time now);
  void refused(const node_ref& node, steady_time now);
  void forget(const node_ref& node);
  /// This process itself stood still for so long (SIGSTOP, a paused machine): nobody's silence counts for that time,
  /// since what was sent meanwhile has not been read.
  void stood_still(std::chrono::nanoseconds gap, steady_time now);

  /// Why it is dead; nullopt while it is not.
  std::optional<std::string> dead(const node_ref& node, steady_time now) const;
  /// Its latest report of this term, null if there is none.
  const node_report* latest(const node_ref& node) const;
  /// Time since it was last heard (or watched for the first time).
  std::optional<std::chrono::milliseconds> silence(const node_ref& node, steady_time now) const;

  struct entry {
    steady_time since;
    std::optional<steady_time> refused;
    std::optional<node_report> report;
  };
  const std::map<node_ref, entry>& all() const { return nodes_; }

private:
  std::chrono::milliseconds removal_timeout_;
  std::map<node_ref, entry> nodes_;
};

} // namespace troupe
