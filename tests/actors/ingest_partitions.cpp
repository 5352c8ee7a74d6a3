// Partitions come and go: grants, revocations, commits, freezes; and all at once, from a seed.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/actors/ingest_fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

struct chaos {
  lane_fixture& f;
  std::mt19937_64 random;
  std::map<std::int32_t, bool> held;
  std::int64_t epoch = -1; ///< of the last order that was sent
  std::uint32_t version = 1;

  bool one_in(unsigned n) { return random() % n == 0; }
  void act() {
    switch (random() % 12) {
    case 0:
    case 1:
    case 2: {
      auto partition = static_cast<std::int32_t>(random() % 4);
      for (auto n = random() % 30; n > 0; --n) {
        if (one_in(15))
          f.kafka.append("dsp", partition, {.key = "k", .value = "bad:10:G1"});
        else if (one_in(30))
          f.kafka.append("dsp", partition, {.key = "k", .value = std::nullopt});
        else
          f.append(partition, 1);
        if (one_in(20)) f.kafka.skip("dsp", partition, 2);
      }
      break;
    }
    case 3:
    case 4:
    case 5:
      if (auto& desk = *f.desks[random() % f.desks.size()]; !desk.batches.empty())
        desk.answer(random() % desk.batches.size());
      break;
    case 6:
    case 7:
      f.lane->deliver(random() % 20);
      break;
    case 8:
      f.lane->finish_commits(!one_in(4));
      break;
    case 9:
      f.sched.advance_time(std::chrono::milliseconds{random() % 120});
      break;
    case 10:
      move(static_cast<std::int32_t>(random() % 4));
      break;
    case 11:
      if (one_in(3)) f.send(f.ingest_, lane_version{model_version{++version}});
      if (one_in(5)) {
        auto down = static_cast<std::uint32_t>(random() % f.desks.size());
        f.send(f.ingest_, scorer_down{f.key_of(down)});
        f.add_scorer(one_in(2), false);
      }
      f.lane->capacity = one_in(3) ? 5 : 1000;
      break;
    }
  }
  /// Takes a partition away, or, once it has been released, gives it back where it was committed.
  void move(std::int32_t partition) {
    if (held[partition]) {
      f.send(f.ingest_, lane_revoke{{"dsp", partition}, control_offset{++epoch}});
      held[partition] = false;
      return;
    }
    const auto& holding = f.last().report.holding;
    bool released = f.last().seen.value >= epoch && std::none_of(holding.begin(), holding.end(), [&](auto& h) {
                      return h.where.partition == partition;
                    });
    if (!released) return;
    f.grant(partition, std::max<std::int64_t>(0, f.committed(partition)), ++epoch,
            f.committed(partition) < 0 ? "" : f.metadata(partition));
    held[partition] = true;
  }
  void settle() {
    f.lane->hold_commits = f.lane->hold_deliveries = false;
    f.lane->capacity = 1000;
    f.lane->finish_commits();
    f.lane->deliver();
    for (auto& desk : f.desks) desk->automatic = true;
    for (int round = 0; round < 40; ++round) {
      for (auto& desk : f.desks)
        while (!desk->batches.empty()) desk->answer();
      f.advance(std::chrono::milliseconds{100});
      for (std::int32_t partition = 0; partition < 4; ++partition)
        if (!held[partition]) move(partition);
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(ingest_partitions, lane_fixture)

BOOST_AUTO_TEST_CASE(revoke__rows_in_flight__drained_committed_released) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  grant(1);
  append(0, 10);
  advance(5ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(5ms);
  append(0, 10);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 2u);
  BOOST_CHECK_EQUAL(last().seen.value, 7);
  desk.answer();
  advance(1ms); // at once, not with the next tick
  BOOST_CHECK_EQUAL(committed(0), 10);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK(last().report.holding[0].where == (topic_partition{"dsp", 1}));
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(revoke__rows_in_the_open_batch__are_finished_first) {
  icfg.queue_delay_max = 200ms;
  start();
  add_scorer();
  grant(0);
  grant(1);
  append(0, 3);
  append(1, 3);
  advance(10ms);
  BOOST_REQUIRE_EQUAL(lane->rows_handed_out, 6u);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(20ms);
  BOOST_REQUIRE_MESSAGE(!down, reason);
  BOOST_CHECK_EQUAL(committed(0), 3);
  CHECK_RANGE(predicted(0), 0, 3);
  BOOST_CHECK_EQUAL(last().report.holding.size(), 1u);
}

BOOST_AUTO_TEST_CASE(grant__again_after_a_stop_with_rows_in_the_open_batch__finished_first) {
  icfg.queue_delay_max = 200ms;
  start();
  add_scorer();
  grant(0);
  grant(1);
  append(0, 3);
  append(1, 1);
  advance(10ms);
  BOOST_REQUIRE_EQUAL(lane->rows_handed_out, 4u);
  lane->emit({source_event::kind::partition_error, 0, -1, 0, "stopped for the test"});
  run();
  grant(0, 3, 9);
  append(0, 2);
  advance(500ms);
  BOOST_REQUIRE_MESSAGE(!down, reason);
  CHECK_RANGE(predicted(0), 0, 5);
}

BOOST_AUTO_TEST_CASE(revoke__commit_fails__held_until_it_succeeds) {
  start();
  add_scorer();
  lane->fail_commits = true;
  grant(0);
  append(0, 10);
  advance(150ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(1s);
  BOOST_CHECK_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_NE(last().report.problem.find("can't be committed"), std::string::npos);
  lane->fail_commits = false;
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 10);
  BOOST_CHECK(last().report.holding.empty());
  BOOST_CHECK_EQUAL(last().report.problem, "");
}

// An operator deletes one of two topics: the other one is read on, however long it takes until somebody is told.
BOOST_AUTO_TEST_CASE(commit__topic_is_gone__neither_reading_nor_hand_overs_wait_for_it) {
  kafka.create("old", 1);
  icfg.uncommitted_rows_max = 30;
  start();
  add_scorer();
  grant(0);
  send(ingest_, lane_grant{{"old", 0}, 0, "", control_offset{1}});
  run();
  lane->gone.insert("old");
  for (int i = 0; i < 20; ++i) kafka.append("old", 0, {.key = "k", .value = "x"});
  append(0, 5);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 5);
  BOOST_CHECK_EQUAL(last().counters.rows_uncommitted, 20u);
  BOOST_CHECK_NE(last().report.problem.find("no such topic"), std::string::npos);
  lane->emit({source_event::kind::partition_error, 1, -1, 0, "the topic does not exist"});
  advance(600ms);
  BOOST_CHECK_EQUAL(last().report.problem, "old/0 stopped: the topic does not exist");
  BOOST_CHECK_EQUAL(last().counters.rows_uncommitted, 0u);
  append(0, 100);
  advance(1s);
  CHECK_RANGE(predicted(0), 0, 105);
  send(ingest_, lane_revoke{{"old", 0}, control_offset{7}});
  advance(300ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(last().report.holding[0].where.topic, "dsp");
}

BOOST_AUTO_TEST_CASE(partition__may_not_be_read_for_a_while__is_a_problem_until_it_may) {
  start();
  add_scorer();
  grant(0);
  grant(1);
  lane->emit({source_event::kind::denied, 0, -1, 0, "can't read dsp/0"});
  advance(100ms);
  BOOST_CHECK_EQUAL(last().report.problem, "can't read dsp/0");
  lane->emit({source_event::kind::denied, 1, -1, 0, "can't read dsp/1"});
  advance(100ms);
  BOOST_CHECK_EQUAL(last().report.problem, "can't read dsp/0, as of 1 more partitions");
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}}); // what was taken away is no problem here any more
  advance(300ms);
  BOOST_CHECK_EQUAL(last().report.problem, "can't read dsp/1");
  lane->emit({source_event::kind::allowed, 1, -1, 0, {}});
  append(1, 5);
  advance(300ms);
  BOOST_CHECK_EQUAL(last().report.problem, "");
  CHECK_RANGE(predicted(1), 0, 5);
}

