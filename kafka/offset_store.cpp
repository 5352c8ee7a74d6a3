#include "kafka/offset_store.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "kafka/control_ports.hpp"

namespace troupe::kafka {
namespace {

constexpr milliseconds retry_after{50};
// A request is sent again after this, since the broker that it waits for may not be the one that answers today.
constexpr milliseconds request_limit{5000};

using options_ptr = std::unique_ptr<rd_kafka_AdminOptions_t, c_deleter<rd_kafka_AdminOptions_destroy>>;

bool passes(rd_kafka_resp_err_t code) {
  return kind_of(code) == errc::unavailable || kind_of(code) == errc::timeout
         || code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT || code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

rd_kafka_topic_partition_t* add(rd_kafka_topic_partition_list_t* list, const topic_partition& where) {
  return rd_kafka_topic_partition_list_add(list, where.topic.c_str(), where.partition);
}

void send_list(rd_kafka_t* client, const std::string& group, const rd_kafka_topic_partition_list_t* partitions,
               const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* answers) {
  auto* request = rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), partitions);
  rd_kafka_ListConsumerGroupOffsets(client, &request, 1, options, answers);
  rd_kafka_ListConsumerGroupOffsets_destroy(request);
}

void send_alter(rd_kafka_t* client, const std::string& group, const rd_kafka_topic_partition_list_t* partitions,
                const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* answers) {
  auto* request = rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), partitions);
  rd_kafka_AlterConsumerGroupOffsets(client, &request, 1, options, answers);
  rd_kafka_AlterConsumerGroupOffsets_destroy(request);
}

/// The only group of the answer; null if the answer is a failure as a whole.
const rd_kafka_group_result_t* group_of(const rd_kafka_event_t* answer) {
  std::size_t count = 0;
  const rd_kafka_group_result_t** groups = nullptr;
  if (const auto* list = rd_kafka_event_ListConsumerGroupOffsets_result(const_cast<rd_kafka_event_t*>(answer)))
    groups = rd_kafka_ListConsumerGroupOffsets_result_groups(list, &count);
  else if (const auto* alter = rd_kafka_event_AlterConsumerGroupOffsets_result(const_cast<rd_kafka_event_t*>(answer)))
    groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(alter, &count);
  return count == 1 ? groups[0] : nullptr;
}

/// The first code in the answer that is not success, the group's before its partitions'.
std::pair<rd_kafka_resp_err_t, std::string> failure_of(const rd_kafka_event_t* answer) {
  if (answer == nullptr)
    return {RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer"};
  if (const auto code = rd_kafka_event_error(const_cast<rd_kafka_event_t*>(answer)))
    return {code, rd_kafka_event_error_string(const_cast<rd_kafka_event_t*>(answer))};
  const auto* group = group_of(answer);
  if (group == nullptr)
    return {RD_KAFKA_RESP_ERR__BAD_MSG, "the answer names no group"};
  if (const auto* failure = rd_kafka_group_result_error(group))
    return {rd_kafka_error_code(failure), rd_kafka_error_string(failure)};
  const auto* partitions = rd_kafka_group_result_partitions(group);
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i)
    if (const auto& one = partitions->elems[i]; one.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return {one.err, fmt::format("{}/{}", one.topic, one.partition)};
  return {RD_KAFKA_RESP_ERR_NO_ERROR, {}};
}

} // namespace

result<std::unique_ptr<offset_store>> make_offset_store(const kafka_properties& user) { return kafka_offset_store::open(user); }

result<std::unique_ptr<offset_store>> kafka_offset_store::open(const kafka_properties& user) {
  const kafka_properties fixed = {
    {"enable.auto.commit", "false"},
    {"isolation.level", "read_committed"}, // "latest" is the end of what a lane can read: before a transaction still open
    {"allow.auto.create.topics", "false"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "1000"},
  };
  auto client = open_client(role::consumer, user, fixed);
  if (!client)
    return tl::make_unexpected(client.error());
  return std::unique_ptr<offset_store>(new kafka_offset_store(std::move(*client)));
}

result<partition_list_ptr> kafka_offset_store::ask(rd_kafka_admin_op_t what, request_fn send, const std::string& group,
                                                   const rd_kafka_topic_partition_list_t* partitions,
                                                   const std::string& doing, const deadline& until) {
  const queue_ptr answers(rd_kafka_queue_new(client_.get()));
  for (;;) {
    const auto limit_ms = std::max(1, until.left_ms(request_limit));
    const options_ptr options(rd_kafka_AdminOptions_new(client_.get(), what));
    std::array<char, 256> why{};
    rd_kafka_AdminOptions_set_request_timeout(options.get(), limit_ms, why.data(), why.size());
    if (what == RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS)
      if (auto* refused = rd_kafka_AdminOptions_set_require_stable_offsets(options.get(), 1))
        rd_kafka_error_destroy(refused);
    send(client_.get(), group, partitions, options.get(), answers.get());
    const event_ptr answer(rd_kafka_queue_poll(answers.get(), limit_ms + 100));
    const auto [code, detail] = failure_of(answer.get());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      return partition_list_ptr(
        rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(group_of(answer.get()))));
    if (!passes(code) || until.left() <= retry_after) {
      auto failure = make_error(code, doing, detail);
      if (passes(code))
        failure.code = errc::timeout;
      return tl::make_unexpected(std::move(failure));
    }
    std::this_thread::sleep_for(retry_after);
  }
}

