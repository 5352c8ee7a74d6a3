#pragma once
// The ports of a lane in the simulated world: its source and sink, and its transactions if it has such
// (lane_transactions.hpp).

#include "tests/simulation/kafka.hpp"

namespace troupe::sim {

/// Both ports of one lane. The actor's ends are thin; this goes on while requests are under way.
class lane_link : public std::enable_shared_from_this<lane_link> {
public:
  lane_link(broker& b, process_ptr who, lane_topics topics, generation_id generation)
      : kafka(b)
      , memory{std::move(who), generation, {topics.transactional_id, 0}, {}, {}, {}}
      , topics_(std::move(topics)) {}

  static constexpr sim_duration message_timeout = 10s;

  broker& kafka;
  lane_memory memory;
  bool source_open = true, sink_open = true, sink_fails = false, sink_lost = false;

  // ---- transactions
  struct commit_job {
    std::vector<committed_offset> offsets;
    std::uint64_t token = 0;
  };
  using job_ptr = std::shared_ptr<const commit_job>;
  static constexpr sim_duration commit_timeout = 10s;
  bool transaction_open = false; ///< the port is there
  std::vector<transaction_event> transaction_events;
  wake_fn wake_transaction;
  enum class step { idle, sending, offsets_sent, ending, committed } at = step::idle;
  void open_transactions();
  void commit(job_ptr job);

  struct slot_state {
    topic_partition where;
    std::int64_t next = 0, fetched = 0, end_told = -1;
    bool reading = true;
  };
  std::map<std::uint32_t, slot_state> slots;
  struct queued {
    produce_record::target to;
    std::int32_t partition;
    testing::fake_record record;
    std::uint64_t token;
    sim_time since;
  };
  std::deque<queued> queue;
  std::vector<source_event> events;
  std::vector<delivery> deliveries;
  wake_fn wake_source, wake_sink;
  bool has_metadata = false;

  [[nodiscard]] const process_ptr& who() const { return memory.who; }
  world& room() { return kafka.room(); }

  void open() {
    after_me(room().between(1ms, 60ms), [this] {
      has_metadata = true;
      wake();
    });
  }
  void wake() {
    if (source_open && wake_source) wake_source();
    if (sink_open && wake_sink) wake_sink();
    if (transaction_open && wake_transaction) wake_transaction();
  }
  void after_me(sim_duration delay, std::function<void()> what) {
    room().after(who(), delay, [me = shared_from_this(), what = std::move(what)] { what(); });
  }
  void fetch_soon(sim_duration most = 10ms) {
    if (std::exchange(fetching_, true)) return;
    after_me(room().between(0ms, most), [this] { fetch(); });
  }
  void commit(std::vector<partition_commit> offsets, std::uint64_t token) {
    request_commit(std::make_shared<const std::vector<partition_commit>>(std::move(offsets)), token, room().now() + 5s);
  }
  void flush_soon() {
    if (std::exchange(flushing_, true)) return;
    after_anyway(room().between(0ms, 8ms), [this] { flush(); });
  }
  const lane_topics& topics() const { return topics_; }

private:
  using offsets_ptr = std::shared_ptr<const std::vector<partition_commit>>;

