#pragma once
// A tiny Kafka in memory: topics with partitions, offsets (with gaps), keys, headers; committed offsets of groups; and
// the ports of a lane on it, with scripts for what can go wrong. One thread. For actor tests and the simulation of a
// cluster.
//
//   fake_kafka kafka;  kafka.create("dsp", 4);  kafka.append("dsp", 0, {.value = "..."});
//   auto [ports, lane] = kafka.open({"games", "group", "preds", "dsp.dlq"});
//   lane->hold_deliveries = true;  ...  lane->deliver(10);

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "cluster/ports.hpp"

namespace troupe::testing {

struct fake_record {
  std::optional<std::string> key{}, value{};
  std::int64_t timestamp_ms = -1;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers{};
  std::int64_t offset = -1; ///< set by append

  /// Value of the last header of that name; nothing if there is none, or it is null.
  [[nodiscard]] std::optional<std::string> header(const std::string& name) const {
    for (auto at = headers.rbegin(); at != headers.rend(); ++at)
      if (at->first == name) return at->second;
    return std::nullopt;
  }
};

struct fake_log {
  std::vector<fake_record> records; ///< offsets grow, and may have gaps
  std::int64_t end = 0;             ///< offset of the next record
};

class fake_kafka;

/// The test's hand on the ports of one lane. Lives as long as anyone wants it; the ports themselves belong to the lane.
struct fake_lane {
  struct pending_record {
    produce_record::target to;
    std::int32_t partition;
    fake_record record;
    std::uint64_t token;
  };
  struct commit_call {
    std::vector<partition_commit> offsets;
    std::uint64_t token;
  };

  fake_kafka& kafka;
  lane_topics topics;
  bool closed = false;

  // scripts
  bool hold_deliveries = false; ///< records wait for deliver()
  bool hold_commits = false;    ///< commits wait for finish_commits()
  bool fail_commits = false;
  std::set<std::string>
      gone;                  ///< topics whose partitions can't be committed: everybody says that there is no such topic
  bool lose_records = false; ///< says that records are durable, and loses them: for canaries only
  std::size_t capacity = std::numeric_limits<std::size_t>::max(); ///< of the sink's queue
  std::size_t output_bytes_max = 1u << 20, dead_letter_bytes_max = 1u << 20;
  bool output_compacted = false;
  std::function<void(const fake_lane&, const std::vector<partition_commit>&)> on_commit; ///< before it takes effect
  bool hold_opening = false; ///< of the transactions, until open_transactions()

  // what happened
  std::size_t drain_calls = 0, rows_handed_out = 0, rows_produced = 0;
  std::vector<commit_call> commits;
  struct transaction_call {
    std::vector<transaction_offset> offsets;
    std::uint64_t token = 0;
    std::vector<pending_record> records; ///< delivered since the last commit
  };
  std::vector<transaction_call> transactions; ///< that a commit was asked for

  // inside
  struct position {
    topic_partition where;
    std::int64_t next = 0, end_told = -1;
  };
  std::map<std::uint32_t, position> assigned;
  std::deque<pending_record> pending;
  std::deque<commit_call> held_commits;
  std::vector<source_event> events;
  std::vector<delivery> deliveries;
  std::vector<pending_record> staged; ///< delivered, and not committed
  std::size_t transactions_done = 0;
  std::vector<transaction_event> transaction_events;
  wake_fn wake_source, wake_sink, wake_transaction;

  fake_lane(fake_kafka& k, lane_topics t)
      : kafka(k)
      , topics(std::move(t)) {}