BOOST_AUTO_TEST_CASE(revoke__topic_is_gone__released_after_a_while_all_the_same) {
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  lane->gone.insert("dsp");
  advance(50ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(2s);
  BOOST_CHECK_EQUAL(last().report.holding.size(), 1u); // it may be there again in a moment
  advance(5s);
  BOOST_CHECK(last().report.holding.empty());
  BOOST_CHECK_EQUAL(last().report.problem, "");
}

BOOST_AUTO_TEST_CASE(revoke__scorer_takes_seconds__rows_are_left_to_the_next_owner) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  grant(1);
  append(0, 5);
  append(1, 5);
  advance(5ms);
  append(0, 10);
  advance(5ms);
  desk.answer(); // the first batch gets through: rows 0..4 of both
  advance(5ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(800ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(committed(0), static_cast<std::int64_t>(predicted(0).size()));
  auto left_at = committed(0);
  BOOST_CHECK_LT(left_at, 15);
  while (!desk.batches.empty()) {
    desk.answer();
    advance(5ms);
  }
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, left_at);
  grant(0, left_at, 9);
  desk.automatic = true;
  advance(500ms);
  CHECK_RANGE(predicted(0), 0, 15);
  CHECK_RANGE(predicted(1), 0, 5);
  BOOST_CHECK_EQUAL(last().counters.rows_uncommitted, 0u);
}

BOOST_AUTO_TEST_CASE(grant__offset_in_the_middle__starts_exactly_there) {
  start();
  add_scorer();
  append(3, 30);
  first_offset = 17;
  grant(3, 17, 1, R"({"version":"games@1","since":4})");
  advance(200ms);
  CHECK_RANGE(predicted(3), 17, 30);
  BOOST_CHECK_EQUAL(metadata(3), R"({"version":"games@1","since":4})");
}

BOOST_AUTO_TEST_CASE(version__switched__stamped_at_an_exact_offset_and_recorded) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  send(ingest_, lane_version{model_version{2}});
  advance(1ms);
  append(0, 10);
  advance(5ms);
  desk.answer();
  advance(200ms);
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@1","since":0})");
  desk.answer();
  advance(200ms);
  auto rows = kafka.all("preds");
  BOOST_REQUIRE_EQUAL(rows.size(), 20u);
  BOOST_CHECK_EQUAL(rows[9].value.value(), "r9@1");
  BOOST_CHECK_EQUAL(rows[10].value.value(), "r10@2");
  BOOST_CHECK_EQUAL(rows[10].header("troupe.model").value(), "games@2");
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@2","since":10})");
}

