#include "actors/ingest.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace troupe {

namespace ingest_detail {

namespace {

/// Rows turned into records and offered to the sink at once: what is made in vain is at most that when the sink is
/// full.
constexpr std::size_t produce_rows_max = 512;
constexpr milliseconds tick_interval{50};

bool may_read(ingest_state& state, mono_time now) {
  const auto& limits = state.dispatch.limits();
  return !state.paused && state.stopped_by_row.empty() && state.version.value != 0 &&
         state.table.any(hold_state::reading) && state.dispatch.can_read(now) &&
         state.builder.rows() + state.dispatch.rows() < limits.rows_max &&
         state.builder.bytes() + state.dispatch.bytes() < limits.bytes_max &&
         state.builder.rows() + state.ledger.uncommitted_rows() < state.cfg.uncommitted_rows_max &&
         // Until it is known how many partitions the output has, a row without a key has no place to keep its order in.
         state.ports.sink->partition_count(produce_record::target::output) > 0;
}

std::size_t drain(ingest_state& state, mono_time now) {
  const auto& cfg = state.cfg;
  auto rows = std::min<std::uint64_t>(
      {cfg.batch_rows_max - state.builder.rows(), cfg.dispatch.rows_max - state.dispatch.rows() - state.builder.rows(),
       cfg.uncommitted_rows_max - state.ledger.uncommitted_rows() - state.builder.rows()});
  auto bytes = cfg.batch_bytes_max - std::min<std::size_t>(cfg.batch_bytes_max, state.builder.bytes());
  bool was_empty = state.builder.empty();
  auto taken = state.ports.source->drain(rows, bytes, state.builder);
  if (was_empty && taken > 0) {
    state.filling_since = now;
    state.delay_armed = false;
  }
  state.counters.rows_read += taken;
  if (state.cfg.metrics) state.cfg.metrics->rows_read(taken);
  return taken;
}

void send_batches(ingest_pointer self, mono_time now) {
  auto& state = self->state;
  while (auto order = state.dispatch.next(now)) {
    auto& batch = state.batches[order->seq.value - state.batches.front().seq.value];
    batch.sent_at = now;
    auto& rows = order->local ? state.counters.rows_to_local : state.counters.rows_to_remote;
    rows += batch.size();
    self->send(state.scorers.at(order->scorer).handle,
               score_batch{batch.seq, order->attempt, state.cfg.pipeline, batch.version, batch.rows});
  }
}

// Wakes come from Kafka's threads and from here; between two full batches the mailbox gets its turn, so that answers,
// grants and revokes never wait behind a long backlog.
void read_rows(ingest_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  if (may_read(state, now) && drain(state, now) > 0) wake_self(self);
  if (!state.builder.empty()) {
    bool full = state.builder.rows() >= state.cfg.batch_rows_max || state.builder.bytes() >= state.cfg.batch_bytes_max;
    auto age = now - state.filling_since;
    bool more_may_come = state.table.any(hold_state::reading) && !state.paused;
    if (full || age >= state.cfg.queue_delay_max || !more_may_come) {
      seal(self);
    } else if (!state.delay_armed) {
      state.delay_armed = true;
      self->delayed_send(self, state.cfg.queue_delay_max - age, wake_atom::value);
    }
  }
  send_batches(self, now);
}

// ---- answers ------------------------------------------------------------------------------------------------------

bool is_whole(const scored_batch& answer, const lane_batch& batch) {
  return answer.outcomes && answer.outcomes->codes.size() == batch.size() &&
         answer.outcomes->ends.size() == batch.size();
}

/// What the answer keeps in memory until its rows are produced.
std::uint64_t outcome_bytes(const scored_batch& answer) {
  const auto& outcomes = *answer.outcomes;
  return outcomes.bytes.size() + outcomes.ends.size() * sizeof outcomes.ends.front() + outcomes.codes.size();
}

void observe_answer(ingest_state& state, const lane_batch& batch, std::uint64_t scoring_ns) {
  if (!state.cfg.metrics) return;
  using seconds = std::chrono::duration<double>;
  auto scoring = static_cast<double>(scoring_ns) * 1e-9;
  auto waiting = std::max(0.0, seconds{batch.scored_at - batch.read_at}.count() - scoring);
  state.cfg.metrics->observe(lane_metrics::step::waiting, batch.version, waiting, batch.size());
  state.cfg.metrics->observe(lane_metrics::step::scoring, batch.version, scoring, batch.size());
}

void take_answer(ingest_pointer self, const scored_batch& answer) {
  auto& state = self->state;
  auto now = self->clock().now();
  auto index = state.batches.empty() ? 0 : answer.seq.value - state.batches.front().seq.value;
  bool known = !state.batches.empty() && index < state.batches.size();
  bool usable = answer.status == scored_batch::status_kind::scored && known && is_whole(answer, state.batches[index]);
  if (!usable) {
    state.dispatch.not_ready(answer.seq, answer.attempt, now);
    return;
  }
  if (!state.dispatch.complete(answer.seq, answer.attempt, outcome_bytes(answer))) return;
  auto& batch = state.batches[index];
  batch.outcomes = answer.outcomes;
  batch.attempt = answer.attempt;
  batch.scored_at = now;
  observe_answer(state, batch, answer.scoring_ns);
}

// ---- producing ----------------------------------------------------------------------------------------------------

bool is_abandoned(const ingest_state& state, const row_meta& meta) {
  if (state.abandoned.empty()) return false;
  auto at = state.abandoned.find(meta.slot);
  return at != state.abandoned.end() && meta.offset >= at->second;
}

/// Makes records of the batch's next rows. Returns the rejection that stops the lane, if the last row has one.
std::optional<row_rejection> make_records(ingest_state& state, const lane_batch& batch) {
  auto& maker = *state.maker;
  maker.begin(batch, state.ports.transaction ? std::optional{state.transaction} : std::nullopt);
  auto end = std::min(batch.size(), batch.produced + produce_rows_max);
  for (auto row = batch.produced; row < end; ++row) {
    const auto& meta = batch.meta[row];
    const auto* partition = state.table.find(meta.slot);
    if (!partition || is_abandoned(state, meta)) {
      maker.abandon();
      continue;
    }
    auto why = maker.judge(row, partition->where);
    if (why.code == model::rejection::none)
      maker.predict(row, partition->where);
    else if (state.cfg.tolerate_bad_rows)
      maker.reject(row, partition->where, why);
    else
      return why;
  }
  return std::nullopt;
}

/// Counts the first `rows` of the rows just made, and tells the ledger about those that need no delivery.
void account(ingest_state& state, lane_batch& batch, std::size_t rows) {
  std::uint64_t predicted = 0, passed = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    auto fate = state.maker->fates()[i];
    using kind = row_fate::kind;
    if (fate.what == kind::predicted) ++predicted;
    if (fate.what == kind::skipped || fate.what == kind::abandoned) ++passed;
    if (fate.what != kind::dead_letter && fate.what != kind::skipped) continue;
    ++state.rejected[static_cast<std::size_t>(fate.code)];
    ++state.counters.rows_rejected;
    if (state.cfg.metrics) state.cfg.metrics->row_rejected(fate.code, fate.what == kind::dead_letter);
  }
  state.counters.rows_produced += predicted;
  if (state.cfg.metrics) state.cfg.metrics->rows_predicted(batch.version, predicted);
  batch.produced += rows;
  if (passed > 0) state.ledger.durable(batch.seq, static_cast<std::uint32_t>(passed));
}

/// True once all rows of the batch are with the sink.
bool produce(ingest_pointer self, lane_batch& batch) {
  auto& state = self->state;
  while (batch.produced < batch.size()) {
    auto stop = make_records(state, batch);
    auto records = state.maker->records();
    auto taken = records.empty() ? 0 : state.ports.sink->produce(records);
    state.undelivered += taken;
    bool all = taken == records.size();
    account(state, batch, all ? state.maker->fates().size() : state.maker->row_of(taken));
    if (!all) return false; // the sink wakes the lane when it has room again
    if (stop) {
      stop_at_row(self, batch.produced, *stop);
      return false;
    }
  }
  return true;
}

} // namespace

