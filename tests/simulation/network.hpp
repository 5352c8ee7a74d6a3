#pragma once
// The network between simulated processes, with the habits of CAF's BASP: first in, first out in each direction; no
// loss while connected; what is in flight when a connection is cut is gone without a word; both sides hear of the end
// (DOWN of every handle) after the detection time; old handles stay dead after the cut is healed. What crosses it is
// serialised, as it would be.

#include <map>
#include <set>

#include <array>
#include <caf/actor_proxy.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/make_actor.hpp>
#include <caf/stateful_actor.hpp>

#include "tests/simulation/world.hpp"

namespace troupe::sim {

class network {
public:
  struct connection {
    std::array<process_ptr, 2> ends;
    bool up = true, lossy = false, local = false;
    std::array<bool, 2> closed{}; ///< that end has heard of it
    std::array<sim_time, 2> last{};
    std::array<std::map<caf::actor_id, caf::strong_actor_ptr>, 2> handles; ///< by the end that uses them
    sim_duration latency_max{};
  };
  using connection_ptr = std::shared_ptr<connection>;

  explicit network(world& w)
      : world_(w) {}
  ~network() {
    for (auto& link : connections_)
      for (int side : {0, 1}) close(link, side);
  }

  sim_duration latency_max = 5ms;
  sim_duration detection = 2s;                  ///< middleman.connection-timeout
  std::map<std::string, process_ptr> listening; ///< address -> who

  /// A handle for an actor of the same process whose messages, and answers, take a while.
  caf::strong_actor_ptr slow_handle(const process_ptr& who, const caf::strong_actor_ptr& target, sim_duration most) {
    auto link = std::make_shared<connection>();
    link->ends = {who, who};
    link->local = true;
    link->latency_max = most;
    connections_.push_back(link);
    return handle(link, 0, target);
  }

  dialer_actor spawn_dialer(const process_ptr& who);

  bool is_cut(std::size_t a, std::size_t b) const { return cuts_.contains(std::minmax(a, b)); }
  void cut(std::size_t a, std::size_t b) {
    cuts_.insert(std::minmax(a, b));
    for (auto& link : connections_)
      if (joins(*link, a, b) && link->up) break_link(link);
  }
  void heal(std::size_t a, std::size_t b) { cuts_.erase(std::minmax(a, b)); }
  void heal_all() { cuts_.clear(); }

  /// The process is gone: its side at once, the others when the kernel's goodbye has come, or never (cut).
  void died(const process_ptr& who) {
    if (auto port = listening.find(who->address); port != listening.end() && port->second == who) listening.erase(port);
    for (auto& link : connections_) {
      auto side = link->ends[0] == who ? 0 : link->ends[1] == who ? 1 : -1;
      if (side < 0) continue;
      link->up = false;
      link->lossy |= world_.chance(50);
      close(link, side);
      if (link->local) close(link, 1);
      auto heard = is_cut(link->ends[0]->node, link->ends[1]->node) ? detection : world_.between(1ms, 15ms);
      close_later(link, 1 - side, heard);
    }
    std::erase_if(connections_, [](auto& link) { return !link->ends[0]->alive && !link->ends[1]->alive; });
  }
  /// A frozen process does not answer heartbeats; the others give up on it after the detection time. It hears when it
  /// is thawed.
  void froze(const process_ptr& who) {
    auto freeze = who->freezes;
    world_.after(detection, [this, who, freeze] {
      if (!who->frozen || who->freezes != freeze) return;
      for (auto& link : connections_)
        if (!link->local && link->up && (link->ends[0] == who || link->ends[1] == who)) {
          link->up = false;
          for (int side : {0, 1}) close_later(link, side, world_.between(0ms, 5ms));
        }
    });
  }

  std::uint64_t delivered = 0;

private:
  class proxy final : public caf::actor_proxy {
  public:
    proxy(caf::actor_config& cfg, network* net, connection_ptr link, int side, caf::strong_actor_ptr target)
        : actor_proxy(cfg)
        , net_(net)
        , link_(std::move(link))
        , side_(side)
        , target_(std::move(target)) {}
    void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
      if (link_) net_->transmit(link_, side_, std::move(what), target_);
    }
    void kill_proxy(caf::execution_unit* context, caf::error why) override {
      link_ = nullptr;
      target_ = nullptr;
      cleanup(std::move(why), context);
    }

  private:
    network* net_;
    connection_ptr link_;
    int side_;
    caf::strong_actor_ptr target_;
  };

  static bool joins(const connection& link, std::size_t a, std::size_t b) {
    return !link.local && std::minmax(link.ends[0]->node, link.ends[1]->node) == std::minmax(a, b);
  }

  /// What the process at `side` calls an actor of the other end.
  caf::strong_actor_ptr handle(const connection_ptr& link, int side, const caf::strong_actor_ptr& target) {
    if (link->closed[static_cast<std::size_t>(side)]) return nullptr;
    auto& known = link->handles[static_cast<std::size_t>(side)][target->id()];
    if (!known) {
      caf::actor_config cfg;
      known = caf::make_actor<proxy, caf::strong_actor_ptr>(world_.sys.next_actor_id(), world_.sys.node(), &world_.sys,
                                                            cfg, this, link, side, target);
    }
    return known;
  }

  std::optional<caf::message> over_the_wire(const caf::message& content) {
    std::vector<char> bytes;
    caf::binary_serializer out{world_.sys, bytes};
    caf::message copy;
    if (auto failed = out(const_cast<caf::message&>(content))) {
      world_.wrong("a message can't be sent to another node: " + caf::to_string(content));
      return std::nullopt;
    }
    caf::binary_deserializer in{world_.sys, bytes};
    if (auto failed = in(copy)) {
      world_.wrong("a message can't be read by another node: " + caf::to_string(content));
      return std::nullopt;
    }
    return copy;
  }

