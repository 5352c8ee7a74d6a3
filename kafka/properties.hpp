#pragma once
// librdkafka properties by their own names, as the user's config gives them. Free of rdkafka, so that others may
// include it.

#include <map>
#include <string>

namespace troupe::kafka {

using kafka_properties = std::map<std::string, std::string>;

} // namespace troupe::kafka
