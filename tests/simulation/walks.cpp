// The walks of docs/architecture.md on the simulated cluster, one at a time and without any other trouble.

#include <boost/test/unit_test.hpp>

#include "tests/simulation/cluster.hpp"

namespace {

using namespace troupe;
using namespace troupe::sim;

struct walk {
  cluster c{1, canary::none};
  std::size_t partitions = 4;
  std::uint64_t rows = 0;
  bool flowing = true;

  explicit walk(std::size_t nodes = 3) {
    for (auto* topic : {"control", "lease"}) c.kafka.store.create(topic, 1);
    for (auto* topic : {"dsp", "preds", "dsp.dlq"}) c.kafka.store.create(topic, partitions);
    c.kafka.append_fails_percent = 0;
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

} // namespace

BOOST_AUTO_TEST_SUITE(walks)

BOOST_AUTO_TEST_CASE(rows__three_nodes__all_come_out_once) {
  walk w;
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  w.flowing = false;
  w.c.room.run_for(1s);
  BOOST_TEST(w.c.check.waiting() == 0u);
  BOOST_TEST(w.c.check.repeated() == 0u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(node_joins__takes_its_share__nothing_is_repeated) {
  walk w{2};
  w.c.start_later(w.c.add_node({"ingest", "scorer"}, 1), 0ms);
  w.c.room.run_for(2s);
  BOOST_TEST(w.owners().find('c') != std::string::npos);
  BOOST_TEST(w.c.check.repeated() == 0u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(node_leaves__hands_over__nothing_is_repeated) {
  walk w;
  auto leaver = w.follower();
  auto name = leaver->self.name;
  w.c.leave(leaver);
  w.c.room.run_for(1500ms);
  BOOST_TEST(!leaver->alive);
  BOOST_TEST(w.owners().find(name) == std::string::npos);
  BOOST_TEST(w.owners().find('-') == std::string::npos);
  BOOST_TEST(w.outcomes_within(1s) > 150u);
  BOOST_TEST(w.c.check.repeated() == 0u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(node_that_only_scores__gets_batches__and_no_partition) {
  walk w{1};
  w.c.nodes[0].scorer_pace = 500ms;
  auto helper = w.c.add_node({"scorer"}, 2);
  w.c.start_later(helper, 0ms);
  BOOST_TEST(w.outcomes_within(4s) > 250u); // one alone does 40 a second
  BOOST_TEST(w.owners() == "aaaa");
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(coordinator_is_killed__rows_flow_on__another_rules_within_seconds) {
  walk w;
  auto ruler = w.c.coordinator();
  auto term = w.c.check.truth().term();
  w.c.kill(ruler, "on purpose");
  BOOST_TEST(w.outcomes_within(1s) > 50u); // of the partitions that others own
  w.c.room.run_for(3s);
  BOOST_TEST((w.c.check.truth().term() > term));
  BOOST_TEST(w.owners().find('-') == std::string::npos);
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(model_pushed__every_partition_switches__no_gap) {
  walk w;
  w.c.push_model();
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  BOOST_TEST(w.c.pushes_done == 2u);
  for (std::int32_t p = 0; p < 4; ++p)
    BOOST_TEST(w.c.kafka.store.log("preds", p).records.back().header("troupe.model").value_or("") == "games@2");
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_CASE(garbage_is_pushed__is_refused__and_nothing_changes) {
  walk w;
  std::string answer;
  auto who = w.c.living().front();
  w.c.ask(who, {"model.begin", R"({"name":"games","bytes":4})", {}}, [&](const admin_reply& begun) {
    rapidjson::Document body;
    body.Parse(begun.body.c_str());
    auto upload = std::string(body["upload"].GetString());
    w.c.ask(who, {"model.chunk", R"({"upload":")" + upload + R"(","at":0})", {'j', 'u', 'n', 'k'}},
            [&, upload](const admin_reply&) {
              w.c.ask(who, {"model.commit", R"({"upload":")" + upload + R"("})", {}}, [&](const admin_reply& done) {
                BOOST_TEST(!done.ok);
                answer = done.body;
              });
            });
  });
  w.c.room.run_for(2s);
  BOOST_TEST(answer != "");
  BOOST_TEST(w.c.check.truth().models().size() == 1u);
}

BOOST_AUTO_TEST_CASE(kafka_is_away_for_a_second__nobody_is_removed__nobody_is_deposed) {
  walk w;
  auto term = w.c.check.truth().term();
  w.c.kafka.down = true;
  w.c.room.run_for(1s);
  w.c.kafka.down = false;
  w.c.room.run_for(6s);
  BOOST_TEST((w.c.check.truth().term() == term));
  BOOST_TEST(w.c.check.truth().members().size() == 3u);
  BOOST_TEST(w.outcomes_within(1s) > 150u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_AUTO_TEST_SUITE_END()
