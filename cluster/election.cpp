#include "cluster/election.hpp"

#include <algorithm>

namespace troupe {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

const char* to_string(election_phase phase) {
  switch (phase) {
  case election_phase::following:
    return "following";
  case election_phase::waiting:
    return "waiting";
  case election_phase::looking:
    return "looking";
  case election_phase::claiming:
    return "claiming";
  case election_phase::ruling:
    return "ruling";
  case election_phase::retired:
    return "retired";
  }
  return "?";
}

election::election(node_ref self, election_timings timings, std::uint64_t seed)
    : self_(std::move(self))
    , timings_(timings)
    , random_(seed) {}

void election::caught_up(bool both) { caught_up_ = both; }

void election::members(std::vector<node_ref> by_age) { members_ = std::move(by_age); }

void election::follow() {
  phase_ = election_phase::following;
  silence_ = nanoseconds{0};
  own_claim_.reset();
}

void election::claim_seen(term_id term, const node_ref& node, steady_time) {
  if (term <= term_) return;
  term_ = term;
  holder_ = node;
  refused_.erase(node);
  silence_ = nanoseconds{0};
  if (phase_ == election_phase::retired) return;
  // While our claim is under way other claims decide nothing: if ours lands after them, it fences them.
  if (phase_ == election_phase::claiming && (!own_claim_ || term_ < *own_claim_)) return;
  if (phase_ == election_phase::claiming && term_ == *own_claim_) return begin_rule();
  follow();
}

void election::begin_rule() {
  phase_ = election_phase::ruling;
  own_claim_.reset();
  last_beat_.reset();
}

void election::lease_seen(const lease_record& lease, steady_time now) {
  if (lease.claiming) return other_claims(lease, now);
  any_lease_ = true;
  if (lease.term < term_) {
    ++stale_leases_;
    return;
  }
  silence_ = nanoseconds{0};
  const bool candidate = phase_ == election_phase::waiting || phase_ == election_phase::looking;
  if (lease.resigned) {
    if (resigned_term_ == lease.term) return;
    resigned_term_ = lease.term;
    if (candidate) follow(); // to stand again, with the shorter turns
    return;
  }
  // A sign of life, unless it was under way while the port was refused already.
  if (const auto found = refused_.find(lease.node); found != refused_.end() && now - found->second > timings_.beat)
    refused_.erase(found);
  if (candidate) follow();
}

// Two candidates that open the control writer at the same time fence each other. The one whose turn came first says so.
void election::other_claims(const lease_record& lease, steady_time now) {
  const bool candidate = phase_ == election_phase::waiting || phase_ == election_phase::looking;
  if (lease.term < term_ || lease.node == self_ || !candidate) return;
  phase_ = election_phase::waiting;
  until_ = now + timings_.claim_patience + jitter();
  why_ = lease.node.name + " is claiming";
}

void election::refused(const node_ref& node, steady_time now) { refused_.try_emplace(node, now); }

std::size_t election::rank() const {
  std::size_t rank = 0;
  for (const auto& other : members_) {
    if (other == self_) return rank;
    const bool deposed = holder_ && other == *holder_;
    if (deposed || other.name == self_.name || refused_.contains(other)) continue;
    ++rank;
  }
  return rank;
}

milliseconds election::jitter() {
  const auto span = static_cast<std::uint64_t>(timings_.jitter_max.count()) + 1;
  return milliseconds{static_cast<milliseconds::rep>(random_() % span)};
}

void election::stand(steady_time now, milliseconds turn, std::string why) {
  const auto place = rank();
  phase_ = election_phase::waiting;
  until_ = now + turn * static_cast<milliseconds::rep>(place) + jitter();
  why_ = std::move(why) + "; " + std::to_string(place) + " candidates before this node";
}

election::advice election::step(steady_time now, milliseconds since_contact) {
  using what = advice::what_kind;
  const bool contact = since_contact <= timings_.contact_max;
  const auto passed = last_step_ ? now - *last_step_ : nanoseconds{0};
  last_step_ = now;
  if (phase_ == election_phase::ruling) return {what::rule, now, ""};
  if (phase_ == election_phase::retired) return {what::follow, now, "this node has resigned"};
  if (phase_ == election_phase::claiming) return {what::wait, now, "the claim is under way"};
  const bool frozen = passed > timings_.contact_max; // what was sent meanwhile has not been read yet
  if (!caught_up_ || !contact || frozen) {
    follow();
    return {what::follow, now, contact ? "reading the logs" : "no contact with Kafka"};
  }
  silence_ += std::min<nanoseconds>(passed, timings_.step_max);
  if (phase_ == election_phase::following) {
    if (holder_resigned())
      stand(now, timings_.turn_resigned, "the coordinator resigned");
    else if (!holder_ && !any_lease_)
      phase_ = election_phase::waiting, until_ = now + jitter(), why_ = "nobody has ever coordinated this cluster";
    else if (holder_ && refused_.contains(*holder_))
      stand(now, timings_.turn, "the coordinator's node " + holder_->name + " refuses connections");
    else if (silence_ >= timings_.timeout)
      stand(now, timings_.turn, "no lease for " + std::to_string(timings_.timeout.count()) + " ms");
    else
      return {what::follow, now, ""};
  }
  if (phase_ == election_phase::waiting) {
    if (now < until_) return {what::wait, until_, why_};
    phase_ = election_phase::looking;
    look_started_ = now;
  }
  if (now - since_contact <= look_started_) return {what::look_again, now, why_};
  phase_ = election_phase::claiming;
  term_before_claim_ = term_;
  return {what::claim, now, why_};
}

void election::claim_appended(term_id term, steady_time) {
  if (phase_ != election_phase::claiming) return;
  if (term < term_) return follow(); // a later claim was read already
  own_claim_ = term;
  if (term == term_) begin_rule();
}

void election::claim_failed(steady_time now) {
  if (phase_ != election_phase::claiming) return;
  if (term_ != term_before_claim_) return follow();
  phase_ = election_phase::waiting;
  until_ = now + timings_.claim_retry + jitter();
  why_ = "the last claim failed";
}

bool election::beat_due(steady_time now) {
  if (phase_ != election_phase::ruling) return false;
  if (last_beat_ && now - *last_beat_ < timings_.beat) return false;
  // Kept on the grid, so that ticks that come a little late do not add up.
  last_beat_ = last_beat_ && now - *last_beat_ < 2 * timings_.beat ? *last_beat_ + timings_.beat : now;
  return true;
}

bool election::resign() {
  const bool ruled = phase_ == election_phase::ruling;
  phase_ = election_phase::retired;
  resigned_ = true;
  return ruled;
}

void election::step_down() {
  if (phase_ == election_phase::ruling || phase_ == election_phase::claiming) follow();
}

} // namespace troupe