  /// The first n waiting records become durable (or fail).
  void deliver(std::size_t n = std::numeric_limits<std::size_t>::max(), bool ok = true);
  void finish_commits(bool ok = true);
  void open_transactions() { emit({transaction_event::kind::opened, 0, {}}); }
  /// The first commit that is under way is done, or its producer lost.
  void finish_transaction(bool ok = true);
  void emit(transaction_event event) {
    transaction_events.push_back(std::move(event));
    wake();
  }
  void emit(source_event event) {
    events.push_back(std::move(event));
    wake();
  }
  void wake() const {
    if (closed) return;
    if (wake_source) wake_source();
    if (wake_sink) wake_sink();
    if (wake_transaction) wake_transaction();
  }
  void finish_commit(const commit_call& call, bool ok);
};

class fake_kafka {
public:
  std::map<std::string, std::vector<fake_log>> topics;
  std::map<std::string, std::map<topic_partition, committed_offset>> groups;
  std::vector<std::shared_ptr<fake_lane>> lanes; ///< in the order they were opened
  bool hold_opening = false;                     ///< of the transactions of lanes opened from now on

  void create(const std::string& topic, std::size_t partitions) { topics[topic].resize(partitions); }
  std::int64_t append(const std::string& topic, std::int32_t partition, fake_record record) {
    auto& to = log(topic, partition);
    record.offset = to.end++;
    to.records.push_back(std::move(record));
    for (auto& lane : lanes) lane->wake();
    return to.end - 1;
  }
  /// Offsets without a record: transaction markers, or what compaction took.
  void skip(const std::string& topic, std::int32_t partition, std::int64_t offsets) {
    log(topic, partition).end += offsets;
    for (auto& lane : lanes) lane->wake();
  }
  fake_log& log(const std::string& topic, std::int32_t partition) {
    return topics.at(topic).at(static_cast<std::size_t>(partition));
  }
  /// All records of a topic, partition after partition.
  std::vector<fake_record> all(const std::string& topic) {
    std::vector<fake_record> found;
    for (auto& part : topics.at(topic)) found.insert(found.end(), part.records.begin(), part.records.end());
    return found;
  }
  std::optional<committed_offset> committed(const std::string& group, const topic_partition& where) {
    auto& offsets = groups[group];
    auto at = offsets.find(where);
    return at == offsets.end() ? std::nullopt : std::optional{at->second};
  }
  /// Where a key goes: any fixed function will do.
  static std::int32_t partition_of(const std::string& key, std::size_t count) {
    std::uint32_t hash = 2166136261u;
    for (unsigned char c : key) hash = (hash ^ c) * 16777619u;
    return static_cast<std::int32_t>(hash % count);
  }
  std::pair<lane_ports, std::shared_ptr<fake_lane>> open(const lane_topics& lane_topics_);
};

inline void fake_lane::deliver(std::size_t n, bool ok) {
  for (; n > 0 && !pending.empty(); --n) {
    auto next = std::move(pending.front());
    pending.pop_front();
    if (ok && !topics.transactional_id.empty())
      staged.push_back(next);
    else if (ok && !lose_records)
      kafka.append(next.to == produce_record::target::output ? topics.output_topic : topics.dead_letter_topic,
                   next.partition, std::move(next.record));
    if (!deliveries.empty() && deliveries.back().token == next.token && deliveries.back().ok == ok)
      ++deliveries.back().count;
    else
      deliveries.push_back({next.token, 1, ok, ok ? "" : "scripted failure"});
  }
  wake();
}

inline void fake_lane::finish_commit(const commit_call& call, bool ok) {
  std::vector<refused_commit> refused;
  if (ok) {
    if (on_commit) on_commit(*this, call.offsets);
    for (const auto& offset : call.offsets) {
      auto at = assigned.find(offset.slot);
      TROUPE_ASSERT(at != assigned.end());
      if (gone.contains(at->second.where.topic))
        refused.push_back({offset.slot, true, "no such topic"});
      else
        kafka.groups[topics.group_id][at->second.where] = {at->second.where, offset.offset, offset.metadata};
    }
  }
  using kind = source_event::kind;
  emit({ok ? kind::committed : kind::commit_failed, 0, -1, call.token, ok ? "" : "scripted failure", refused});
}

inline void fake_lane::finish_commits(bool ok) {
  while (!held_commits.empty()) {
    auto call = std::move(held_commits.front());
    held_commits.pop_front();
    finish_commit(call, ok);
  }
}

inline void fake_lane::finish_transaction(bool ok) {
  TROUPE_ASSERT(transactions_done < transactions.size());
  auto& call = transactions[transactions_done++];
  if (!ok) return emit({transaction_event::kind::lost, 0, "scripted failure"});
  for (auto& one : call.records)
    kafka.append(one.to == produce_record::target::output ? topics.output_topic : topics.dead_letter_topic,
                 one.partition, one.record);
  for (auto& offset : call.offsets)
    kafka.groups[topics.group_id][offset.where] = {offset.where, offset.offset, offset.metadata};
  emit({transaction_event::kind::committed, call.token, {}});
}

class fake_source final : public row_source {
public:
  explicit fake_source(std::shared_ptr<fake_lane> lane)
      : lane_(std::move(lane)) {}
  ~fake_source() override { lane_->closed = true; }

