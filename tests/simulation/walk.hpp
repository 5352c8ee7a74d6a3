#pragma once
// One thing at a time on the simulated cluster: nodes, a steady trickle of rows, and no other trouble.

#include "tests/simulation/cluster.hpp"

namespace troupe::sim {

struct walk {
  cluster c;
  std::size_t partitions = 4;
  std::uint64_t rows = 0;
  bool flowing = true;

  explicit walk(guarantee how, std::size_t nodes = 3, canary broken = canary::none)
      : c(1, how, broken) {
    for (auto* topic : {"control", "lease"}) c.kafka.store.create(topic, 1);
    for (auto* topic : {"dsp", "preds", "dsp.dlq"}) c.kafka.store.create(topic, partitions);
    c.kafka.append_fails_percent = c.kafka.answers_lost_percent = 0;
    for (std::size_t i = 0; i < nodes; ++i)
      c.start_later(c.add_node({"ingest", "scorer", "coordinator"}, 1), milliseconds(100 * i));
    c.push_model();
    c.room.run_for(4s);
    flow();
    c.room.run_for(2s);
  }
  void flow() {
    if (!flowing) return;
    testing::fake_record record;
    record.value = R"({"a":1,"b":1,"c":1})";
    c.kafka.append_row(static_cast<std::int32_t>(rows++ % partitions), std::move(record), false, 6);
    c.room.after(5ms, [this] { flow(); });
  }
  /// Rows that come out within `span`.
  std::size_t outcomes_within(sim_duration span) {
    auto before = c.check.total() - c.check.waiting();
    c.room.run_for(span);
    return c.check.total() - c.check.waiting() - before;
  }
  std::string owners() {
    std::string text;
    for (auto& [which, how] : c.check.truth().partitions())
      text += how.state == partition_record::state_kind::granted ? how.node.name : "-";
    return text;
  }
  std::string wrongs() {
    std::string text;
    for (auto& wrong : c.room.wrongs()) text += wrong + "\n";
    return text.empty() ? text : text + c.room.history();
  }
  process_ptr follower() {
    for (auto& who : c.living())
      if (who != c.coordinator()) return who;
    return nullptr;
  }
};

/// I7: rows of others flow on while the coordinator stands still, and nobody has noticed yet. "" if they do.
inline std::string scoring_without_coordinator(guarantee how, canary broken = canary::none) {
  walk w{how, 3, broken};
  auto term = w.c.check.truth().term();
  w.c.freeze(w.c.coordinator(), 10s);
  w.c.room.run_for(300ms); // what was under way
  auto rows = w.outcomes_within(1500ms);
  if (w.c.check.truth().term() != term) return "I7: somebody else rules too soon for this test";
  if (rows < 100) return fmt::format("I7: {} rows came out in the time without a coordinator", rows);
  return w.wrongs();
}

/// I9: a node joins and is given partitions while a batch takes far longer than the removal timeout allows a heartbeat
/// to take. "" if it is.
inline std::string control_while_scorers_are_slow(guarantee how, canary broken = canary::none) {
  walk w{how, 2, broken};
  auto members = w.c.check.truth().members().size();
  for (auto& node : w.c.nodes) node.scorer_pace = 3s;
  auto number = w.c.add_node({"ingest", "scorer", "coordinator"}, 1);
  w.c.start_later(number, 0ms);
  w.c.room.run_for(5s);
  if (w.c.lives != 3 || w.c.check.truth().members().size() != members + 1)
    return "I9: a node was removed, or did not come in, while scorers were slow";
  if (w.owners().find(w.c.nodes[number].name) == std::string::npos)
    return "I9: no partition changed hands while scorers were slow: " + w.owners();
  return w.wrongs();
}

} // namespace troupe::sim