// Two rollouts while a batch was out: nobody keeps its version, nor may the next one overtake it (I4).
BOOST_AUTO_TEST_CASE(version__kept_by_nobody__its_rows_and_those_after_get_the_one_in_force) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  send(ingest_, lane_version{model_version{2}});
  append(0, 10);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(desk.batches.size(), 2u);
  desk.answer(1); // scored by version 2, and waits for the one before
  send(ingest_, lane_version{model_version{3}});
  append(0, 10);
  desk.gone = {1, 2};
  desk.answer(0);
  desk.automatic = true;
  advance(2s);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK_EQUAL(last().report.problem,
                    "rows wait for games@1, which no scorer has; if that goes on, games@3 scores them");
  while (!desk.batches.empty()) desk.answer();
  advance(5s);
  CHECK_RANGE(predicted(0), 0, 30);
  for (const auto& record : kafka.all("preds")) {
    BOOST_CHECK_EQUAL(record.header("troupe.model").value(), "games@3");
    BOOST_CHECK(record.value.value().ends_with("@3"));
  }
  BOOST_CHECK_EQUAL(committed(0), 30);
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@3","since":0})");
  BOOST_CHECK_EQUAL(last().report.problem, "");
}

// The one in force is waited for: its model is being loaded.
BOOST_AUTO_TEST_CASE(version__in_force_and_nobody_has_it__waited_for_and_told) {
  start();
  auto& desk = add_scorer();
  desk.gone = {1};
  grant(0);
  append(0, 10);
  advance(8s);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK_EQUAL(last().report.problem, "rows wait for games@1, which no scorer has");
  desk.gone.clear();
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(commit__deliveries_held__waits_for_the_unbroken_prefix) {
  start();
  add_scorer();
  lane->hold_deliveries = true;
  grant(0);
  append(0, 30);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), -1);
  lane->deliver(15);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 10);
  lane->deliver();
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 30);
}

BOOST_AUTO_TEST_CASE(commit__markers_at_the_end__passed) {
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  kafka.skip("dsp", 0, 3);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 8);
  kafka.skip("dsp", 0, 2);
  append(0, 1);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 11);
}

BOOST_AUTO_TEST_CASE(commit__idle_for_an_hour__repeated) {
  icfg.report_interval = 1h;
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  advance(300ms);
  auto before = lane->commits.size();
  for (int i = 0; i < 3700; ++i) {
    sched.advance_time(1s);
    run();
  }
  BOOST_CHECK_EQUAL(lane->commits.size(), before + 1);
}

