#pragma once
// One run: a cluster, rows that trickle in, faults drawn from the seed; then peace, in which everything has to come
// right.

#include "tests/simulation/cluster.hpp"

namespace troupe::sim {

/// Half of the seeds each.
inline guarantee guarantee_of(std::uint64_t seed) {
  return seed % 2 == 0 ? guarantee::exactly_once : guarantee::at_least_once;
}

struct outcome {
  std::vector<std::string> wrongs;
  std::string history;
  std::uint64_t trace = 0, steps = 0, repeated = 0;
  std::size_t rows = 0, lives = 0, versions = 0;
  std::int64_t took_ms = 0; ///< of simulated time
  coverage reached;
};

class scenario {
public:
  scenario(std::uint64_t seed, canary broken = canary::none, bool print = false)
      : scenario(seed, guarantee_of(seed), broken, print) {}
  scenario(std::uint64_t seed, guarantee how, canary broken, bool print = false)
      : c_(seed, how, broken) {
    room().print = print;
    if (print) spdlog::set_level(spdlog::level::debug);
    for (auto* topic : {"control", "lease"}) c_.kafka.store.create(topic, 1);
    partitions_ = 4 + room().pick(5);
    c_.kafka.store.create("dsp", partitions_);
    c_.kafka.store.create("preds", 1 + room().pick(partitions_));
    c_.kafka.store.create("dsp.dlq", 1 + room().pick(3));
    auto size = 3 + room().pick(5);
    for (std::size_t i = 0; i + 1 < size; ++i)
      c_.add_node({"ingest", "scorer", "coordinator"}, static_cast<std::uint32_t>(1 + room().pick(2)));
    c_.add_node({"scorer"}, 2);
  }

  outcome run(sim_duration trouble = 14s) {
    for (std::size_t i = 0; i < c_.nodes.size(); ++i) c_.start_later(i, room().between(0ms, 500ms));
    c_.push_model();
    look_around();
    rows_until_ = room().now() + trouble;
    rows();
    auto begin = room().now() + 3s;
    while (room().now() < rows_until_ && room().wrongs().empty()) {
      room().run_for(room().now() < begin ? 3s : room().between(100ms, 2500ms));
      if (room().now() < rows_until_) fault();
    }
    make_peace();
    auto quiet = room().now();
    while (room().now() - quiet < 90s && room().wrongs().empty() && !unsettled().empty()) room().run_for(250ms);
    auto took = room().now() - quiet;
    if (auto why = unsettled(); !why.empty() && room().wrongs().empty()) room().wrong("after 90 s of peace: " + why);
    if (room().wrongs().empty()) ask_everybody();
    check_repetitions();
    outcome o{room().wrongs(),
              {},
              room().trace(),
              room().steps(),
              c_.check.repeated(),
              c_.check.total(),
              c_.lives,
              c_.pushes_done,
              std::chrono::duration_cast<milliseconds>(took).count(),
              room().reached()};
    if (!o.wrongs.empty()) o.history = room().history();
    return o;
  }

private:
  world& room() { return c_.room; }
  process_ptr anybody() {
    auto all = c_.living();
    return all.empty() ? nullptr : all[room().pick(all.size())];
  }
  std::size_t any_node() { return room().pick(c_.nodes.size()); }

  // ---- rows

  void rows() {
    if (room().now() >= rows_until_) return;
    for (auto n = room().pick(6); n > 0; --n) append_row();
    room().after(room().between(5ms, 40ms), [this] { rows(); });
  }
  void append_row() {
    auto partition = static_cast<std::int32_t>(room().pick(partitions_));
    testing::fake_record record;
    if (room().chance(80)) record.key = fmt::format("player{}", room().pick(40));
    record.timestamp_ms = room().ms();
    auto id = rows_++;
    double a = static_cast<double>(room().pick(10)), b = static_cast<double>(room().pick(10)),
           c = static_cast<double>(room().pick(10));
    bool bad = room().chance(5);
    if (!bad) {
      record.value = fmt::format(R"({{"a":{},"b":{},"c":{},"id":{}}})", a, b, c, id);
    } else {
      static const std::vector<std::optional<std::string>> kinds{
          std::nullopt, "", "{", "[1]", R"({"a":1,"b":2})", R"({"a":1,"b":2,"c":"x"})", R"({"a":1,"b":2,"c":1e999})"};
      record.value = kinds[room().pick(kinds.size())];
    }
    c_.kafka.append_row(partition, std::move(record), bad, a + 2 * b + 3 * c);
    if (room().chance(1)) c_.kafka.store.skip("dsp", partition, 1 + static_cast<std::int64_t>(room().pick(3)));
  }

