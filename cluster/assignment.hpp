#pragma once
// Who should own which source partition. A pure function: same input, same plan, on every node and in every test.

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "cluster/cluster_state.hpp"
#include "cluster/ids.hpp"

namespace troupe {

/// A member that may own partitions.
struct plan_member {
  std::string name;
  control_offset joined; ///< ties go to the older one
  struct lane {
    std::string pipeline;
    bool reluctant = false; ///< its lane has a problem: it keeps what it has, and is given no more while others can
  };
  std::vector<lane> lanes; ///< pipelines that it can serve
};

struct plan_limits {
  /// Partitions taken from owners that could keep them, in one plan; the rest waits for the next.
  std::size_t moves_max = std::numeric_limits<std::size_t>::max();
};

struct planned_owner {
  std::string node; ///< "" if no member can serve the pipeline
  enum class why_kind : std::uint8_t {
    nobody,  ///< no member can serve the pipeline
    sticky,  ///< it had it
    first,   ///< nobody had it
    orphan,  ///< its owner can't have it any more
    balance, ///< taken from a member that had more
  } why = why_kind::nobody;
  std::string reason; ///< a sentence for people
};

using assignment = std::map<partition_key, planned_owner>;

/// In this order: every partition has an owner if any member can serve its pipeline; within a pipeline members differ
/// by at most one partition; totals over all pipelines differ as little as single moves can make them; as few
/// partitions as possible move; older members first. Planning again on its own outcome changes nothing. `previous`:
/// owner by name, absent if there is none; it need not be a member.
assignment plan_assignment(const std::vector<plan_member>& members, const std::vector<partition_key>& partitions,
                           const std::map<partition_key, std::string>& previous, const plan_limits& limits = {});

} // namespace troupe
