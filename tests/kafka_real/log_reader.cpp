// What a log reader says of a silent, a frozen, a deleted and a shortened log, on a real broker.
#include <atomic>

#include <boost/test/unit_test.hpp>

#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

namespace {

const std::vector<log_write> one = {{"a", "1"}};

} // namespace

BOOST_AUTO_TEST_SUITE(log_reader)

BOOST_AUTO_TEST_CASE(poll__after_the_end__is_woken_for_each_record) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::atomic<int> wakes = 0;
  reader->on_ready([&] { ++wakes; });
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  for (std::size_t i = 1; i <= 5; ++i) {
    reader->poll(records);
    const int before = wakes;
    must(writer->append(one, 20s));
    timed("from append to the record in hand", [&] {
      // Only when woken: what a wake is missing for would never be polled.
      int seen = before;
      return wait_for([&] {
        if (wakes == seen) return false;
        seen = wakes;
        reader->poll(records);
        return records.size() == i;
      });
    });
    BOOST_REQUIRE_EQUAL(records.size(), i);
  }
}

BOOST_AUTO_TEST_CASE(since_last_contact__silent_log__stays_small) {
  const auto cluster = cluster_with_topics();
  const auto reader = must(make_log_reader(properties(), lease_topic(cluster), log_start::tail(5)));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(reader->position() == 0);
  milliseconds largest{0};
  const auto until = clock::now() + 3s;
  while (clock::now() < until) {
    reader->poll(records);
    largest = std::max(largest, reader->since_last_contact());
    std::this_thread::sleep_for(5ms);
  }
  BOOST_TEST_MESSAGE("  largest time without contact in 3 s of silence: " << largest.count() << " ms");
  BOOST_TEST(largest.count() < 2500); // a fetch waits 250 ms at the broker
  BOOST_TEST(!reader->lost().has_value());
}

BOOST_AUTO_TEST_CASE(since_last_contact__broker_frozen__grows_and_recovers_without_being_lost) {
  if (!can_freeze()) return;
  const auto cluster = cluster_with_topics();
  const auto reader = must(make_log_reader(properties(), lease_topic(cluster), log_start::tail(5)));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  {
    const frozen_broker frozen;
    BOOST_TEST(read_until(*reader, records, [&] { return reader->since_last_contact() > 3s; }));
    BOOST_TEST(!reader->lost().has_value());
  }
  BOOST_TEST(timed("contact again after the broker is back", [&] {
    return read_until(
        *reader, records, [&] { return reader->since_last_contact() < 1s; }, 60s);
  }));
  BOOST_TEST(!reader->lost().has_value());
}

BOOST_AUTO_TEST_CASE(lost__topic_deleted__says_so) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_lease_writer(properties(), cluster);
  (*writer)->beat("1");
  const auto reader = must(make_log_reader(properties(), lease_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return records.size() == 1 && reader->caught_up(); }));
  admin().remove(control_topic(cluster));
  BOOST_TEST(!reader->lost().has_value());
  const auto control = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  BOOST_TEST(timed("lost, after opening a topic that is gone", [&] {
    return read_until(
        *control, records, [&] { return control->lost().has_value(); }, 30s);
  }));

  const auto models = must(make_log_reader(properties(), models_topic(cluster), log_start::beginning()));
  BOOST_REQUIRE(read_until(*models, records, [&] { return models->caught_up(); }));
  admin().remove(models_topic(cluster));
  BOOST_TEST(timed("lost, after a topic was deleted while it was read", [&] {
    return read_until(
        *models, records, [&] { return models->lost().has_value(); }, 30s);
  }));
}

BOOST_AUTO_TEST_CASE(lost__topic_deleted_and_made_again__says_so) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  for (int i = 0; i < 3; ++i) must(writer->append(one, 20s));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  admin topics;
  topics.remove(control_topic(cluster));
  BOOST_REQUIRE(wait_for([&] { // the name is free a moment later
    try {
      topics.create(control_topic(cluster));
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
  BOOST_TEST(timed("lost, after the topic was made again", [&] {
    return read_until(
        *reader, records, [&] { return reader->lost().has_value(); }, 30s);
  }));
  BOOST_TEST_MESSAGE("  " << reader->lost().value_or(error{}).message);
}

BOOST_AUTO_TEST_CASE(poll__open_transaction__shows_nothing_of_it) {
  const auto cluster = cluster_with_topics();
  const auto client = must(open_client(role::producer, properties(), {{"transactional.id", unique("open")}}));
  BOOST_REQUIRE(!error_ptr(rd_kafka_init_transactions(client.get(), 20'000)));
  BOOST_REQUIRE(!error_ptr(rd_kafka_begin_transaction(client.get())));
  const auto topic = control_topic(cluster);
  BOOST_REQUIRE_EQUAL(rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
                                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY("x", 1),
                                        RD_KAFKA_V_VALUE(const_cast<char*>("x"), 1), RD_KAFKA_V_END),
                      RD_KAFKA_RESP_ERR_NO_ERROR);
  BOOST_REQUIRE_EQUAL(rd_kafka_flush(client.get(), 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto reader = must(make_log_reader(properties(), topic, log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(records.empty());
  BOOST_TEST(reader->position() == 0);
  BOOST_REQUIRE(!error_ptr(rd_kafka_commit_transaction(client.get(), 20'000)));
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->position() == 2; }));
  BOOST_TEST(records.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