  // ---- trouble

  void fault() {
    auto who = anybody();
    switch (room().pick(exactly_once() ? 24 : 19)) {
    case 0:
    case 1:
      if (who) c_.kill(who, "");
      return;
    case 2:
      if (who) who->dies_after = 1 + room().pick(300);
      return;
    case 3:
      if (auto ruler = c_.coordinator()) ruler->dies_after = 1 + room().pick(100);
      return;
    case 4:
      if (auto ruler = c_.coordinator()) c_.freeze(ruler, room().between(500ms, 7s));
      return;
    case 5:
    case 6:
      if (who) c_.freeze(who, room().between(100ms, 9s));
      return;
    case 7:
    case 8:
      return cut_nodes();
    case 9:
    case 10:
      return c_.cut_kafka(any_node(), room().between(200ms, 9s));
    case 11:
      return outage();
    case 12:
      if (who) c_.leave(who);
      return;
    case 13:
      return c_.push_model();
    case 14:
      return slow_scorer(any_node());
    case 15:
      return lose_delivery();
    case 16:
      return trap_coordinator();
    case 17:
      return trouble_at_broker();
    case 18:
      return isolate(any_node());
    case 19:
      return hold_up_commits();
    case 20:
      return lose_answers();
    default:
      return trap_lane();
    }
  }
  /// The others take it for dead; it goes on, and learns late that they have given its partitions away.
  void isolate(std::size_t node) {
    room().note("cut " + c_.nodes[node].name + " from its peers");
    room().reached("node cut from its peers, and slow to follow the log");
    c_.kafka.lagging[node] = 600ms;
    for (std::size_t other = 0; other < c_.nodes.size(); ++other)
      if (other != node) c_.net.cut(node, other);
    room().after(room().between(3s, 6s), [this, node] {
      room().note(c_.nodes[node].name + " can reach its peers");
      c_.kafka.lagging.erase(node);
      for (std::size_t other = 0; other < c_.nodes.size(); ++other) c_.net.heal(node, other);
    });
  }
  /// The next lane that gets to some point of a transaction is struck there.
  void trap_lane() {
    static constexpr cut_point places[] = {cut_point::produced, cut_point::sending, cut_point::offsets_sent,
                                           cut_point::ending, cut_point::committed};
    auto where = places[room().pick(std::size(places))];
    auto how = room().pick(4);
    c_.kafka.next_trap = {where, [this, how](const process_ptr& who) {
                            if (!who->alive) return;
                            if (how < 2)
                              c_.kill(who, "inside a transaction");
                            else if (how == 2)
                              c_.freeze(who, room().between(1s, 13s));
                            else
                              c_.cut_kafka(who->node, room().between(1s, 12s));
                          }};
  }
  /// The coordinator dies in the middle of a hand-over, perhaps with an owner that has just lost partitions.
  void trap_coordinator() {
    bool fenced = exactly_once() && room().chance(50), both = room().chance(60);
    c_.kafka.next_trap = {fenced ? cut_point::fenced : cut_point::revoked,
                          [this, fenced, both](const process_ptr& who) {
                            if (!who->alive) return;
                            c_.kill(who, "in the middle of a hand-over");
                            if (fenced || !both) return;
                            for (auto& [which, how] : c_.check.truth().partitions())
                              for (auto& other : c_.living())
                                if (how.state == partition_record::state_kind::revoked && how.node == other->self)
                                  return c_.kill(other, "and so does the owner");
                          }};
    if (!fenced && room().chance(50)) // something to hand over
      if (auto who = anybody(); who && who != c_.coordinator()) c_.leave(who);
  }
  void hold_up_commits() {
    room().note("commits are held up");
    c_.kafka.commit_delay = room().between(1s, 16s);
    room().after(room().between(200ms, 3s), [this] { c_.kafka.commit_delay = 0ms; });
  }
  void lose_answers() {
    room().note("answers to commits and fences get lost");
    c_.kafka.answers_lost_percent = 30;
    room().after(room().between(500ms, 3s), [this] { c_.kafka.answers_lost_percent = 1; });
  }
  void cut_nodes() {
    auto a = any_node(), b = any_node();
    if (a == b) return;
    room().note(fmt::format("cut {} from {}", c_.nodes[a].name, c_.nodes[b].name));
    room().reached("nodes cut from each other");
    c_.net.cut(a, b);
    room().after(room().between(500ms, 9s), [this, a, b] {
      room().note(fmt::format("{} and {} can reach each other", c_.nodes[a].name, c_.nodes[b].name));
      c_.net.heal(a, b);
    });
  }
  void outage() {
    room().note("Kafka is down");
    room().reached("Kafka was down");
    c_.kafka.down = true;
    room().after(room().between(200ms, 8s), [this] {
      room().note("Kafka is up");
      c_.kafka.down = false;
    });
  }
  void slow_scorer(std::size_t node) {
    auto& at = c_.nodes[node];
    at.scorer_pace = room().between(50ms, 1500ms);
    room().note("the scorers of " + at.name + " are slow");
    room().reached("scorers slow");
    room().after(room().between(1s, 5s), [this, node] { c_.nodes[node].scorer_pace = 0ms; });
  }
  void lose_delivery() {
    for (auto& lane : c_.kafka.lanes)
      if (auto link = lane.lock(); link && link->sink_open && room().chance(40)) {
        room().note("deliveries of " + to_string(link->who()->self) + " will fail");
        link->sink_fails = true;
      }
  }
  void trouble_at_broker() {
    switch (room().pick(3)) {
    case 0:
      room().reached("control topic compacted");
      return c_.kafka.compact_control();
    case 1:
      c_.kafka.commit_fails_percent = 60;
      return room().after(room().between(500ms, 3s), [this] { c_.kafka.commit_fails_percent = 0; });
    default:
      c_.kafka.append_fails_percent = 30;
      return room().after(room().between(500ms, 3s), [this] { c_.kafka.append_fails_percent = 1; });
    }
  }

