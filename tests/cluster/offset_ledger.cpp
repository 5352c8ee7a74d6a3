#include "cluster/offset_ledger.hpp"

#include <map>
#include <random>

#include <boost/test/unit_test.hpp>

using namespace troupe;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(offset_ledger)

namespace {

const mono_time start{1000s};

void read(troupe::offset_ledger& ledger, std::uint64_t seq, std::vector<offset_run> runs, std::uint32_t version = 1) {
  std::uint32_t rows = 0;
  for (auto& run : runs) rows += run.rows = static_cast<std::uint32_t>(run.last - run.first + 1);
  ledger.read(batch_seq{seq}, model_version{version}, runs, rows);
}

std::map<std::uint32_t, partition_commit> offsets(const std::optional<troupe::offset_ledger::commit_plan>& plan) {
  std::map<std::uint32_t, partition_commit> found;
  if (plan)
    for (const auto& one : plan->offsets) found[one.slot] = one;
  return found;
}

} // namespace

BOOST_AUTO_TEST_CASE(metadata__made__parsed_again_and_nothing_else_is) {
  offset_metadata metadata{"games@2", 12345};
  BOOST_CHECK_EQUAL(make_metadata(metadata), R"({"version":"games@2","since":12345})");
  BOOST_CHECK(parse_metadata(make_metadata(metadata)) == metadata);
  auto text = make_metadata(metadata);
  for (std::size_t size = 0; size < text.size(); ++size) BOOST_CHECK(!parse_metadata(text.substr(0, size)));
  for (auto other : {"", "x", R"({"version":"a\"b","since":1})", R"({"version":"a","since":-1})",
                     R"({"version":"a","since":1} )", R"({"version":"a","since":99999999999999999999})"})
    BOOST_CHECK(!parse_metadata(other));
}

BOOST_AUTO_TEST_CASE(watermark__batches_durable_out_of_order__only_the_unbroken_prefix) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 100, "", start);
  read(ledger, 0, {{0, 100, 104}});
  read(ledger, 1, {{0, 105, 109}});
  ledger.durable(batch_seq{1}, 5);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 100);
  BOOST_CHECK(!ledger.begin_commit(start));
  ledger.durable(batch_seq{0}, 4);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 100);
  ledger.durable(batch_seq{0}, 1);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 110);
  BOOST_CHECK(ledger.drained(0));
  BOOST_CHECK(!ledger.settled(0));
}

BOOST_AUTO_TEST_CASE(commit__one_in_flight__acknowledged_or_due_again) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  ledger.grant(1, 50, "", start);
  read(ledger, 0, {{0, 0, 4}});
  read(ledger, 1, {{0, 5, 9}});
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 10u);
  ledger.durable(batch_seq{0}, 5);
  auto plan = ledger.begin_commit(start);
  BOOST_REQUIRE(plan);
  BOOST_CHECK_EQUAL(plan->offsets.size(), 1u); // slot 1 did not move
  BOOST_CHECK_EQUAL(plan->offsets[0].offset, 5);
  BOOST_CHECK(!ledger.begin_commit(start));
  ledger.commit_failed(plan->token);
  auto second = ledger.begin_commit(start);
  BOOST_REQUIRE(second);
  ledger.commit_done(plan->token); // of the one that failed: old news
  BOOST_CHECK(ledger.commit_in_flight());
  ledger.durable(batch_seq{1}, 5);
  ledger.commit_done(second->token);
  BOOST_CHECK_EQUAL(ledger.committed(0), 5);
  BOOST_CHECK_EQUAL(ledger.committed(1), -1);
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 5u);
  BOOST_CHECK(!ledger.settled(0));
  ledger.commit_done(ledger.begin_commit(start)->token);
  BOOST_CHECK(ledger.settled(0));
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 0u);
}

BOOST_AUTO_TEST_CASE(commit__one_partition_refused__the_others_are_done) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  ledger.grant(1, 0, "", start);
  read(ledger, 0, {{0, 0, 4}, {1, 0, 2}});
  ledger.durable(batch_seq{0}, 8);
  auto plan = ledger.begin_commit(start);
  std::vector<std::uint32_t> refused{1};
  ledger.commit_done(plan->token, refused);
  BOOST_CHECK_EQUAL(ledger.committed(0), 5);
  BOOST_CHECK(ledger.settled(0));
  BOOST_CHECK_EQUAL(ledger.committed(1), -1);
  BOOST_CHECK(!ledger.settled(1));
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 3u);
  auto again = offsets(ledger.begin_commit(start));
  BOOST_REQUIRE_EQUAL(again.size(), 1u);
  BOOST_CHECK_EQUAL(again[1].offset, 3);
}

