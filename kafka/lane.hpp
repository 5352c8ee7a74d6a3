#pragma once
// Makes the lane_factory (cluster/ports.hpp) that the ingest actors get.

#include <functional>
#include <string>

#include "base/result.hpp"
#include "cluster/ports.hpp"
#include "kafka/properties.hpp"
#include "kafka/sink.hpp"

namespace troupe::kafka {

/// Answers what is known of a topic; must not wait for Kafka. errc::not_found stops the lane from opening.
using topic_limits_provider = std::function<result<topic_limits>(const std::string& topic)>;

struct lane_settings {
  kafka_properties properties;
  bool embedded = false; ///< the cluster is the embedded broker (topic_admin::embedded() tells)
};

lane_factory make_lane_factory(lane_settings settings, topic_limits_provider limits);

} // namespace troupe::kafka
