#pragma once
// Committed offsets of any consumer group, and the bounds of partitions: offset_store of cluster/ports.hpp over the Admin API
// of one client, whatever the number of groups. INTERNAL to kafka/; others use make_offset_store.
//
// One thread at a time; every call blocks up to its limit. What a broker says while it moves or loads a group's coordinator is
// retried within it, and so are offsets that an open transaction holds: the answer is never an offset that is about to change.

#include <memory>
#include <string>

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
  explicit kafka_offset_store(handle_ptr client) : client_(std::move(client)) {}
  using request_fn = void (*)(rd_kafka_t*, const std::string& group, const rd_kafka_topic_partition_list_t*,
                              const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*);
  /// Sends the request until the group and all its partitions answer without a passing error.
  result<partition_list_ptr> ask(rd_kafka_admin_op_t what, request_fn send, const std::string& group,
                                 const rd_kafka_topic_partition_list_t* partitions, const std::string& doing,
                                 const deadline& until);
  result<std::pair<std::int64_t, std::int64_t>> bounds_of(const topic_partition& where, const deadline& until);

  handle_ptr client_;
};

} // namespace troupe::kafka
