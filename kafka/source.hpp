#pragma once
// The consumer of a lane: row_source (cluster/ports.hpp) over librdkafka.

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cluster/ports.hpp"
#include "kafka/properties.hpp"

namespace troupe::kafka {

struct source_settings {
  kafka_properties properties;       ///< the user's; what exactness needs is fixed here and wins
  std::string group_id;              ///< offsets are committed to it; the group is never joined
  bool embedded = false;             ///< the embedded broker waits out every empty fetch: ask it more often
  std::vector<std::string> topics{}; ///< known before they are assigned, they can be read at once
};

/// Opens the client; does not wait for Kafka. errc::invalid if a property is not one, names it.
result<std::unique_ptr<row_source>> make_source(const source_settings& settings);

} // namespace troupe::kafka
