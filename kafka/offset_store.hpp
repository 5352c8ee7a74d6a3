#pragma once
// Committed offsets of any consumer group, and the bounds of partitions: offset_store of cluster/ports.hpp. INTERNAL to
// kafka/; others use make_offset_store.
//
// One consumer a group, which never joins it; the few used last are kept. The Admin API would need only one client, but
// librdkafka 2.0.2 brings the process down in it when a group's coordinator answers with an error (null dereference) or
// goes away (assertion).
//
// One thread at a time; every call blocks up to its limit. What a broker says while it moves or loads a group's
// coordinator is retried within it, and so are offsets that an open transaction holds: the answer is never an offset
// that is about to change.

#include <memory>
#include <string>
#include <vector>

#include "cluster/ports.hpp"
#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_offset_store final : public offset_store {
public:
  static result<std::unique_ptr<offset_store>> open(const kafka_properties& user);

  result<std::vector<committed_offset>> committed(const std::string& group, std::span<const topic_partition> where,
                                                  milliseconds limit) override;
  result<void> commit(const std::string& group, std::span<const committed_offset> offsets, milliseconds limit) override;
  result<std::vector<std::pair<std::int64_t, std::int64_t>>> bounds(std::span<const topic_partition> where,
                                                                    milliseconds limit) override;
  result<std::vector<std::int64_t>> at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>> where,
                                                  milliseconds limit) override;

private:
  struct group_client {
    std::string group;
    handle_ptr client;
  };

  kafka_offset_store(const kafka_properties& user, handle_ptr client)
      : user_(user)
      , client_(std::move(client)) {}
  /// The group's client; valid until the next call of it or forget().
  result<rd_kafka_t*> client_of(const std::string& group);
  /// Throws the group's client away, and with it a commit that may still wait inside: it must not overtake a later one
  /// (what is in a socket already still can).
  void forget(const std::string& group);
  result<void> try_commit(const std::string& group, std::span<const committed_offset> offsets, const deadline& until);
  void look_up(const std::string& topic, const deadline& until);
  result<std::pair<std::int64_t, std::int64_t>> bounds_of(const topic_partition& where, const deadline& until);

  const kafka_properties user_;
  handle_ptr client_;                ///< for what concerns no group
  std::vector<group_client> groups_; ///< used last at the end
};

} // namespace troupe::kafka
