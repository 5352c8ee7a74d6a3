#pragma once
// From the config file to what each actor gets: the only place that sees all of it. Pure translation, no effects.

#include <map>
#include <string>

#include "actors/clerk.hpp"
#include "actors/coordinator.hpp"
#include "actors/ingest.hpp"
#include "actors/node.hpp"
#include "config/config.hpp"

namespace troupe::cli {

node_setup node_setup_of(const config::config& cfg, const node_ref& self, const std::string& address,
                         std::uint64_t seed);
coordinator_config coordinator_config_of(const config::config& cfg, const node_ref& self, const std::string& address,
                                         std::uint64_t seed);
clerk_config clerk_config_of(const config::config& cfg);
lane_topics lane_topics_of(const config::config& cfg, const config::pipeline_config& pipeline);
ingest_config ingest_config_of(const config::config& cfg, const config::pipeline_config& pipeline);

} // namespace troupe::cli
