// The ingest actor with exactly_once: what goes into a transaction, and when it ends.
#include <set>
#include <string>

#include "tests/actors/ingest_fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

struct transaction_fixture : lane_fixture {
  transaction_fixture() { icfg.headers = {"troupe.source", "troupe.txn"}; }
  void open() { start(true, "games/a"); }
  std::size_t under_way() { return lane->transactions.size() - lane->transactions_done; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(ingest_transactions, transaction_fixture)

BOOST_AUTO_TEST_CASE(opening__lane_says_when_it_is_open) {
  kafka.hold_opening = true;
  open();
  advance(500ms);
  BOOST_TEST(!last().report.opened);
  BOOST_CHECK_EQUAL(last().report.problem, "");
  advance(10s);
  BOOST_TEST(last().report.problem.find("transactions") != std::string::npos);
  lane->open_transactions();
  advance(50ms);
  BOOST_TEST(last().report.opened);
  BOOST_CHECK_EQUAL(last().report.problem, "");
}

BOOST_AUTO_TEST_CASE(rows__come_out_with_their_offsets_and_not_before) {
  open();
  add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 25);
  advance(300ms);
  BOOST_REQUIRE_EQUAL(under_way(), 1u);
  BOOST_TEST(kafka.all("preds").empty());
  BOOST_CHECK_EQUAL(committed(0), -1);
  lane->hold_commits = false;
  lane->finish_transaction();
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 25);
  BOOST_CHECK_EQUAL(committed(0), 25);
  BOOST_TEST(lane->commits.empty()); // nothing goes through the source
}

BOOST_AUTO_TEST_CASE(each_transaction__has_the_offsets_of_exactly_its_rows) {
  icfg.commit_interval = 20ms;
  open();
  add_scorer();
  grant(0);
  for (int i = 0; i < 20; ++i) {
    append(0, 7);
    advance(10ms);
  }
  advance(100ms);
  BOOST_TEST(lane->transactions.size() > 3u);
  std::int64_t from = 0;
  for (const auto& transaction : lane->transactions) {
    BOOST_REQUIRE_EQUAL(transaction.offsets.size(), 1u);
    auto to = transaction.offsets[0].offset;
    BOOST_CHECK_EQUAL(static_cast<std::int64_t>(transaction.records.size()), to - from);
    from = to;
  }
  BOOST_CHECK_EQUAL(from, 140);
}

BOOST_AUTO_TEST_CASE(commit_under_way__rows_are_scored_and_wait_in_order) {
  open();
  auto& desk = add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 10);
  advance(200ms);
  BOOST_REQUIRE_EQUAL(under_way(), 1u);
  append(0, 30);
  advance(200ms);
  BOOST_CHECK_EQUAL(desk.rows_seen, 40u);
  BOOST_CHECK_EQUAL(lane->rows_produced, 10u);
  lane->hold_commits = false;
  lane->finish_transaction();
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, 40);
}

BOOST_AUTO_TEST_CASE(batch_half_produced__is_finished_before_the_commit) {
  open();
  add_scorer();
  lane->capacity = 3;
  lane->hold_deliveries = true;
  grant(0);
  append(0, 10);
  advance(300ms);
  BOOST_CHECK_EQUAL(lane->rows_produced, 3u);
  BOOST_TEST(lane->transactions.empty());
  for (int i = 0; i < 10; ++i) {
    lane->deliver(1);
    advance(100ms);
  }
  BOOST_REQUIRE_EQUAL(lane->transactions.size(), 1u);
  BOOST_CHECK_EQUAL(lane->transactions[0].records.size(), 10u);
  BOOST_CHECK_EQUAL(committed(0), 10);
}

BOOST_AUTO_TEST_CASE(dead_letters__are_in_the_transaction_of_their_neighbours) {
  open();
  add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 4);
  append(0, 1, "bad:3:G1");
  append(0, 4);
  advance(300ms);
  BOOST_REQUIRE_EQUAL(under_way(), 1u);
  BOOST_TEST(kafka.all("dsp.dlq").empty());
  lane->finish_transaction();
  advance(50ms);
  BOOST_CHECK_EQUAL(kafka.all("dsp.dlq").size(), 1u);
  BOOST_CHECK_EQUAL(kafka.all("preds").size(), 8u);
}

BOOST_AUTO_TEST_CASE(txn_header__names_the_transaction) {
  icfg.incarnation = incarnation_id{0xabc};
  icfg.generation = generation_id{7};
  open();
  add_scorer();
  grant(0);
  append(0, 20);
  advance(300ms);
  append(0, 20);
  advance(300ms);
  std::set<std::string> names;
  for (const auto& record : kafka.all("preds")) names.insert(record.header("troupe.txn").value());
  BOOST_CHECK_EQUAL(names.size(), lane->transactions.size());
  BOOST_TEST(names.begin()->starts_with("0000000000000abc/7/"));
}

BOOST_AUTO_TEST_CASE(producer_lost__lane_ends_and_nothing_came_out) {
  open();
  add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 5);
  advance(300ms);
  lane->finish_transaction(false);
  advance(50ms);
  BOOST_TEST(down);
  BOOST_TEST(reason.find("scripted failure") != std::string::npos);
  BOOST_TEST(kafka.all("preds").empty());
  BOOST_CHECK_EQUAL(committed(0), -1);
}

BOOST_AUTO_TEST_CASE(record_fails__lane_ends_without_a_commit) {
  open();
  add_scorer();
  lane->hold_deliveries = true;
  grant(0);
  append(0, 5);
  advance(300ms);
  lane->deliver(1, false);
  advance(50ms);
  BOOST_TEST(down);
  BOOST_TEST(lane->transactions.empty());
}

BOOST_AUTO_TEST_CASE(revoked__is_drained_committed_and_let_go) {
  icfg.commit_interval = 10s; // nobody waits for it
  open();
  add_scorer();
  grant(0);
  grant(1, 0, 2);
  advance(50ms);
  append(0, 10);
  append(1, 10);
  advance(50ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{9}});
  advance(100ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(last().report.holding[0].where.partition, 1);
  BOOST_CHECK_EQUAL(committed(0), 10);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(idle__commits_nothing) {
  open();
  add_scorer();
  grant(0);
  advance(3s);
  BOOST_TEST(lane->transactions.empty());
}

BOOST_AUTO_TEST_SUITE_END()