  void on_ready(wake_fn wake) override { lane_->wake_source = std::move(wake); }
  void assign(std::span<const partition_start> starts) override {
    for (const auto& start : starts) {
      TROUPE_ASSERT(!reading_.contains(start.slot));
      reading_[start.slot] = true;
      lane_->assigned[start.slot] = {start.where, start.offset, -1};
    }
    lane_->wake();
  }
  void unassign(std::span<const std::uint32_t> slots) override {
    for (auto slot : slots) reading_.erase(slot); // commits for it may still come
  }
  std::size_t drain(std::size_t max_rows, std::size_t max_bytes, row_visitor& visitor) override {
    ++lane_->drain_calls;
    std::size_t rows = 0, bytes = 0;
    // Starts with another partition each time, as fetches do.
    auto turn = reading_.empty() ? 0 : turn_++ % reading_.size();
    for (std::size_t i = 0; i < reading_.size(); ++i) {
      auto at = std::next(reading_.begin(), static_cast<std::ptrdiff_t>((turn + i) % reading_.size()));
      drain_slot(at->first, max_rows, max_bytes, rows, bytes, visitor);
    }
    lane_->rows_handed_out += rows;
    return rows;
  }
  std::vector<header_view> headers() override {
    std::vector<header_view> views;
    for (const auto& [name, value] : current_->headers) views.push_back({name, value});
    return views;
  }
  void commit(std::span<const partition_commit> commits, std::uint64_t token) override {
    fake_lane::commit_call call{{commits.begin(), commits.end()}, token};
    lane_->commits.push_back(call);
    if (lane_->hold_commits)
      lane_->held_commits.push_back(std::move(call));
    else
      lane_->finish_commit(call, !lane_->fail_commits);
  }
  void poll(std::vector<source_event>& events) override {
    events.insert(events.end(), lane_->events.begin(), lane_->events.end());
    lane_->events.clear();
  }
  std::int64_t end_offset(std::uint32_t slot) override {
    auto at = lane_->assigned.find(slot);
    return at == lane_->assigned.end() ? -1 : log_of(at->second).end;
  }

private:
  fake_log& log_of(const fake_lane::position& at) { return lane_->kafka.log(at.where.topic, at.where.partition); }
  void drain_slot(std::uint32_t slot, std::size_t max_rows, std::size_t max_bytes, std::size_t& rows,
                  std::size_t& bytes, row_visitor& visitor) {
    auto& position = lane_->assigned.at(slot);
    auto& log = log_of(position);
    auto at = std::lower_bound(log.records.begin(), log.records.end(), position.next,
                               [](const fake_record& record, std::int64_t offset) { return record.offset < offset; });
    for (; at != log.records.end() && rows < max_rows && bytes < max_bytes; ++at, ++rows) {
      current_ = &*at;
      record_view view{slot, at->offset, at->timestamp_ms, at->key, at->value, !at->headers.empty()};
      visitor.row(view);
      bytes += at->value.value_or("").size();
      position.next = at->offset + 1;
    }
    if (at != log.records.end() || position.end_told == log.end) return;
    position.next = position.end_told = log.end;
    lane_->emit({source_event::kind::end_of_partition, slot, log.end, 0, ""});
  }

