#include "actors/node.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "actors/node_walks.hpp"

namespace troupe {

bool node_setup::has_role(const std::string& role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

caf::error make_error(node_exit code, const std::string& why) {
  return caf::error{static_cast<std::uint8_t>(code), caf::atom("troupe"), caf::make_message(why)};
}

namespace node_walk {
namespace {

constexpr milliseconds tick_interval{50};
constexpr milliseconds coordinator_limit{15'000};
constexpr milliseconds question_limit{2'000};

// ---- obeying the log
// --------------------------------------------------------------------------------------------------

using node_walk::obey; // partitions, aliases and pipelines: node_lanes.cpp

/// A config that changed after a full stop keeps the id; another id means that the topic was deleted and made anew.
void obey(self_ptr self, const news::cluster_named& named) {
  auto& known = self->state.cluster_id;
  if (known.empty()) known = named.record.cluster_id;
  if (known == named.record.cluster_id) return;
  auto why = "the control topic now belongs to cluster id " + named.record.cluster_id + ", this node knew " + known +
             "; somebody has deleted it: find out what was lost before you start nodes again";
  spdlog::critical("{}", why);
  stop(self, make_error(node_exit::control_lost, why));
}

void obey(self_ptr self, const news::new_claim& claim) {
  spdlog::info("{} coordinates, term {}", to_string(claim.node), claim.term.value);
  self->state.report_due = true;
}

void obey(self_ptr self, const news::member_joined& join) {
  spdlog::info("{} has joined at {}", to_string(join.who.node), join.who.address);
  self->state.report_due = true;
}

void obey(self_ptr self, const news::member_removed& removal) {
  auto& s = self->state;
  if (removal.node != s.cfg.self) {
    spdlog::info("{} was removed: {}", to_string(removal.node), removal.reason);
    for (auto it = s.scorers.begin(); it != s.scorers.end();) {
      if (it->first.node != removal.node) {
        ++it;
        continue;
      }
      tell_lanes(self, scorer_down{it->first});
      it = s.scorers.erase(it);
    }
    return;
  }
  if (s.leaving) {
    spdlog::info("this node has left the cluster");
    stop(self, make_error(node_exit::left, "left"));
  } else {
    spdlog::warn("this node was removed from the cluster ({}); it stops and joins again", removal.reason);
    stop(self, make_error(node_exit::removed, removal.reason));
  }
}

void obey(self_ptr self, const news::model_changed& change) {
  if (change.model.state == model_record::state_kind::failed)
    spdlog::error("model {}@{} was not rolled out: {}", change.model.name, change.model.version.value,
                  change.model.message);
  self->state.report_due = true;
}

void read_control(self_ptr self) {
  auto& s = self->state;
  if (auto lost = s.parts.control->lost()) {
    spdlog::critical("the control topic is lost: {}", lost->message);
    stop(self, make_error(node_exit::control_lost, lost->message));
    return;
  }
  auto records = std::make_shared<std::vector<log_record>>();
  s.parts.control->poll(*records);
  auto unreadable = s.cluster.ignored().unreadable;
  for (auto& record : *records)
    for (auto& event : s.cluster.apply(record)) std::visit([self](auto& e) { obey(self, e); }, event);
  if (s.cluster.ignored().unreadable != unreadable) spdlog::error("control topic: {}", s.cluster.last_error());
  auto position = s.parts.control->position();
  bool moved = !records->empty() || position != s.cluster.applied().value;
  s.cluster.advance_to(position);
  bool caught_up = s.parts.control->caught_up();
  if (caught_up && !s.was_caught_up) {
    s.was_caught_up = true;
    s.report_due = true;
    moved = true;
  }
  if (!moved) return;
  s.report_due = true;
  if (s.parts.coordinator) self->send(s.parts.coordinator, control_news{records, position, caught_up});
  keep_models(self);
  keep_lanes(self);
}

void read_leases(self_ptr self) {
  auto& s = self->state;
  if (!s.parts.lease) return;
  if (auto lost = s.parts.lease->lost()) {
    auto why = "without the lease topic nobody notices that the coordinator is gone: " + lost->message +
               "; start the nodes again, they make it anew";
    spdlog::critical("the lease topic is lost: {}", why);
    stop(self, make_error(node_exit::control_lost, why));
    return;
  }
  lease_news news;
  s.parts.lease->poll(news.records);
  news.caught_up = s.parts.lease->caught_up();
  news.since_contact = std::max(s.parts.lease->since_last_contact(), s.parts.control->since_last_contact());
  self->send(s.parts.coordinator, std::move(news));
}

// ---- looking around
// ---------------------------------------------------------------------------------------------------

void watch_kafka(self_ptr self) {
  auto& s = self->state;
  bool lost = s.parts.control->since_last_contact() > s.cfg.kafka_loss_timeout;
  if (lost == s.kafka_lost) return;
  s.kafka_lost = lost;
  s.report_due = true;
  if (lost) {
    const auto denied = s.parts.control->denied();
    const auto why = denied.empty() ? "no contact with Kafka" : "what the coordinator decides is unknown: " + denied;
    spdlog::error("{} for {} ms: the lanes stop until it is back", why, s.cfg.kafka_loss_timeout.count());
    end_lanes(self, why);
  } else {
    spdlog::info("Kafka is back");
  }
}

/// Somebody else who could take our partitions, or rule: then the hand-over is theirs to decide.
bool alone(self_ptr self, const std::string& role) {
  for (auto& [name, member] : self->state.cluster.members())
    if (name != self->state.cfg.self.name && member.has_role(role)) return false;
  return true;
}

void go_on_leaving(self_ptr self) {
  auto& s = self->state;
  if (!s.leaving) return;
  if (!s.drained && (alone(self, "ingest") || now(self) > s.leave_by)) {
    s.drained = true;
    drain_lanes(self);
  }
  bool nobody_waits = !s.cluster.is_member(s.cfg.self) || (alone(self, "coordinator") && !coordinates_here(self));
  if (now(self) > s.leave_by + s.cfg.leave_limit / 2 || (nobody_waits && !holds_partitions(self)))
    stop(self, make_error(node_exit::left, "left without being asked for anything more"));
}

void tick(self_ptr self) {
  auto& s = self->state;
  s.parts.pulse->last_tick_ns = std::chrono::steady_clock::now().time_since_epoch().count();
  s.may_open_lane = true;
  read_control(self);
  read_leases(self);
  watch_kafka(self);
  keep_peers(self);
  keep_models(self);
  keep_lanes(self);
  introduce_scorers(self);
  measure_rates(self);
  count_treated(self);
  s.parts.pulse->ready = s.cluster.is_member(s.cfg.self) && models_ready(self) && !s.leaving && !s.kafka_lost;
  if (s.report_due || now(self) >= s.next_report) send_report(self);
  go_on_leaving(self);
}

} // namespace

std::string sentence_of(const caf::error& why, const std::string& otherwise) {
  return why.context().match_elements<std::string>() ? why.context().get_as<std::string>(0) : otherwise;
}

namespace {

/// A change, or the question `status`, that came over the wire: only the coordinator's node answers, so that it can't
/// go in circles.
caf::result<change_reply> change_here(self_ptr self, const change_request& request) {
  auto& s = self->state;
  if (!s.parts.coordinator) return change_reply{false, true, "this node does not coordinate", {}, {}};
  if (request.kind != "status") return self->delegate(s.parts.coordinator, request);
  auto promise = self->make_response_promise<caf::typed_response_promise<change_reply>>();
  self->request(s.parts.coordinator, question_limit, cluster_view_atom::value)
      .then(
          [promise](std::string& view) mutable {
            promise.deliver(change_reply{true, false, {}, {}, std::move(view)});
          },
          [promise](caf::error& why) mutable {
            promise.deliver(change_reply{false, true, sentence_of(why, "this node does not coordinate"), {}, {}});
          });
  return promise;
}

caf::result<change_reply> forward(self_ptr self, const change_request& request) {
  if (coordinates_here(self)) return change_here(self, request);
  auto door = coordinator_door(self);
  if (!door)
    return change_reply{false, true, "no coordinator can be reached at the moment; ask again in a second", {}, {}};
  auto promise = self->make_response_promise<caf::typed_response_promise<change_reply>>();
  auto limit = request.kind == "status" ? question_limit : coordinator_limit;
  self->request(door, limit, request)
      .then([promise](change_reply& reply) mutable { promise.deliver(std::move(reply)); },
            [self, promise](caf::error& why) mutable {
              promise.deliver(change_reply{
                  false, true, "the coordinator does not answer (" + self->system().render(why) + ")", {}, {}});
            });
  return promise;
}

/// The actors without which this node is no use: one that ends, by an exception say, ends the node.
void watch_colleagues(self_ptr self) {
  auto& s = self->state;
  auto watch = [&](const auto& actor) {
    if (!actor) return;
    self->monitor(actor);
    s.colleagues.insert(actor.address());
  };
  watch(s.parts.coordinator);
  watch(s.parts.librarian);
  watch(s.parts.dialer);
  for (auto& scorer : s.parts.scorers) watch(scorer);
}

void set_handlers(self_ptr self) {
  watch_colleagues(self);
  self->set_down_handler([self](caf::down_msg& down) {
    if (self->state.colleagues.count(down.source)) return stop(self, down.reason);
    if (!lost_lane(self, caf::actor_cast<caf::actor_addr>(down.source), down.reason))
      lost_door(self, caf::actor_cast<caf::actor_addr>(down.source));
  });
  self->set_error_handler([self](caf::error& why) { spdlog::error("node: {}", self->system().render(why)); });
  self->set_exit_handler([self](caf::exit_msg& exit) { stop(self, exit.reason); });
}

void wake_when_ready(self_ptr self) {
  auto weak = caf::actor_cast<caf::actor_addr>(self);
  auto wake = [weak] {
    if (auto strong = caf::actor_cast<caf::actor>(weak)) caf::anon_send(strong, wake_atom::value);
  };
  self->state.parts.control->on_ready(wake);
  if (self->state.parts.lease) self->state.parts.lease->on_ready([] {}); // looked at every tick, that is often enough
}

} // namespace
} // namespace node_walk

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup cfg,
                               std::shared_ptr<node_parts> parts) {
  using namespace node_walk;
  auto& s = self->state;
  s.cfg = std::move(cfg);
  s.parts = std::move(*parts);
  s.random.seed(s.cfg.seed);
  s.started = s.before.at = now(self);
  for (std::uint32_t i = 0; i < s.parts.scorers.size(); ++i) {
    scorer_key key{s.cfg.self, i};
    s.scorers[key] = {key, s.parts.scorers[i], true};
  }
  set_handlers(self);
  wake_when_ready(self);
  s.admin = s.parts.spawn_admin(self);
  self->send(self, tick_atom::value);
  return {
      [self](const peer_hello& hello) { return welcome(self, hello); },
      [self](const scorer_offer& offer) { take_offer(self, offer); },
      [self](const heartbeat& beat) {
        if (self->state.parts.coordinator) self->send(self->state.parts.coordinator, beat);
      },
      [self](const change_request& request) { return change_here(self, request); },
      [self](const admin_request& request) -> caf::result<admin_reply> {
        return self->delegate(self->state.admin, request);
      },
      [self](const lane_state& state) { heard_lane(self, state); },
      [self](const forward_change& ask) { return forward(self, ask.change); },
      [self](local_view_atom) { return local_view(self); },
      [self](const fit_check& check) { return why_not_fit(self, check); },
      [self](leave_atom) {
        self->state.leaving = true;
        self->state.leave_by = now(self) + self->state.cfg.leave_limit;
        self->state.report_due = true;
      },
      [self](wake_atom) {
        read_control(self);
        if (self->state.report_due) send_report(self);
      },
      [self](tick_atom) {
        tick(self);
        self->delayed_send(self, tick_interval, tick_atom::value);
      },
  };
}

} // namespace troupe