  // ---- peace

  void make_peace() {
    room().note("peace");
    c_.kafka.down = false;
    c_.kafka.cut_off.clear();
    c_.kafka.lagging.clear();
    c_.kafka.commit_fails_percent = c_.kafka.append_fails_percent = c_.kafka.answers_lost_percent = 0;
    c_.kafka.commit_delay = 0ms;
    c_.kafka.next_trap.reset();
    peace_since_ = room().now();
    c_.net.heal_all();
    for (auto& lane : c_.kafka.lanes)
      if (auto link = lane.lock()) link->sink_fails = false;
    for (auto& node : c_.nodes) {
      node.scorer_pace = 0ms;
      if (node.life && node.life->frozen) room().thaw(node.life);
      if (node.life) node.life->dies_after = 0;
    }
  }

  /// What is still missing; "" if nothing.
  std::string unsettled() {
    auto& truth = c_.check.truth();
    if (c_.pushes_done < c_.pushes) return "a model is still being pushed";
    if (c_.check.waiting() > 0)
      return fmt::format("{} rows have no outcome, the first is {}", c_.check.waiting(),
                         c_.check.first_without_outcome());
    if (!truth.coordinator() || !c_.coordinator()) return "nobody coordinates";
    for (auto& node : c_.nodes) {
      if (!node.life) return "node " + node.name + " is not running";
      if (!truth.is_member(node.life->self)) return to_string(node.life->self) + " is not a member";
    }
    if (truth.members().size() != c_.nodes.size()) return "there are strange members";
    for (std::size_t p = 0; p < partitions_; ++p) {
      topic_partition where{"dsp", static_cast<std::int32_t>(p)};
      auto owner = truth.partitions().find({"games", where});
      if (owner == truth.partitions().end() || owner->second.state != partition_record::state_kind::granted)
        return to_string(where) + " is granted to nobody";
      if (!truth.is_member(owner->second.node)) return to_string(where) + " is granted to a node that is gone";
      if (c_.kafka.readers_of(where) != 1)
        return fmt::format("{} is read by {} lanes", to_string(where), c_.kafka.readers_of(where));
      auto done = c_.kafka.store.committed(pipeline_topics.group_id, where);
      auto end = c_.kafka.store.log("dsp", where.partition).end;
      if (!done || (done->offset != end && !c_.check.stale_commit(where)))
        return fmt::format("{} is committed to {} of {}", to_string(where), done ? done->offset.value_or(-1) : -1, end);
    }
    for (auto& [key, model] : truth.models())
      if (model.record.state == model_record::state_kind::staged) return "a model is still staged";
    std::string held;
    if (exactly_once())
      c_.kafka.each_output([&](const topic_partition& where) {
        if (c_.kafka.reader_waits(where)) held = to_string(where) + " has an open transaction";
      });
    return held;
  }

