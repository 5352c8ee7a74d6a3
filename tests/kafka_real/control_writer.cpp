// Transactions and fencing, on a real broker: the embedded one accepts the calls and proves nothing.
#include <boost/test/unit_test.hpp>

#include "kafka/control_ports.hpp"
#include "kafka/handle.hpp"
#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

namespace {

const std::vector<log_write> one = {{"a", "1"}};
const std::vector<log_write> two = {{"a", "2"}, {"b", std::nullopt}};

/// A coordinator that died in the middle: a producer with the writer's id and an open transaction with one record in
/// it.
handle_ptr dead_writer(const std::string& cluster) {
  auto client = must(
      open_client(role::producer, properties(),
                  {{"transactional.id", "troupe." + cluster + ".coordinator"}, {"transaction.timeout.ms", "60000"}}));
  BOOST_REQUIRE(!error_ptr(rd_kafka_init_transactions(client.get(), 20'000)));
  BOOST_REQUIRE(!error_ptr(rd_kafka_begin_transaction(client.get())));
  const auto topic = control_topic(cluster);
  BOOST_REQUIRE_EQUAL(rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
                                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY("torn", 4),
                                        RD_KAFKA_V_VALUE(const_cast<char*>("torn"), 4), RD_KAFKA_V_END),
                      RD_KAFKA_RESP_ERR_NO_ERROR);
  BOOST_REQUIRE_EQUAL(rd_kafka_flush(client.get(), 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  return client;
}

} // namespace

BOOST_AUTO_TEST_SUITE(control_writer)

BOOST_AUTO_TEST_CASE(append__committed__is_read_in_order_at_the_returned_offset) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(timed("open, nobody wrote before", [&] { return writer->open(20s); }));
  const auto first = must(timed("append, the first", [&] { return writer->append(one, 20s); }));
  const auto second = must(timed("append, at once after it", [&] { return writer->append(two, 20s); }));
  BOOST_TEST(first == 0);
  BOOST_TEST(second == 2); // the marker of the first transaction took offset 1

  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  const std::vector<std::string> expected = {"a=1", "a=2", "b=(null)"};
  BOOST_TEST(texts(records) == expected, boost::test_tools::per_element());
  BOOST_TEST(records.at(1).offset == second);
  BOOST_TEST(reader->position() == 5); // past the second marker
}

BOOST_AUTO_TEST_CASE(append__many_in_a_row__each_is_committed) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  std::int64_t last = -1;
  timed("50 appends in a row", [&] {
    for (int i = 0; i < 50; ++i) {
      const auto offset = must(writer->append(one, 20s));
      BOOST_TEST(offset > last);
      last = offset;
    }
    return 0;
  });
  std::this_thread::sleep_for(300ms);
  must(timed("append, after a pause", [&] { return writer->append(one, 20s); }));
}

BOOST_AUTO_TEST_CASE(open__by_a_second_writer__fences_the_first_and_nothing_of_it_shows) {
  const auto cluster = cluster_with_topics();
  const auto older = make_control_writer(properties(), cluster);
  must(older->open(20s));
  must(older->append(one, 20s));
  const auto newer = make_control_writer(properties(), cluster);
  must(timed("open, after a writer that is idle", [&] { return newer->open(20s); }));

  const auto refused = timed("append of a fenced writer", [&] {
    return older->append(std::vector<log_write>{{"stale", "x"}}, 20s);
  });
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::fenced), refused.error().message);
  BOOST_TEST(!older->append(one, 1s).has_value()); // and it stays lost

  must(newer->append(two, 20s));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  const std::vector<std::string> expected = {"a=1", "a=2", "b=(null)"};
  BOOST_TEST(texts(records) == expected, boost::test_tools::per_element());

  must(older->open(20s)); // a fenced one may come back, and then rules
  must(older->append(one, 20s));
  BOOST_TEST(!newer->append(one, 20s).has_value());
}