BOOST_AUTO_TEST_CASE(give_up__slot__settled_and_out_of_every_commit) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  ledger.grant(1, 0, "", start);
  read(ledger, 0, {{0, 0, 4}, {1, 0, 2}});
  read(ledger, 1, {{1, 3, 5}});
  ledger.durable(batch_seq{0}, 8);
  ledger.give_up(1);
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 8u); // 5 of slot 0, and 3 that are not durable yet
  BOOST_CHECK(!ledger.settled(1));
  ledger.durable(batch_seq{1}, 3);
  BOOST_CHECK(ledger.settled(1));
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 5u);
  auto plan = ledger.begin_commit(start);
  BOOST_CHECK_EQUAL(offsets(plan).count(1), 0u);
  ledger.commit_done(plan->token);
  BOOST_CHECK(!ledger.begin_commit(start + 2h) || !offsets(ledger.begin_commit(start + 2h)).contains(1));
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 0u);
}

BOOST_AUTO_TEST_CASE(commit__nothing_moves_for_an_hour__again) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 7, "kept as it is", start);
  BOOST_CHECK(!ledger.begin_commit(start + 59min));
  auto plan = offsets(ledger.begin_commit(start + 60min));
  BOOST_REQUIRE_EQUAL(plan.size(), 1u);
  BOOST_CHECK_EQUAL(plan[0].offset, 7);
  BOOST_CHECK_EQUAL(plan[0].metadata, "kept as it is");
}

BOOST_AUTO_TEST_CASE(end_of_partition__everything_before_durable__passed) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  ledger.end_of_partition(0, 3); // markers at the start, nothing read
  BOOST_CHECK_EQUAL(ledger.watermark(0), 3);
  read(ledger, 0, {{0, 3, 5}});
  ledger.end_of_partition(0, 8);
  ledger.end_of_partition(0, 9);
  ledger.end_of_partition(0, 2);  // goes back: nonsense
  ledger.end_of_partition(42, 9); // unknown
  BOOST_CHECK_EQUAL(ledger.watermark(0), 3);
  BOOST_CHECK_EQUAL(ledger.position(0), 9);
  ledger.durable(batch_seq{0}, 3);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 9);
}

BOOST_AUTO_TEST_CASE(metadata__version_changes__recorded_where_its_first_row_is) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 10, R"({"version":"games@1","since":4})", start);
  read(ledger, 0, {{0, 10, 14}}, 1);
  read(ledger, 1, {{0, 20, 24}}, 2);
  ledger.durable(batch_seq{0}, 5);
  BOOST_CHECK_EQUAL(offsets(ledger.begin_commit(start))[0].metadata, R"({"version":"games@1","since":4})");
  ledger.commit_done(1);
  ledger.durable(batch_seq{1}, 5);
  BOOST_CHECK_EQUAL(offsets(ledger.begin_commit(start))[0].metadata, R"({"version":"games@2","since":20})");
}

BOOST_AUTO_TEST_CASE(abandon__unproduced_rows__read_again_elsewhere) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  ledger.grant(1, 0, "", start);
  read(ledger, 0, {{0, 0, 4}, {1, 0, 4}});
  read(ledger, 1, {{0, 5, 9}, {1, 5, 9}});
  ledger.end_of_partition(0, 12);
  ledger.abandon(0, 3); // rows 0..2 were produced
  BOOST_CHECK_EQUAL(ledger.position(0), 3);
  BOOST_CHECK_EQUAL(ledger.position(1), 10);
  ledger.durable(batch_seq{0}, 10);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 3);
  BOOST_CHECK_EQUAL(ledger.watermark(1), 5);
  BOOST_CHECK(ledger.drained(0));
  ledger.commit_done(ledger.begin_commit(start)->token);
  BOOST_CHECK(ledger.settled(0));
  ledger.release(0);
  ledger.durable(batch_seq{1}, 10);
  BOOST_CHECK_EQUAL(ledger.watermark(1), 10);
  ledger.commit_done(ledger.begin_commit(start)->token);
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 0u);
}

