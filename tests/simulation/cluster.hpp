#pragma once
// The simulated cluster: nodes as cli/node_process.cpp assembles them, out of the real actors, on the ports of this
// folder; and their supervisor, which starts a process again when it was killed, removed or refused.

#include <sstream>

#include "actors/admin.hpp"
#include "actors/clerk.hpp"
#include "actors/coordinator.hpp"
#include "actors/ingest.hpp"
#include "actors/librarian.hpp"
#include "actors/node.hpp"
#include "actors/scorer.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/simulation/control_ports.hpp"
#include "tests/simulation/network.hpp"

namespace troupe::sim {

inline constexpr std::uint64_t uncommitted_rows_max = 200;
inline constexpr milliseconds removal_timeout = 2000ms;

class cluster {
public:
  struct node {
    std::string name, address;
    std::vector<std::string> roles;
    std::uint32_t scorers = 1;
    process_ptr life;
    bool starting = false;
    sim_duration scorer_pace{0}; ///< of each batch
  };

  cluster(std::uint64_t seed, guarantee how, canary broken)
      : room(seed, broken)
      , check(room, uncommitted_rows_max)
      , kafka(room, check, how)
      , net(room) {
    net.detection = removal_timeout;
    kafka.ruled = [this] { return coordinator() && !coordinator()->frozen; };
    room.kill = [this](const process_ptr& who) { kill(who, "at this very message"); };
  }
  ~cluster() {
    for (auto& one : nodes)
      if (one.life && one.life->alive) end(one.life);
    room.end_everything();
  }

  world room;
  checker check;
  broker kafka;
  network net;
  std::vector<node> nodes;
  std::size_t pushes = 0, pushes_done = 0, lives = 0, refused = 0;

  std::size_t add_node(std::vector<std::string> roles, std::uint32_t scorers) {
    auto number = nodes.size();
    nodes.push_back({std::string(1, static_cast<char>('a' + number)),
                     fmt::format("10.0.0.{}:4800", number + 1),
                     std::move(roles),
                     scorers,
                     {},
                     false,
                     {}});
    net.known_address(nodes.back().address, number);
    return number;
  }
  void start_later(std::size_t number, sim_duration delay) {
    if (std::exchange(nodes[number].starting, true)) return;
    room.after(delay, [this, number] {
      nodes[number].starting = false;
      if (!nodes[number].life)
        start(number);
      else
        start_later(number, 500ms); // the last life is still on its way out
    });
  }
  void kill(const process_ptr& who, const std::string& why) {
    if (!who->alive) return;
    room.note("kill " + to_string(who->self) + " " + why);
    note_death(who);
    end(who);
    start_later(who->node, room.between(300ms, 4s));
  }
  void freeze(const process_ptr& who, sim_duration span) {
    if (!who->alive || who->frozen) return;
    room.note(fmt::format("freeze {} for {} ms", to_string(who->self),
                          std::chrono::duration_cast<milliseconds>(span).count()));
    kafka.struck(who, "frozen");
    room.freeze(who);
    net.froze(who);
    room.after(span, [this, who] {
      if (!who->alive || !who->frozen) return;
      room.note("thaw " + to_string(who->self));
      bool removed = !check.truth().is_member(who->self);
      room.reached(removed ? "node frozen, removed and woken" : "node frozen and woken within the removal timeout");
      room.thaw(who);
    });
  }
  void cut_kafka(std::size_t number, sim_duration span) {
    room.note("cut " + nodes[number].name + " from Kafka");
    room.reached("node cut from Kafka");
    if (auto& who = nodes[number].life) kafka.struck(who, "cut from Kafka");
    kafka.cut_off.insert(number);
    room.after(span, [this, number] {
      room.note(nodes[number].name + " can reach Kafka");
      kafka.cut_off.erase(number);
    });
  }
  void leave(const process_ptr& who) {
    room.note("tell " + to_string(who->self) + " to leave");
    room.reached("node left");
    caf::anon_send(who->door, leave_atom::value);
    room.after(who, 20s, [this, who] { stop(who); });
  }
  std::vector<process_ptr> living() {
    std::vector<process_ptr> all;
    for (auto& one : nodes)
      if (one.life && one.life->alive) all.push_back(one.life);
    return all;
  }
  process_ptr coordinator() {
    auto& claim = check.truth().coordinator();
    for (auto& who : living())
      if (claim && who->self == claim->node) return who;
    return nullptr;
  }

  /// A request to a node's door by somebody outside; `done` gets the reply, or a failed one.
  void ask(const process_ptr& who, admin_request request, std::function<void(const admin_reply&)> done) {
    auto door = who->door;
    room.adopt(nullptr, room.sys.spawn(
                            [=](caf::event_based_actor* self, const node_actor& asked) {
                              self->request(asked, 20s, request)
                                  .then([=](const admin_reply& reply) { done(reply); },
                                        [=](caf::error& why) {
                                          done(admin_reply{false, self->system().render(why)});
                                        });
                            },
                            door));
  }
  /// Pushes a new version through the admin actor of some node; again through another, until one takes it.
  void push_model() {
    auto intercept = 10.0 * static_cast<double>(++pushes);
    auto model = model::testing::regressor();
    for (auto& attribute : *model.mutable_graph()->mutable_node(0)->mutable_attribute())
      if (attribute.name() == "intercepts") attribute.set_floats(0, static_cast<float>(intercept));
    auto bytes = model.SerializeAsString();
    auto content = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
    check.model_known(content_digest(*content), intercept);
    push(content);
  }

private:
  using content_ptr = std::shared_ptr<std::vector<char>>;