BOOST_AUTO_TEST_CASE(commit_offsets__by_a_writer_that_was_replaced__changes_nothing) {
  const auto cluster = cluster_with_topics();
  const topic_partition where{control_topic(cluster), 0};
  const std::string group = cluster + ".group";
  const auto store = must(make_offset_store(properties()));
  const auto committed = [&] { return must(store->committed(group, {&where, 1}, 20s)).at(0).offset; };
  const auto older = make_control_writer(properties(), cluster);
  must(older->open(20s));
  const committed_offset early{where, 5, {}}, late{where, 9, {}};
  must(timed("commit_offsets, the first", [&] { return older->commit_offsets(group, {&early, 1}, 20s); }));
  BOOST_TEST(committed().value_or(-1) == 5);

  const auto newer = make_control_writer(properties(), cluster);
  must(newer->open(20s));
  must(newer->commit_offsets(group, {&late, 1}, 20s));
  const auto refused = older->commit_offsets(group, {&early, 1}, 20s);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::fenced), refused.error().message);
  BOOST_TEST(committed().value_or(-1) == 9);
  must(newer->append(one, 20s)); // appends and offsets take turns
}

BOOST_AUTO_TEST_CASE(open__after_a_writer_that_died_in_a_transaction__aborts_it) {
  const auto cluster = cluster_with_topics();
  const auto dead = dead_writer(cluster);
  const auto writer = make_control_writer(properties(), cluster);
  must(timed("open, after a writer with an open transaction", [&] { return writer->open(20s); }));
  must(timed("append, the first after that", [&] { return writer->append(one, 20s); }));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  const std::vector<std::string> expected = {"a=1"};
  BOOST_TEST(texts(records) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(append__record_too_large__is_refused_and_the_writer_goes_on) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  const std::vector<log_write> large = {{"small", "1"}, {"large", std::string(3'000'000, 'x')}};
  const auto refused = writer->append(large, 20s);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::invalid), refused.error().message);
  must(writer->append(one, 20s));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(records.size() == 1u);
}

BOOST_AUTO_TEST_CASE(open__topic_missing__is_not_found_and_does_not_create_it) {
  const auto cluster = unique("absent");
  const auto writer = make_control_writer(properties(), cluster);
  const auto refused = writer->open(20s);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::not_found), refused.error().message);
  std::this_thread::sleep_for(500ms);
  const auto catalog = must(make_topic_catalog(properties()));
  const std::vector<std::string> names = {control_topic(cluster)};
  BOOST_TEST(must(catalog->find(names, 20s)).empty());
}

BOOST_AUTO_TEST_CASE(append__broker_frozen__times_out_within_the_limit_and_recovers) {
  if (!can_freeze()) return;
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  must(writer->append(one, 20s));
  {
    const frozen_broker frozen;
    const auto begun = clock::now();
    const auto lost = timed("append to a frozen broker, limit 1000 ms", [&] { return writer->append(two, 1s); });
    BOOST_REQUIRE(!lost);
    BOOST_TEST(static_cast<int>(lost.error().code) == static_cast<int>(errc::timeout), lost.error().message);
    BOOST_TEST(!writer->append(two, 1s).has_value());
    BOOST_TEST(!timed("open with a frozen broker, limit 1000 ms", [&] { return writer->open(1s); }).has_value());
    BOOST_TEST((clock::now() - begun < 10s)); // far from any timeout of the client's own
  }
  must(timed("open, after the broker is back", [&] { return writer->open(30s); }));
  must(writer->append(one, 20s));
  const auto reader = must(make_log_reader(properties(), control_topic(cluster), log_start::beginning()));
  std::vector<log_record> records;
  BOOST_REQUIRE(read_until(*reader, records, [&] { return reader->caught_up(); }));
  BOOST_TEST(texts(records).back() == "a=1");
  BOOST_TEST((records.size() == 2 || records.size() == 4)); // all of the lost append, or nothing
}

BOOST_AUTO_TEST_SUITE_END()
