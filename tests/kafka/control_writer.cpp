// What the embedded broker can show. Fencing and atomicity are proved in tests/kafka_real, since it doesn't enforce
// them.
#include <boost/test/unit_test.hpp>

#include "tests/kafka/control_plane.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

const std::vector<log_write> one = {{"a", "1"}};
constexpr std::int16_t api_produce = 0, api_init_producer_id = 22, api_end_txn = 26;

void check_code(const error& failure, errc expected) {
  BOOST_TEST(static_cast<int>(failure.code) == static_cast<int>(expected), failure.message);
}

} // namespace

BOOST_AUTO_TEST_SUITE(control_writer)

BOOST_AUTO_TEST_CASE(append__several_records__returns_the_offset_of_the_first) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  const auto first =
      must(writer->append(std::vector<log_write>{{"a", "1"}, {"b", std::nullopt}, {"c", "3"}}, plane.limit));
  const auto next = must(writer->append(one, plane.limit));
  BOOST_TEST(first == 0);
  BOOST_TEST(next >= 3); // more where markers take offsets
  const auto reader = plane.read(control_topic(plane.cluster));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_REQUIRE_EQUAL(records.size(), 4u);
  BOOST_TEST(records[3].offset == next);
}

BOOST_AUTO_TEST_CASE(append__not_open__is_fenced) {
  const control_plane plane;
  const auto writer = make_control_writer(plane.user, plane.cluster);
  const auto refused = writer->append(one, plane.limit);
  BOOST_REQUIRE(!refused);
  check_code(refused.error(), errc::fenced);
}

BOOST_AUTO_TEST_CASE(open__topic_missing__is_not_found) {
  const control_plane plane;
  const auto refused = make_control_writer(plane.user, "absent")->open(plane.limit);
  BOOST_REQUIRE(!refused);
  check_code(refused.error(), errc::not_found);
}

BOOST_AUTO_TEST_CASE(open__passing_errors__are_retried) {
  const control_plane plane;
  const std::vector<int> codes = {14, 15, 16}; // coordinator loading, not available, not this one
  plane.broker->inject_errors(api_init_producer_id, codes);
  must(plane.open_writer()->append(one, plane.limit));
}

BOOST_AUTO_TEST_CASE(append__passing_errors_of_produce_and_commit__are_retried) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  plane.broker->inject_errors(api_produce, std::vector<int>{6, 7}); // not the leader, timed out
  must(writer->append(one, plane.limit));
  plane.broker->inject_errors(api_end_txn, std::vector<int>{14, 51}); // coordinator loading, concurrent transactions
  must(writer->append(one, plane.limit));
}

BOOST_AUTO_TEST_CASE(append__commit_was_sent_twice__is_done_and_the_next_needs_a_new_open) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  plane.broker->inject_errors(api_end_txn, std::vector<int>{14});
  must(writer->append(one, plane.limit));
  check_code(writer->append(one, plane.limit).error(), errc::fenced);
  must(writer->open(plane.limit));
  must(writer->append(one, plane.limit));
}

BOOST_AUTO_TEST_CASE(append__fenced_at_commit__says_so_and_needs_a_new_open) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  plane.broker->inject_errors(api_end_txn, std::vector<int>{90}); // producer fenced
  const auto refused = writer->append(one, plane.limit);
  BOOST_REQUIRE(!refused);
  check_code(refused.error(), errc::fenced);
  check_code(writer->append(one, plane.limit).error(), errc::fenced);
  must(writer->open(plane.limit));
  must(writer->append(one, plane.limit));
}

BOOST_AUTO_TEST_CASE(append__fenced_at_produce__says_so) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  plane.broker->inject_errors(api_produce, std::vector<int>{47}); // invalid producer epoch
  const auto refused = writer->append(one, plane.limit);
  BOOST_REQUIRE(!refused);
  BOOST_TEST_MESSAGE(refused.error().message);
  BOOST_TEST((refused.error().code == errc::fenced || refused.error().code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(append__broker_down__times_out_within_the_limit_and_recovers) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  must(writer->append(one, plane.limit));
  plane.broker->set_down();
  const auto begun = std::chrono::steady_clock::now();
  const auto lost = writer->append(one, 500ms);
  BOOST_REQUIRE(!lost);
  check_code(lost.error(), errc::timeout);
  BOOST_TEST(!writer->open(500ms).has_value());
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 8s)); // not one of the client's own timeouts of 10 s and more
  plane.broker->set_up();
  must(writer->open(60s));
  must(writer->append(one, plane.limit));
}

BOOST_AUTO_TEST_SUITE_END()
