#include <boost/test/unit_test.hpp>

#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

BOOST_AUTO_TEST_SUITE(offset_store)

BOOST_AUTO_TEST_CASE(commit__with_metadata__reads_back_for_each_group) {
  const auto topic = unique("offsets");
  admin().create(topic, 2);
  const auto store = must(make_offset_store(properties()));
  const std::vector<topic_partition> where = {{topic, 0}, {topic, 1}};
  const auto group = unique("group"), other = unique("group");
  const auto none = must(timed("committed(), a group's first", [&] { return store->committed(group, where, 20s); }));
  BOOST_TEST(!none.at(0).offset.has_value());

  const std::vector<committed_offset> offsets = {{where[0], 42, R"({"version":2,"since":40})"}, {where[1], 0, ""}};
  must(timed("commit(), a group's first", [&] { return store->commit(group, offsets, 20s); }));
  must(timed("commit(), again", [&] { return store->commit(group, offsets, 20s); }));
  must(store->commit(other, std::vector<committed_offset>{{where[0], 7, "other"}}, 20s));
  const auto back = must(timed("committed(), again", [&] { return store->committed(group, where, 20s); }));
  BOOST_TEST(back.at(0).offset.value() == 42);
  BOOST_TEST(back.at(0).metadata == offsets[0].metadata);
  BOOST_TEST(back.at(1).offset.value() == 0);
  BOOST_TEST(must(store->committed(other, where, 20s)).at(0).metadata == "other");
}

BOOST_AUTO_TEST_CASE(committed__offsets_in_an_open_transaction__waits_for_its_end) {
  const auto topic = unique("offsets"), group = unique("group");
  admin().create(topic);
  const auto store = must(make_offset_store(properties()));
  const std::vector<topic_partition> where = {{topic, 0}};
  must(store->commit(group, std::vector<committed_offset>{{where[0], 1, ""}}, 20s));

  const auto consumer = must(open_client(role::consumer, properties(), {{"group.id", group}}));
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t, c_deleter<rd_kafka_consumer_group_metadata_destroy>> member(
      rd_kafka_consumer_group_metadata(consumer.get()));
  const auto producer = must(open_client(role::producer, properties(), {{"transactional.id", unique("open")}}));
  BOOST_REQUIRE(!error_ptr(rd_kafka_init_transactions(producer.get(), 20'000)));
  BOOST_REQUIRE(!error_ptr(rd_kafka_begin_transaction(producer.get())));
  auto list = make_partition_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0)->offset = 9;
  BOOST_REQUIRE(!error_ptr(rd_kafka_send_offsets_to_transaction(producer.get(), list.get(), member.get(), 20'000)));

  const auto held = timed("committed() of offsets in a transaction, limit 500 ms",
                          [&] { return store->committed(group, where, 500ms); });
  BOOST_REQUIRE(!held);
  BOOST_TEST(static_cast<int>(held.error().code) == static_cast<int>(errc::timeout), held.error().message);
  BOOST_REQUIRE(!error_ptr(rd_kafka_commit_transaction(producer.get(), 20'000)));
  BOOST_TEST(must(store->committed(group, where, 20s)).at(0).offset.value() == 9);
}

BOOST_AUTO_TEST_CASE(bounds_and_timestamps__of_a_log__name_its_ends_and_what_lies_between) {
  const auto cluster = cluster_with_topics();
  const auto writer = make_control_writer(properties(), cluster);
  must(writer->open(20s));
  must(writer->append(std::vector<log_write>{{"a", "1"}, {"b", "2"}}, 20s));
  std::this_thread::sleep_for(20ms);
  const auto between =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::this_thread::sleep_for(20ms);
  must(writer->append(std::vector<log_write>{{"c", "3"}}, 20s));

  const auto store = must(make_offset_store(properties()));
  const topic_partition where{control_topic(cluster), 0};
  const auto ends = must(timed("bounds()", [&] { return store->bounds(std::span(&where, 1), 20s); }));
  BOOST_TEST(ends.at(0).first == 0);
  BOOST_TEST(ends.at(0).second == 5);
  const std::vector<std::pair<topic_partition, std::int64_t>> times = {{where, between}};
  BOOST_TEST(must(store->at_timestamps(times, 20s)).at(0) == 3);
  const std::vector<std::pair<topic_partition, std::int64_t>> late = {{where, between + 3'600'000}};
  BOOST_TEST(must(store->at_timestamps(late, 20s)).at(0) == 5);
  const topic_partition absent{unique("absent"), 0};
  const auto refused = store->bounds(std::span(&absent, 1), 20s);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::not_found), refused.error().message);
}

BOOST_AUTO_TEST_CASE(every_call__broker_frozen__times_out_within_the_limit) {
  if (!can_freeze()) return;
  const auto topic = unique("offsets"), group = unique("group");
  admin().create(topic);
  const auto store = must(make_offset_store(properties()));
  const std::vector<topic_partition> where = {{topic, 0}};
  must(store->commit(group, std::vector<committed_offset>{{where[0], 1, ""}}, 20s));
  {
    const frozen_broker frozen;
    const auto begun = clock::now();
    BOOST_TEST(
        !timed("committed(), frozen, limit 500 ms", [&] { return store->committed(group, where, 500ms); }).has_value());
    BOOST_TEST(!timed("commit(), frozen, limit 500 ms", [&] {
                  return store->commit(group, std::vector<committed_offset>{{where[0], 2, ""}}, 500ms);
                }).has_value());
    BOOST_TEST(!timed("bounds(), frozen, limit 500 ms", [&] { return store->bounds(where, 500ms); }).has_value());
    BOOST_TEST((clock::now() - begun < 10s));
  }
  BOOST_TEST(must(store->committed(group, where, 30s)).at(0).offset.has_value());
}

BOOST_AUTO_TEST_SUITE_END()