result<std::vector<committed_offset>> kafka_offset_store::committed(const std::string& group,
                                                                    std::span<const topic_partition> where,
                                                                    milliseconds limit) {
  if (where.empty())
    return {};
  auto list = make_partition_list(where.size());
  for (const auto& one : where)
    add(list.get(), one);
  const auto doing = fmt::format("can't read the committed offsets of group \"{}\"", printable(group));
  auto answer = ask(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, send_list, group, list.get(), doing, deadline(limit));
  if (!answer)
    return tl::make_unexpected(answer.error());
  std::vector<committed_offset> found;
  for (const auto& one : where) {
    const auto* entry = rd_kafka_topic_partition_list_find(answer->get(), one.topic.c_str(), one.partition);
    if (entry == nullptr)
      return fail(errc::internal, fmt::format("{}: the broker left out {}", doing, to_string(one)));
    committed_offset offset{one, std::nullopt, {}};
    if (entry->offset >= 0)
      offset.offset = entry->offset;
    if (entry->metadata != nullptr)
      offset.metadata.assign(static_cast<const char*>(entry->metadata), entry->metadata_size);
    found.push_back(std::move(offset));
  }
  return found;
}

result<void> kafka_offset_store::commit(const std::string& group, std::span<const committed_offset> offsets,
                                        milliseconds limit) {
  if (offsets.empty())
    return {};
  auto list = make_partition_list(offsets.size());
  for (const auto& one : offsets) {
    TROUPE_ASSERT(one.offset && *one.offset >= 0);
    auto* entry = add(list.get(), one.where);
    entry->offset = *one.offset;
    if (one.metadata.empty())
      continue;
    // The list frees it. librdkafka reads it as a C string, too.
    auto* copy = static_cast<char*>(rd_kafka_mem_calloc(client_.get(), 1, one.metadata.size() + 1));
    std::memcpy(copy, one.metadata.data(), one.metadata.size());
    entry->metadata = copy;
    entry->metadata_size = one.metadata.size();
  }
  const auto doing = fmt::format("can't commit offsets of group \"{}\"", printable(group));
  auto answer = ask(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, send_alter, group, list.get(), doing, deadline(limit));
  if (!answer)
    return tl::make_unexpected(answer.error());
  return {};
}

result<std::vector<std::pair<std::int64_t, std::int64_t>>> kafka_offset_store::bounds(std::span<const topic_partition> where,
                                                                                      milliseconds limit) {
  const deadline until(limit);
  std::vector<std::pair<std::int64_t, std::int64_t>> found;
  for (const auto& one : where) {
    auto both = bounds_of(one, until);
    if (!both)
      return tl::make_unexpected(both.error());
    found.push_back(*both);
  }
  return found;
}

result<std::pair<std::int64_t, std::int64_t>> kafka_offset_store::bounds_of(const topic_partition& where,
                                                                            const deadline& until) {
  for (;;) {
    std::int64_t low = -1, high = -1;
    const auto code = rd_kafka_query_watermark_offsets(client_.get(), where.topic.c_str(), where.partition, &low, &high,
                                                       std::max(1, until.left_ms(request_limit)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      return std::pair(low, high);
    if (!passes(code) || until.left() <= retry_after)
      return tl::make_unexpected(make_error(code, fmt::format("can't find the first and last offset of {}", to_string(where))));
    std::this_thread::sleep_for(retry_after);
  }
}

result<std::vector<std::int64_t>>
kafka_offset_store::at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>> where, milliseconds limit) {
  if (where.empty())
    return {};
  const deadline until(limit);
  auto list = make_partition_list(where.size());
  for (;;) {
    list = make_partition_list(where.size());
    for (const auto& [partition, timestamp_ms] : where)
      add(list.get(), partition)->offset = timestamp_ms;
    auto code = rd_kafka_offsets_for_times(client_.get(), list.get(), std::max(1, until.left_ms(request_limit)));
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; ++i)
      code = list->elems[i].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      break;
    if (!passes(code) || until.left() <= retry_after)
      return tl::make_unexpected(make_error(code, fmt::format("can't find offsets by timestamp, of {} and others",
                                                              to_string(where.front().first))));
    std::this_thread::sleep_for(retry_after);
  }
  std::vector<std::int64_t> found;
  for (int i = 0; i < list->cnt; ++i) {
    auto offset = list->elems[i].offset;
    if (offset < 0) { // nothing that late: the end
      auto both = bounds_of(where[static_cast<std::size_t>(i)].first, until);
      if (!both)
        return tl::make_unexpected(both.error());
      offset = both->second;
    }
    found.push_back(offset);
  }
  return found;
}

} // namespace troupe::kafka
