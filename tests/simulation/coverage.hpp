#pragma once
// What a large number of seeds has to come through: transitions of the cluster and faults, by name. One that none of
// them reached is proved by nobody, so it fails the run.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/assert.hpp"

namespace troupe::sim {

enum class guarantee { at_least_once, exactly_once };

inline const char* to_string(guarantee how) {
  return how == guarantee::at_least_once ? "at_least_once" : "exactly_once";
}

class coverage {
public:
  /// REQUIRES: the name is in one of the lists below.
  void reached(const std::string& name) {
    TROUPE_ASSERT(known(both(), name) || known(of_exactly_once(), name) || known(of_at_least_once(), name));
    ++times_[name];
  }
  void add(const coverage& other) {
    for (auto& [name, times] : other.times_) times_[name] += times;
  }
  [[nodiscard]] std::uint64_t times(const std::string& name) const {
    auto at = times_.find(name);
    return at == times_.end() ? 0 : at->second;
  }
  [[nodiscard]] static std::vector<std::string> wanted(guarantee how) {
    auto all = both();
    auto& own = how == guarantee::at_least_once ? of_at_least_once() : of_exactly_once();
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }
  /// What is wanted, and was not reached.
  [[nodiscard]] std::vector<std::string> missing(guarantee how) const {
    auto names = wanted(how);
    std::erase_if(names, [this](const std::string& name) { return times(name) > 0; });
    return names;
  }

private:
  static bool known(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  static const std::vector<std::string>& both() {
    static const std::vector<std::string> names{
        "node killed",
        "coordinator killed",
        "node frozen and woken within the removal timeout",
        "node frozen, removed and woken",
        "nodes cut from each other",
        "node cut from its peers, and slow to follow the log",
        "node cut from Kafka",
        "Kafka was down",
        "node left",
        "model pushed",
        "push repeated",
        "scorers slow",
        "delivery failed",
        "control topic compacted",
        "control append refused",
        "control append done, answer lost",
        "fenced coordinator tried to write",
        "hand-over with clean release",
        "partition taken from a node that is gone",
        "coordinator died between revoke and grant",
    };
    return names;
  }
  static const std::vector<std::string>& of_at_least_once() {
    static const std::vector<std::string> names{
        "rows repeated",
        "commit refused",
        "commit done, answer lost",
    };
    return names;
  }
  static const std::vector<std::string>& of_exactly_once() {
    static const std::vector<std::string> names{
        "killed inside an open transaction",
        "killed before its offsets were sent",
        "killed between offsets and commit",
        "killed with the commit on the wire",
        "killed after the commit, before its answer",
        "frozen inside an open transaction",
        "frozen before its offsets were sent",
        "frozen between offsets and commit",
        "frozen after the commit, before its answer",
        "cut from Kafka inside an open transaction",
        "zombie woke and was fenced",
        "commit answer lost, commit repeated",
        "commit answer lost, lane lost",
        "commit held up for longer than a transaction may take",
        "late commit was refused",
        "commit of a dead node arrived",
        "transaction timed out by the broker",
        "lane reopened and fenced its predecessor",
        "lane reopened and aborted its predecessor's transaction",
        "coordinator fenced a lane",
        "coordinator's fence aborted a transaction",
        "coordinator's fence failed",
        "coordinator's fence done, answer lost",
        "coordinator died between fence and grant",
        "coordinator died between revoke and fence",
        "reader held up by an open transaction",
    };
    return names;
  }
  std::map<std::string, std::uint64_t> times_;
};

} // namespace troupe::sim
