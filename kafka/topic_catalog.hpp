#pragma once
// Topics by name: topic_catalog of cluster/ports.hpp. INTERNAL to kafka/; others use make_topic_catalog.
//
// It asks through a consumer, whose metadata requests forbid the broker to create what they name; a producer's don't.

#include <memory>
#include <string>

#include "cluster/ports.hpp"
#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_topic_catalog final : public topic_catalog {
public:
  static result<std::unique_ptr<kafka_topic_catalog>> open(const kafka_properties& user);
  result<std::vector<topic_info>> find(std::span<const std::string> names, milliseconds limit) override;

private:
  explicit kafka_topic_catalog(handle_ptr client)
      : client_(std::move(client)) {}
  result<std::vector<topic_info>> find_among_all(std::span<const std::string> names, const deadline& until);
  /// Absent: it does not exist.
  result<std::optional<topic_info>> find_one(const std::string& name, const deadline& until);

  handle_ptr client_;
};

/// errc::not_found, with what to do, unless `name` exists. For whoever is about to open a producer.
result<void> require_topic(const kafka_properties& user, const std::string& name, milliseconds limit);

} // namespace troupe::kafka
