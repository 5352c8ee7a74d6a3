#include <boost/test/unit_test.hpp>

#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

BOOST_AUTO_TEST_SUITE(lease_writer)

BOOST_AUTO_TEST_CASE(beat__read_by_a_tail__arrives) {
  const auto cluster = cluster_with_topics();
  const auto writer = must(make_lease_writer(properties(), cluster));
  for (int i = 0; i < 20; ++i) {
    writer->beat(std::to_string(i));
    std::this_thread::sleep_for(20ms);
  }
  std::this_thread::sleep_for(200ms);
  const auto reader = must(make_log_reader(properties(), lease_topic(cluster), log_start::tail(3)));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(records.size() == 3u);
  BOOST_TEST(records.back().value.value() == "19");
}

BOOST_AUTO_TEST_CASE(beat__broker_frozen__never_waits_and_the_newest_get_through_afterwards) {
  if (!can_freeze()) return;
  const auto cluster = cluster_with_topics();
  const auto writer = must(make_lease_writer(properties(), cluster));
  const auto reader = must(make_log_reader(properties(), lease_topic(cluster), log_start::beginning()));
  writer->beat("before");
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return records.size() == 1; }));
  {
    const frozen_broker frozen;
    clock::duration longest{};
    for (int i = 0; i < 40; ++i) {
      const auto begun = clock::now();
      writer->beat("frozen");
      longest = std::max(longest, clock::now() - begun);
      std::this_thread::sleep_for(50ms);
    }
    BOOST_TEST_MESSAGE("  longest beat: " << std::chrono::duration_cast<std::chrono::microseconds>(longest).count()
                                          << " us");
  }
  BOOST_TEST(timed("a beat arrives after the broker is back", [&] {
    return read_until(
        *reader, records,
        [&] {
          writer->beat("after");
          std::this_thread::sleep_for(50ms);
          return !records.empty() && records.back().value == "after";
        },
        60s);
  }));
  BOOST_TEST(records.size() < 30u); // most of what was written in between is worth nothing any more, and was dropped
}

BOOST_AUTO_TEST_SUITE_END()