  void transmit(const connection_ptr& link, int side, caf::mailbox_element_ptr element,
                const caf::strong_actor_ptr& target) {
    auto from = static_cast<std::size_t>(side);
    if (!link->up || link->closed[from]) return; // nobody there, nobody says so
    auto sender = element->sender ? handle(link, 1 - side, element->sender) : nullptr;
    auto content = link->local ? std::optional{element->move_content_to_message()}
                               : over_the_wire(element->move_content_to_message());
    if (!content) return;
    auto when = std::max(link->last[from], world_.now() + world_.between(0ms, link->latency_max));
    link->last[from] = when;
    world_.after(when - world_.now(),
                 [this, link, side, target, sender, mid = element->mid, what = std::move(*content)]() mutable {
                   auto& receiver = *link->ends[static_cast<std::size_t>(1 - side)];
                   if (link->lossy || link->closed[static_cast<std::size_t>(1 - side)] || !receiver.alive) return;
                   ++delivered;
                   target->enqueue(caf::make_mailbox_element(std::move(sender), mid, {}, std::move(what)), nullptr);
                 });
  }

  void break_link(const connection_ptr& link) {
    link->up = false;
    link->lossy = true;
    for (int side : {0, 1}) close_later(link, side, detection + world_.between(0ms, 250ms));
  }
  void close_later(const connection_ptr& link, int side, sim_duration delay) {
    world_.after(link->ends[static_cast<std::size_t>(side)], delay, [this, link, side] { close(link, side); });
  }
  void close(const connection_ptr& link, int side) {
    if (std::exchange(link->closed[static_cast<std::size_t>(side)], true)) return;
    auto handles = std::exchange(link->handles[static_cast<std::size_t>(side)], {});
    for (auto& [id, known] : handles)
      static_cast<proxy*>(caf::actor_cast<caf::abstract_actor*>(known))
          ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
  }
  connection_ptr connect(const process_ptr& from, const process_ptr& to) {
    for (auto& link : connections_)
      if (link->up && !link->local && joins(*link, from->node, to->node) &&
          (link->ends == std::array{from, to} || link->ends == std::array{to, from}))
        return link;
    auto link = std::make_shared<connection>();
    link->ends = {from, to};
    link->latency_max = latency_max;
    connections_.push_back(link);
    return link;
  }

  /// What connecting to an address comes to, and after how long.
  struct attempt {
    probe_answer answer;
    sim_duration takes;
    process_ptr who;
  };
  attempt knock(const process_ptr& from, const std::string& address) {
    auto quick = world_.between(0ms, latency_max);
    for (auto& [known, node] : nodes_)
      if (known == address && is_cut(from->node, node)) return {probe_answer::silent, 500ms, nullptr};
    auto port = listening.find(address);
    if (port == listening.end()) return {probe_answer::refused, quick, nullptr};
    return {probe_answer::open, quick, port->second};
  }
  dialed shake_hands(const process_ptr& from, const process_ptr& to) {
    if (is_cut(from->node, to->node) || !to->alive || to->frozen || !to->door) return {{}, false, "handshake failed"};
    auto link = connect(from, to);
    auto side = link->ends[0] == from ? 0 : 1;
    auto door = handle(link, side, caf::actor_cast<caf::strong_actor_ptr>(to->door));
    if (!door) return {{}, false, "handshake failed"};
    return {caf::actor_cast<door_actor>(door), false, {}};
  }

public:
  void known_address(const std::string& address, std::size_t node) { nodes_[address] = node; }

private:
  world& world_;
  std::set<std::pair<std::size_t, std::size_t>> cuts_;
  std::map<std::string, std::size_t> nodes_;
  std::vector<connection_ptr> connections_;
};

inline dialer_actor network::spawn_dialer(const process_ptr& who) {
  struct state {
    std::uint64_t next = 0;
    std::map<std::uint64_t, std::function<void()>> due;
  };
  // CAF 0.17 makes a null reference of an empty list of arguments, which checked builds do not take: so there is one.
  struct dialer_tag {};
  auto dialer = world_.sys.spawn(
      [this, who](caf::stateful_actor<state>* self, dialer_tag) -> caf::behavior {
        auto in = [self](sim_duration delay, std::function<void()> what) {
          auto id = self->state.next++;
          self->state.due[id] = std::move(what);
          self->delayed_send(self, delay, id);
        };
        return {
            [=, this](const dial& target) -> caf::result<dialed> {
              auto reply = self->make_response_promise<caf::typed_response_promise<dialed>>();
              auto found = knock(who, target.address);
              if (found.answer != probe_answer::open)
                in(found.takes, [=]() mutable {
                  reply.deliver(dialed{{}, found.answer == probe_answer::refused, target.address + " does not answer"});
                });
              else if (found.who->frozen)
                in(2s, [=]() mutable { reply.deliver(dialed{{}, false, target.address + ": handshake failed"}); });
              else
                in(found.takes, [=, this]() mutable { reply.deliver(shake_hands(who, found.who)); });
              return reply;
            },
            [=, this](const probe& target) -> caf::result<probe_answer> {
              auto reply = self->make_response_promise<caf::typed_response_promise<probe_answer>>();
              auto found = knock(who, target.address);
              in(found.takes, [=]() mutable { reply.deliver(found.answer); });
              return reply;
            },
            [self](std::uint64_t id) {
              auto due = self->state.due.extract(id);
              due.mapped()();
            },
        };
      },
      dialer_tag{});
  return caf::actor_cast<dialer_actor>(caf::actor_cast<caf::strong_actor_ptr>(world_.adopt(who, dialer)));
}

} // namespace troupe::sim
