#pragma once
// Kafka in the simulated world: the storage of tests/support/fake_ports.hpp and the transactions of transactions.hpp,
// out of reach now and then. The ports on it take simulated time and can be lost half way: those of a lane are in
// lane.hpp, the log readers and blocking ports of the control plane in control_ports.hpp.

#include <set>

#include "tests/simulation/checker.hpp"
#include "tests/simulation/transactions.hpp"

namespace troupe::sim {

class log_feed;
class lane_link;

inline const lane_topics pipeline_topics{"games", "troupe.games", "preds", "dsp.dlq"};

/// Where a process can be struck while it is about something that takes several requests.
enum class cut_point {
  produced,     ///< a lane: records are in its open transaction
  sending,      ///< their offsets are on the wire
  offsets_sent, ///< and their offsets, but it is not committed
  ending,       ///< the commit is on the wire
  committed,    ///< it is done, its answer is on the way
  revoked,      ///< the coordinator: partitions are taken away, nobody has them yet
  fenced,       ///< a lane is shut out, its partitions are not granted yet
};
struct trap {
  cut_point where;
  std::function<void(const process_ptr&)> strike;
};

class broker {
public:
  broker(world& w, checker& c, guarantee promised)
      : how(promised)
      , world_(w)
      , check_(c) {
    check_.watch(transactions);
    sweep();
  }

  const guarantee how;
  bool down = false;
  std::set<std::size_t> cut_off;               ///< nodes that can't reach it
  std::map<std::size_t, milliseconds> lagging; ///< nodes that get control records late
  unsigned commit_fails_percent = 0, append_fails_percent = 1;
  unsigned answers_lost_percent = 1; ///< of commits and fences
  sim_duration commit_delay{0};      ///< the longest that a commit is held up on its way
  std::optional<trap> next_trap;
  std::uint64_t control_epoch = 0; ///< of the newest control writer
  std::vector<std::weak_ptr<lane_link>> lanes;
  std::vector<std::weak_ptr<log_feed>> feeds;
  testing::fake_kafka store;
  sim::transactions transactions{store};
  std::map<std::int64_t, std::pair<std::string, std::vector<char>>> models; ///< by first offset
  std::uint64_t lanes_opened = 0;
  std::function<bool()> ruled = [] { return true; }; ///< somebody coordinates; for a canary

  [[nodiscard]] bool connected(const process_ptr& who) const { return !down && !cut_off.contains(who->node); }
  [[nodiscard]] bool reachable(const process_ptr& who) const { return connected(who) && who->alive && !who->frozen; }
  [[nodiscard]] world& room() { return world_; }
  [[nodiscard]] checker& check() { return check_; }

  std::int64_t append_row(std::int32_t partition, testing::fake_record record, bool bad, double sum);

  /// An outcome, inside the lane's transaction if it has such. False: its producer is fenced.
  bool write(lane_memory& lane, produce_record::target to, std::int32_t partition, testing::fake_record record) {
    bool output = to == produce_record::target::output;
    topic_partition where{output ? pipeline_topics.output_topic : pipeline_topics.dead_letter_topic, partition};
    auto copy = record;
    if (how == guarantee::exactly_once) {
      using answer = sim::transactions::answer;
      auto done = transactions.produce(lane.session, where, std::move(record), world_.now());
      if (done != answer::ok) return false;
      check_.outcome_appended(lane, to, partition, copy);
    } else {
      store.append(where.topic, where.partition, std::move(record));
      check_.outcome_appended(lane, to, partition, copy);
      check_.outcome_durable(lane, to, copy);
      check_.outcome_read(to, partition, copy, false);
    }
    return true;
  }
  void commit(lane_memory* lane, const std::string& group, const topic_partition& where, std::int64_t offset,
              const std::string& metadata) {
    store.groups[group][where] = {where, offset, metadata};
    check_.committed(lane, where, offset);
  }

  // ---- transactions of lanes
  producer_session init(const std::string& id) {
    auto session = transactions.init(id);
    read_outcomes();
    return session;
  }
  sim::transactions::answer commit_transaction(lane_memory& lane) {
    auto* open = transactions.open(lane.session.id);
    auto contents = open ? *open : transaction_contents{};
    auto answer = transactions.commit(lane.session);
    if (answer != sim::transactions::answer::ok) return answer;
    if (open) check_.transaction_committed(lane, contents, store);
    read_outcomes();
    return answer;
  }
  /// The lanes that died or were stopped while they were in the middle of a transaction: for the coverage.
  void struck(const process_ptr& who, const std::string& how_it_was_struck);
  void spring(cut_point where, const process_ptr& who) {
    if (!next_trap || next_trap->where != where) return;
    auto strike = std::move(next_trap->strike);
    next_trap.reset();
    // What is under way in this very call goes on to its end.
    world_.after(sim_duration{0}, [strike = std::move(strike), who] { strike(who); });
  }
  std::map<std::string, std::uint64_t> last_lanes;           ///< id -> epoch of its newest lane
  std::map<const process*, std::set<std::string>> fenced_by; ///< and not granted anew by it
  std::set<topic_partition> orphans; ///< taken away by a coordinator that died before anybody was shut out

  /// One transaction: the records, then its marker. Returns the offset of the first.
  std::int64_t append_control(std::span<const log_write> records);
  void append_lease(std::string value);
  /// Of each key only the last record is kept, but for the newest ones.
  void compact_control();
  /// Lanes of running processes that reach Kafka and read this partition.
  std::size_t readers_of(const topic_partition& where);

  /// Partitions of the outputs, and whether a reader is held up there.
  template <class What> void each_output(What what) {
    for (auto* topic : {&pipeline_topics.output_topic, &pipeline_topics.dead_letter_topic}) {
      auto known = store.topics.find(*topic);
      if (known == store.topics.end()) continue;
      for (std::size_t p = 0; p < known->second.size(); ++p) what({*topic, static_cast<std::int32_t>(p)});
    }
  }
  [[nodiscard]] bool reader_waits(const topic_partition& where) {
    return transactions.stable_end(where) < store.log(where.topic, where.partition).end;
  }

private:
  void news();
  /// What the broker does by itself.
  void sweep() {
    world_.after(100ms, [this] {
      sweep();
      if (down || how == guarantee::at_least_once) return;
      for (auto& id : transactions.expire(world_.now())) {
        world_.reached("transaction timed out by the broker");
        world_.note("the broker gives up on a transaction of " + id);
      }
      read_outcomes();
    });
  }
  /// What a read_committed reader of the outputs sees by now.
  void read_outcomes() {
    each_output([this](const topic_partition& where) {
      auto& position = read_to_[where];
      auto end = transactions.stable_end(where);
      if (end <= position) return;
      bool output = where.topic == pipeline_topics.output_topic;
      auto to = output ? produce_record::target::output : produce_record::target::dead_letter;
      for (auto* record : transactions.read_committed(where, position))
        check_.outcome_read(to, where.partition, *record, true);
      position = end;
    });
  }

  world& world_;
  checker& check_;
  std::map<topic_partition, std::int64_t> read_to_;
};

} // namespace troupe::sim
