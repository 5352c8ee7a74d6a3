#include "actors/coordinator.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "actors/node.hpp"

namespace troupe {
namespace {

using self_ptr = coordinator_actor::stateful_pointer<coordinator_state>;

constexpr milliseconds tick_interval{50};
/// Without a word from a clerk that owes an answer. Its longest job, to find starts, is six steps of 5 s each, so this
/// is the watchdog of last resort, for a call that never returns.
constexpr milliseconds clerk_limit{40'000};
constexpr milliseconds dialer_limit{3'000};
/// Changes that wait for the log at the same time; more are refused at once.
constexpr std::size_t waiting_max = 1000;

void step(self_ptr self);

steady_time now(self_ptr self) { return self->clock().now(); }

std::int64_t unix_ms(const coordinator_config& cfg) {
  if (cfg.unix_ms) return cfg.unix_ms();
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Without its hand in Kafka a coordinator would go on beating its lease and decide nothing: the node ends with it.
void lose_clerk(self_ptr self, const std::string& why) {
  auto sentence = "the coordinator has lost its clerk, which writes to Kafka: " + why + "; start the node again";
  spdlog::critical("{}", sentence);
  self->quit(make_error(node_exit::colleague_lost, sentence));
}

/// Every question to the clerk goes through here. No limit of its own: during an outage the jobs queue up, each bounded
/// by itself; watch_clerk() looks at the silence.
template <class Answer, class Job, class Done> void ask_clerk(self_ptr self, Job job, Done done) {
  auto& s = self->state;
  if (s.clerk_owes++ == 0) s.clerk_silent_ticks = 0;
  self->request(s.clerk, caf::infinite, std::move(job))
      .then(
          [self, done](const result<Answer>& answer) {
            --self->state.clerk_owes;
            self->state.clerk_silent_ticks = 0;
            done(answer);
          },
          [self](caf::error& why) { lose_clerk(self, self->system().render(why)); });
}

/// Counts ticks, not time: a process that was stopped and goes on has heard nothing, and yet nobody is stuck.
void watch_clerk(self_ptr self) {
  auto& s = self->state;
  if (s.clerk_owes > 0 && ++s.clerk_silent_ticks > clerk_limit / tick_interval)
    lose_clerk(self, "no answer for " + std::to_string(clerk_limit.count()) + " ms");
}

// ---- becoming and ceasing to be the coordinator
// -----------------------------------------------------------------------

void step_down(self_ptr self, const std::string& why) {
  auto& s = self->state;
  spdlog::warn("coordinator: no longer ruling: {}", why);
  s.trouble = why;
  s.core->end_term();
  s.votes->step_down();
  for (auto& [id, promises] : s.waiting)
    for (auto& promise : promises)
      promise.deliver(change_reply{false, true, "the coordinator has changed; send it again", {}, {}});
  s.waiting.clear();
}

void claim(self_ptr self) {
  auto& s = self->state;
  s.leases->beat(to_json(s.votes->lease())); // says that this node is claiming, so that others give it time
  auto record = to_log(claim_record{s.cfg.self, s.cfg.address});
  ask_clerk<std::int64_t>(self, clerk_claim{record.key, *record.value}, [self](const result<std::int64_t>& offset) {
    auto& votes = *self->state.votes;
    if (offset) return votes.claim_appended(term_id{*offset}, now(self));
    self->state.trouble = "the claim failed: " + offset.error().message;
    spdlog::warn("coordinator: {}", self->state.trouble);
    votes.claim_failed(now(self));
  });
}

/// Looks at the election: follow, wait, claim or rule.
void follow_election(self_ptr self) {
  auto& s = self->state;
  std::vector<node_ref> by_age;
  for (auto* member : s.core->state().members_by_age("coordinator")) by_age.push_back(member->node);
  s.votes->members(std::move(by_age));
  s.votes->caught_up(s.control_caught_up && s.lease_caught_up);
  auto advice = s.votes->step(now(self), s.since_contact);
  if (s.votes->phase() != s.shown_phase) {
    s.shown_phase = s.votes->phase();
    spdlog::info("coordinator: {}{}{}", to_string(s.shown_phase), advice.why.empty() ? "" : ": ", advice.why);
  }
  if (advice.what == election::advice::what_kind::claim) claim(self);
  if (s.votes->ruling() && !s.core->ruling()) {
    s.core->begin_term(s.votes->term(), now(self));
    s.trouble.clear();
    for (auto& node : s.refused) s.core->refused(node, now(self));
  }
  if (!s.votes->ruling() && s.core->ruling()) step_down(self, "a newer claim was read");
  if (s.votes->beat_due(now(self))) s.leases->beat(to_json(s.votes->lease()));
}

// ---- carrying out what the core decided
// -------------------------------------------------------------------------------

/// Alarms of the status are in the log as well, when they come and when they change.
void tell_once(self_ptr self, const std::string& about, const std::string& problem) {
  auto& told = self->state.told[about];
  if (problem == std::exchange(told, problem) || problem.empty()) return;
  spdlog::error("coordinator: {}: {}", about, problem);
}

void carry_out(self_ptr self, action::append& job) {
  spdlog::debug("coordinator: append {} records: {}", job.records.size(), job.purpose);
  ask_clerk<std::int64_t>(self, clerk_append{std::move(job.records)}, [self](const result<std::int64_t>& offset) {
    if (!self->state.core->ruling()) return;
    self->state.core->appended(offset, now(self));
    step(self);
  });
}

void carry_out(self_ptr self, action::fetch_starts& job) {
  ask_clerk<found_starts>(self, clerk_starts{job.pipeline, std::move(job.where)},
                          [self, pipeline = job.pipeline](const result<found_starts>& found) {
                            auto& core = *self->state.core;
                            tell_once(self, "pipeline " + pipeline + ": its partitions wait",
                                      found ? "" : found.error().message);
                            if (found)
                              core.starts(pipeline, *found, now(self));
                            else
                              core.starts_failed(pipeline, found.error().message, now(self));
                            step(self);
                          });
}

void carry_out(self_ptr self, action::query_topics& job) {
  ask_clerk<std::vector<topic_info>>(self, clerk_topics{std::move(job.names)},
                                     [self](const result<std::vector<topic_info>>& infos) {
                                       auto& core = *self->state.core;
                                       tell_once(self, "topics", infos ? "" : infos.error().message);
                                       if (!infos) return core.topics_failed(infos.error().message, now(self));
                                       std::map<std::string, std::int32_t> sizes;
                                       for (auto& info : *infos) sizes[info.name] = info.partitions;
                                       core.topics(sizes, now(self));
                                       step(self);
                                     });
}

void carry_out(self_ptr self, action::probe& job) {
  auto node = job.node;
  self->request(self->state.dialer, dialer_limit, probe{job.address, self->clock().now() + dialer_limit})
      .then(
          [self, node](probe_answer answer) {
            if (answer != probe_answer::refused) return;
            self->state.core->refused(node, now(self));
            step(self);
          },
          [](caf::error&) {});
}

void carry_out(self_ptr self, action::answer& job) {
  auto waiting = self->state.waiting.find(job.change_id);
  if (waiting == self->state.waiting.end()) return;
  for (auto& promise : waiting->second)
    promise.deliver(change_reply{job.reply.ok, false, job.reply.message, job.reply.offset, job.reply.body});
  self->state.waiting.erase(waiting);
}

void carry_out(self_ptr self, action::step_down& job) {
  step_down(self, job.why);
  if (job.for_good) self->quit(make_error(node_exit::refused, job.why)); // the node stops with it
}

// Also when the core has just ended its term: then what it says is why, and the election has to hear it.
void step(self_ptr self) {
  for (auto& action : self->state.core->step(now(self)))
    std::visit([self](auto& job) { carry_out(self, job); }, action);
}

// ---- what comes in
// ----------------------------------------------------------------------------------------------------

void read_control(self_ptr self, const control_news& news) {
  auto& s = self->state;
  for (auto& record : *news.records) {
    for (auto& event : s.core->apply(record, now(self)))
      if (auto* claim = std::get_if<news::new_claim>(&event)) s.votes->claim_seen(claim->term, claim->node, now(self));
  }
  s.core->advance_to(news.position);
  s.control_caught_up = news.caught_up;
  follow_election(self);
  step(self);
}

void read_leases(self_ptr self, const lease_news& news) {
  auto& s = self->state;
  for (auto& record : news.records) {
    if (!record.value) continue;
    auto lease = read_lease(*record.value);
    if (lease)
      s.votes->lease_seen(*lease, now(self));
    else
      spdlog::warn("coordinator: lease record {} can't be read: {}", record.offset, lease.error().message);
  }
  s.lease_caught_up = news.caught_up;
  s.since_contact = news.since_contact;
}

caf::result<change_reply> submit(self_ptr self, const change_request& request) {
  auto& s = self->state;
  if (!s.core->ruling())
    return change_reply{false, true, "this node is not the coordinator; ask again in a second", {}, {}};
  if (s.waiting.size() >= waiting_max)
    return change_reply{false, true, "too many changes are waiting; ask again in a second", {}, {}};
  auto promise = self->make_response_promise<caf::typed_response_promise<change_reply>>();
  auto& promises = s.waiting[request.change_id];
  promises.push_back(promise);
  if (promises.size() == 1) s.core->submit({request.change_id, request.kind, request.body}, now(self), unix_ms(s.cfg));
  step(self);
  return promise;
}

std::string not_ruling(const coordinator_state& state) {
  return "this node does not coordinate" + (state.trouble.empty() ? "" : ": " + state.trouble);
}

bool resign(self_ptr self) {
  auto& s = self->state;
  if (s.votes->resign()) {
    s.leases->beat(to_json(s.votes->lease()));
    step_down(self, "this node stops");
  }
  return true;
}

} // namespace

coordinator_actor::behavior_type coordinator(self_ptr self, coordinator_config cfg, clerk_actor clerk,
                                             dialer_actor dialer,
                                             std::shared_ptr<std::unique_ptr<lease_writer>> leases) {
  auto& s = self->state;
  s.core = std::make_unique<coordinator_core>(cfg.core, cfg.self);
  s.votes = std::make_unique<election>(cfg.self, cfg.timings, cfg.seed);
  s.cfg = std::move(cfg);
  s.clerk = std::move(clerk);
  s.dialer = std::move(dialer);
  s.leases = std::move(*leases);
  self->monitor(s.clerk);
  self->set_down_handler([self](caf::down_msg& down) { lose_clerk(self, self->system().render(down.reason)); });
  self->delayed_send(self, tick_interval, tick_atom::value);
  return {
      [self](const heartbeat& beat) {
        self->state.refused.erase(beat.report.node);
        if (!self->state.core->ruling()) return;
        self->state.core->heard(beat.report, now(self));
        step(self);
      },
      [self](const change_request& request) { return submit(self, request); },
      [self](const control_news& news) { read_control(self, news); },
      [self](const lease_news& news) { read_leases(self, news); },
      [self](const peer_refused& peer) {
        self->state.refused.insert(peer.node);
        self->state.votes->refused(peer.node, now(self));
        if (self->state.core->ruling()) self->state.core->refused(peer.node, now(self));
        step(self);
      },
      [self](cluster_view_atom) -> caf::result<std::string> {
        if (!self->state.core->ruling()) return caf::make_error(caf::sec::invalid_argument, not_ruling(self->state));
        return self->state.core->status_json(now(self), self->state.votes->stale_leases());
      },
      [self](resign_atom) { return resign(self); },
      [self](tick_atom) {
        follow_election(self);
        step(self);
        watch_clerk(self);
        self->delayed_send(self, tick_interval, tick_atom::value);
      },
  };
}

} // namespace troupe
