#include "kafka/offset_store.hpp"

#include <algorithm>
#include <thread>
#include <tuple>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "kafka/control_ports.hpp"

namespace troupe::kafka {
namespace {

constexpr milliseconds retry_after{50};
// A request is sent again after this, since the broker that it waits for may not be the one that answers today.
constexpr milliseconds request_limit{5000};

constexpr std::size_t groups_kept_max = 4;
constexpr milliseconds close_limit{100};

bool passes(rd_kafka_resp_err_t code) {
  return kind_of(code) == errc::unavailable || kind_of(code) == errc::timeout ||
         code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT || code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

rd_kafka_topic_partition_t* add(rd_kafka_topic_partition_list_t* list, const topic_partition& where) {
  return rd_kafka_topic_partition_list_add(list, where.topic.c_str(), where.partition);
}

result<handle_ptr> open_for(const kafka_properties& user, const std::string& group) {
  const kafka_properties fixed = {
      {"group.id", group},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"isolation.level",
       "read_committed"}, // "latest" is the end of what a lane can read: before a transaction still open
      {"allow.auto.create.topics", "false"},
      {"reconnect.backoff.max.ms", "1000"},
  };
  auto client = open_client(role::consumer, user, fixed);
  if (client) client->get_deleter().limit = close_limit;
  return client;
}

/// The first partition that failed, else success.
std::pair<rd_kafka_resp_err_t, std::string> failure_of(const rd_kafka_topic_partition_list_t* list) {
  for (int i = 0; list != nullptr && i < list->cnt; ++i)
    if (const auto& one = list->elems[i]; one.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return {one.err, fmt::format("{}/{}", one.topic, one.partition)};
  return {RD_KAFKA_RESP_ERR_NO_ERROR, {}};
}

} // namespace

result<std::unique_ptr<offset_store>> make_offset_store(const kafka_properties& user) {
  return kafka_offset_store::open(user);
}

result<std::unique_ptr<offset_store>> kafka_offset_store::open(const kafka_properties& user) {
  auto client = open_for(user, "troupe.offset-store");
  if (!client) return tl::make_unexpected(client.error());
  return std::unique_ptr<offset_store>(new kafka_offset_store(user, std::move(*client)));
}

result<rd_kafka_t*> kafka_offset_store::client_of(const std::string& group) {
  const auto known = std::find_if(groups_.begin(), groups_.end(), [&](const auto& one) { return one.group == group; });
  if (known != groups_.end()) {
    std::rotate(known, known + 1, groups_.end());
    return groups_.back().client.get();
  }
  auto client = open_for(user_, group);
  if (!client) return tl::make_unexpected(client.error());
  if (groups_.size() == groups_kept_max) groups_.erase(groups_.begin());
  groups_.push_back({group, std::move(*client)});
  return groups_.back().client.get();
}

void kafka_offset_store::forget(const std::string& group) {
  std::erase_if(groups_, [&](const auto& one) { return one.group == group; });
}

result<std::vector<committed_offset>>
kafka_offset_store::committed(const std::string& group, std::span<const topic_partition> where, milliseconds limit) {
  if (where.empty()) return {};
  const deadline until(limit);
  auto client = client_of(group);
  if (!client) return tl::make_unexpected(client.error());
  auto list = make_partition_list(where.size());
  for (;;) {
    list = make_partition_list(where.size());
    for (const auto& one : where) add(list.get(), one);
    auto code = rd_kafka_committed(*client, list.get(), std::max(1, until.left_ms(request_limit)));
    std::string detail;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) std::tie(code, detail) = failure_of(list.get());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (!passes(code) || until.left() <= retry_after) {
      auto failure =
          make_error(code, fmt::format("can't read the committed offsets of group \"{}\"", printable(group)), detail);
      if (passes(code)) failure.code = errc::timeout;
      return tl::make_unexpected(std::move(failure));
    }
    std::this_thread::sleep_for(retry_after);
  }
  std::vector<committed_offset> found;
  for (const auto& one : where) {
    const auto* entry = rd_kafka_topic_partition_list_find(list.get(), one.topic.c_str(), one.partition);
    TROUPE_ASSERT(entry != nullptr);
    committed_offset offset{one, std::nullopt, {}};
    if (entry->offset >= 0) offset.offset = entry->offset;
    if (entry->metadata != nullptr)
      offset.metadata.assign(static_cast<const char*>(entry->metadata), entry->metadata_size);
    found.push_back(std::move(offset));
  }
  return found;
}

result<void> kafka_offset_store::commit(const std::string& group, std::span<const committed_offset> offsets,
                                        milliseconds limit) {
  if (offsets.empty()) return {};
  auto done = try_commit(group, offsets, deadline(limit));
  if (!done) forget(group);
  return done;
}

result<void> kafka_offset_store::try_commit(const std::string& group, std::span<const committed_offset> offsets,
                                            const deadline& until) {
  auto client = client_of(group);
  if (!client) return tl::make_unexpected(client.error());
  auto list = make_partition_list(offsets.size());
  for (const auto& one : offsets) {
    TROUPE_ASSERT(one.offset && *one.offset >= 0);
    add_commit(*client, list.get(), one.where, *one.offset, one.metadata);
  }
  const queue_ptr answers(
      rd_kafka_queue_new(*client)); // rd_kafka_commit() has no limit; its answer on a queue can have one
  for (;;) {
    auto code = rd_kafka_commit_queue(*client, list.get(), answers.get(), nullptr, nullptr);
    std::string detail;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const event_ptr answer(rd_kafka_queue_poll(answers.get(), until.left_ms()));
      code = answer ? rd_kafka_event_error(answer.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
      if (answer && code == RD_KAFKA_RESP_ERR_NO_ERROR)
        std::tie(code, detail) = failure_of(rd_kafka_event_topic_partition_list(answer.get()));
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (!passes(code) || until.left() <= retry_after) {
      auto failure = make_error(code, fmt::format("can't commit offsets of group \"{}\"", printable(group)), detail);
      if (passes(code)) failure.code = errc::timeout;
      return tl::make_unexpected(std::move(failure));
    }
    std::this_thread::sleep_for(retry_after);
  }
}

result<std::vector<std::pair<std::int64_t, std::int64_t>>>
kafka_offset_store::bounds(std::span<const topic_partition> where, milliseconds limit) {
  const deadline until(limit);
  std::vector<std::pair<std::int64_t, std::int64_t>> found;
  for (const auto& one : where) {
    auto both = bounds_of(one, until);
    if (!both) return tl::make_unexpected(both.error());
    found.push_back(*both);
  }
  return found;
}

// The client remembers a topic's partitions for minutes; asking for the topic makes it learn of those added since.
void kafka_offset_store::look_up(const std::string& topic, const deadline& until) {
  const topic_ptr handle(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
  const struct rd_kafka_metadata* raw = nullptr;
  if (rd_kafka_metadata(client_.get(), 0, handle.get(), &raw, std::max(1, until.left_ms(request_limit))) ==
      RD_KAFKA_RESP_ERR_NO_ERROR)
    rd_kafka_metadata_destroy(raw);
}

result<std::pair<std::int64_t, std::int64_t>> kafka_offset_store::bounds_of(const topic_partition& where,
                                                                            const deadline& until) {
  for (;;) {
    std::int64_t low = -1, high = -1;
    const auto code = rd_kafka_query_watermark_offsets(client_.get(), where.topic.c_str(), where.partition, &low, &high,
                                                       std::max(1, until.left_ms(request_limit)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::pair(low, high);
    const bool new_partition = code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (!(passes(code) || new_partition) || until.left() <= retry_after)
      return tl::make_unexpected(
          make_error(code, fmt::format("can't find the first and last offset of {}", to_string(where))));
    if (new_partition) look_up(where.topic, until);
    std::this_thread::sleep_for(retry_after);
  }
}

result<std::vector<std::int64_t>>
kafka_offset_store::at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>> where, milliseconds limit) {
  if (where.empty()) return {};
  const deadline until(limit);
  auto list = make_partition_list(where.size());
  for (;;) {
    list = make_partition_list(where.size());
    for (const auto& [partition, timestamp_ms] : where) add(list.get(), partition)->offset = timestamp_ms;
    auto code = rd_kafka_offsets_for_times(client_.get(), list.get(), std::max(1, until.left_ms(request_limit)));
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; ++i) code = list->elems[i].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (!passes(code) || until.left() <= retry_after)
      return tl::make_unexpected(make_error(
          code, fmt::format("can't find offsets by timestamp, of {} and others", to_string(where.front().first))));
    std::this_thread::sleep_for(retry_after);
  }
  std::vector<std::int64_t> found;
  for (int i = 0; i < list->cnt; ++i) {
    auto offset = list->elems[i].offset;
    if (offset < 0) { // nothing that late: the end
      auto both = bounds_of(where[static_cast<std::size_t>(i)].first, until);
      if (!both) return tl::make_unexpected(both.error());
      offset = both->second;
    }
    found.push_back(offset);
  }
  return found;
}

} // namespace troupe::kafka