  void push(const content_ptr& content) {
    auto again = [this, content](const std::string& why) {
      room.note("the push has failed: " + why);
      room.reached("push repeated");
      room.after(500ms, [this, content] { push(content); });
    };
    auto all = living();
    if (all.empty()) return again("no node");
    auto who = all[room.pick(all.size())];
    room.note("push a model to " + to_string(who->self));
    ask(who, {"model.begin", fmt::format(R"({{"name":"games","bytes":{}}})", content->size()), {}},
        [=, this](const admin_reply& begun) {
          if (!begun.ok) return again(begun.body);
          rapidjson::Document answer;
          answer.Parse(begun.body.c_str());
          std::string upload = answer["upload"].GetString();
          ask(who, {"model.chunk", fmt::format(R"({{"upload":"{}","at":0}})", upload), *content},
              [=, this](const admin_reply& sent) {
                if (!sent.ok) return again(sent.body);
                ask(who, {"model.commit", fmt::format(R"({{"upload":"{}"}})", upload), {}},
                    [=, this](const admin_reply& done) {
                      if (!done.ok) return again(done.body);
                      ++pushes_done;
                      room.reached("model pushed");
                      room.note("pushed: " + done.body);
                    });
              });
        });
  }

  /// What it was in the middle of: for the coverage.
  void note_death(const process_ptr& who) {
    room.reached("node killed");
    kafka.struck(who, "killed");
    if (kafka.fenced_by.erase(who.get()) > 0) room.reached("coordinator died between fence and grant");
    if (who != coordinator()) return;
    room.reached("coordinator killed");
    kafka.orphans.clear();
    for (auto& [which, how] : check.truth().partitions())
      if (how.state == partition_record::state_kind::revoked) kafka.orphans.insert(which.where);
    if (!kafka.orphans.empty()) room.reached("coordinator died between revoke and grant");
  }

  /// How long a call to Kafka keeps the caller: out of reach it runs out of time.
  std::function<sim_duration()> blocking_call(const process_ptr& who) {
    return [this, who]() -> sim_duration { return kafka.reachable(who) ? room.between(1ms, 30ms) : 5s; };
  }
  std::function<sim_duration()> scoring(std::size_t number) {
    return [this, number] { return room.between(0ms, 3ms) + nodes[number].scorer_pace; };
  }

  coordinator_actor spawn_coordinator(const process_ptr& who, const dialer_actor& dialer) {
    auto ports = std::make_shared<clerk_ports>();
    ports->writer = std::make_unique<sim_control_writer>(kafka, who);
    ports->offsets = std::make_unique<sim_offset_store>(kafka, who);
    ports->topics = std::make_unique<sim_topic_catalog>(kafka, who);
    ports->fencer = std::make_unique<sim_lane_fencer>(kafka, who);
    clerk_config how;
    how.pipelines["games"] = {pipeline_topics.group_id, {start_rule::kind::earliest, {}}, exactly_once()};
    auto desk = room.adopt(who, room.sys.spawn(clerk, how, ports), blocking_call(who));
    auto far_desk = net.slow_handle(who, caf::actor_cast<caf::strong_actor_ptr>(desk), 10ms);
    coordinator_config cfg;
    cfg.self = who->self;
    cfg.address = who->address;
    cfg.core.cluster = "games";
    cfg.core.cluster_id = fmt::format("{:016x}", room.random());
    cfg.core.fingerprint = "f1";
    cfg.core.protocol = protocol_version;
    cfg.core.pipelines = {{"games", {"dsp"}, "games", "champion", exactly_once()}};
    cfg.core.heartbeat = 250ms;
    cfg.core.removal_timeout = removal_timeout;
    cfg.seed = room.random();
    cfg.unix_ms = [this] { return room.ms(); };
    auto leases = std::make_shared<std::unique_ptr<lease_writer>>(std::make_unique<sim_lease_writer>(kafka, who));
    return room.adopt(who,
                      room.sys.spawn(troupe::coordinator, cfg, caf::actor_cast<clerk_actor>(far_desk), dialer, leases));
  }

  [[nodiscard]] bool exactly_once() const { return kafka.how == guarantee::exactly_once; }
  lane_topics topics_of(const process_ptr& who) const {
    auto topics = pipeline_topics;
    if (exactly_once()) topics.transactional_id = transactional_id("games", "games", who->self.name);
    return topics;
  }
  ingest_config lane_config(const process_ptr& who, generation_id generation) {
    ingest_config cfg;
    cfg.pipeline = cfg.model = "games";
    cfg.generation = generation;
    cfg.node = who->self.name;
    cfg.incarnation = who->self.incarnation;
    cfg.headers = {"troupe.model", "troupe.source", "troupe.sha256", "troupe.txn"};
    cfg.batch_rows_max = 20;
    cfg.uncommitted_rows_max = uncommitted_rows_max;
    cfg.dispatch.rows_max = 100;
    cfg.removal_timeout = removal_timeout;
    return cfg;
  }

