#pragma once
// The control plane's ports in the simulated world. The blocking ones can't block here: the actors that call them
// (clerk, librarian) get their turns late instead (cluster.hpp), and find Kafka out of reach when the limit would have
// run out.

#include "tests/simulation/lane_transactions.hpp"

namespace troupe::sim {

/// Follows one single-partition log for one process, with the delays of fetches.
class log_feed : public std::enable_shared_from_this<log_feed> {
public:
  log_feed(broker& b, process_ptr who, std::string topic, std::int64_t tail)
      : kafka_(b)
      , who_(std::move(who))
      , topic_(std::move(topic))
      , tail_(tail)
      , last_contact_(b.room().now()) {}

  void start() { fetch_later(kafka_.room().between(1ms, 30ms)); }
  void news() {
    if (!open || deaf) return;
    kafka_.room().after(who_, kafka_.room().between(0ms, 10ms), [me = shared_from_this()] { me->fetch(); });
  }

  bool open = true, deaf = false;
  wake_fn wake;
  std::int64_t position = -1, fetched = -1, end_at_open = -1;
  [[nodiscard]] sim_duration since_contact() { return kafka_.room().now() - last_contact_; }
  testing::fake_log& log() { return kafka_.store.log(topic_, 0); }

private:
  void fetch_later(sim_duration delay) {
    kafka_.room().after(who_, delay, [me = shared_from_this()] {
      if (!me->open) return;
      me->fetch();
      me->fetch_later(100ms);
    });
  }
  void fetch() {
    if (!open || deaf || !kafka_.reachable(who_)) return;
    last_contact_ = kafka_.room().now();
    if (end_at_open < 0) {
      end_at_open = log().end;
      position = tail_ < 0 ? 0 : std::max<std::int64_t>(0, log().end - tail_);
    }
    auto end = visible_end();
    if (std::exchange(fetched, std::max(fetched, end)) < end && wake) wake();
  }
  /// What a fetch finds; less than there is where it lags behind.
  std::int64_t visible_end() {
    auto lag = kafka_.lagging.find(who_->node);
    if (topic_ != "control" || lag == kafka_.lagging.end()) return log().end;
    auto end = log().end;
    for (auto at = log().records.rbegin();
         at != log().records.rend() && at->timestamp_ms > kafka_.room().ms() - lag->second.count(); ++at)
      end = at->offset;
    return end;
  }
  broker& kafka_;
  process_ptr who_;
  std::string topic_;
  std::int64_t tail_;
  sim_time last_contact_;
};

class sim_log_reader final : public log_reader {
public:
  sim_log_reader(broker& kafka, const process_ptr& who, const std::string& topic, std::int64_t tail, bool deaf_later)
      : feed_(std::make_shared<log_feed>(kafka, who, topic, tail)) {
    std::erase_if(kafka.feeds, [](auto& old) { return old.expired(); });
    kafka.feeds.push_back(feed_);
    feed_->start();
    if (deaf_later) kafka.room().after(8s, [feed = feed_] { feed->deaf = true; });
  }
  ~sim_log_reader() override {
    feed_->open = false;
    feed_->wake = nullptr;
  }
  void on_ready(wake_fn wake) override {
    feed_->wake = std::move(wake);
    feed_->wake();
  }
  void poll(std::vector<log_record>& records) override {
    if (feed_->end_at_open < 0) return;
    for (auto& record : feed_->log().records)
      if (record.offset >= feed_->position && record.offset < feed_->fetched)
        records.push_back({record.offset, record.timestamp_ms, record.key.value_or(""), record.value});
    feed_->position = std::max(feed_->position, feed_->fetched);
  }
  bool caught_up() const override { return feed_->end_at_open >= 0 && feed_->position >= feed_->end_at_open; }
  std::int64_t position() const override { return std::max<std::int64_t>(0, feed_->position); }
  milliseconds since_last_contact() const override {
    // The canary is deaf, not cut off: a connection that answers and brings nothing.
    return feed_->deaf ? 0ms : std::chrono::duration_cast<milliseconds>(feed_->since_contact());
  }
  std::optional<error> lost() const override { return std::nullopt; }

private:
  std::shared_ptr<log_feed> feed_;
};

inline void broker::news() {
  for (auto& feed : feeds)
    if (auto reader = feed.lock()) reader->news();
}

inline std::int64_t broker::append_control(std::span<const log_write> records) {
  auto first = store.log("control", 0).end;
  for (auto& record : records) {
    auto offset = store.append("control", 0, {record.key, record.value, world_.ms()});
    check_.control_appended({offset, 0, record.key, record.value});
  }
  store.skip("control", 0, 1);
  news();
  return first;
}

inline void broker::append_lease(std::string value) {
  store.append("lease", 0, {std::string{"lease"}, std::move(value)});
  news();
}

inline void broker::compact_control() {
  auto& records = store.log("control", 0).records;
  std::set<std::string> newer;
  std::vector<testing::fake_record> kept;
  for (std::size_t i = records.size(); i-- > 0;)
    if (newer.insert(*records[i].key).second || records.size() - i < 5) kept.push_back(records[i]);
  std::reverse(kept.begin(), kept.end());
  records = std::move(kept);
}

class sim_control_writer final : public control_writer {
public:
  sim_control_writer(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  result<void> open(milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    epoch_ = ++kafka_.control_epoch;
    return {};
  }
  result<std::int64_t> append(std::span<const log_write> records, milliseconds) override {
    auto& random = kafka_.room();
    if (!epoch_) return fail(errc::fenced, "the writer is lost");
    if (!kafka_.reachable(who_)) return lost();
    if (*epoch_ != kafka_.control_epoch && random.broken_on_purpose != canary::no_fencing) {
      random.reached("fenced coordinator tried to write");
      return fail(errc::fenced, "somebody newer rules");
    }
    if (random.chance(kafka_.append_fails_percent)) {
      random.reached("control append refused");
      return fail(errc::unavailable, "not enough replicas");
    }
    note_hand_over(records);
    auto first = kafka_.append_control(records);
    if (!random.chance(kafka_.append_fails_percent)) return first;
    random.reached("control append done, answer lost");
    return lost();
  }
  result<void> commit_offsets(const std::string& group, std::span<const committed_offset> offsets,
                              milliseconds) override {
    if (!epoch_ || *epoch_ != kafka_.control_epoch) return fail(errc::fenced, "somebody newer rules");
    if (!kafka_.reachable(who_)) return tl::make_unexpected(lost().error());
    for (auto& entry : offsets) kafka_.commit(nullptr, group, entry.where, *entry.offset, entry.metadata);
    return {};
  }

private:
  /// How far the coordinator has come with partitions that change hands: for the coverage.
  void note_hand_over(std::span<const log_write> records) {
    for (auto& record : records) {
      if (!record.value) continue;
      auto read = read_record(record.key, *record.value);
      auto* partition = read && *read ? std::get_if<partition_record>(&**read) : nullptr;
      if (!partition) continue;
      if (partition->state == partition_record::state_kind::revoked) {
        kafka_.spring(cut_point::revoked, who_);
        continue;
      }
      auto& truth = kafka_.check().truth();
      auto known = truth.partitions().find({partition->pipeline, partition->where});
      if (known != truth.partitions().end()) {
        bool gone = !truth.is_member(known->second.node);
        if (gone) kafka_.room().reached("partition taken from a node that is gone");
        if (!gone && known->second.state == partition_record::state_kind::revoked)
          kafka_.room().reached("hand-over with clean release");
      }
      kafka_.fenced_by.erase(who_.get());
      kafka_.orphans.erase(partition->where);
    }
  }
  result<std::int64_t> lost() {
    epoch_.reset();
    return fail(errc::timeout, "no answer");
  }
  broker& kafka_;
  process_ptr who_;
  std::optional<std::uint64_t> epoch_;
};

class sim_lease_writer final : public lease_writer {
public:
  sim_lease_writer(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  void beat(std::string value) override {
    auto& kafka = kafka_;
    auto who = who_;
    kafka.room().after(who, kafka.room().between(1ms, 20ms), [&kafka, who, value] {
      if (kafka.reachable(who)) kafka.append_lease(value);
    });
  }

private:
  broker& kafka_;
  process_ptr who_;
};

class sim_offset_store final : public offset_store {
public:
  sim_offset_store(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  result<std::vector<committed_offset>> committed(const std::string& group, std::span<const topic_partition> where,
                                                  milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    std::vector<committed_offset> found;
    for (auto& one : where)
      if (kafka_.transactions.is_unstable(group, one) && kafka_.room().broken_on_purpose != canary::late_fence)
        return fail(errc::timeout, "a transaction is still open");
    for (auto& one : where)
      found.push_back(kafka_.store.committed(group, one).value_or(committed_offset{one, std::nullopt, {}}));
    return found;
  }
  result<void> commit(const std::string& group, std::span<const committed_offset> offsets, milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    for (auto& entry : offsets) kafka_.commit(nullptr, group, entry.where, *entry.offset, entry.metadata);
    return {};
  }
  result<std::vector<std::pair<std::int64_t, std::int64_t>>> bounds(std::span<const topic_partition> where,
                                                                    milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    for (auto& one : where) found.emplace_back(0, kafka_.store.log(one.topic, one.partition).end);
    return found;
  }
  result<std::vector<std::int64_t>> at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>>,
                                                  milliseconds) override {
    return fail(errc::unsupported, "not simulated");
  }

private:
  broker& kafka_;
  process_ptr who_;
};

class sim_lane_fencer final : public lane_fencer {
public:
  sim_lane_fencer(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  result<void> fence(const std::string& id, milliseconds) override {
    auto& random = kafka_.room();
    if (!kafka_.reachable(who_) || random.chance(kafka_.answers_lost_percent)) {
      random.reached("coordinator's fence failed");
      return fail(errc::unavailable, "no broker");
    }
    random.note("shut out " + id);
    if (random.broken_on_purpose == canary::late_fence)
      random.after(300ms, [&kafka = kafka_, id] { kafka.init(id); });
    else if (random.broken_on_purpose != canary::unfenced_lanes)
      shut_out(id);
    if (!random.chance(kafka_.answers_lost_percent)) return {};
    random.reached("coordinator's fence done, answer lost");
    return fail(errc::timeout, "no answer");
  }

private:
  void shut_out(const std::string& id) {
    auto& random = kafka_.room();
    random.reached("coordinator fenced a lane");
    if (kafka_.transactions.open(id)) random.reached("coordinator's fence aborted a transaction");
    auto& known = kafka_.check().truth().partitions();
    for (auto& where : kafka_.orphans)
      if (auto at = known.find({"games", where});
          at != known.end() && id == transactional_id("games", "games", at->second.node.name))
        random.reached("coordinator died between revoke and fence");
    kafka_.fenced_by[who_.get()].insert(id);
    kafka_.init(id);
    kafka_.spring(cut_point::fenced, who_);
  }
  broker& kafka_;
  process_ptr who_;
};

class sim_topic_catalog final : public topic_catalog {
public:
  sim_topic_catalog(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  result<std::vector<topic_info>> find(std::span<const std::string> names, milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    std::vector<topic_info> found;
    for (auto& name : names)
      if (kafka_.store.topics.contains(name))
        found.push_back({name, static_cast<std::int32_t>(kafka_.store.topics.at(name).size())});
    return found;
  }

private:
  broker& kafka_;
  process_ptr who_;
};

class sim_model_store final : public model_store {
public:
  sim_model_store(broker& kafka, process_ptr who)
      : kafka_(kafka)
      , who_(std::move(who)) {}
  result<blob_location> put(std::span<const char> content, const std::string& sha256, milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    auto first = static_cast<std::int64_t>(kafka_.models.size());
    kafka_.models[first] = {sha256, {content.begin(), content.end()}};
    return blob_location{first, 1, content.size(), sha256};
  }
  result<std::vector<char>> get(const blob_location& where, milliseconds) override {
    if (!kafka_.reachable(who_)) return fail(errc::unavailable, "no broker");
    auto found = kafka_.models.find(where.first_offset);
    if (found == kafka_.models.end() || found->second.first != where.sha256)
      return fail(errc::not_found, "no such model");
    return found->second.second;
  }

private:
  broker& kafka_;
  process_ptr who_;
};

} // namespace troupe::sim