void end(ingest_pointer self, const std::string& why) {
  if (std::exchange(self->state.ended, true)) return;
  self->state.report_now = true; // how far it had read: the next lane has to get past that
  report_if_due(self);
  self->quit(caf::make_error(caf::sec::runtime_error, why));
}

void wake_self(ingest_pointer self) {
  if (!self->state.gate->waiting.exchange(true)) self->send(self, wake_atom::value);
}

void seal(ingest_pointer self) {
  auto& state = self->state;
  if (state.builder.empty()) return;
  auto rows = static_cast<std::uint32_t>(state.builder.rows());
  auto bytes = state.builder.bytes();
  auto batch = state.builder.seal();
  batch.seq = state.dispatch.add(rows, bytes);
  batch.version = state.version;
  batch.digest = state.digest;
  batch.read_at = state.filling_since;
  state.ledger.read(batch.seq, batch.version, batch.runs, rows);
  state.batches.push_back(std::move(batch));
  ++state.counters.batches;
}

void produce_finished(ingest_pointer self) {
  auto& state = self->state;
  while (state.dispatch.front()) {
    auto& batch = state.batches.front();
    if (batch.produced == 0 && !may_begin_batch(state)) return;
    if (!produce(self, batch)) return;
    if (state.cfg.metrics) state.produced.push_back({batch.seq, batch.version, batch.size(), batch.scored_at});
    state.dispatch.pop();
    state.batches.pop_front();
  }
  if (state.batches.empty()) state.abandoned.clear();
}