  /// What is wrong with a node's answer to `status`; "" if nothing.
  std::string status_problem(const admin_reply& reply) {
    rapidjson::Document text;
    text.Parse(reply.body.c_str());
    if (!reply.ok || text.HasParseError() || !text.IsObject() || !text["cluster"].IsObject() ||
        !text["node"].IsObject())
      return "is not what it should be";
    if (!text["node"]["coordinator"].IsString() || !text["node"]["ready"].GetBool()) return "says that it is not ready";
    if (text["node"]["coordinator"].GetString() != c_.coordinator()->self.name) return "names another coordinator";
    if (text["cluster"]["nodes"].Size() != c_.nodes.size()) return "does not have all nodes";
    return {};
  }
  /// Soon every node says the same of the cluster, in JSON.
  void ask_everybody() {
    auto problems = std::make_shared<std::map<std::string, std::string>>();
    for (int i = 0; i < 20; ++i) {
      problems->clear();
      for (auto& who : c_.living()) {
        (*problems)[who->self.name] = "does not come";
        c_.ask(who, {"status", "{}", {}},
               [=, this](const admin_reply& reply) { (*problems)[who->self.name] = status_problem(reply); });
      }
      room().run_for(1s);
      std::erase_if(*problems, [](auto& entry) { return entry.second.empty(); });
      if (problems->empty() || !room().wrongs().empty()) return;
    }
    for (auto& [name, problem] : *problems) room().wrong("the status of " + name + " " + problem);
  }

  void check_repetitions() {
    if (c_.check.repeated() > 0 && !exactly_once()) room().reached("rows repeated");
    std::uint64_t open = 0;
    for (auto& lane : c_.kafka.lanes)
      if (auto link = lane.lock()) open += link->source_open ? 1 : 0;
    auto ended = c_.kafka.lanes_opened - open;
    if (c_.check.repeated() > ended * uncommitted_rows_max)
      room().wrong(fmt::format("I1: {} rows were repeated, {} lanes ended", c_.check.repeated(), ended));
  }

  void look_around() {
    for (std::size_t p = 0; p < partitions_; ++p) {
      topic_partition where{"dsp", static_cast<std::int32_t>(p)};
      c_.check.readers(where, c_.kafka.readers_of(where));
    }
    if (exactly_once()) c_.kafka.each_output([this](const topic_partition& where) { look_at_reader(where); });
    room().after(50ms, [this] { look_around(); });
  }

  /// Once nothing disturbs them, readers wait for a transaction at most until the broker gives up on it.
  void look_at_reader(const topic_partition& where) {
    auto end = c_.kafka.transactions.stable_end(where);
    auto& [stuck_at, since] = reader_[where];
    if (!c_.kafka.reader_waits(where) || stuck_at != end) {
      stuck_at = end;
      since = room().now();
      return;
    }
    if (room().now() - since > 1s) room().reached("reader held up by an open transaction");
    if (peace_since_ && room().now() - std::max(since, *peace_since_) > c_.kafka.transactions.timeout + 1s)
      room().wrong("readers: an open transaction holds up " + to_string(where));
  }
  bool exactly_once() const { return c_.kafka.how == guarantee::exactly_once; }

  cluster c_;
  std::optional<sim_time> peace_since_;
  std::map<topic_partition, std::pair<std::int64_t, sim_time>> reader_;
  std::size_t partitions_ = 0;
  std::uint64_t rows_ = 0;
  sim_time rows_until_{};
};

} // namespace troupe::sim