  std::shared_ptr<fake_lane> lane_;
  std::map<std::uint32_t, bool> reading_;
  const fake_record* current_ = nullptr;
  std::size_t turn_ = 0;
};

class fake_sink final : public row_sink {
public:
  explicit fake_sink(std::shared_ptr<fake_lane> lane)
      : lane_(std::move(lane)) {}
  ~fake_sink() override { lane_->closed = true; }

  void on_ready(wake_fn wake) override { lane_->wake_sink = std::move(wake); }
  std::size_t produce(std::span<const produce_record> records) override {
    std::size_t taken = 0;
    for (; taken < records.size() && lane_->pending.size() < lane_->capacity; ++taken) {
      const auto& from = records[taken];
      fake_record record;
      if (from.key) record.key = std::string{*from.key};
      if (!from.null_value) record.value = std::string{from.value};
      record.timestamp_ms = from.timestamp_ms;
      for (const auto& header : from.headers)
        record.headers.emplace_back(std::string{header.name},
                                    header.value ? std::optional{std::string{*header.value}} : std::nullopt);
      auto count = partition_count(from.to);
      TROUPE_ASSERT(count > 0);
      auto partition = from.partition >= 0
                           ? from.partition
                           : fake_kafka::partition_of(record.key.value_or(""), static_cast<std::size_t>(count));
      TROUPE_ASSERT(partition < count);
      lane_->pending.push_back({from.to, partition, std::move(record), from.token});
    }
    lane_->rows_produced += taken;
    if (!lane_->hold_deliveries && taken > 0) lane_->deliver();
    return taken;
  }
  void poll(std::vector<delivery>& deliveries) override {
    deliveries.insert(deliveries.end(), lane_->deliveries.begin(), lane_->deliveries.end());
    lane_->deliveries.clear();
  }
  std::int32_t partition_count(produce_record::target to) override {
    auto& name = to == produce_record::target::output ? lane_->topics.output_topic : lane_->topics.dead_letter_topic;
    auto at = lane_->kafka.topics.find(name);
    return at == lane_->kafka.topics.end() ? 0 : static_cast<std::int32_t>(at->second.size());
  }
  std::size_t record_bytes_max(produce_record::target to) override {
    return to == produce_record::target::output ? lane_->output_bytes_max : lane_->dead_letter_bytes_max;
  }
  bool needs_key(produce_record::target to) override {
    return to == produce_record::target::output && lane_->output_compacted;
  }

private:
  std::shared_ptr<fake_lane> lane_;
};

class fake_transaction final : public row_transaction {
public:
  explicit fake_transaction(std::shared_ptr<fake_lane> lane)
      : lane_(std::move(lane)) {
    if (!lane_->hold_opening) lane_->open_transactions();
  }
  ~fake_transaction() override { lane_->wake_transaction = nullptr; }
  void on_ready(wake_fn wake) override { lane_->wake_transaction = std::move(wake); }
  void commit(std::vector<transaction_offset> offsets, std::uint64_t token) override {
    TROUPE_ASSERT(lane_->pending.empty() && lane_->transactions_done == lane_->transactions.size());
    lane_->transactions.push_back({std::move(offsets), token, std::exchange(lane_->staged, {})});
    if (!lane_->hold_commits) lane_->finish_transaction();
  }
  void poll(std::vector<transaction_event>& events) override {
    events.insert(events.end(), lane_->transaction_events.begin(), lane_->transaction_events.end());
    lane_->transaction_events.clear();
  }

private:
  std::shared_ptr<fake_lane> lane_;
};

inline std::pair<lane_ports, std::shared_ptr<fake_lane>> fake_kafka::open(const lane_topics& lane_topics_) {
  auto lane = std::make_shared<fake_lane>(*this, lane_topics_);
  lanes.push_back(lane);
  lane_ports ports{std::make_unique<fake_source>(lane), std::make_unique<fake_sink>(lane), nullptr};
  if (!lane_topics_.transactional_id.empty()) {
    lane->hold_opening = hold_opening;
    ports.transaction = std::make_unique<fake_transaction>(lane);
  }
  return {std::move(ports), lane};
}

} // namespace troupe::testing
