#include "cluster/cluster_state.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/cluster/core_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

member_record join(const node_ref& node, std::int64_t term) {
  return {node, node.name + ":1", {"ingest", "coordinator"}, 1, true, "joined", term_id{term}};
}
member_record leave(const node_ref& node, std::int64_t term) { return {node, "", {}, 0, false, "left", term_id{term}}; }

partition_record grant(const node_ref& node, std::int64_t term) {
  return {"games", {"dsp", 0},   partition_record::state_kind::granted, node, generation_id{1}, 5, "m",
          "first", term_id{term}};
}

struct fixture {
  memory_log log;
  cluster_state state;
  std::size_t read = 0;
  std::vector<cluster_event> write(const control_record& record) {
    log.append(record);
    return state.apply(log.records.back());
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_state, fixture)

BOOST_AUTO_TEST_CASE(state__empty_log__nobody_has_claimed) {
  BOOST_TEST(state.term().value == -1);
  BOOST_TEST(!state.coordinator().has_value());
  BOOST_TEST(state.pipeline_running("games"));
  BOOST_TEST(state.applied().value == 0);
}

BOOST_AUTO_TEST_CASE(state__claim__its_offset_is_the_term) {
  write(cluster_record{"id", "f", 1});
  const auto events = write(claim_record{ref("a"), "a:1"});
  BOOST_TEST(state.term().value == 2);
  BOOST_TEST(state.coordinator()->node.name == "a");
  BOOST_REQUIRE_EQUAL(events.size(), 1u);
  BOOST_TEST((std::get<news::new_claim>(events[0]).term == state.term()));
}

BOOST_AUTO_TEST_CASE(state__record_of_an_older_term__is_ignored_and_counted) {
  write(claim_record{ref("a"), "a:1"});
  const auto old_term = state.term().value;
  write(claim_record{ref("b"), "b:1"});
  BOOST_TEST(write(join(ref("c"), old_term)).empty());
  BOOST_TEST(write(grant(ref("c"), old_term)).empty());
  BOOST_TEST(write(cluster_record{"id", "f", 1, term_id{old_term}}).empty());
  BOOST_TEST(!state.cluster().has_value());
  BOOST_TEST(state.members().empty());
  BOOST_TEST(state.partitions().empty());
  BOOST_TEST(state.ignored().stale == 3u);
  BOOST_TEST(write(join(ref("c"), state.term().value)).size() == 1u);
}

BOOST_AUTO_TEST_CASE(state__record_of_a_term_whose_claim_was_compacted_away__counts) {
  BOOST_TEST(write(join(ref("a"), 77)).size() == 1u);
  BOOST_TEST(state.ignored().stale == 0u);
}

BOOST_AUTO_TEST_CASE(state__join_and_leave__members_by_age) {
  write(join(ref("b"), 0));
  write(join(ref("a"), 0));
  const auto members = state.members_by_age();
  BOOST_REQUIRE_EQUAL(members.size(), 2u);
  BOOST_TEST(members[0]->node.name == "b");
  BOOST_TEST(state.members_by_age("scorer").empty());
  const auto events = write(leave(ref("b"), 0));
  BOOST_REQUIRE_EQUAL(events.size(), 1u);
  BOOST_TEST(std::get<news::member_removed>(events[0]).reason == "left");
  BOOST_TEST(!state.is_member(ref("b")));
  BOOST_TEST(state.was_removed(ref("b")));
  BOOST_TEST(state.removed().at("b").reason == "left");
}

BOOST_AUTO_TEST_CASE(state__name_comes_back_as_another_incarnation__the_old_one_is_gone) {
  write(join(ref("a", 1), 0));
  const auto events = write(join(ref("a", 2), 0));
  BOOST_REQUIRE_EQUAL(events.size(), 2u);
  BOOST_TEST((std::get<news::member_removed>(events[0]).node == ref("a", 1)));
  BOOST_TEST((std::get<news::member_joined>(events[1]).who.node == ref("a", 2)));
  BOOST_TEST(state.was_removed(ref("a", 1)));
  BOOST_TEST(write(leave(ref("a", 1), 0)).empty()); // a late removal of the old one does not hit the new one
  BOOST_TEST(state.is_member(ref("a", 2)));
}

BOOST_AUTO_TEST_CASE(state__grant_and_revoke__events_carry_the_epoch) {
  const auto granted = write(grant(ref("a"), 0));
  const auto& g = std::get<news::granted>(granted.at(0));
  BOOST_TEST(g.how.offset == 5);
  BOOST_TEST(g.how.at.value == log.records.back().offset);
  auto record = grant(ref("a"), 0);
  record.state = partition_record::state_kind::revoked;
  const auto revoked = write(record);
  BOOST_TEST((std::get<news::revoked>(revoked.at(0)).how.at > g.how.at));
}

BOOST_AUTO_TEST_CASE(state__same_offset_again__is_applied_once) {
  write(join(ref("a"), 0));
  BOOST_TEST(state.apply(log.records.back()).empty());
  BOOST_TEST(state.members().size() == 1u);
}

BOOST_AUTO_TEST_CASE(state__unknown_and_unreadable__are_counted_and_skipped) {
  log.append(std::vector<log_write>{{"quota/x", "{}"}, {"member/a", "{"}, {"mystery", std::nullopt}});
  for (const auto& record : log.records) BOOST_TEST(state.apply(record).empty());
  BOOST_TEST(state.ignored().unknown == 2u);
  BOOST_TEST(state.ignored().unreadable == 1u);
  BOOST_TEST(state.last_error().find("member/a") != std::string::npos);
  BOOST_TEST(state.applied().value == 3);
  state.advance_to(4);
  BOOST_TEST(state.applied().value == 4);
  state.advance_to(2);
  BOOST_TEST(state.applied().value == 4);
}

BOOST_AUTO_TEST_CASE(state__tombstones__forget) {
  write(change_record{"x", "done", "{}", term_id{0}});
  write(grant(ref("a"), 0));
  log.append(std::vector{tombstone("change/x"), tombstone("partition/games/dsp/0")});
  state.apply(log.records[log.records.size() - 2]);
  state.apply(log.records.back());
  BOOST_TEST(state.changes().empty());
  BOOST_TEST(state.partitions().empty());
}

BOOST_AUTO_TEST_CASE(state__alias__without_a_decision_of_its_own_is_decided_where_it_stands) {
  write(alias_record{"games", "champion", model_version{1}, model_version{0}, control_offset{-1}, term_id{0}});
  BOOST_TEST((state.find_alias("games", "champion")->decided == control_offset{0}));
  write(alias_record{"games", "champion", model_version{2}, model_version{1}, control_offset{1}, term_id{0}});
  BOOST_TEST((state.find_alias("games", "champion")->decided == control_offset{1}));
}

BOOST_AUTO_TEST_CASE(state__compacted_log__folds_to_the_same) {
  write(claim_record{ref("a"), "a:1"});
  write(join(ref("a"), 0));
  write(grant(ref("a"), 0));
  write(claim_record{ref("b"), "b:1"});
  write(join(ref("b"), state.term().value));
  write(grant(ref("b"), state.term().value));
  log.compact();
  ::troupe::cluster_state again;
  for (const auto& record : log.records) again.apply(record);
  BOOST_TEST((again.term() == state.term()));
  BOOST_TEST(again.members().size() == 2u);
  BOOST_TEST((again.members_by_age()[0]->node == ref("a")));
  BOOST_TEST((again.partitions().begin()->second.node == ref("b")));
  BOOST_TEST(again.ignored().stale == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
