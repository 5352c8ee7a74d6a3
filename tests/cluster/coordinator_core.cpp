#include "cluster/coordinator_core.hpp"

#include <rapidjson/document.h>

#include <boost/test/unit_test.hpp>

#include "tests/cluster/coordinator_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

BOOST_FIXTURE_TEST_SUITE(coordinator_core, coordinator_fixture)

BOOST_AUTO_TEST_CASE(first_term__writes_the_cluster_record_once) {
  run();
  BOOST_REQUIRE_EQUAL(purposes.size(), 1u);
  BOOST_TEST(core->state().cluster()->cluster_id == "c0ffee");
  run();
  BOOST_TEST(purposes.empty());
}

// a alone: 0..3 at a, from the committed offset, for the lane's generation
BOOST_AUTO_TEST_CASE(one_node__is_admitted_and_granted_everything) {
  join(a);
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  const auto& how = core->state().partitions().begin()->second;
  BOOST_TEST(how.offset == 100);
  BOOST_TEST(how.generation.value == 1u);
  BOOST_TEST(how.reason == "first owner");
  const auto fetches = all<action::fetch_starts>();
  BOOST_REQUIRE_EQUAL(fetches.size(), 1u);
  BOOST_TEST(fetches[0].where.size() == 4u);
  BOOST_TEST(!fetches[0].where[0].added_later);
}

BOOST_AUTO_TEST_CASE(nothing_changed__no_action_at_all) {
  join(a);
  run();
  for (int i = 0; i < 40; ++i) {
    now += 100ms;
    core->heard(obedient(a), now);
    BOOST_TEST(core->step(now).empty());
  }
}

