#include <atomic>

#include <boost/test/unit_test.hpp>

#include "tests/kafka/control_plane.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

std::vector<log_write> numbered(int count, int from = 0) {
  std::vector<log_write> records;
  for (int i = from; i < from + count; ++i) records.push_back({"key" + std::to_string(i), std::to_string(i)});
  return records;
}

} // namespace

BOOST_AUTO_TEST_SUITE(log_reader)

BOOST_AUTO_TEST_CASE(poll__from_the_beginning__hands_out_everything_in_order) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  auto writes = numbered(100);
  writes.push_back({"tombstone", std::nullopt});
  writes.push_back({"empty", ""});
  must(writer->append(writes, plane.limit));
  const auto reader = plane.read(control_topic(plane.cluster));
  BOOST_TEST(!reader->caught_up());
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_REQUIRE_EQUAL(records.size(), writes.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    BOOST_TEST(records[i].key == writes[i].key);
    BOOST_TEST((records[i].value == writes[i].value));
    BOOST_TEST(records[i].offset == static_cast<std::int64_t>(i));
    BOOST_TEST(records[i].timestamp_ms > 0);
  }
  BOOST_TEST(reader->position() >= static_cast<std::int64_t>(records.size()));
  BOOST_TEST(!reader->lost().has_value());
}

BOOST_AUTO_TEST_CASE(poll__empty_log__is_caught_up_at_once_at_zero) {
  const control_plane plane;
  for (const auto from : {log_start::beginning(), log_start::tail(10)}) {
    const auto reader = plane.read(lease_topic(plane.cluster), from);
    std::vector<log_record> records;
    BOOST_TEST(read_until(*reader, records, [&] { return reader->caught_up(); }));
    BOOST_TEST(records.empty());
    BOOST_TEST(reader->position() == 0);
  }
}

BOOST_AUTO_TEST_CASE(poll__from_the_tail__skips_what_is_older) {
  const control_plane plane;
  must(plane.open_writer()->append(numbered(20), plane.limit));
  const auto reader = plane.read(control_topic(plane.cluster), log_start::tail(3));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(records.size() <= 3u); // fewer where the marker of the transaction takes an offset
  BOOST_REQUIRE(!records.empty());
  BOOST_TEST(records.back().key == "key19");
}

BOOST_AUTO_TEST_CASE(poll__tail_longer_than_the_log__starts_at_its_beginning) {
  const control_plane plane;
  must(plane.open_writer()->append(numbered(2), plane.limit));
  const auto reader = plane.read(control_topic(plane.cluster), log_start::tail(1000));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(records.size() == 2u);
  BOOST_TEST(!reader->lost().has_value());
}

BOOST_AUTO_TEST_CASE(on_ready__records_after_an_empty_poll__wakes) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  const auto reader = plane.read(control_topic(plane.cluster));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  std::atomic<int> wakes = 0;
  reader->on_ready([&] { ++wakes; });
  for (int i = 0; i < 5; ++i) {
    const auto before = records.size();
    int seen = 0;
    wakes = 0;
    reader->poll(records); // comes back empty: from here on a wake is owed
    must(writer->append(numbered(1, i), plane.limit));
    const auto end = std::chrono::steady_clock::now() + plane.limit;
    while (records.size() == before && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(1ms);
      if (wakes != seen) { // polls only when woken
        seen = wakes;
        reader->poll(records);
      }
    }
    BOOST_REQUIRE_EQUAL(records.size(), before + 1);
  }
}

BOOST_AUTO_TEST_CASE(since_last_contact__broker_down_and_up__grows_and_recovers) {
  const control_plane plane;
  const auto reader = plane.read(lease_topic(plane.cluster), log_start::tail(5));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_REQUIRE(
      read_until(*reader, records, [&] { return reader->since_last_contact() < 500ms; })); // though the log is silent
  plane.broker->set_down();
  BOOST_TEST(read_until(*reader, records, [&] { return reader->since_last_contact() > 1500ms; }));
  BOOST_TEST(!reader->lost().has_value()); // an outage is no loss
  plane.broker->set_up();
  BOOST_TEST(read_until(
      *reader, records, [&] { return reader->since_last_contact() < 500ms; }, 60s));
  BOOST_TEST(!reader->lost().has_value());
  const auto writer = must(make_lease_writer(plane.user, plane.cluster));
  writer->beat("back");
  BOOST_TEST(read_until(*reader, records, [&] { return !records.empty(); }));
}

BOOST_AUTO_TEST_CASE(lost__topic_that_does_not_exist__is_not_found) {
  const control_plane plane;
  plane.broker->set_topic_error("dsp", 3); // the embedded broker creates what it doesn't know, so it has to be told
  const auto reader = plane.read("dsp");
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(
      *reader, records, [&] { return reader->lost().has_value(); }, 60s));
  BOOST_TEST(static_cast<int>(reader->lost()->code) == static_cast<int>(errc::not_found));
  BOOST_TEST(!reader->caught_up());
}

BOOST_AUTO_TEST_CASE(lost__offset_out_of_range__only_for_a_log_that_is_read_whole) {
  const control_plane plane;
  const auto writer = plane.open_writer();
  must(writer->append(numbered(3), plane.limit));
  const auto whole = plane.read(control_topic(plane.cluster));
  const auto tail = plane.read(control_topic(plane.cluster), log_start::tail(100));
  std::vector<log_record> records, tail_records;
  BOOST_REQUIRE(read_until(*whole, records, [&] { return whole->caught_up(); }));
  BOOST_REQUIRE(read_until(*tail, tail_records, [&] { return tail->caught_up(); }));
  const std::vector<int> out_of_range(8, 1); // for whichever of them fetches next
  plane.broker->inject_errors(1, out_of_range);
  BOOST_TEST(read_until(*whole, records, [&] { return whole->lost().has_value(); }));
  BOOST_TEST(records.size() == 3u);
  // The mock answers the error for the tail as well; it goes back to what is left, which begins before what it has
  // read.
  BOOST_TEST(read_until(*tail, tail_records, [&] { return tail->lost().has_value(); }));
  BOOST_TEST(tail_records.size() == 3u);
}

BOOST_AUTO_TEST_CASE(make_log_reader__refused_property__is_invalid) {
  const auto reader = make_log_reader({{"plugin.library.paths", "evil"}}, "x", log_start::beginning());
  BOOST_REQUIRE(!reader);
  BOOST_TEST(static_cast<int>(reader.error().code) == static_cast<int>(errc::invalid));
}

BOOST_AUTO_TEST_SUITE_END()
