// How a lane commits. At least once: offsets follow the durable outcomes, through the source. Exactly once: the
// outcomes and the offsets of their rows are one transaction. It takes batches as they are scored; when it is due it
// takes no more, waits until all its records are delivered, and is committed. Scoring goes on meanwhile, its outcomes
// wait.
#include <algorithm>

#include <fmt/format.h>

#include "actors/ingest.hpp"
#include "base/assert.hpp"

namespace troupe::ingest_detail {

namespace {

/// How long a revoked partition is kept whose commits are refused for good.
constexpr milliseconds refused_commit_limit{5000};

/// Nobody will ever commit a partition whose commits are refused for good, once it was stopped with an alarm, or has
/// been on its way out for long.
bool is_past_committing(const ingest_state& state, std::uint32_t slot, mono_time now) {
  const auto* partition = state.table.find(slot);
  if (!partition || !partition->problem.empty()) return true;
  auto since = state.draining_since.find(slot);
  return since != state.draining_since.end() && now - since->second >= refused_commit_limit;
}

/// Waiting for the interval has no point: somebody waits for the partitions, or the bound is near.
bool is_urgent(const ingest_state& state) {
  return !state.draining_since.empty() || !state.stopped_by_row.empty() ||
         state.ledger.uncommitted_rows() * 2 > state.cfg.uncommitted_rows_max;
}

void commit_transaction_if_due(ingest_pointer self) {
  auto& state = self->state;
  auto now = self->clock().now();
  if (!state.opened || state.ledger.commit_in_flight()) return;
  state.closing = state.closing || now >= state.next_commit || is_urgent(state);
  bool inside_a_batch = !state.batches.empty() && state.batches.front().produced > 0;
  if (!state.closing || inside_a_batch || state.undelivered > 0) return;
  // What is delivered is all that was produced: its offsets and its records are one.
  state.closing = false;
  state.next_commit = now + state.cfg.commit_interval;
  auto plan = state.ledger.begin_commit(now);
  if (!plan) return;
  std::vector<transaction_offset> offsets;
  for (auto& [slot, offset, metadata] : plan->offsets)
    offsets.push_back({state.table.find(slot)->where, offset, std::move(metadata)});
  state.ports.transaction->commit(std::move(offsets), plan->token);
}

} // namespace

bool may_begin_batch(const ingest_state& state) {
  return !state.ports.transaction || (!state.closing && !state.ledger.commit_in_flight());
}

/// A commit is over. One partition's refusal holds up nobody else: it alone is committed again, or given up.
void take_commit(ingest_pointer self, const source_event& event) {
  auto& state = self->state;
  auto now = self->clock().now();
  bool failed = event.what == source_event::kind::commit_failed;
  std::string problem = failed && event.refused.empty() ? event.message : "";
  std::vector<std::uint32_t> refused;
  for (const auto& one : event.refused) {
    refused.push_back(one.slot);
    if (one.for_good && is_past_committing(state, one.slot, now))
      state.ledger.give_up(one.slot);
    else if (problem.empty())
      problem = one.message;
  }
  if (failed)
    state.ledger.commit_failed(event.token);
  else
    state.ledger.commit_done(event.token, refused);
  state.report_now |= problem.empty() != state.commit_problem.empty();
  state.commit_problem.clear();
  if (problem.empty()) return;
  state.commit_after = now + state.cfg.commit_retry;
  state.commit_problem = fmt::format("offsets can't be committed ({}); trying again", problem);
}

void commit_if_due(ingest_pointer self) {
  auto& state = self->state;
  if (state.ports.transaction) return commit_transaction_if_due(self);
  auto now = self->clock().now();
  if (state.ledger.commit_in_flight() || now < state.commit_after) return;
  if (now < state.next_commit && !is_urgent(state)) return;
  auto plan = state.ledger.begin_commit(now);
  if (!plan) return;
  state.next_commit = now + state.cfg.commit_interval;
  state.ports.source->commit(plan->offsets, plan->token);
}

void take_transaction_events(ingest_pointer self) {
  auto& state = self->state;
  if (!state.ports.transaction) return;
  state.transaction_events.clear();
  state.ports.transaction->poll(state.transaction_events);
  for (const auto& event : state.transaction_events) {
    using kind = transaction_event::kind;
    switch (event.what) {
    case kind::opened:
      state.opened = state.report_now = true;
      break;
    case kind::committed:
      state.ledger.commit_done(event.token);
      ++state.transaction;
      break;
    case kind::lost:
      return end(self, event.message);
    }
  }
}

} // namespace troupe::ingest_detail