BOOST_AUTO_TEST_CASE(abandon__nothing_left_but_a_mark__kept) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  read(ledger, 0, {{0, 0, 4}});
  ledger.end_of_partition(0, 7);
  ledger.abandon(0, 7);
  ledger.durable(batch_seq{0}, 5);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 7);
  BOOST_CHECK(ledger.drained(0));
}

BOOST_AUTO_TEST_CASE(abandon__rows_of_nobody__do_not_count_for_ever) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  read(ledger, 0, {{0, 0, 4}});
  ledger.abandon(0, 0);
  BOOST_CHECK(ledger.settled(0));
  ledger.release(0);
  ledger.durable(batch_seq{0}, 5);
  BOOST_CHECK(!ledger.begin_commit(start));
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 0u);
}

BOOST_AUTO_TEST_CASE(cut__a_row_stops_the_lane__everything_from_it_on_forgotten) {
  troupe::offset_ledger ledger{"games"};
  ledger.grant(0, 0, "", start);
  read(ledger, 0, {{0, 0, 4}});
  read(ledger, 1, {{0, 5, 9}});
  read(ledger, 2, {{0, 10, 14}});
  ledger.durable(batch_seq{0}, 5);
  std::vector<offset_run> kept{{0, 5, 6, 2}};
  ledger.cut(batch_seq{1}, kept, 2);
  BOOST_CHECK_EQUAL(ledger.position(0), 7);
  ledger.durable(batch_seq{1}, 2);
  ledger.durable(batch_seq{2}, 5); // forgotten
  BOOST_CHECK_EQUAL(ledger.watermark(0), 7);
  BOOST_CHECK_EQUAL(ledger.uncommitted_rows(), 7u);
  read(ledger, 3, {{0, 7, 8}});
  ledger.durable(batch_seq{3}, 2);
  BOOST_CHECK_EQUAL(ledger.watermark(0), 9);
}

// Against a model that knows every row: the watermark is the first offset without a durable outcome, or nearer.
BOOST_AUTO_TEST_CASE(chance__watermark__never_past_a_row_that_is_not_durable) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random{seed};
    troupe::offset_ledger ledger{"games"};
    std::map<std::uint32_t, std::map<std::int64_t, bool>> rows;
    std::map<std::uint64_t, std::vector<std::pair<std::uint32_t, std::int64_t>>> open;
    std::uint64_t seq = 0;
    for (std::uint32_t slot = 0; slot < 3; ++slot) ledger.grant(slot, 0, "", start);
    for (int i = 0; i < 200; ++i) {
      if (random() % 2 == 0) {
        std::vector<offset_run> runs;
        for (std::uint32_t slot = 0; slot < 3; ++slot) {
          if (random() % 2 == 0) continue;
          auto first = ledger.position(slot) + static_cast<std::int64_t>(random() % 3);
          auto last = first + static_cast<std::int64_t>(random() % 4);
          runs.push_back({slot, first, last});
          for (auto offset = first; offset <= last; ++offset) {
            rows[slot][offset] = false;
            open[seq].emplace_back(slot, offset);
          }
        }
        if (!runs.empty()) read(ledger, seq++, runs);
        if (random() % 4 == 0) ledger.end_of_partition(0, ledger.position(0) + 2);
      } else if (!open.empty()) {
        auto at = std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
        rows[at->second.back().first][at->second.back().second] = true;
        at->second.pop_back();
        ledger.durable(batch_seq{at->first}, 1);
        if (at->second.empty()) open.erase(at);
      }
      for (std::uint32_t slot = 0; slot < 3; ++slot)
        for (const auto& [offset, durable] : rows[slot])
          BOOST_REQUIRE_MESSAGE(durable || offset >= ledger.watermark(slot), "seed " << seed);
    }
    for (auto& [number, left] : open) ledger.durable(batch_seq{number}, static_cast<std::uint32_t>(left.size()));
    for (std::uint32_t slot = 0; slot < 3; ++slot) BOOST_REQUIRE(ledger.drained(slot));
  }
}

BOOST_AUTO_TEST_SUITE_END()