namespace {

// ---- the order of things ------------------------------------------------------------------------------------------

/// Everything that can go on, goes on. Called after each message.
void go_on(ingest_pointer self) {
  take_source_events(self);
  if (self->state.ended) return;
  take_deliveries(self);
  if (self->state.ended) return;
  take_transaction_events(self);
  if (self->state.ended) return;
  produce_finished(self);
  read_rows(self);
  commit_if_due(self);
  release_settled(self);
  report_if_due(self);
}

mono_time guard_time(ingest_pointer self) {
  auto& clock = self->state.cfg.guard_clock;
  return clock ? clock() : self->clock().now();
}

/// First thing in every handler: nothing is read or produced by a lane that has ended, or was frozen for so long that
/// its partitions may be somebody else's by now.
bool alive(ingest_pointer self) {
  auto& state = self->state;
  if (!state.ended && !state.guard.note(guard_time(self)))
    end(self, fmt::format("this lane stood still for more than {} ms (removal_timeout_ms), its partitions may be "
                          "somebody else's; it gives them up and waits for a new grant",
                          state.cfg.removal_timeout.count()));
  return !state.ended;
}

void drop_scorer(ingest_state& state, const scorer_key& key) {
  for (auto at = state.scorers.begin(); at != state.scorers.end();) {
    if (at->second.key != key) {
      ++at;
      continue;
    }
    state.dispatch.scorer_down(at->first);
    at = state.scorers.erase(at);
  }
}

/// One with a known key is another one: handles are equal by number, and after a reconnect the old one is dead.
void add_scorer(ingest_state& state, const scorer_up& up) {
  drop_scorer(state, up.key);
  auto number = state.next_scorer++;
  state.scorers[number] = {up.key, up.handle};
  state.dispatch.scorer_up(number, up.local);
}

/// What may be called from any thread, as long as the port lives, and longer: it holds no reference to the actor.
wake_fn make_wake(ingest_pointer self) {
  return [gate = self->state.gate, weak = caf::actor_cast<caf::actor_addr>(self)] {
    if (gate->waiting.exchange(true)) return;
    if (auto target = caf::actor_cast<caf::strong_actor_ptr>(weak))
      caf::anon_send(caf::actor_cast<ingest_actor>(target), wake_atom::value);
  };
}

void start(ingest_pointer self, ingest_config cfg, lane_owner_actor owner, lane_ports ports) {
  auto& state = self->state;
  state.cfg = std::move(cfg);
  state.owner = std::move(owner);
  state.ports = std::move(ports);
  state.guard = freeze_guard{state.cfg.removal_timeout};
  state.dispatch = dispatcher{state.cfg.dispatch};
  state.ledger = offset_ledger{state.cfg.model};
  state.maker.emplace(state.cfg, *state.ports.sink);
  state.builder.open(*state.ports.source, state.cfg.row_bytes_max, state.cfg.batch_rows_max, state.cfg.batch_bytes_max);
  state.guard.note(guard_time(self));
  state.ports.source->on_ready(make_wake(self));
  state.ports.sink->on_ready(make_wake(self));
  if (state.ports.transaction) {
    state.opened = false;
    state.opening_since = self->clock().now();
    state.ports.transaction->on_ready(make_wake(self));
  }
  self->delayed_send(self, tick_interval, tick_atom::value);
  wake_self(self);
}

} // namespace

} // namespace ingest_detail

using namespace ingest_detail;

ingest_actor::behavior_type ingest(ingest_pointer self, ingest_config cfg, lane_owner_actor owner, lane_ports ports) {
  self->set_default_handler(caf::drop);
  start(self, std::move(cfg), std::move(owner), std::move(ports));
  return {
      [self](const scored_batch& answer) {
        if (!alive(self)) return;
        take_answer(self, answer);
        go_on(self);
      },
      [self](const scorer_up& up) {
        if (!alive(self)) return;
        add_scorer(self->state, up);
        go_on(self);
      },
      [self](const scorer_down& down) {
        if (!alive(self)) return;
        drop_scorer(self->state, down.key);
        go_on(self);
      },
      [self](const lane_grant& order) {
        if (!alive(self)) return;
        grant(self, {order.where, order.offset, order.metadata, order.epoch});
        go_on(self);
      },
      [self](const lane_revoke& order) {
        if (!alive(self)) return;
        revoke(self, order);
        go_on(self);
      },
      [self](const lane_version& order) {
        if (!alive(self)) return;
        seal(self); // rows that were read before keep the version of that moment
        self->state.version = order.version;
        self->state.digest = std::make_shared<const std::string>(order.sha256);
        go_on(self);
      },
      [self](const lane_pause& order) {
        if (!alive(self)) return;
        note_epoch(self->state, order.epoch);
        self->state.paused = order.paused;
        if (!order.paused) resume(self);
        go_on(self);
      },
      [self](wake_atom) {
        self->state.gate->waiting = false; // before polling: what comes from now on is owed another wake
        if (alive(self)) go_on(self);
      },
      [self](tick_atom) {
        if (!alive(self)) return;
        self->delayed_send(self, tick_interval, tick_atom::value);
        self->state.dispatch.expire(self->clock().now());
        abandon_overdue(self);
        restamp_refused(self);
        go_on(self);
      },
  };
}

} // namespace troupe