  void start(std::size_t number) {
    auto& at = nodes[number];
    auto who = std::make_shared<process>();
    who->node = number;
    who->self = {at.name, incarnation_id{room.random() | 1}};
    who->address = at.address;
    at.life = who;
    ++lives;
    room.note("start " + to_string(who->self));
    auto has = [&](const char* role) { return std::find(at.roles.begin(), at.roles.end(), role) != at.roles.end(); };
    auto parts = std::make_shared<node_parts>();
    bool deaf = room.broken_on_purpose == canary::deaf_node && number == 1;
    parts->control = std::make_unique<sim_log_reader>(kafka, who, "control", -1, deaf);
    if (has("coordinator")) parts->lease = std::make_unique<sim_log_reader>(kafka, who, "lease", 4, deaf);
    parts->dialer = net.spawn_dialer(who);
    auto store = std::make_shared<std::unique_ptr<model_store>>(std::make_unique<sim_model_store>(kafka, who));
    auto books = room.adopt(who, room.sys.spawn(librarian, store), blocking_call(who));
    parts->librarian = books;
    if (has("coordinator")) parts->coordinator = who->coordinator = spawn_coordinator(who, parts->dialer);
    if (has("scorer"))
      for (std::uint32_t i = 0; i < at.scorers; ++i)
        parts->scorers.push_back(
            room.adopt(who, room.sys.spawn(scorer, scorer_config{i, {}, parts->totals}), scoring(number)));
    who->scorers = parts->scorers;
    std::weak_ptr<process> weak = who;
    if (has("ingest"))
      parts->spawn_lane = [this, weak](const std::string&, generation_id generation,
                                       lane_owner_actor owner) -> result<ingest_actor> {
        auto here = weak.lock();
        auto ports = std::make_shared<lane_ports>(open_lane(kafka, here, topics_of(here), generation));
        auto cfg = lane_config(here, generation);
        return room.adopt(
            here, room.sys.spawn([=](ingest_pointer self,
                                     const lane_owner_actor& to) { return ingest(self, cfg, to, std::move(*ports)); },
                                 owner));
      };
    parts->spawn_admin = [this, weak, books](node_actor door) {
      admin_config cfg;
      cfg.seed = room.random();
      return room.adopt(weak.lock(), room.sys.spawn(admin, cfg, door, books));
    };
    node_setup setup;
    setup.self = who->self;
    setup.cluster = "games";
    setup.fingerprint = "f1";
    setup.address = who->address;
    setup.roles = at.roles;
    setup.pipelines = {{"games", "games", "champion", {}}};
    setup.seed = room.random();
    bool waits = room.broken_on_purpose == canary::blocking_scorer;
    who->door = room.adopt(who, room.sys.spawn(troupe::node, setup, parts),
                           waits ? scoring(number) : std::function<sim_duration()>{});
    caf::actor_cast<caf::abstract_actor*>(who->door)->attach_functor([this, weak](const caf::error& why) {
      if (auto gone = weak.lock()) room.after(0ms, [this, gone, why] { node_ended(gone, why); });
    });
    net.listening[who->address] = who;
  }

  void end(const process_ptr& who) {
    room.end_actors(who);
    net.died(who);
    if (nodes[who->node].life == who) nodes[who->node].life = nullptr;
  }

  /// What cli/node_process.cpp does after the node actor has ended.
  void node_ended(const process_ptr& who, const caf::error& why) {
    if (!who->alive) return;
    auto pause = 1s;
    auto code = why.category() == caf::atom("troupe") ? static_cast<node_exit>(why.code()) : node_exit{};
    switch (code) {
    case node_exit::left:
      pause = 3s;
      break;
    case node_exit::removed:
      break;
    case node_exit::refused:
      ++refused;
      break;
    default:
      return room.wrong("the node actor of " + to_string(who->self) + " has ended: " + room.sys.render(why));
    }
    room.note(to_string(who->self) + " ends: " + room.sys.render(why));
    start_later(who->node, pause + 1s);
    stop(who);
  }
  void stop(const process_ptr& who) {
    if (who->coordinator) caf::anon_send(who->coordinator, resign_atom::value);
    room.after(who, room.between(1ms, 20ms), [this, who] {
      // A lane that is still there keeps the process up until its watchdog ends it.
      room.after(who, lanes_of(who) == 0 ? room.between(1ms, 20ms) : 15s, [this, who] { end(who); });
    });
  }
  std::size_t lanes_of(const process_ptr& who) {
    std::size_t count = 0;
    for (auto& lane : kafka.lanes)
      if (auto link = lane.lock()) count += link->who() == who && link->source_open ? 1 : 0;
    return count;
  }
};

} // namespace troupe::sim