BOOST_AUTO_TEST_CASE(member_without_a_lane__is_granted_nothing_yet) {
  core->heard(report(a, 0), now);
  run();
  BOOST_TEST(core->state().is_member(a));
  BOOST_TEST(owners() == "");
  core->heard(report(a, 3), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  BOOST_TEST(core->state().partitions().begin()->second.generation.value == 3u);
}

// 0a 1a 2a 3a      b joins      0a 1a 2- 3-   a lets go    0a 1a 2b 3b
BOOST_AUTO_TEST_CASE(second_node__partitions_move_only_after_they_were_released) {
  join(a);
  core->heard(report(b), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2- 3- ");
  core->heard(report(b), now);
  core->heard(report(a, 1, {{"dsp", 0}, {"dsp", 1}, {"dsp", 2}, {"dsp", 3}}), now); // has seen it, still drains
  run();
  BOOST_TEST(owners() == "0a 1a 2- 3- ");
  start_offset = 777;
  core->heard(obedient(a), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2b 3b ");
  const auto& how = core->state().partitions().at({"games", {"dsp", 2}});
  BOOST_TEST(how.offset == 777);
  BOOST_TEST(how.reason == "from a for balance (4 partitions there, 0 here)");
}

BOOST_AUTO_TEST_CASE(revoked__report_from_before_the_revocation__frees_nothing) {
  join(a);
  auto early = report(a, 1, {}); // holds nothing, but it had not even seen the revocation
  core->heard(report(b), now);
  run();
  early.sequence = ++sequence;
  core->heard(early, now);
  run();
  BOOST_TEST(owners() == "0a 1a 2- 3- ");
}

BOOST_AUTO_TEST_CASE(refused_node__is_removed_at_once_and_its_partitions_move) {
  join(a);
  join(b);
  core->heard(obedient(a), now);
  run();
  core->heard(obedient(b), now);
  BOOST_TEST(owners() == "0a 1a 2b 3b ");
  core->refused(b, now);
  run();
  BOOST_TEST(core->state().removed().at("b").reason == "its port refuses connections");
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  BOOST_TEST(core->state().partitions().at({"games", {"dsp", 2}}).reason == "from b, which is gone or can't serve it");
}

BOOST_AUTO_TEST_CASE(silent_node__is_probed_and_then_removed__the_own_node_never) {
  join(a);
  join(b);
  now += 1200ms;
  run();
  BOOST_REQUIRE_EQUAL(all<action::probe>().size(), 1u);
  BOOST_TEST((all<action::probe>()[0].node == b));
  run();
  BOOST_TEST(all<action::probe>().empty()); // not more often than every `retry`
  for (int i = 0; i < 39; ++i) {
    now += 100ms;
    run();
  }
  BOOST_TEST(!core->state().is_member(b));
  BOOST_TEST(core->state().is_member(a));
}

// SIGSTOP of the coordinator: what the others sent meanwhile is still to be read.
BOOST_AUTO_TEST_CASE(coordinator_stood_still__nobody_is_removed_for_that) {
  join(a);
  join(b);
  now += 60s;
  run();
  BOOST_TEST(core->state().is_member(b));
  for (int i = 0; i < 51; ++i) {
    now += 100ms;
    run();
  }
  BOOST_TEST(!core->state().is_member(b));
}

BOOST_AUTO_TEST_CASE(lane_restarted__partitions_are_granted_to_the_new_generation) {
  join(a);
  core->heard(report(a, 2), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  for (const auto& [which, how] : core->state().partitions()) BOOST_TEST(how.generation.value == 2u);
}

// 0a 1a 2b 3b      b leaves      0a 1a 2- 3-     b lets go     0a 1a 2a 3a, b removed
BOOST_AUTO_TEST_CASE(leaving_node__hands_over_then_is_removed) {
  join(a);
  join(b);
  core->heard(obedient(a), now);
  run();
  auto leaving = obedient(b);
  leaving.leaving = true;
  core->heard(leaving, now);
  run();
  BOOST_TEST(owners() == "0a 1a 2- 3- ");
  BOOST_TEST(core->state().is_member(b));
  leaving = obedient(b);
  leaving.leaving = true;
  core->heard(leaving, now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  BOOST_TEST(core->state().removed().at("b").reason == "left");
}

BOOST_AUTO_TEST_CASE(last_node_leaves__partitions_are_taken_though_nobody_gets_them) {
  join(a);
  auto leaving = obedient(a);
  leaving.leaving = true;
  core->heard(leaving, now);
  run();
  BOOST_TEST(owners() == "0- 1- 2- 3- ");
}

BOOST_AUTO_TEST_CASE(kafka_lost__partitions_move_without_its_consent_once_its_lanes_ended) {
  join(a);
  join(b);
  core->heard(obedient(a), now);
  run();
  auto lost = obedient(b);
  lost.kafka_lost = true;
  core->heard(lost, now);
  run();
  BOOST_TEST(owners() == "0a 1a 2- 3- ");
  lost.lanes.clear();
  lost.sequence = ++sequence;
  core->heard(lost, now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
}

BOOST_AUTO_TEST_CASE(other_fingerprint__is_refused_with_both_values) {
  join(a);
  auto foreign = report(b);
  foreign.fingerprint = "f2";
  core->heard(foreign, now);
  run();
  BOOST_TEST(!core->state().is_member(b));
  const auto& message = core->refusals().at(b).message;
  BOOST_TEST(message.find("f1") != std::string::npos);
  BOOST_TEST(message.find("f2") != std::string::npos);
  for (int i = 0; i < 61; ++i) {
    now += 1s;
    core->heard(obedient(a), now);
    run();
  }
  BOOST_TEST(core->refusals().empty());
}

BOOST_AUTO_TEST_CASE(name_alive__is_refused_and_probed__until_the_other_is_gone) {
  join(a);
  join(b);
  auto twin = report(ref("b", 9));
  twin.address = "elsewhere:1";
  core->heard(twin, now);
  run();
  BOOST_TEST(core->refusals().at(twin.node).message.find("already alive at b:4800") != std::string::npos);
  BOOST_REQUIRE_EQUAL(all<action::probe>().size(), 1u);
  core->refused(b, now);
  run();
  BOOST_TEST(core->state().is_member(twin.node));
  BOOST_TEST(core->refusals().empty());
}

BOOST_AUTO_TEST_CASE(restart_at_the_same_address__replaces_the_old_incarnation) {
  join(a);
  join(b);
  core->heard(report(ref("b", 9)), now);
  run();
  BOOST_TEST(core->state().is_member(ref("b", 9)));
  BOOST_TEST(core->state().was_removed(b));
  core->heard(report(b), now); // its last words, late
  run();
  BOOST_TEST(core->state().is_member(ref("b", 9)));
}

BOOST_AUTO_TEST_CASE(restart_while_a_partition_is_on_its_way_to_it__old_incarnation_is_granted_nothing) {
  const auto c = ref("c", 3);
  for (const auto& who : {a, b, c}) join(who);
  for (int round = 0; round < 3; ++round)
    for (const auto& who : {a, b, c}) {
      core->heard(obedient(who), now);
      run();
    }
  core->refused(c, now); // what it had goes to b, which has the fewest
  bool asked = false;
  for (int i = 0; i < 10 && !asked; ++i)
    for (auto& any : core->step(now)) {
      if (auto* w = std::get_if<action::append>(&any)) {
        core->appended(log.append(w->records), now);
        feed();
      } else if (auto* f = std::get_if<action::fetch_starts>(&any)) {
        core->heard(report(ref("b", 9)), now);
        std::vector<partition_start_found> found;
        for (const auto& query : f->where) found.push_back({query.where, start_offset, "{}"});
        core->starts(f->pipeline, found, now);
        asked = true;
      }
    }
  BOOST_REQUIRE(asked);
  run();
  cluster_state truth;
  for (const auto& record : log.records) {
    truth.apply(record);
    if (!record.value) continue;
    const auto read = read_record(record.key, *record.value);
    const auto* granted = read && *read ? std::get_if<partition_record>(&**read) : nullptr;
    if (granted && granted->state == part::granted)
      BOOST_TEST(truth.is_member(granted->node), "a grant to " + to_string(granted->node));
  }
  BOOST_TEST(core->state().is_member(ref("b", 9)));
}

BOOST_AUTO_TEST_CASE(removed_incarnation__is_not_admitted_again) {
  join(a);
  join(b);
  core->refused(b, now);
  run();
  core->heard(report(b), now);
  run();
  BOOST_TEST(!core->state().is_member(b));
  BOOST_TEST(core->refusals().at(b).message.find("join as a new one") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(new_term__waits_for_every_report_before_it_moves_anything) {
  join(a);
  join(b);
  core->heard(obedient(a), now);
  run();
  begin(b);
  core->heard(report(b, 2), now); // lanes started again: its partitions are free, but a is not heard yet
  run();
  BOOST_TEST(purposes.empty());
  core->heard(obedient(a), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2b 3b ");
  BOOST_TEST(core->state().partitions().at({"games", {"dsp", 3}}).generation.value == 2u);
}

BOOST_AUTO_TEST_CASE(new_term__silent_member_is_removed_after_the_timeout) {
  join(a);
  join(b);
  begin(b);
  core->heard(report(b), now);
  for (int i = 0; i < 51; ++i) {
    now += 100ms;
    core->heard(report(b), now);
    run();
  }
  BOOST_TEST(!core->state().is_member(a));
  BOOST_TEST(owners() == "0b 1b 2b 3b ");
}

BOOST_AUTO_TEST_CASE(newer_claim__steps_down_and_does_nothing_more) {
  join(a);
  log.append(control_record{claim_record{b, "b:4800"}});
  feed();
  run();
  BOOST_REQUIRE_EQUAL(all<action::step_down>().size(), 1u);
  BOOST_TEST(!core->ruling());
  core->refused(a, now);
  run();
  BOOST_TEST(actions.empty());
}

BOOST_AUTO_TEST_CASE(append_fenced_or_unknown__steps_down) {
  for (const auto code : {errc::fenced, errc::timeout, errc::internal}) {
    begin(a);
    core->heard(report(ref("x", 50 + static_cast<unsigned>(code))), now);
    const auto first = core->step(now);
    BOOST_REQUIRE(std::any_of(first.begin(), first.end(), [](auto& any) { return std::get_if<action::append>(&any); }));
    core->appended(fail(code, "no"), now);
    const auto then = core->step(now);
    BOOST_REQUIRE_EQUAL(then.size(), 1u);
    BOOST_TEST(std::get<action::step_down>(then[0]).why.find("no") != std::string::npos);
    BOOST_TEST(core->step(now).empty());
  }
}

BOOST_AUTO_TEST_CASE(append_unavailable__is_tried_again__changes_included) {
  join(a);
  core->submit({"1", "register_model", model('a')}, now, 0);
  core->step(now);
  core->appended(fail(errc::unavailable, "no broker"), now);
  BOOST_TEST(core->step(now).empty());
  now += 600ms;
  run();
  BOOST_REQUIRE_EQUAL(all<action::answer>().size(), 1u);
  BOOST_TEST(all<action::answer>()[0].reply.ok);
}

BOOST_AUTO_TEST_CASE(append_under_way__nothing_else_is_appended) {
  core->heard(report(a), now);
  BOOST_TEST(core->step(now).size() == 2u); // topics are asked for, and the append
  core->heard(report(b), now);
  BOOST_TEST(core->step(now).empty());
  core->appended(1000, now);
  BOOST_TEST(core->step(now).empty()); // durable, but not read back
}

BOOST_AUTO_TEST_CASE(topic_missing__is_a_problem_of_the_pipeline__and_asked_for_again) {
  core->heard(report(a), now);
  run({});
  BOOST_TEST(owners() == "");
  BOOST_TEST(core->status_json(now).find("topic dsp does not exist: create it") != std::string::npos);
  now += 1000ms;
  core->heard(report(a), now);
  run({{"dsp", 1}});
  BOOST_TEST(owners() == "0a ");
}

BOOST_AUTO_TEST_CASE(partitions_added_later__start_as_such) {
  join(a);
  now += 10s;
  core->heard(obedient(a), now);
  run({{"dsp", 6}});
  const auto fetches = all<action::fetch_starts>();
  BOOST_REQUIRE_EQUAL(fetches.size(), 1u);
  BOOST_REQUIRE_EQUAL(fetches[0].where.size(), 2u);
  BOOST_TEST(fetches[0].where[0].added_later);
  BOOST_TEST(owners() == "0a 1a 2a 3a 4a 5a ");
}

// With startingOffsets latest the start is the end of that moment: rows that come before the first model count.
BOOST_AUTO_TEST_CASE(no_owner_yet__the_start_is_resolved_once__and_asked_for_again_when_there_is_one) {
  core->heard(report(a, 0), now);
  run();
  BOOST_REQUIRE_EQUAL(all<action::fetch_starts>().size(), 1u);
  BOOST_TEST(all<action::fetch_starts>()[0].where.size() == 4u);
  BOOST_TEST(owners() == "");
  now += 250ms;
  core->heard(report(a, 0), now);
  run();
  BOOST_TEST(all<action::fetch_starts>().empty());
  start_offset = 777; // somebody has reset the group meanwhile
  core->heard(report(a), now);
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
  for (const auto& [which, how] : core->state().partitions()) BOOST_TEST(how.offset == 777);
}

BOOST_AUTO_TEST_CASE(starts_failed__asked_again_after_a_while) {
  core->heard(report(a), now);
  for (int i = 0; i < 10; ++i)
    for (auto& any : core->step(now)) {
      if (auto* w = std::get_if<action::append>(&any)) core->appended(log.append(w->records), now), feed();
      if (std::get_if<action::query_topics>(&any)) core->topics({{"dsp", 4}}, now);
      if (std::get_if<action::fetch_starts>(&any)) core->starts_failed("games", "no broker", now);
    }
  BOOST_TEST(owners() == "");
  BOOST_TEST(core->status_json(now).find("where to start reading: no broker") != std::string::npos);
  now += 500ms;
  run();
  BOOST_TEST(owners() == "0a 1a 2a 3a ");
}

// gen 1 lives, ends (gen 2 is nobody's), gen 3 lives: for a while it is told why gen 1 ended.
BOOST_AUTO_TEST_CASE(lane_ended__its_reason_is_told_for_a_while__although_the_next_one_is_well) {
  join(a);
  const auto told = [&](std::uint32_t generation, const std::string& problem) {
    auto beat = obedient(a);
    beat.lanes[0].generation = generation_id{generation};
    beat.lanes[0].problem = problem;
    core->heard(beat, now);
    return core->status_json(now);
  };
  const std::string passing = "trying again", reason = "may not write";
  BOOST_TEST(told(1, passing).find("node a: " + passing) != std::string::npos);
  BOOST_TEST(told(1, "").find(passing) == std::string::npos); // what a lane got over is over
  BOOST_TEST(told(2, reason).find("node a: " + reason) != std::string::npos);
  now += 3s;
  BOOST_TEST(told(3, "").find("node a, 3 s ago: " + reason) != std::string::npos);
  now += 7s;
  BOOST_TEST(told(3, "").find(reason) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(bad_row__stops_the_pipeline__until_resumed) {
  join(a);
  auto stopped = obedient(a);
  stopped.lanes[0].stopped_by_row = true;
  stopped.lanes[0].problem = "dsp/3/17: NOT_JSON";
  core->heard(stopped, now);
  run();
  BOOST_TEST(!core->state().pipeline_running("games"));
  BOOST_TEST(core->state().pipelines().at("games").reason == "dsp/3/17: NOT_JSON");
  BOOST_TEST(ask("resume_pipeline", R"({"name":"games"})").ok);
  BOOST_TEST(core->state().pipeline_running("games")); // although the last report still says so
  stopped.applied = core->state().applied();
  stopped.sequence = ++sequence;
  core->heard(stopped, now);
  run();
  BOOST_TEST(!core->state().pipeline_running("games"));
}

BOOST_AUTO_TEST_CASE(other_config__while_members_live__this_node_has_to_stop) {
  join(a);
  join(b);
  config.fingerprint = "f2";
  begin(ref("c", 7));
  auto old = report(b);
  core->heard(old, now);
  run();
  BOOST_REQUIRE_EQUAL(all<action::step_down>().size(), 1u);
  BOOST_TEST(all<action::step_down>()[0].for_good);
  BOOST_TEST(all<action::step_down>()[0].why.find("f1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(other_config__after_a_full_stop__the_cluster_takes_it) {
  join(a);
  config.fingerprint = "f2";
  const node_ref again = ref("a", 7);
  begin(again);
  const auto mine = [&] {
    auto r = report(again);
    r.fingerprint = "f2";
    core->heard(r, now);
    run();
  };
  mine();
  BOOST_TEST(core->state().cluster()->fingerprint == "f1");
  for (int i = 0; i < 51; ++i) {
    now += 100ms;
    mine();
  }
  BOOST_TEST(core->state().cluster()->fingerprint == "f2");
  BOOST_TEST(core->state().cluster()->cluster_id == "c0ffee");
  BOOST_TEST(core->state().is_member(again));
}

BOOST_AUTO_TEST_CASE(status__what_was_stale__is_counted) {
  join(a);
  const auto first = obedient(a), second = obedient(a);
  core->heard(second, now);
  core->heard(first, now);
  rapidjson::Document d;
  d.Parse(core->status_json(now, 7).c_str());
  BOOST_REQUIRE(!d.HasParseError());
  BOOST_TEST(d["ignored"]["stale_reports"].GetInt() == 1);
  BOOST_TEST(d["ignored"]["stale_leases"].GetInt() == 7);
}

BOOST_AUTO_TEST_CASE(status__is_json_with_everything) {
  join(a);
  auto r = obedient(a);
  r.stats = R"({"rows":5})";
  for (auto& held : r.lanes[0].holding) held.committed = 110, held.end_offset = 150;
  core->heard(r, now);
  ask("register_model", model('a'));
  rapidjson::Document d;
  d.Parse(core->status_json(now).c_str());
  BOOST_REQUIRE(!d.HasParseError());
  BOOST_TEST(d["cluster"]["id"].GetString() == "c0ffee");
  BOOST_TEST(d["coordinator"]["node"].GetString() == "a");
  BOOST_TEST(d["nodes"][0]["state"].GetString() == "alive");
  BOOST_TEST(d["nodes"][0]["stats"]["rows"].GetInt() == 5);
  BOOST_TEST(d["partitions"].Size() == 4u);
  BOOST_TEST(d["partitions"][0]["owner"].GetString() == "a");
  BOOST_TEST(d["partitions"][0]["lag"].GetInt() == 40);
  BOOST_TEST(d["models"][0]["waiting"][0].GetString() == "a");
  BOOST_TEST(d["pipelines"][0]["state"].GetString() == "running");
  r.stats = "}not json{";
  r.sequence = ++sequence;
  core->heard(r, now);
  d.Parse(core->status_json(now).c_str());
  BOOST_REQUIRE(!d.HasParseError());
  BOOST_TEST(d["nodes"][0]["stats"].IsNull());
  core->end_term();
  d.Parse(core->status_json(now).c_str());
  BOOST_REQUIRE(!d.HasParseError());
  BOOST_TEST(!d["coordinator"]["answers"].GetBool());
}

BOOST_AUTO_TEST_SUITE_END()
