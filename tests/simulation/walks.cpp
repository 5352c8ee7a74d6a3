// The walks of docs/architecture.md on the simulated cluster, one at a time and without any other trouble.

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/simulation/walk.hpp"

namespace troupe::sim {
std::ostream& operator<<(std::ostream& out, guarantee how) { return out << to_string(how); } // for the test's log
} // namespace troupe::sim

namespace {

using namespace troupe;
using namespace troupe::sim;

const auto guarantees = boost::unit_test::data::make({guarantee::at_least_once, guarantee::exactly_once});

} // namespace

BOOST_AUTO_TEST_SUITE(walks)

BOOST_DATA_TEST_CASE(rows__three_nodes__all_come_out_once, guarantees, how) {
  walk w{how};
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  w.flowing = false;
  w.c.room.run_for(1s);
  BOOST_TEST(w.c.check.waiting() == 0u);
  BOOST_TEST(w.c.check.repeated() == 0u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_DATA_TEST_CASE(node_joins__takes_its_share__nothing_is_repeated, guarantees, how) {
  walk w{how, 2};
  w.c.start_later(w.c.add_node({"ingest", "scorer"}, 1), 0ms);
  w.c.room.run_for(2s);
  BOOST_TEST(w.owners().find('c') != std::string::npos);
  BOOST_TEST(w.c.check.repeated() == 0u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_DATA_TEST_CASE(node_leaves__hands_over__nothing_is_repeated, guarantees, how) {
  walk w{how};
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

BOOST_DATA_TEST_CASE(node_that_only_scores__gets_batches__and_no_partition, guarantees, how) {
  walk w{how, 1};
  w.c.nodes[0].scorer_pace = 500ms;
  auto helper = w.c.add_node({"scorer"}, 2);
  w.c.start_later(helper, 0ms);
  BOOST_TEST(w.outcomes_within(4s) > 250u); // one alone does 40 a second
  BOOST_TEST(w.owners() == "aaaa");
  BOOST_TEST(w.wrongs() == "");
}

BOOST_DATA_TEST_CASE(coordinator_is_frozen__rows_of_others_flow_on, guarantees, how) {
  BOOST_TEST(scoring_without_coordinator(how) == "");
}

BOOST_DATA_TEST_CASE(scorers_are_slow__node_joins_and_gets_partitions__nobody_is_removed, guarantees, how) {
  BOOST_TEST(control_while_scorers_are_slow(how) == "");
}

BOOST_DATA_TEST_CASE(coordinator_is_killed__rows_flow_on__another_rules_within_seconds, guarantees, how) {
  walk w{how};
  auto term = w.c.check.truth().term();
  w.c.kill(w.c.coordinator(), "on purpose");
  BOOST_TEST(w.outcomes_within(1s) > 50u); // of the partitions that others own
  w.c.room.run_for(3s);
  BOOST_TEST((w.c.check.truth().term() > term));
  BOOST_TEST(w.owners().find('-') == std::string::npos);
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  BOOST_TEST(w.wrongs() == "");
}

BOOST_DATA_TEST_CASE(model_pushed__every_partition_switches__no_gap, guarantees, how) {
  walk w{how};
  w.c.push_model();
  BOOST_TEST(w.outcomes_within(2s) > 300u);
  BOOST_TEST(w.c.pushes_done == 2u);
  for (std::int32_t p = 0; p < 4; ++p)
    BOOST_TEST(w.c.kafka.store.log("preds", p).records.back().header("troupe.model").value_or("") == "games@2");
  BOOST_TEST(w.wrongs() == "");
}

BOOST_DATA_TEST_CASE(garbage_is_pushed__is_refused__and_nothing_changes, guarantees, how) {
  walk w{how};
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

BOOST_DATA_TEST_CASE(kafka_is_away_for_a_second__nobody_is_removed__nobody_is_deposed, guarantees, how) {
  walk w{how};
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

BOOST_AUTO_TEST_CASE(owner_dies_inside_a_transaction__readers_and_rows_go_on__nothing_is_repeated) {
  for (auto where :
       {cut_point::produced, cut_point::sending, cut_point::offsets_sent, cut_point::ending, cut_point::committed}) {
    walk w{guarantee::exactly_once};
    w.c.kafka.next_trap = {where, [&](const process_ptr& who) { w.c.kill(who, "inside a transaction"); }};
    w.c.room.run_for(5s);
    w.flowing = false;
    w.c.room.run_for(1s);
    BOOST_TEST(!w.c.kafka.next_trap);
    BOOST_TEST(w.c.check.waiting() == 0u);
    w.c.kafka.each_output([&](const topic_partition& out) { BOOST_TEST(!w.c.kafka.reader_waits(out)); });
    BOOST_TEST(w.wrongs() == "");
  }
}

BOOST_AUTO_TEST_CASE(owner_is_frozen_inside_a_transaction__others_go_on__zombie_changes_nothing) {
  for (auto span : {5s, 20s, 60s}) {
    walk w{guarantee::exactly_once};
    process_ptr frozen;
    w.c.kafka.next_trap = {cut_point::offsets_sent, [&](const process_ptr& who) { w.c.freeze(frozen = who, span); }};
    w.c.room.run_for(4s);
    BOOST_TEST(w.outcomes_within(1s) > 150u); // of all partitions; a reader is not held up either
    w.c.room.run_for(span);
    BOOST_TEST(w.c.room.reached().times("coordinator fenced a lane") > 0u);
    BOOST_TEST(w.c.check.truth().members().size() == 3u); // the frozen one is back, as another incarnation
    w.flowing = false;
    w.c.room.run_for(1s);
    BOOST_TEST(w.c.check.waiting() == 0u);
    BOOST_TEST(w.wrongs() == "");
  }
}

BOOST_AUTO_TEST_SUITE_END()
