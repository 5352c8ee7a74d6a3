// Exactly once: whose lane is shut out before its partitions get another owner, and whose need not be.

#include <set>

#include "tests/cluster/coordinator_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

struct fencing_fixture : coordinator_fixture {
  fencing_fixture() {
    config.pipelines[0].exactly_once = true;
    begin(a);
  }
  /// 0a 1a 2b 3b, and both have said so.
  void two_nodes() {
    join(a);
    join(b);
    core->heard(obedient(a), now);
    run();
    core->heard(obedient(b), now);
    run();
    BOOST_REQUIRE_EQUAL(owners(), "0a 1a 2b 3b ");
  }
  /// "2! 3!": the partitions asked for in the last run, '!' where a lane is fenced first.
  std::string asked() {
    std::string out;
    for (const auto& fetch : all<action::fetch_starts>())
      for (const auto& query : fetch.where)
        out += std::to_string(query.where.partition) + (query.fence.empty() ? "" : "!") + " ";
    return out;
  }
  std::set<std::string> fenced() {
    std::set<std::string> ids;
    for (const auto& fetch : all<action::fetch_starts>())
      for (const auto& query : fetch.where) ids.insert(query.fence);
    return ids;
  }
  node_report with_lane(const node_ref& who, std::uint32_t generation, bool opened, const std::string& problem = "") {
    auto out = report(who, generation);
    out.lanes[0].opened = opened;
    out.lanes[0].problem = problem;
    return out;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(coordinator_fencing, fencing_fixture)

BOOST_AUTO_TEST_CASE(never_granted__nobody_is_fenced) {
  core->heard(report(a), now);
  run();
  BOOST_TEST(asked() == "0 1 2 3 ");
}

BOOST_AUTO_TEST_CASE(lane_not_open_yet__is_granted_nothing) {
  core->heard(with_lane(a, 1, false), now);
  run();
  BOOST_TEST(owners() == "");
  core->heard(with_lane(a, 1, true), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
}

BOOST_AUTO_TEST_CASE(released_in_good_order__nobody_is_fenced) {
  join(a);
  core->heard(report(b), now);
  run();
  core->heard(report(b), now);
  core->heard(obedient(a), now);
  run();
  BOOST_TEST(asked() == "2 3 ");
  BOOST_TEST(owners() == "0a 1a 2b 3b ");
}

BOOST_AUTO_TEST_CASE(owner_removed__its_lane_is_fenced_before_the_offset_is_read) {
  two_nodes();
  core->refused(b, now);
  run();
  BOOST_TEST(asked() == "2! 3! ");
  BOOST_TEST((fenced() == std::set<std::string>{transactional_id("games", "games", "b")}));
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
}

BOOST_AUTO_TEST_CASE(owner_lost_kafka__its_lane_is_fenced) {
  two_nodes();
  auto lost = report(b, 2);
  lost.kafka_lost = true;
  lost.lanes[0].opened = false;
  lost.lanes[0].problem = "no contact with Kafka";
  core->heard(lost, now);
  run();
  BOOST_TEST(asked() == "2! 3! ");
}

BOOST_AUTO_TEST_CASE(newer_generation__open__has_fenced_the_older_itself) {
  two_nodes();
  core->heard(with_lane(b, 2, true), now);
  run();
  BOOST_TEST(asked() == "2 3 ");
  BOOST_TEST(core->state().partitions().at({"games", {"dsp", 2}}).generation.value == 2u);
}

BOOST_AUTO_TEST_CASE(newer_generation__opening__is_waited_for) {
  two_nodes();
  core->heard(with_lane(b, 2, false), now);
  run();
  BOOST_TEST(asked() == "");
  core->heard(with_lane(b, 2, true), now);
  run();
  BOOST_TEST(asked() == "2 3 ");
}

BOOST_AUTO_TEST_CASE(newer_generation__can_not_open__the_older_is_fenced) {
  two_nodes();
  core->heard(with_lane(b, 2, false, "no such topic"), now);
  run();
  BOOST_TEST(asked() == "2! 3! ");
}

BOOST_AUTO_TEST_CASE(owner_rejoined_under_its_name__open__has_fenced_its_last_life) {
  two_nodes();
  const auto again = ref("b", 3);
  auto hello = with_lane(again, 1, true);
  core->heard(hello, now); // from the address of the old one, which it replaces
  run();
  BOOST_TEST(core->state().is_member(again));
  core->heard(with_lane(again, 1, true), now);
  run();
  BOOST_TEST(fenced().count(transactional_id("games", "games", "b")) == 0u);
  BOOST_TEST(owners().find('-') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(coordinator_died_before_the_grant__the_next_one_fences_again) {
  two_nodes();
  core->refused(b, now);
  for (auto& any : core->step(now))
    if (auto* w = std::get_if<action::append>(&any)) {
      core->appended(log.append(w->records), now); // b's removal; nothing after it
      feed();
    }
  begin(ref("c", 4));
  core->heard(obedient(a), now);
  core->heard(report(ref("c", 4)), now);
  run();
  BOOST_TEST(asked().find("2!") != std::string::npos);
  BOOST_TEST(asked().find("3!") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