  /// What is on the wire happens even if the process dies meanwhile; a frozen one goes on later.
  void after_anyway(sim_duration delay, std::function<void()> what) {
    room().after(delay, [me = shared_from_this(), what = std::move(what)]() mutable {
      if (me->who()->frozen)
        me->who()->thawed.push_back([me, what = std::move(what)] { what(); });
      else
        what();
    });
  }
  void fetch() {
    fetching_ = false;
    if (!source_open) return;
    if (!kafka.reachable(who())) {
      if (!std::exchange(disconnected_, true)) tell({source_event::kind::disconnected, 0, -1, 0, "no broker"});
      return fetch_soon(100ms);
    }
    if (std::exchange(disconnected_, false)) tell({source_event::kind::connected, 0, -1, 0, ""});
    for (auto& [number, slot] : slots)
      if (slot.reading) slot.fetched = kafka.store.log(slot.where.topic, slot.where.partition).end;
    wake();
  }
  void tell(source_event event) {
    events.push_back(std::move(event));
    wake();
  }
  void apply(const std::vector<partition_commit>& offsets) {
    for (auto& entry : offsets)
      kafka.commit(&memory, topics_.group_id, slots.at(entry.slot).where, entry.offset, entry.metadata);
  }
  void request_commit(offsets_ptr offsets, std::uint64_t token, sim_time give_up) {
    after_anyway(room().between(1ms, 20ms), [this, offsets, token, give_up] {
      bool on_the_wire = who()->alive && source_open;
      if (!on_the_wire && !room().chance(50)) return;
      if (kafka.down || kafka.cut_off.contains(who()->node)) {
        if (!on_the_wire) return;
        if (room().now() > give_up) return tell({source_event::kind::commit_failed, 0, -1, token, "timed out"});
        return request_commit(offsets, token, give_up);
      }
      bool failed = room().chance(kafka.commit_fails_percent);
      bool done = !failed || room().chance(50);
      if (done) apply(*offsets);
      if (failed) room().reached(done ? "commit done, answer lost" : "commit refused");
      auto kind = failed ? source_event::kind::commit_failed : source_event::kind::committed;
      after_me(room().between(0ms, 5ms), [this, kind, token] { tell({kind, 0, -1, token, "simulated"}); });
    });
  }
  void answer(std::size_t count, bool ok, const std::vector<std::uint64_t>& tokens) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!deliveries.empty() && deliveries.back().token == tokens[i] && deliveries.back().ok == ok)
        ++deliveries.back().count;
      else
        deliveries.push_back({tokens[i], 1, ok, ok ? "" : "simulated"});
    }
    wake();
  }
  void flush();
  /// False: the producer is fenced.
  bool write_front(std::size_t count);
  bool write(const queued& next);

  /// A request under way: a process that dies, or is frozen, has sent it, or has not.
  void on_the_wire(sim_duration delay, std::function<void()> what);
  sim_duration time_on_the_wire();
  void init();
  void send_offsets(const job_ptr& job);
  void end_transaction(const job_ptr& job);
  void transaction_ended(const job_ptr& job);
  void tell(transaction_event event);
  /// A request was refused because the producer is fenced. True: it was replaced, which is a canary.
  bool fenced(const std::string& doing);
  void lose(const std::string& why);

  lane_topics topics_;
  bool fetching_ = false, flushing_ = false, disconnected_ = false;
  bool transactions_lost_ = false;
  job_ptr committing_;
  sim_time answered_{};
};

inline bool lane_link::write(const queued& next) {
  if (kafka.write(memory, next.to, next.partition, next.record)) return true;
  return fenced("producing") && kafka.write(memory, next.to, next.partition, next.record);
}

inline bool lane_link::write_front(std::size_t count) {
  auto broken = room().broken_on_purpose;
  bool now = room().chance(3);
  if (broken == canary::swapped_rows && now && count > 1) std::swap(queue[0].record, queue[1].record);
  for (std::size_t i = 0; i < count; ++i) {
    auto next = std::move(queue.front());
    queue.pop_front();
    bool output = next.to == produce_record::target::output;
    if (broken == canary::lost_row && now && i == 0) continue;
    if (broken == canary::old_version && output && now)
      for (auto& [name, value] : next.record.headers)
        if (name == "troupe.model") value = "games@1";
    if (broken == canary::wrong_value && output && now && next.record.value)
      next.record.value = R"({"id":0,"pred":-12345.0})";
    if (!write(next)) return false;
    if (broken == canary::repeated_rows && now && !write(next)) return false;
  }
  if (kafka.how == guarantee::at_least_once) return true;
  if (broken == canary::split_transactions && now) kafka.commit_transaction(memory);
  if (broken == canary::hung_transaction && now)
    kafka.transactions.produce(kafka.transactions.init("nobody"), {topics_.output_topic, 0}, {}, room().now() + 24h);
  kafka.spring(cut_point::produced, who());
  return true;
}

