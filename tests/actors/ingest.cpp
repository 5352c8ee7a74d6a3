// The ingest actor reads and dispatches: order, scorers that come, go and lie, the bounds, pausing, waking.
#include <memory>

#include "tests/actors/ingest_fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(ingest, lane_fixture)

BOOST_AUTO_TEST_CASE(order__scorers_answer_out_of_order__kept) {
  start();
  auto& slow = add_scorer(true, false);
  auto& other = add_scorer(true, false);
  grant(2);
  append(2, 40);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(slow.batches.size() + other.batches.size(), 4u);
  other.answer(1);
  other.answer(0);
  advance(5ms);
  slow.answer(1);
  advance(300ms);
  BOOST_CHECK(predicted(2).empty());
  BOOST_CHECK_EQUAL(committed(2), -1);
  slow.answer(0);
  advance(200ms);
  CHECK_RANGE(predicted(2), 0, 40);
  BOOST_CHECK_EQUAL(committed(2), 40);
}

BOOST_AUTO_TEST_CASE(dispatch__local_saturated__remote_gets_batches) {
  start();
  auto& local = add_scorer(true, false);
  auto& remote = add_scorer(false, false);
  grant(0);
  append(0, 100);
  advance(5ms);
  BOOST_CHECK_EQUAL(local.batches.size(), 2u);
  BOOST_CHECK_EQUAL(remote.batches.size(), 4u);
  BOOST_CHECK_EQUAL(local.batches[0].batch.seq.value, 0u);
  advance(300ms);
  BOOST_CHECK_EQUAL(last().counters.rows_to_local, 20u);
  BOOST_CHECK_EQUAL(last().counters.rows_to_remote, 40u);
}

BOOST_AUTO_TEST_CASE(scorer__goes_down__batches_elsewhere_and_late_answer_dropped) {
  start();
  auto& first = add_scorer(true, false);
  grant(0);
  append(0, 20);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(first.batches.size(), 2u);
  auto& second = add_scorer(true, false);
  send(ingest_, scorer_down{key_of(0)});
  advance(5ms);
  BOOST_REQUIRE_EQUAL(second.batches.size(), 2u);
  BOOST_CHECK_EQUAL(second.batches[0].batch.attempt, 1u);
  first.answer(0);
  first.answer(0);
  advance(200ms);
  BOOST_CHECK(predicted(0).empty());
  second.answer(0);
  second.answer(0);
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 20);
  BOOST_CHECK_EQUAL(last().counters.redispatched, 2u);
}

// After a reconnect the handle is equal to the old one, whose batches nobody will answer.
BOOST_AUTO_TEST_CASE(scorer__comes_up_again_under_the_same_key__its_batches_are_sent_again) {
  start();
  auto desk = std::make_shared<scorer_desk>();
  desk->automatic = false;
  auto handle = spawn(fake_scorer, desk);
  send(ingest_, scorer_up{key_of(0), handle, true});
  grant(0);
  append(0, 20);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(desk->batches.size(), 2u);
  desk->batches.clear(); // the connection broke
  send(ingest_, scorer_up{key_of(0), handle, true});
  advance(5ms);
  BOOST_REQUIRE_EQUAL(desk->batches.size(), 2u);
  BOOST_CHECK_EQUAL(desk->batches[0].batch.attempt, 1u);
  desk->answer(0);
  desk->answer(0);
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 20);
}

BOOST_AUTO_TEST_CASE(scorer__not_ready__benched_and_batch_tried_again) {
  start();
  auto& desk = add_scorer();
  desk.ready = false;
  grant(0);
  append(0, 5);
  advance(300ms);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK_LT(desk.seen, 10u);
  desk.ready = true;
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
}

BOOST_AUTO_TEST_CASE(bounds__rows_in_flight__reading_stops_and_goes_on) {
  icfg.dispatch.rows_max = 15;
  start();
  auto& desk = add_scorer(true, false);
  add_scorer(true, false);
  grant(0);
  append(0, 100);
  advance(20ms);
  BOOST_CHECK_EQUAL(lane->rows_handed_out, 15u);
  desk.answer();
  advance(20ms);
  BOOST_CHECK_GT(lane->rows_handed_out, 15u);
  BOOST_CHECK_LE(lane->rows_handed_out, 25u);
}

