// The control side of a lane: partitions come and go, the owner is told.
#include <algorithm>

#include <fmt/format.h>

#include "actors/ingest.hpp"

namespace troupe {

ingest_state::~ingest_state() {
  if (cfg.metrics) cfg.metrics->lane_ended();
}

namespace ingest_detail {

namespace {

void join(std::string& text, const std::string& sentence) {
  if (sentence.empty()) return;
  if (!text.empty()) text += "; ";
  text += sentence;
}

void stop_reading(ingest_pointer self, std::uint32_t slot) {
  seal(self); // the open batch may have rows of it, which the ledger has to know before it calls the slot drained
  self->state.ports.source->unassign(std::span{&slot, 1});
  self->state.denied.erase(slot);
  self->state.draining_since[slot] = self->clock().now();
}

/// Why batches are not scored though there are scorers, if it is so for a while.
std::string refusal(const ingest_state& state, mono_time now) {
  constexpr milliseconds patience{1000};
  auto seq = state.dispatch.refused(now - patience);
  if (!seq) return "";
  auto version = state.batches[seq->value - state.batches.front().seq.value].version;
  auto text = fmt::format("rows wait for {}@{}, which no scorer has", state.cfg.model, version.value);
  if (version == state.version) return text;
  return text + fmt::format("; if that goes on, {}@{} scores them", state.cfg.model, state.version.value);
}

lane_report make_report(ingest_state& state, mono_time now) {
  lane_report report;
  report.pipeline = state.cfg.pipeline;
  report.generation = state.cfg.generation;
  for (const auto& [slot, partition] : state.table.held())
    report.holding.push_back({partition.where, state.ledger.position(slot), state.ledger.committed(slot),
                              state.ports.source->end_offset(slot)});
  report.stopped_by_row = !state.stopped_by_row.empty();
  report.opened = state.opened;
  join(report.problem, state.stopped_by_row);
  join(report.problem, state.table.problem());
  if (!state.denied.empty()) {
    join(report.problem, state.denied.begin()->second);
    if (state.denied.size() > 1) report.problem += fmt::format(", as of {} more partitions", state.denied.size() - 1);
  }
  join(report.problem, state.disconnected);
  if (!state.opened && now - state.opening_since > state.cfg.opening_limit)
    join(report.problem, "Kafka has not opened the lane's transactions yet; trying again");
  join(report.problem, state.commit_problem);
  join(report.problem, refusal(state, now));
  return report;
}

lane_counters make_counters(ingest_state& state) {
  auto counters = state.counters;
  counters.redispatched = state.dispatch.count().redispatched;
  counters.rows_inflight = state.dispatch.rows() + state.builder.rows();
  counters.bytes_inflight = state.dispatch.bytes() + state.builder.bytes();
  counters.rows_uncommitted = state.ledger.uncommitted_rows() + state.builder.rows();
  for (std::size_t code = 1; code < state.rejected.size(); ++code)
    if (state.rejected[code] > 0)
      counters.rejected_by_code.emplace_back(to_string(static_cast<model::rejection>(code)), state.rejected[code]);
  return counters;
}

void update_metrics(ingest_state& state, mono_time now) {
  if (!state.cfg.metrics) return;
  auto& metrics = *state.cfg.metrics;
  const auto& dispatch = state.dispatch;
  metrics.set({dispatch.credits(now), dispatch.rows(), dispatch.bytes(), state.ledger.uncommitted_rows(),
               dispatch.queued(), dispatch.batches()});
  metrics.batch_redispatched(dispatch.count().redispatched -
                             std::exchange(state.redispatched_seen, dispatch.count().redispatched));
  metrics.late_answers(dispatch.count().late - std::exchange(state.late_seen, dispatch.count().late));
  metrics.stale_orders(state.table.stale() - std::exchange(state.stale_seen, state.table.stale()));
  std::int64_t lag_max = 0;
  for (const auto& [slot, partition] : state.table.held()) {
    auto end = state.ports.source->end_offset(slot);
    if (end < 0) continue;
    auto committed = state.ledger.committed(slot);
    auto lag = std::max<std::int64_t>(0, end - (committed >= 0 ? committed : state.ledger.watermark(slot)));
    metrics.set_lag(partition.where, lag);
    lag_max = std::max(lag_max, lag);
  }
  metrics.set_lag_max(lag_max);
}

void observe_durable(ingest_state& state, mono_time now) {
  while (!state.produced.empty() && state.produced.front().seq.value < state.ledger.durable_below()) {
    const auto& batch = state.produced.front();
    state.cfg.metrics->observe(lane_metrics::step::producing, batch.version,
                               std::chrono::duration<double>{now - batch.scored_at}.count(), batch.rows);
    state.produced.pop_front();
  }
}

void take(ingest_pointer self, const source_event& event) {
  auto& state = self->state;
  using kind = source_event::kind;
  switch (event.what) {
  case kind::end_of_partition:
    // Rows of the open batch come before the end, so the mark goes behind them.
    if (!state.builder.empty())
      state.builder.mark(event.slot, event.offset);
    else
      state.ledger.end_of_partition(event.slot, event.offset);
    return;
  case kind::committed:
  case kind::commit_failed:
    return take_commit(self, event);
  case kind::partition_error:
    // Asked to go on: the next generation is granted a start that is still there.
    if (!state.cfg.fail_on_data_loss) return end(self, event.message);
    if (state.table.fail(event.slot, event.message)) state.report_now = true;
    return;
  case kind::denied:
    state.denied[event.slot] = event.message;
    state.report_now = true;
    return;
  case kind::allowed:
    state.denied.erase(event.slot);
    state.report_now = true;
    return;
  case kind::disconnected:
    state.disconnected = fmt::format("Kafka can't be reached ({}); trying again", event.message);
    state.report_now = true;
    return;
  case kind::connected:
    state.disconnected.clear();
    state.report_now = true;
    return;
  case kind::fatal:
    return end(self, fmt::format("the source is lost: {}", event.message));
  }
}

/// Where the first row of the slot is that is not with the sink yet; the position if there is none.
std::int64_t first_unproduced(const ingest_state& state, std::uint32_t slot) {
  for (const auto& batch : state.batches)
    for (auto row = batch.produced; row < batch.size(); ++row)
      if (batch.meta[row].slot == slot) return batch.meta[row].offset;
  return state.ledger.position(slot);
}

/// Runs of the first `rows` rows of the batch, without those that were abandoned.
std::vector<offset_run> runs_before(const ingest_state& state, const lane_batch& batch, std::size_t rows) {
  std::vector<offset_run> runs;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto& meta = batch.meta[row];
    auto left = state.abandoned.find(meta.slot);
    if (left != state.abandoned.end() && meta.offset >= left->second) continue;
    if (!runs.empty() && runs.back().slot == meta.slot) {
      runs.back().last = meta.offset;
      ++runs.back().rows;
    } else {
      runs.push_back({meta.slot, meta.offset, meta.offset, 1});
    }
  }
  return runs;
}

} // namespace

void note_epoch(ingest_state& state, control_offset epoch) {
  if (epoch <= state.seen) return;
  state.seen = epoch;
  state.report_now = true;
}

void grant(ingest_pointer self, const partition_grant& grant) {
  auto& state = self->state;
  note_epoch(state, grant.epoch);
  auto decision = state.table.grant(grant);
  using kind = lane_table::decision::kind;
  if (decision.what == kind::drain) stop_reading(self, decision.slot);
  if (decision.what != kind::start) return;
  state.ledger.grant(decision.slot, grant.offset, grant.metadata, self->clock().now());
  partition_start start{decision.slot, grant.where, grant.offset};
  state.ports.source->assign(std::span{&start, 1});
  state.report_now = true;
}

void revoke(ingest_pointer self, const lane_revoke& order) {
  note_epoch(self->state, order.epoch);
  auto decision = self->state.table.revoke(order.where, order.epoch);
  if (decision.what == lane_table::decision::kind::drain) stop_reading(self, decision.slot);
}

void resume(ingest_pointer self) {
  auto& state = self->state;
  if (state.stopped_by_row.empty()) return;
  state.stopped_by_row.clear();
  state.report_now = true;
  // The source is ahead of the row that stopped the lane: it starts over there.
  std::vector<std::uint32_t> slots;
  std::vector<partition_start> starts;
  for (const auto& [slot, partition] : state.table.held()) {
    if (partition.state != hold_state::reading) continue;
    slots.push_back(slot);
    starts.push_back({slot, partition.where, state.ledger.position(slot)});
  }
  state.ports.source->unassign(slots);
  state.ports.source->assign(starts);
  state.denied.clear();
}

void take_source_events(ingest_pointer self) {
  auto& state = self->state;
  state.events.clear();
  state.ports.source->poll(state.events);
  for (const auto& event : state.events)
    if (!state.ended) take(self, event);
}

void take_deliveries(ingest_pointer self) {
  auto& state = self->state;
  state.deliveries.clear();
  state.ports.sink->poll(state.deliveries);
  for (const auto& delivery : state.deliveries) {
    state.undelivered -= delivery.count;
    bool dead_letter = token_is_dead_letter(delivery.token);
    if (delivery.ok) {
      state.ledger.durable(token_batch(delivery.token), delivery.count);
      continue;
    }
    if (dead_letter && state.cfg.metrics) state.cfg.metrics->dead_letter_failed(delivery.count);
    return end(self, fmt::format("{} {} could not be written: {}", delivery.count,
                                 dead_letter ? "dead letters" : "predictions", delivery.message));
  }
  if (state.cfg.metrics) observe_durable(state, self->clock().now());
}

void abandon_overdue(ingest_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  for (auto [slot, since] : state.draining_since) {
    if (now - since < state.cfg.drain_limit || state.abandoned.contains(slot) || state.ledger.drained(slot)) continue;
    seal(self);
    auto from = first_unproduced(state, slot);
    state.ledger.abandon(slot, from);
    if (!state.batches.empty()) state.abandoned[slot] = from;
  }
}

// Several versions may have come into force while a batch waited; nodes keep the last two. What was read after it goes
// along, even where it is scored already: within a partition versions never go back (I4).
void restamp_refused(ingest_pointer self) {
  auto& state = self->state;
  auto first = state.dispatch.refused(self->clock().now() - state.cfg.version_limit);
  if (!first) return;
  auto at = first->value - state.batches.front().seq.value;
  if (state.batches[at].version == state.version) return;
  state.ledger.restamp(*first, state.version);
  for (; at < state.batches.size(); ++at) {
    auto& batch = state.batches[at];
    if (batch.version == state.version) continue;
    batch.version = state.version;
    batch.outcomes = {};
    state.dispatch.again(batch.seq);
  }
}

void release_settled(ingest_pointer self) {
  auto& state = self->state;
  std::vector<partition_grant> again;
  for (auto at = state.draining_since.begin(); at != state.draining_since.end();) {
    auto slot = at->first;
    if (!state.ledger.settled(slot)) {
      ++at;
      continue;
    }
    if (state.cfg.metrics) state.cfg.metrics->forget(state.table.find(slot)->where);
    auto committed = state.ledger.committed(slot);
    if (auto next = state.table.drained(slot)) {
      next->offset = std::max(next->offset, committed);
      again.push_back(std::move(*next));
    }
    state.ledger.release(slot);
    at = state.draining_since.erase(at);
    state.report_now = true;
  }
  for (const auto& next : again) grant(self, next);
}

void stop_at_row(ingest_pointer self, std::size_t row, const row_rejection& why) {
  auto& state = self->state;
  auto& batch = state.batches.front();
  const auto& meta = batch.meta[row];
  state.stopped_by_row =
      fmt::format("pipeline {} stopped at {} offset {}: {}: {}", state.cfg.pipeline,
                  to_string(state.table.find(meta.slot)->where), meta.offset, to_string(why.code), why.message);
  ++state.rejected[static_cast<std::size_t>(why.code)];
  ++state.counters.rows_rejected;
  state.report_now = true;
  state.ledger.cut(batch.seq, runs_before(state, batch, row), static_cast<std::uint32_t>(row));
  state.dispatch.clear();
  state.batches.clear();
  state.builder.discard();
  state.abandoned.clear();
}

void report_if_due(ingest_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  if (!state.report_now && now < state.next_report) return;
  state.report_now = false;
  state.next_report = now + state.cfg.report_interval;
  update_metrics(state, now);
  self->send(state.owner, lane_state{make_report(state, now), make_counters(state), state.seen});
}

} // namespace ingest_detail

} // namespace troupe