inline void lane_link::flush() {
  flushing_ = false;
  if (queue.empty()) return;
  auto& random = room();
  if (!who()->alive || !sink_open) {
    // The last request may have been on the wire.
    if (!sink_lost && !kafka.down && !kafka.cut_off.contains(who()->node) && random.chance(50))
      write_front(random.pick(queue.size() + 1));
    queue.clear();
    return;
  }
  std::vector<std::uint64_t> tokens;
  for (auto& entry : queue) tokens.push_back(entry.token);
  bool reachable = kafka.reachable(who());
  if (sink_lost || sink_fails || (!reachable && random.now() - queue.front().since > message_timeout)) {
    if (!sink_lost) room().reached("delivery failed");
    sink_lost = true; // no gaps: after a failure nothing gets through any more
    queue.clear();
    return after_me(random.between(0ms, 5ms), [this, tokens] { answer(tokens.size(), false, tokens); });
  }
  if (!reachable) {
    flushing_ = true;
    return after_anyway(50ms, [this] { flush(); });
  }
  auto count = 1 + random.pick(queue.size());
  if (!write_front(count)) {
    queue.clear();
    lose("fenced");
    return after_me(random.between(0ms, 5ms), [this, tokens] { answer(tokens.size(), false, tokens); });
  }
  // Answers come in order: each connection is a queue.
  auto when = std::max(answered_, random.now() + random.between(0ms, 6ms));
  answered_ = when;
  after_me(when - random.now(), [this, count, tokens] { answer(count, true, tokens); });
  if (!queue.empty()) flush_soon();
}

class sim_source final : public row_source {
public:
  explicit sim_source(std::shared_ptr<lane_link> link)
      : link_(std::move(link)) {}
  ~sim_source() override {
    link_->source_open = false;
    link_->wake_source = nullptr;
  }
  void on_ready(wake_fn wake) override { link_->wake_source = std::move(wake); }
  void assign(std::span<const partition_start> starts) override {
    for (auto& start : starts) {
      TROUPE_ASSERT(!link_->slots.contains(start.slot) || !link_->slots[start.slot].reading);
      link_->slots[start.slot] = {start.where, start.offset, start.offset, -1, true};
      link_->memory.start_over(start.where);
    }
    link_->fetch_soon();
  }
  void unassign(std::span<const std::uint32_t> slots) override {
    if (link_->room().broken_on_purpose == canary::kept_partition) return;
    for (auto slot : slots) {
      auto& known = link_->slots.at(slot);
      known.reading = false;
      link_->memory.handed_out.erase(known.where);
    }
  }
  std::size_t drain(std::size_t max_rows, std::size_t max_bytes, row_visitor& visitor) override {
    std::size_t rows = 0, bytes = 0;
    auto turn = turn_++;
    auto broken = link_->room().broken_on_purpose;
    if (broken == canary::waiting_lanes && !link_->kafka.ruled()) return 0;
    if (broken == canary::greedy_source) max_rows *= 20;
    for (std::size_t i = 0; i < link_->slots.size(); ++i) {
      auto at = std::next(link_->slots.begin(), static_cast<std::ptrdiff_t>((turn + i) % link_->slots.size()));
      if (at->second.reading) drain_slot(at->first, at->second, max_rows, max_bytes, rows, bytes, visitor);
    }
    link_->kafka.check().handed_out(link_->memory);
    return rows;
  }
  std::vector<header_view> headers() override {
    std::vector<header_view> views;
    for (auto& [name, value] : current_->headers) views.push_back({name, value});
    return views;
  }
  void commit(std::span<const partition_commit> commits, std::uint64_t token) override {
    link_->commit({commits.begin(), commits.end()}, token);
  }
  void poll(std::vector<source_event>& events) override {
    events.insert(events.end(), link_->events.begin(), link_->events.end());
    link_->events.clear();
  }
  std::int64_t end_offset(std::uint32_t slot) override {
    auto at = link_->slots.find(slot);
    return at == link_->slots.end() ? -1 : at->second.fetched;
  }

private:
  void drain_slot(std::uint32_t number, lane_link::slot_state& slot, std::size_t max_rows, std::size_t max_bytes,
                  std::size_t& rows, std::size_t& bytes, row_visitor& visitor) {
    auto& log = link_->kafka.store.log(slot.where.topic, slot.where.partition);
    auto at = std::lower_bound(
        log.records.begin(), log.records.end(), slot.next,
        [](const testing::fake_record& record, std::int64_t offset) { return record.offset < offset; });
    for (; at != log.records.end() && at->offset < slot.fetched && rows < max_rows && bytes < max_bytes; ++at, ++rows) {
      current_ = &*at;
      visitor.row({number, at->offset, at->timestamp_ms, at->key, at->value, !at->headers.empty()});
      bytes += at->value.value_or("").size();
      slot.next = at->offset + 1;
      link_->memory.handed_out[slot.where].insert(at->offset);
      if (link_->room().broken_on_purpose == canary::early_commit && link_->room().chance(5))
        link_->kafka.commit(&link_->memory, link_->topics().group_id, slot.where, slot.next, "");
    }
    bool at_end = at == log.records.end() || at->offset >= slot.fetched;
    if (!at_end || slot.end_told == slot.fetched) return;
    slot.next = std::max(slot.next, slot.fetched);
    slot.end_told = slot.fetched;
    link_->events.push_back({source_event::kind::end_of_partition, number, slot.fetched, 0, ""});
    link_->wake();
  }