BOOST_AUTO_TEST_CASE(bounds__bytes_in_flight__reading_stops) {
  icfg.dispatch.bytes_max = 1000;
  icfg.batch_bytes_max = 600;
  start();
  add_scorer(true, false);
  grant(0);
  append(0, 20, std::string(300, 'x'));
  advance(20ms);
  BOOST_CHECK_LE(lane->rows_handed_out, 5u);
  BOOST_CHECK_LE(told->back().counters.bytes_inflight, 1000u + 600u);
}

BOOST_AUTO_TEST_CASE(bounds__outcomes_wait_for_the_sink__reading_stops) {
  icfg.dispatch.bytes_max = 2000;
  start();
  add_scorer();
  lane->capacity = 0; // nothing is produced
  grant(0);
  append(0, 500);
  advance(300ms);
  // A row and its key have 5 bytes, its outcome another 10: without the outcomes it would be 400 rows.
  BOOST_CHECK_LT(lane->rows_handed_out, 200u);
  BOOST_CHECK_LE(told->back().counters.bytes_inflight, 2000u + 500u);
}

BOOST_AUTO_TEST_CASE(bounds__uncommitted_rows__never_more_than_the_cap) {
  icfg.uncommitted_rows_max = 30;
  start();
  add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 100);
  advance(500ms);
  BOOST_CHECK_EQUAL(lane->rows_handed_out, 30u);
  for (int i = 0; i < 20 && lane->rows_handed_out < 100; ++i) {
    lane->finish_commits();
    run();
    BOOST_CHECK_LE(static_cast<std::int64_t>(lane->rows_handed_out), std::max<std::int64_t>(committed(0), 0) + 30);
    advance(200ms);
  }
  lane->hold_commits = false;
  lane->finish_commits();
  advance(500ms);
  CHECK_RANGE(predicted(0), 0, 100);
  BOOST_CHECK_EQUAL(committed(0), 100);
}

BOOST_AUTO_TEST_CASE(large_row__larger_than_a_batch__alone_in_its_batch) {
  icfg.batch_bytes_max = 1000;
  start();
  auto& desk = add_scorer();
  grant(0);
  kafka.append("dsp", 0, {.value = std::string(5000, 'a')});
  append(0, 2);
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, 3);
  BOOST_CHECK_EQUAL(desk.seen, 2u);
}

BOOST_AUTO_TEST_CASE(queue_delay__few_rows__wait_for_others) {
  icfg.queue_delay_max = 20ms;
  start();
  auto& desk = add_scorer();
  grant(0);
  advance(10ms);
  append(0, 3);
  advance(10ms);
  BOOST_CHECK_EQUAL(desk.seen, 0u);
  append(0, 3);
  advance(15ms);
  BOOST_CHECK_EQUAL(desk.seen, 1u);
  BOOST_CHECK_EQUAL(desk.rows_seen, 6u);
  append(0, 10);
  advance(1ms); // full: no reason to wait
  BOOST_CHECK_EQUAL(desk.seen, 2u);
}

BOOST_AUTO_TEST_CASE(source__fatal__lane_ends) {
  start();
  lane->emit({source_event::kind::fatal, 0, -1, 0, "fenced"});
  run();
  BOOST_CHECK(down);
  BOOST_CHECK_NE(reason.find("fenced"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(pause__then_on__reads_on) {
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  advance(50ms);
  send(ingest_, lane_pause{true});
  run();
  append(0, 5);
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
  send(ingest_, lane_pause{false});
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(answer__wrong_number_of_outcomes__not_trusted) {
  start();
  auto& liar = add_scorer(true, false);
  grant(0);
  append(0, 5);
  advance(5ms);
  auto cut = liar.batches.at(0).batch;
  auto rows = std::make_shared<row_block>(*cut.rows);
  rows->ends.pop_back();
  cut.rows.block = rows;
  send(ingest_, scorer_desk::score(cut));
  advance(300ms);
  BOOST_CHECK(predicted(0).empty());
  liar.automatic = true;
  advance(300ms);
  BOOST_CHECK_EQUAL(last().counters.redispatched, 1u);
  while (!liar.batches.empty()) liar.answer();
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
}

BOOST_AUTO_TEST_CASE(wakes__many__coalesced) {
  start();
  advance(10ms);
  for (int i = 0; i < 1000; ++i) lane->wake();
  std::size_t handled = 0;
  while (sched.try_run_once()) ++handled;
  BOOST_CHECK_LE(handled, 3u);
}

BOOST_AUTO_TEST_SUITE_END()
