#pragma once
// What a broker knows of transactions, over the logs of tests/support/fake_ports.hpp. One broker: what takes several
// requests and several of its parts in a real one happens at once here. No time of its own.
//
// A producer is known by its transactional.id and an epoch. init() gives out the next epoch, so whoever had the id
// before is fenced, and aborts what is open under it. The fence holds for the older epochs only: a producer that was
// fenced and comes back with the same id is the newest one, and fences the other.
//
// Records of a transaction go into the logs at once. commit() and abort() put a marker behind them, which takes an
// offset in each partition; until then the partition's stable end is before the first of them, and a read_committed
// reader waits there. Offsets that were sent in a transaction are pending until it is committed; who asks for them
// meanwhile is told that they are not stable.
//
// transaction_script.hpp says the same as a table, which a real broker is put through as well.

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_ports.hpp"

namespace troupe::sim {

/// A producer, as long as nobody newer has its id.
struct producer_session {
  std::string id;
  std::uint64_t epoch = 0;
};

/// A record by its place.
struct record_place {
  topic_partition where;
  std::int64_t offset = -1;
};

/// What a transaction holds.
struct transaction_contents {
  std::vector<record_place> records;
  std::vector<std::pair<std::string, committed_offset>> offsets; ///< group, offset; the last of each partition counts
  [[nodiscard]] bool empty() const { return records.empty() && offsets.empty(); }
};

class transactions {
public:
  using time_point = std::chrono::steady_clock::time_point;
  enum class answer { ok, fenced, invalid };

  explicit transactions(testing::fake_kafka& store)
      : store_(store) {}

  std::chrono::milliseconds timeout{10'000}; ///< transaction.timeout.ms

  producer_session init(const std::string& id) {
    auto& producer = producers_[id];
    end(producer, false);
    producer.last = end_kind::none;
    return {id, ++producer.epoch};
  }

  answer produce(const producer_session& by, const topic_partition& where, testing::fake_record record,
                 time_point now) {
    auto* producer = valid(by);
    if (!producer) return answer::fenced;
    begin(*producer, now);
    auto offset = store_.append(where.topic, where.partition, std::move(record));
    producer->open->contents.records.push_back({where, offset});
    producer->open->first.try_emplace(where, offset);
    return answer::ok;
  }

  answer add_offsets(const producer_session& by, const std::string& group, std::span<const committed_offset> offsets,
                     time_point now) {
    auto* producer = valid(by);
    if (!producer) return answer::fenced;
    begin(*producer, now);
    for (auto& offset : offsets) producer->open->contents.offsets.emplace_back(group, offset);
    return answer::ok;
  }

  /// Asked again for what has happened already, it says yes: the first answer may have been lost.
  answer commit(const producer_session& by) { return end(by, true); }
  answer abort(const producer_session& by) { return end(by, false); }

  /// Aborts transactions that have been open for too long, and fences their producers. Returns whose they were.
  std::vector<std::string> expire(time_point now) {
    std::vector<std::string> expired;
    for (auto& [id, producer] : producers_)
      if (producer.open && now - producer.open->since >= timeout) {
        end(producer, false);
        producer.last = end_kind::none;
        ++producer.epoch;
        expired.push_back(id);
      }
    return expired;
  }

  /// What is open under the id; null if nothing is.
  [[nodiscard]] const transaction_contents* open(const std::string& id) const {
    auto known = producers_.find(id);
    return known == producers_.end() || !known->second.open ? nullptr : &known->second.open->contents;
  }
  [[nodiscard]] std::vector<std::string> open_ids() const {
    std::vector<std::string> ids;
    for (auto& [id, producer] : producers_)
      if (producer.open) ids.push_back(id);
    return ids;
  }
  /// The epoch of the newest producer with the id; 0: there was none.
  [[nodiscard]] std::uint64_t epoch(const std::string& id) const {
    auto known = producers_.find(id);
    return known == producers_.end() ? 0 : known->second.epoch;
  }

  /// Up to here a read_committed reader gets.
  [[nodiscard]] std::int64_t stable_end(const topic_partition& where) const {
    auto end = store_.log(where.topic, where.partition).end;
    for (auto& [id, producer] : producers_)
      if (producer.open)
        if (auto first = producer.open->first.find(where); first != producer.open->first.end())
          end = std::min(end, first->second);
    return end;
  }
  /// Which of the records in [from, stable end) such a reader gets.
  [[nodiscard]] std::vector<const testing::fake_record*> read_committed(const topic_partition& where,
                                                                        std::int64_t from) const {
    auto end = stable_end(where);
    auto& records = store_.log(where.topic, where.partition).records;
    auto gone = aborted_.find(where);
    auto at = std::lower_bound(
        records.begin(), records.end(), from,
        [](const testing::fake_record& record, std::int64_t offset) { return record.offset < offset; });
    std::vector<const testing::fake_record*> found;
    for (; at != records.end() && at->offset < end; ++at)
      if (gone == aborted_.end() || !gone->second.contains(at->offset)) found.push_back(&*at);
    return found;
  }
  /// An open transaction holds offsets of this partition: what is committed is not known yet.
  [[nodiscard]] bool is_unstable(const std::string& group, const topic_partition& where) const {
    for (auto& [id, producer] : producers_)
      if (producer.open)
        for (auto& [whose, offset] : producer.open->contents.offsets)
          if (whose == group && offset.where == where) return true;
    return false;
  }

private:
  enum class end_kind { none, committed, aborted };
  struct open_transaction {
    time_point since;
    transaction_contents contents;
    std::map<topic_partition, std::int64_t> first;
  };
  struct known_producer {
    std::uint64_t epoch = 0;
    std::optional<open_transaction> open;
    end_kind last = end_kind::none; ///< of this epoch
  };

  known_producer* valid(const producer_session& by) {
    auto known = producers_.find(by.id);
    return known == producers_.end() || known->second.epoch != by.epoch ? nullptr : &known->second;
  }
  static void begin(known_producer& of, time_point now) {
    if (!of.open) of.open.emplace(open_transaction{now, {}, {}});
  }
  answer end(const producer_session& by, bool commit) {
    auto* producer = valid(by);
    if (!producer) return answer::fenced;
    auto wanted = commit ? end_kind::committed : end_kind::aborted;
    if (!producer->open) return producer->last == wanted ? answer::ok : answer::invalid;
    end(*producer, commit);
    return answer::ok;
  }
  void end(known_producer& of, bool commit) {
    if (!of.open) return;
    auto done = std::move(*of.open);
    of.open.reset();
    of.last = commit ? end_kind::committed : end_kind::aborted;
    if (!commit)
      for (auto& record : done.contents.records) aborted_[record.where].insert(record.offset);
    if (commit)
      for (auto& [group, offset] : done.contents.offsets) store_.groups[group][offset.where] = offset;
    for (auto& [where, first] : done.first) store_.skip(where.topic, where.partition, 1);
  }

  testing::fake_kafka& store_;
  std::map<std::string, known_producer> producers_;
  std::map<topic_partition, std::set<std::int64_t>> aborted_;
};

} // namespace troupe::sim
