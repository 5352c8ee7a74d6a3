#include "cluster/dispatch.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/assert.hpp"

namespace troupe {

void dispatcher::scorer_up(scorer_number scorer, bool local) {
  auto [at, added] = scorers_.try_emplace(scorer);
  TROUPE_ASSERT(added);
  at->second.local = local;
}

void dispatcher::scorer_down(scorer_number scorer) {
  if (scorers_.erase(scorer) == 0) return;
  for (std::size_t i = 0; i < batches_.size(); ++i)
    if (batches_[i].state == batch_info::state_kind::inflight && batches_[i].scorer == scorer)
      queue_again(first_ + i, batches_[i]);
}

std::uint32_t dispatcher::room(const scorer_info& scorer, mono_time now) const {
  if (now < scorer.benched_until) return 0;
  auto window = scorer.local ? limits_.local_window : limits_.remote_window;
  return window - std::min(window, scorer.inflight);
}

// Local scorers come first as long as one has room: their answers are nearer, and rows need no packing. Among equals
// the least loaded one, then the one that got the least so far.
const dispatcher::scorer_map::value_type* dispatcher::pick(mono_time now, bool local_only) const {
  const scorer_map::value_type* best = nullptr;
  auto rank = [](const scorer_info& s) { return std::tuple{!s.local, s.inflight, s.sent}; };
  for (const auto& scorer : scorers_)
    if ((scorer.second.local || !local_only) && room(scorer.second, now) > 0 &&
        (!best || rank(scorer.second) < rank(best->second)))
      best = &scorer;
  return best;
}

// Only at the first try: a local scorer that does not answer must not hold up the lane for ever.
bool dispatcher::stays_here(const batch_info& batch) const {
  return batch.bytes > limits_.remote_bytes_max && batch.attempt == 0 &&
         std::any_of(scorers_.begin(), scorers_.end(), [](const auto& scorer) { return scorer.second.local; });
}

bool dispatcher::can_read(mono_time now) const {
  return queue_.empty() && rows_ < limits_.rows_max && bytes_ < limits_.bytes_max && has_credit(now);
}

std::uint64_t dispatcher::credits(mono_time now) const {
  std::uint64_t sum = 0;
  for (const auto& [number, scorer] : scorers_) sum += room(scorer, now);
  return sum;
}

batch_seq dispatcher::add(std::uint32_t rows, std::uint64_t bytes) {
  auto seq = first_ + batches_.size();
  auto& batch = batches_.emplace_back();
  batch.rows = rows;
  batch.bytes = bytes;
  rows_ += rows;
  bytes_ += bytes;
  queue_.insert(seq);
  return batch_seq{seq};
}

std::optional<dispatcher::order> dispatcher::next(mono_time now) {
  if (queue_.empty()) return std::nullopt;
  auto seq = *queue_.begin();
  auto& batch = batches_[seq - first_];
  const auto* chosen = pick(now, stays_here(batch));
  if (!chosen) return std::nullopt;
  queue_.erase(queue_.begin());
  batch.state = batch_info::state_kind::inflight;
  batch.scorer = chosen->first;
  batch.sent_at = now;
  auto& scorer = scorers_.at(chosen->first);
  ++scorer.inflight;
  ++scorer.sent;
  return order{batch_seq{seq}, batch.attempt, batch.scorer, scorer.local};
}

dispatcher::batch_info* dispatcher::inflight_batch(batch_seq seq, std::uint32_t attempt) {
  if (seq.value >= first_ && seq.value - first_ < batches_.size()) {
    auto& batch = batches_[seq.value - first_];
    if (batch.state == batch_info::state_kind::inflight && batch.attempt == attempt) return &batch;
  }
  ++count_.late;
  return nullptr;
}

void dispatcher::give_back_credit(scorer_number scorer) {
  auto at = scorers_.find(scorer);
  if (at != scorers_.end() && at->second.inflight > 0) --at->second.inflight;
}

void dispatcher::queue_again(std::uint64_t seq, batch_info& batch) {
  batch.state = batch_info::state_kind::queued;
  ++batch.attempt;
  ++count_.redispatched;
  queue_.insert(seq);
}

bool dispatcher::complete(batch_seq seq, std::uint32_t attempt, std::uint64_t outcome_bytes) {
  auto* batch = inflight_batch(seq, attempt);
  if (!batch) return false;
  give_back_credit(batch->scorer);
  batch->state = batch_info::state_kind::done;
  batch->outcome_bytes = outcome_bytes;
  bytes_ += outcome_bytes;
  return true;
}

bool dispatcher::not_ready(batch_seq seq, std::uint32_t attempt, mono_time now) {
  auto* batch = inflight_batch(seq, attempt);
  if (batch && !batch->refused_at) batch->refused_at = now;
  return put_back(seq, batch, now);
}

bool dispatcher::put_back(batch_seq seq, batch_info* batch, mono_time now) {
  if (!batch) return false;
  give_back_credit(batch->scorer);
  if (auto at = scorers_.find(batch->scorer); at != scorers_.end()) at->second.benched_until = now + limits_.bench;
  queue_again(seq.value, *batch);
  return true;
}

std::optional<batch_seq> dispatcher::refused(mono_time since) const {
  for (std::size_t i = 0; i < batches_.size(); ++i)
    if (batches_[i].state != batch_info::state_kind::done && batches_[i].refused_at && *batches_[i].refused_at <= since)
      return batch_seq{first_ + i};
  return std::nullopt;
}

void dispatcher::again(batch_seq seq) {
  TROUPE_ASSERT(seq.value >= first_ && seq.value - first_ < batches_.size());
  auto& batch = batches_[seq.value - first_];
  batch.refused_at.reset();
  if (batch.state == batch_info::state_kind::queued) return;
  if (batch.state == batch_info::state_kind::inflight) give_back_credit(batch.scorer);
  bytes_ -= std::exchange(batch.outcome_bytes, 0);
  queue_again(seq.value, batch);
}

std::size_t dispatcher::expire(mono_time now) {
  std::size_t expired = 0;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    auto& batch = batches_[i];
    // Twice the patience with every attempt, so that a model that is merely slow gets through in the end.
    auto patience = limits_.answer_limit * (1 << std::min(batch.attempt, 10u));
    if (batch.state != batch_info::state_kind::inflight || now - batch.sent_at < patience) continue;
    put_back(batch_seq{first_ + i}, &batch, now);
    ++expired;
  }
  return expired;
}

std::optional<batch_seq> dispatcher::front() const {
  if (batches_.empty() || batches_.front().state != batch_info::state_kind::done) return std::nullopt;
  return batch_seq{first_};
}

void dispatcher::pop() {
  TROUPE_ASSERT(front().has_value());
  rows_ -= batches_.front().rows;
  bytes_ -= batches_.front().bytes + batches_.front().outcome_bytes;
  batches_.pop_front();
  ++first_;
}

void dispatcher::clear() {
  for (const auto& batch : batches_)
    if (batch.state == batch_info::state_kind::inflight) give_back_credit(batch.scorer);
  first_ += batches_.size();
  batches_.clear();
  queue_.clear();
  rows_ = bytes_ = 0;
}

} // namespace troupe