BOOST_AUTO_TEST_CASE(tolerance_none__stopped__revoke_still_releases) {
  icfg.tolerate_bad_rows = false;
  start();
  add_scorer();
  grant(0);
  grant(1);
  append(0, 3);
  kafka.append("dsp", 0, {.value = "bad:10:G3"});
  append(1, 3);
  advance(300ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{5}});
  advance(300ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(committed(0), 3);
}

BOOST_AUTO_TEST_CASE(partition__cannot_be_read_on__others_go_on) {
  start();
  add_scorer();
  grant(0);
  grant(1);
  run();
  lane->emit({source_event::kind::partition_error, 0, -1, 0, "offset 0 is out of range"});
  append(1, 5);
  advance(300ms);
  CHECK_RANGE(predicted(1), 0, 5);
  BOOST_CHECK_EQUAL(last().report.problem, "dsp/0 stopped: offset 0 is out of range");
  BOOST_CHECK_EQUAL(last().report.holding.size(), 2u);
}

BOOST_AUTO_TEST_CASE(frozen__longer_than_the_removal_timeout__produces_nothing_and_ends) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  freeze(6s);
  desk.answer();
  run();
  BOOST_CHECK(down);
  BOOST_CHECK_NE(reason.find("stood still"), std::string::npos);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK(lane->closed);
}

// The actor's clock stands still while the machine is suspended; the guard's does not.
BOOST_AUTO_TEST_CASE(suspended__longer_than_the_removal_timeout__produces_nothing_and_ends) {
  auto suspended = std::make_shared<std::chrono::seconds>(0);
  icfg.guard_clock = [this, suspended] { return now() + *suspended; };
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 5);
  advance(100ms);
  *suspended = 4s;
  advance(100ms);
  BOOST_CHECK(!down);
  *suspended += 6s;
  desk.answer();
  run();
  BOOST_CHECK(down);
  BOOST_CHECK(predicted(0).empty());
}

BOOST_AUTO_TEST_CASE(frozen__shorter__goes_on) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  freeze(4s);
  desk.answer();
  run();
  BOOST_CHECK(!down);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(chance__seeds__every_row_one_outcome_and_commits_never_ahead) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    lane_fixture f;
    f.icfg.uncommitted_rows_max = 200;
    f.icfg.dispatch.rows_max = 100;
    f.start();
    f.lane->hold_commits = f.lane->hold_deliveries = true;
    for (int i = 0; i < 3; ++i) f.add_scorer(i < 2, false);
    chaos world{f, std::mt19937_64{seed}, {}, -1, 1};
    f.run();
    for (std::int32_t p = 0; p < 4; ++p) world.move(p);
    for (int i = 0; i < 400; ++i) {
      world.act();
      for (auto steps = world.random() % 6; steps > 0; --steps) f.step(world.random);
      if (f.down) break;
    }
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_REQUIRE_MESSAGE(!f.down, f.reason);
      world.settle();
      std::size_t rows = 0;
      for (std::int32_t p = 0; p < 4; ++p) {
        rows += f.kafka.log("dsp", p).records.size();
        BOOST_CHECK_EQUAL(f.committed(p) < 0 ? 0 : f.committed(p), f.kafka.log("dsp", p).end);
        auto order = f.predicted(p);
        BOOST_CHECK(std::is_sorted(order.begin(), order.end()));
      }
      // The lane never died, so at-least-once is exactly once here.
      BOOST_CHECK_EQUAL(f.kafka.all("preds").size() + f.kafka.all("dsp.dlq").size(), rows);
      BOOST_CHECK_EQUAL(f.durable_sources().size(), rows);
      BOOST_CHECK_EQUAL(f.last().counters.rows_uncommitted, 0u);
    }
  }
}

// Breaks the rule on purpose: Kafka says that records are durable which it has lost. The check has to notice.
BOOST_AUTO_TEST_CASE(canary__deliveries_that_are_lies__commit_check_notices) {
  start();
  add_scorer();
  std::vector<std::string> violations;
  lane->on_commit = [&](const fake_lane& at, const std::vector<partition_commit>& offsets) {
    for (const auto& offset : offsets)
      if (auto row = undurable(at.assigned.at(offset.slot).where, offset.offset); !row.empty())
        violations.push_back(row);
  };
  grant(0);
  append(0, 10);
  advance(300ms);
  BOOST_CHECK(violations.empty());
  lane->lose_records = true;
  append(0, 1);
  advance(300ms);
  BOOST_REQUIRE_EQUAL(violations.size(), 1u);
  BOOST_CHECK_EQUAL(violations[0], "dsp/0/10");
}

BOOST_AUTO_TEST_SUITE_END()
