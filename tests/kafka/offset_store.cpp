#include <boost/test/unit_test.hpp>

#include "tests/kafka/control_plane.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

const std::vector<topic_partition> where = {{"dsp", 0}, {"dsp", 1}};
constexpr std::int16_t api_offset_commit = 8, api_offset_fetch = 9;

} // namespace

BOOST_AUTO_TEST_SUITE(offset_store)

BOOST_AUTO_TEST_CASE(committed__nothing_yet__has_no_offset) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  const auto found = must(store->committed("g", where, plane.limit));
  BOOST_REQUIRE_EQUAL(found.size(), 2u);
  BOOST_TEST((found[1].where == where[1]));
  BOOST_TEST(!found[0].offset.has_value());
  BOOST_TEST(must(store->committed("g", {}, plane.limit)).empty());
}

BOOST_AUTO_TEST_CASE(commit__of_two_groups__are_kept_apart_with_metadata) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  must(store->commit("g",
                     std::vector<committed_offset>{{where[0], 42, R"({"version":2,"since":40})"}, {where[1], 0, ""}},
                     plane.limit));
  must(store->commit("h", std::vector<committed_offset>{{where[1], 9, "h"}}, plane.limit));
  const auto g = must(store->committed("g", where, plane.limit));
  BOOST_TEST(g[0].offset.value() == 42);
  BOOST_TEST(g[0].metadata == R"({"version":2,"since":40})");
  BOOST_TEST(g[1].offset.value() == 0);
  BOOST_TEST(g[1].metadata == "");
  const auto h = must(store->committed("h", where, plane.limit));
  BOOST_TEST(!h[0].offset.has_value());
  BOOST_TEST(h[1].offset.value() == 9);
  must(store->commit("g", {}, plane.limit)); // nothing to do
}

BOOST_AUTO_TEST_CASE(every_call__coordinator_moves_or_loads__is_retried) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  const std::vector<int> codes = {14, 16, 15}; // loading, not this one, not available
  plane.broker->inject_errors(api_offset_commit, codes);
  must(store->commit("g", std::vector<committed_offset>{{where[0], 5, ""}}, plane.limit));
  plane.broker->inject_errors(api_offset_fetch, codes);
  BOOST_TEST(must(store->committed("g", where, plane.limit))[0].offset.value() == 5);
}

BOOST_AUTO_TEST_CASE(every_call__broker_down__fails_within_the_limit) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  must(store->commit("g", std::vector<committed_offset>{{where[0], 5, ""}}, plane.limit));
  plane.broker->set_down();
  const auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(!store->committed("g", where, 300ms).has_value());
  BOOST_TEST(!store->commit("g", std::vector<committed_offset>{{where[0], 6, ""}}, 300ms).has_value());
  BOOST_TEST(!store->bounds(where, 300ms).has_value());
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 10s));
  plane.broker->set_up();
  BOOST_TEST(must(store->committed("g", where, 60s))[0].offset.has_value());
}

BOOST_AUTO_TEST_CASE(committed__of_more_groups_than_clients_are_kept__answers_each) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  for (int i = 0; i < 6; ++i)
    must(store->commit("g" + std::to_string(i), std::vector<committed_offset>{{where[0], i, ""}}, plane.limit));
  for (int i = 0; i < 6; ++i)
    BOOST_TEST(must(store->committed("g" + std::to_string(i), where, plane.limit))[0].offset.value() == i);
}

BOOST_AUTO_TEST_CASE(bounds__of_a_log__are_its_first_and_next_offset) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  must(plane.open_writer()->append(std::vector<log_write>{{"a", "1"}, {"b", "2"}}, plane.limit));
  const std::vector<topic_partition> both = {{control_topic(plane.cluster), 0}, {"dsp", 1}};
  const auto ends = must(store->bounds(both, plane.limit));
  BOOST_TEST(ends.at(0).first == 0);
  BOOST_TEST(ends.at(0).second >= 2);
  BOOST_TEST(ends.at(1).second == 0);
}

BOOST_AUTO_TEST_CASE(at_timestamps__later_than_everything__is_the_end) {
  const control_plane plane;
  const auto store = must(make_offset_store(plane.user));
  must(plane.open_writer()->append(std::vector<log_write>{{"a", "1"}, {"b", "2"}}, plane.limit));
  const topic_partition control{control_topic(plane.cluster), 0};
  const std::vector<std::pair<topic_partition, std::int64_t>> late = {{control, 32'503'680'000'000}}; // the year 3000
  const auto end = must(store->bounds(std::span(&control, 1), plane.limit)).at(0).second;
  BOOST_TEST(must(store->at_timestamps(late, plane.limit)).at(0) == end);
}

BOOST_AUTO_TEST_SUITE_END()
