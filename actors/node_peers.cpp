#include <algorithm>

#include <spdlog/spdlog.h>

#include "actors/node_walks.hpp"

namespace troupe::node_walk {
namespace {

constexpr milliseconds dial_limit{3'000}, hello_limit{2'000};
constexpr milliseconds backoff_first{100}, backoff_max{1'000};
constexpr std::size_t early_offers_max = 1024; // as many as a node can have

/// The next try, with jitter, since two nodes that dial each other at the same moment can lose both connections.
void put_off(self_ptr self, node_state::peer& peer) {
  peer.backoff = std::clamp(peer.backoff * 2, backoff_first, backoff_max);
  auto jitter = milliseconds(self->state.random() % static_cast<std::uint64_t>(peer.backoff.count() / 2 + 1));
  peer.next_dial = now(self) + peer.backoff + jitter;
}

void tell_refused(self_ptr self, const node_ref& node) {
  if (self->state.parts.coordinator) self->send(self->state.parts.coordinator, peer_refused{node});
}

std::string name_is_taken(const std::string& name, const std::string& address) {
  return "a node named '" + name + "' is alive at " + address + "; give every node a name of its own";
}

peer_hello own_hello(self_ptr self) {
  auto& cfg = self->state.cfg;
  return {protocol_version, cfg.cluster, cfg.fingerprint, cfg.self, cfg.address, {}};
}

/// Whoever claims to be a scorer of a node has to be in the process that its door is in.
bool is_of(const node_state::peer& peer, const scorer_up& up) {
  return peer.door && peer.node == up.key.node && peer.door->node() == up.handle->node();
}

void use(self_ptr self, const scorer_up& up) {
  self->state.scorers[up.key] = up;
  tell_lanes(self, up);
}

void connected(self_ptr self, const node_ref& node, const std::string& address, door_actor door) {
  auto& peer = self->state.peers[node.name];
  if (peer.door && peer.door != door) forget_peer(self, node.name);
  auto& fresh = self->state.peers[node.name];
  fresh.node = node;
  fresh.address = address;
  fresh.door = door;
  fresh.backoff = milliseconds{0};
  fresh.introduced = false;
  self->monitor(door);
  self->state.report_due = true;
  spdlog::info("peer {} connected at {}", to_string(node), address);
  for (auto& up : std::exchange(fresh.early, {}))
    if (is_of(fresh, up)) use(self, up);
  introduce_scorers(self);
}

void say_hello(self_ptr self, const std::string& name, const std::string& address, door_actor door) {
  self->request(door, hello_limit, own_hello(self))
      .then(
          [=](const peer_hello& answer) {
            auto& peer = self->state.peers[name];
            peer.dialing = false;
            if (!answer.refusal.empty()) {
              spdlog::error("node {} at {} refuses this node: {}", name, address, answer.refusal);
              stop(self, make_error(node_exit::refused, answer.refusal));
              return;
            }
            connected(self, answer.node, address, door);
          },
          [=](caf::error& why) {
            auto& peer = self->state.peers[name];
            peer.dialing = false;
            put_off(self, peer);
            spdlog::warn("node {} at {} does not answer: {}", name, address, self->system().render(why));
          });
}

void start_dial(self_ptr self, const node_ref& node, const std::string& address) {
  auto& peer = self->state.peers[node.name];
  if (peer.door || peer.dialing || now(self) < peer.next_dial) return;
  peer.node = node; // a connected one has said itself who it is
  peer.address = address;
  peer.dialing = true;
  peer.early.clear();
  auto failed = [=](bool refused, const std::string& why) {
    auto& target = self->state.peers[node.name];
    target.dialing = false;
    put_off(self, target);
    spdlog::debug("node {}: {}", to_string(node), why);
    if (refused) tell_refused(self, node);
  };
  self->request(self->state.parts.dialer, dial_limit, dial{address, now(self) + dial_limit})
      .then(
          [=](const dialed& done) {
            if (!done.door) return failed(done.refused, done.why);
            say_hello(self, node.name, address, done.door);
          },
          [=](caf::error& why) { failed(false, self->system().render(why)); });
}

} // namespace

void keep_peers(self_ptr self) {
  auto& s = self->state;
  auto& claim = s.cluster.coordinator();
  auto* me = s.cluster.find_member(s.cfg.self.name);
  bool joined = me && me->node == s.cfg.self;
  // One of the same name elsewhere is dialled too: if it lives, it refuses this node. At our own address nobody else
  // can be.
  if (claim && claim->node != s.cfg.self && claim->address != s.cfg.address &&
      !(joined && s.cluster.find_member(claim->node.name)))
    start_dial(self, claim->node, claim->address);
  if (!joined) return;
  for (auto& [name, member] : s.cluster.members())
    if (name != s.cfg.self.name && member.joined < me->joined) start_dial(self, member.node, member.address);
}

caf::result<peer_hello> welcome(self_ptr self, const peer_hello& hello) {
  auto& cfg = self->state.cfg;
  auto answer = own_hello(self);
  if (hello.protocol != protocol_version)
    answer.refusal = "this cluster speaks protocol " + std::to_string(protocol_version) + ", not " +
                     std::to_string(hello.protocol) + "; run the same version of troupe on every node";
  else if (hello.cluster != cfg.cluster)
    answer.refusal = "this is a node of cluster '" + cfg.cluster + "', not of '" + hello.cluster + "'";
  else if (hello.fingerprint != cfg.fingerprint)
    answer.refusal = "the sections cluster and pipelines of its config (fingerprint " + hello.fingerprint +
                     ") differ from those of the running cluster (" + cfg.fingerprint +
                     "); start every node from the same file";
  else if (hello.node.name == cfg.self.name && hello.node != cfg.self)
    answer.refusal = name_is_taken(cfg.self.name, cfg.address);
  else if (auto twin = self->state.peers.find(hello.node.name); twin != self->state.peers.end() && twin->second.door &&
                                                                twin->second.node != hello.node &&
                                                                twin->second.address != hello.address)
    answer.refusal = name_is_taken(hello.node.name, twin->second.address);
  else
    connected(self, hello.node, hello.address, caf::actor_cast<door_actor>(self->current_sender()));
  return answer;
}

void take_offer(self_ptr self, const scorer_offer& offer) {
  scorer_up up{{offer.node, offer.index}, caf::actor_cast<scorer_actor>(self->current_sender()), false};
  auto peer = self->state.peers.find(offer.node.name);
  if (!up.handle || peer == self->state.peers.end()) return;
  if (is_of(peer->second, up)) return use(self, up);
  // The peer's scorers can be faster than its answer to our hello. Any other offer is a stranger's, or of a connection
  // that is gone: after the next hello it comes again.
  if (peer->second.dialing && !peer->second.door && peer->second.early.size() < early_offers_max)
    peer->second.early.push_back(up);
}

void forget_peer(self_ptr self, const std::string& name) {
  auto& s = self->state;
  auto peer = s.peers.find(name);
  if (peer == s.peers.end()) return;
  if (peer->second.door) self->demonitor(peer->second.door.address());
  peer->second.door = nullptr;
  peer->second.introduced = false;
  for (auto it = s.scorers.begin(); it != s.scorers.end();) {
    if (it->second.local || it->first.node.name != name) {
      ++it;
      continue;
    }
    tell_lanes(self, scorer_down{it->first});
    it = s.scorers.erase(it);
  }
}

bool lost_door(self_ptr self, const caf::actor_addr& door) {
  auto& s = self->state;
  auto found = std::find_if(s.peers.begin(), s.peers.end(),
                            [&](auto& p) { return p.second.door && p.second.door.address() == door; });
  if (found == s.peers.end()) return false;
  auto node = found->second.node;
  auto address = found->second.address;
  spdlog::warn("peer {} is disconnected", to_string(node));
  forget_peer(self, node.name);
  found->second.next_dial = now(self);
  // Nobody there any more, or only the connection broken? A closed port answers at once; silence does not count as
  // death.
  self->request(s.parts.dialer, dial_limit, probe{address, now(self) + dial_limit})
      .then(
          [=](probe_answer answer) {
            if (answer == probe_answer::refused) tell_refused(self, node);
          },
          [](caf::error&) {});
  return true;
}

void introduce_scorers(self_ptr self) {
  auto& s = self->state;
  if (!s.cfg.has_role("scorer") || s.leaving || !models_ready(self)) return;
  for (auto& [name, peer] : s.peers) {
    if (!peer.door || peer.introduced) continue;
    peer.introduced = true;
    for (auto& scorer : s.parts.scorers) self->send(scorer, introduce{peer.door, s.cfg.self});
  }
}

bool coordinates_here(self_ptr self) {
  auto& claim = self->state.cluster.coordinator();
  return claim && claim->node == self->state.cfg.self;
}

door_actor coordinator_door(self_ptr self) {
  auto& s = self->state;
  auto& claim = s.cluster.coordinator();
  if (!claim) return {};
  auto peer = s.peers.find(claim->node.name);
  return peer == s.peers.end() ? door_actor{} : peer->second.door;
}

} // namespace troupe::node_walk