  std::shared_ptr<lane_link> link_;
  const testing::fake_record* current_ = nullptr;
  std::size_t turn_ = 0;
};

class sim_sink final : public row_sink {
public:
  explicit sim_sink(std::shared_ptr<lane_link> link)
      : link_(std::move(link)) {}
  ~sim_sink() override {
    link_->sink_open = false;
    link_->wake_sink = nullptr;
  }
  void on_ready(wake_fn wake) override { link_->wake_sink = std::move(wake); }
  std::size_t produce(std::span<const produce_record> records) override {
    constexpr std::size_t queue_max = 300;
    std::size_t taken = 0;
    for (; taken < records.size() && link_->queue.size() < queue_max; ++taken)
      link_->queue.push_back(copy(records[taken]));
    if (taken > 0) link_->flush_soon();
    if (taken < records.size()) link_->after_me(10ms, [link = link_] { link->wake(); });
    return taken;
  }
  void poll(std::vector<delivery>& deliveries) override {
    deliveries.insert(deliveries.end(), link_->deliveries.begin(), link_->deliveries.end());
    link_->deliveries.clear();
  }
  std::int32_t partition_count(produce_record::target to) override {
    if (!link_->has_metadata) return 0;
    auto& name =
        to == produce_record::target::output ? link_->topics().output_topic : link_->topics().dead_letter_topic;
    return static_cast<std::int32_t>(link_->kafka.store.topics.at(name).size());
  }
  std::size_t record_bytes_max(produce_record::target) override { return 1u << 20; }
  bool needs_key(produce_record::target) override { return false; }

private:
  lane_link::queued copy(const produce_record& from) {
    testing::fake_record record;
    if (from.key) record.key = std::string{*from.key};
    if (!from.null_value) record.value = std::string{from.value};
    record.timestamp_ms = from.timestamp_ms;
    for (auto& header : from.headers)
      record.headers.emplace_back(std::string{header.name},
                                  header.value ? std::optional{std::string{*header.value}} : std::nullopt);
    auto count = static_cast<std::size_t>(partition_count(from.to));
    auto partition =
        from.partition >= 0 ? from.partition : testing::fake_kafka::partition_of(record.key.value_or(""), count);
    return {from.to, partition, std::move(record), from.token, link_->room().now()};
  }
  std::shared_ptr<lane_link> link_;
};

inline std::int64_t broker::append_row(std::int32_t partition, testing::fake_record record, bool bad, double sum) {
  auto offset = store.append("dsp", partition, std::move(record));
  check_.row_appended({"dsp", partition}, offset, bad, sum);
  for (auto& lane : lanes)
    if (auto link = lane.lock(); link && link->source_open) link->fetch_soon();
  return offset;
}

inline void broker::struck(const process_ptr& who, const std::string& how_it_was_struck) {
  if (how == guarantee::at_least_once) return;
  for (auto& lane : lanes) {
    auto link = lane.lock();
    if (!link || link->who() != who || !link->transaction_open) continue;
    auto& session = link->memory.session;
    bool has_records = transactions.epoch(session.id) == session.epoch && transactions.open(session.id) &&
                       !transactions.open(session.id)->records.empty();
    auto in = [&](const char* place) { world_.reached(how_it_was_struck + " " + place); };
    using step = lane_link::step;
    bool killed = how_it_was_struck == "killed", frozen = how_it_was_struck == "frozen";
    if (has_records) in("inside an open transaction");
    if (link->at == step::sending && (killed || frozen)) in("before its offsets were sent");
    if (link->at == step::offsets_sent && (killed || frozen)) in("between offsets and commit");
    if (link->at == step::ending && killed) in("with the commit on the wire");
    if (link->at == step::committed && (killed || frozen)) in("after the commit, before its answer");
  }
}

inline std::size_t broker::readers_of(const topic_partition& where) {
  std::size_t count = 0;
  for (auto& lane : lanes) {
    auto link = lane.lock();
    if (!link || !link->source_open || !reachable(link->who())) continue;
    for (auto& [number, slot] : link->slots) count += slot.reading && slot.where == where ? 1 : 0;
  }
  return count;
}

} // namespace troupe::sim
