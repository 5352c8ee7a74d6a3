#pragma once
// What people ask of the cluster, checked and turned into records. The bodies, and what is answered:
//   register_model  {"name","sha256","bytes","first_offset","chunks","features":[...],"alias","activate","version":N}
//                   -> {"name","version","state"}. The same content is the same version. "alias" (champion if it is
//                   left out) moves to the version once all nodes are ready, not so with "activate":false.
//   set_alias       {"name","alias","version"} -> {"name","alias","version","previous"}. Version 0: the previous one.
//   resume_pipeline {"name"} -> {}
//   remove_node     {"name"} -> {}
// Pure; called by the ruling coordinator (coordinator_core.cpp).

#include <cstdint>
#include <vector>

#include "cluster/coordinator_core.hpp"

namespace troupe {

struct change_outcome {
  change_answer answer;                ///< if there are records, it is given when they are durable
  std::vector<control_record> records; ///< empty: refused, or so already
};

change_outcome decide_change(const change& request, const cluster_state& state, const report_lookup& reports,
                             const node_ref& self, const core_config& config, term_id term, std::int64_t wall_clock_ms);

} // namespace troupe
