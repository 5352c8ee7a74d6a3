#pragma once
// Transactions of a lane in the simulated world: row_transaction (cluster/ports.hpp). Each is some requests after
// another, and each of those takes a while, is refused, is held up, or is answered by nobody. What the port promises is
// what kafka/transaction.cpp makes of librdkafka: a commit whose outcome is not known is repeated or is the end of the
// producer, and the end of it comes at the latest when the broker has given up on the transaction.

#include "tests/simulation/lane.hpp"

namespace troupe::sim {

inline void lane_link::on_the_wire(sim_duration delay, std::function<void()> what) {
  bool sent = room().chance(50); // before whatever happens to the process
  room().after(delay, [me = shared_from_this(), sent, what = std::move(what)]() mutable {
    auto& who = *me->who();
    if (!who.alive && !sent) return;
    if (who.frozen && !sent)
      who.thawed.push_back([me, what = std::move(what)] { what(); });
    else
      what();
  });
}

inline sim_duration lane_link::time_on_the_wire() {
  bool held_up = kafka.commit_delay > sim_duration{0} && room().chance(30);
  return held_up ? room().between(1s, kafka.commit_delay) : room().between(1ms, 15ms);
}

inline void lane_link::tell(transaction_event event) {
  transaction_events.push_back(std::move(event));
  wake();
}

inline void lane_link::lose(const std::string& why) {
  if (std::exchange(transactions_lost_, true)) return;
  sink_lost = true;
  committing_.reset();
  at = step::idle;
  if (!who()->alive || !transaction_open) return;
  room().note("transactions of " + topics_.transactional_id + " are lost: " + why);
  after_me(0ms, [this, why] { tell({transaction_event::kind::lost, 0, why}); });
}

inline bool lane_link::fenced(const std::string& doing) {
  if (who()->freezes > 0 && who()->alive) room().reached("zombie woke and was fenced");
  if (room().broken_on_purpose == canary::kept_generation && who()->alive) {
    init();
    return true;
  }
  lose(doing + ": fenced");
  return false;
}

inline void lane_link::init() {
  auto& id = topics_.transactional_id;
  auto& last = kafka.last_lanes[id];
  if (last > 0 && last == kafka.transactions.epoch(id)) {
    room().reached("lane reopened and fenced its predecessor");
    if (kafka.transactions.open(id)) room().reached("lane reopened and aborted its predecessor's transaction");
    if (room().broken_on_purpose == canary::opened_unfenced) {
      memory.session.epoch = last;
      return;
    }
  }
  memory.session = kafka.init(id);
  last = memory.session.epoch;
}

inline void lane_link::open_transactions() {
  transaction_open = true;
  after_me(room().between(1ms, 60ms), [this] {
    if (!transaction_open || transactions_lost_) return;
    if (!kafka.reachable(who())) return open_transactions();
    // What is open under the id has to be aborted first, and the client asks again only after a while.
    auto takes = kafka.transactions.open(topics_.transactional_id) ? 500ms : room().between(0ms, 5ms);
    init();
    after_me(takes, [this] { tell({transaction_event::kind::opened, 0, {}}); });
  });
}

inline void lane_link::commit(job_ptr job) {
  TROUPE_ASSERT(!committing_ && queue.empty());
  if (transactions_lost_) return;
  committing_ = job;
  after_me(commit_timeout, [this, job] {
    if (committing_ != job) return;
    if (kafka.connected(who())) room().reached("commit held up for longer than a transaction may take");
    lose("a commit is not over after 10 s");
  });
  send_offsets(job);
}

inline void lane_link::send_offsets(const job_ptr& job) {
  if (job->offsets.empty()) return end_transaction(job);
  at = step::sending;
  kafka.spring(cut_point::sending, who());
  on_the_wire(time_on_the_wire(), [this, job] {
    bool wanted = who()->alive && committing_ == job;
    if (!kafka.connected(who())) {
      if (wanted) after_me(50ms, [this, job] { send_offsets(job); });
      return;
    }
    if (room().broken_on_purpose == canary::outside_offsets)
      for (auto& one : job->offsets) kafka.commit(&memory, topics_.group_id, one.where, *one.offset, one.metadata);
    auto& all = kafka.transactions;
    using answer = transactions::answer;
    if (all.add_offsets(memory.session, topics_.group_id, job->offsets, room().now()) != answer::ok) {
      if (fenced("sending offsets")) send_offsets(job);
      return;
    }
    at = step::offsets_sent;
    kafka.spring(cut_point::offsets_sent, who());
    after_me(room().between(0ms, 5ms), [this, job] {
      if (committing_ == job) end_transaction(job);
    });
  });
}

inline void lane_link::end_transaction(const job_ptr& job) {
  at = step::ending;
  kafka.spring(cut_point::ending, who());
  on_the_wire(time_on_the_wire(), [this, job] {
    bool wanted = who()->alive && committing_ == job;
    if (!kafka.connected(who())) {
      if (wanted) after_me(50ms, [this, job] { end_transaction(job); });
      return;
    }
    auto answer = kafka.commit_transaction(memory);
    if (answer != transactions::answer::ok) {
      if (!wanted) return room().reached("late commit was refused");
      if (fenced("committing")) end_transaction(job);
      return;
    }
    if (!who()->alive) return room().reached("commit of a dead node arrived");
    at = step::committed;
    kafka.spring(cut_point::committed, who());
    if (wanted) transaction_ended(job);
  });
  if (room().broken_on_purpose == canary::reused_producer && room().chance(20))
    on_the_wire(room().between(20ms, 300ms), [this] { kafka.commit_transaction(memory); });
}

inline void lane_link::transaction_ended(const job_ptr& job) {
  if (!room().chance(kafka.answers_lost_percent))
    return after_me(room().between(0ms, 5ms), [this, job] {
      if (committing_ != job) return;
      committing_.reset();
      at = step::idle;
      tell({transaction_event::kind::committed, job->token, {}});
    });
  bool repeated = room().chance(50);
  room().reached(repeated ? "commit answer lost, commit repeated" : "commit answer lost, lane lost");
  after_me(room().between(100ms, 1s), [this, job, repeated] {
    if (committing_ != job) return;
    if (repeated)
      end_transaction(job);
    else
      lose("what became of a commit is not known");
  });
}

class sim_transaction final : public row_transaction {
public:
  explicit sim_transaction(std::shared_ptr<lane_link> link)
      : link_(std::move(link)) {}
  ~sim_transaction() override {
    link_->transaction_open = false;
    link_->wake_transaction = nullptr;
  }
  void on_ready(wake_fn wake) override { link_->wake_transaction = std::move(wake); }
  void commit(std::vector<transaction_offset> offsets, std::uint64_t token) override {
    auto job = std::make_shared<lane_link::commit_job>();
    job->token = token;
    for (auto& one : offsets) job->offsets.push_back({one.where, one.offset, std::move(one.metadata)});
    link_->commit(std::move(job));
  }
  void poll(std::vector<transaction_event>& events) override {
    events.insert(events.end(), link_->transaction_events.begin(), link_->transaction_events.end());
    link_->transaction_events.clear();
  }

private:
  std::shared_ptr<lane_link> link_;
};

/// Opens a lane as kafka/lane.cpp does.
inline lane_ports open_lane(broker& kafka, const process_ptr& who, const lane_topics& topics,
                            generation_id generation) {
  auto link = std::make_shared<lane_link>(kafka, who, topics, generation);
  ++kafka.lanes_opened;
  std::erase_if(kafka.lanes, [](auto& old) { return old.expired(); });
  kafka.lanes.push_back(link);
  link->open();
  lane_ports ports{std::make_unique<sim_source>(link), std::make_unique<sim_sink>(link)};
  if (topics.transactional_id.empty()) return ports;
  ports.transaction = std::make_unique<sim_transaction>(link);
  link->open_transactions();
  return ports;
}

} // namespace troupe::sim
