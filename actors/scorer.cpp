#include "actors/scorer.hpp"

#include <utility>

namespace troupe {

namespace {

std::uint64_t now_ns(const scorer_config& cfg) { return cfg.now_ns ? cfg.now_ns() : 0; }

scored_batch answer(scorer_state& state, const score_batch& batch) {
  scored_batch reply;
  reply.seq = batch.seq;
  reply.attempt = batch.attempt;
  auto session = state.sessions.find({batch.pipeline, batch.version});
  if (session == state.sessions.end() || !batch.rows) {
    reply.status = scored_batch::status_kind::not_ready;
    return reply;
  }
  auto started = now_ns(state.cfg);
  auto outcomes = std::make_shared<model::outcome_block>();
  outcomes->bytes.reserve(state.bytes_last + state.bytes_last / 4);
  outcomes->ends.reserve(batch.rows->ends.size());
  outcomes->codes.reserve(batch.rows->ends.size());
  session->second.score(batch.rows->bytes, batch.rows->ends, *outcomes);
  state.bytes_last = outcomes->bytes.size();
  reply.scoring_ns = now_ns(state.cfg) - started;
  reply.outcomes.block = std::move(outcomes);
  if (auto& totals = state.cfg.totals) {
    totals->rows += batch.rows->ends.size();
    ++totals->batches;
    totals->busy_ns += reply.scoring_ns;
  }
  return reply;
}

} // namespace

scorer_actor::behavior_type scorer(scorer_actor::stateful_pointer<scorer_state> self, scorer_config cfg) {
  self->state.cfg = std::move(cfg);
  self->set_default_handler(caf::drop);
  return {
      [self](const score_batch& batch) { return answer(self->state, batch); },
      [self](const use_plan& use) {
        self->state.sessions.insert_or_assign({use.pipeline, use.version}, model::scoring_session{use.plan});
      },
      [self](const drop_plan& drop) {
        self->state.sessions.erase({drop.pipeline, drop.version});
      },
      [self](const introduce& to) {
        self->send(to.peer, scorer_offer{to.self, self->state.cfg.index});
      },
  };
}

} // namespace troupe
