#include "cluster/ids.hpp"

#include "cluster/ports.hpp"

namespace troupe {

std::string to_string(const topic_partition& where) { return where.topic + "/" + std::to_string(where.partition); }

std::string control_topic(const std::string& cluster) { return "troupe." + cluster + ".control"; }
std::string lease_topic(const std::string& cluster) { return "troupe." + cluster + ".lease"; }
std::string models_topic(const std::string& cluster) { return "troupe." + cluster + ".models"; }

std::string transactional_id(const std::string& cluster, const std::string& pipeline, const std::string& node) {
  return "troupe." + cluster + "/" + pipeline + "/" + node;
}

} // namespace troupe
