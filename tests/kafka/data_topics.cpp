#include "data_path.hpp"

#include <limits>
#include <map>

#include "kafka/topics.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

constexpr milliseconds limit{20000};

struct admin_fixture : broker_fixture {
  std::unique_ptr<topic_admin> admin() const {
    auto opened = topic_admin::open(properties());
    BOOST_REQUIRE(opened.has_value());
    return std::move(*opened);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(data_topics, admin_fixture)

BOOST_AUTO_TEST_CASE(list__embedded_broker__names_and_partitions) {
  const auto topics = admin()->list(limit);
  BOOST_REQUIRE(topics.has_value());
  BOOST_REQUIRE_EQUAL(topics->size(), 3u);
  BOOST_TEST((*topics)[0].name == "dead");
  BOOST_TEST((*topics)[0].partitions == 1);
  BOOST_TEST((*topics)[1].name == "in");
  BOOST_TEST((*topics)[1].partitions == 4);
}

BOOST_AUTO_TEST_CASE(describe__topic_with_rows__tells_offsets_and_leaders) {
  fill("in", 3, 12);
  const auto topic = admin()->describe("in", limit);
  BOOST_REQUIRE(topic.has_value());
  BOOST_REQUIRE_EQUAL(topic->partitions.size(), 4u);
  BOOST_TEST(topic->partitions[3].high == 12);
  BOOST_TEST(topic->partitions[3].low == 0);
  BOOST_TEST(topic->partitions[0].high == 0);
  BOOST_TEST(topic->partitions[0].leader == 1);
  BOOST_TEST(topic->configs.empty());
}

BOOST_AUTO_TEST_CASE(topics__that_do_not_exist__are_not_found_and_not_made) {
  auto one = admin();
  BOOST_TEST((one->describe("mistyped", limit).error().code == errc::not_found));
  BOOST_TEST((one->limits("mistyped", limit).error().code == errc::not_found));
  BOOST_TEST(!one->exists("mistyped", limit).value());
  BOOST_TEST(one->list(limit)->size() == 3u);
}

BOOST_AUTO_TEST_CASE(embedded_broker__create_and_remove__are_refused_with_what_to_do) {
  auto one = admin();
  BOOST_TEST(one->embedded(limit).value());
  for (const auto& done : {one->create("new", 1, 1, {}, limit), one->remove("in", limit)}) {
    BOOST_REQUIRE(!done.has_value());
    BOOST_TEST((done.error().code == errc::unsupported));
    BOOST_TEST(done.error().message.find("troupe broker --topics") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(limits__embedded_broker__partitions_and_the_default_size) {
  const auto limits = admin()->limits("in", limit);
  BOOST_REQUIRE(limits.has_value());
  BOOST_TEST(limits->partitions == 4);
  BOOST_TEST(limits->max_message_bytes == 1048588u);
}

BOOST_AUTO_TEST_CASE(limits_of__settings__compaction_and_the_window_of_timestamps) {
  const auto open = std::numeric_limits<std::int64_t>::max();
  const auto plain = limits_of(4, {{"cleanup.policy", "delete"}, {"max.message.bytes", "5000"}});
  BOOST_TEST(!plain.compacted);
  BOOST_TEST(plain.max_message_bytes == 5000u);
  BOOST_TEST(plain.timestamp_before_max_ms == open);
  for (const auto* policy : {"compact", "compact,delete", "delete,compact"})
    BOOST_TEST(limits_of(4, {{"cleanup.policy", policy}}).compacted);
  std::map<std::string, std::string> window{{"message.timestamp.type", "CreateTime"},
                                            {"message.timestamp.before.max.ms", "9223372036854775807"},
                                            {"message.timestamp.after.max.ms", "3600000"}};
  BOOST_TEST(limits_of(4, window).timestamp_before_max_ms == open);
  BOOST_TEST(limits_of(4, window).timestamp_after_max_ms == 3600000);
  window["message.timestamp.difference.max.ms"] = "1000000";
  BOOST_TEST(limits_of(4, window).timestamp_before_max_ms == 1000000);
  BOOST_TEST(limits_of(4, window).timestamp_after_max_ms == 1000000);
  window["message.timestamp.type"] = "LogAppendTime";
  BOOST_TEST(limits_of(4, window).timestamp_after_max_ms == open);
}

BOOST_AUTO_TEST_CASE(check_dead_letter_topic__compacted__refused_by_name) {
  BOOST_TEST(check_dead_letter_topic("dlq", limits_of(1, {{"cleanup.policy", "delete"}})).has_value());
  const auto refused = check_dead_letter_topic("dlq", limits_of(1, {{"cleanup.policy", "compact"}}));
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == errc::invalid));
  BOOST_TEST(refused.error().message.find("\"dlq\" is compacted") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(ensure_cluster_topics__embedded_broker__only_those_it_was_started_for) {
  auto started = embedded_broker::start({{{"troupe.wrong.control", 3}}, {"games"}, 1, 0});
  BOOST_REQUIRE(started.has_value());
  broker = std::move(*started);
  auto one = admin();
  BOOST_TEST(one->ensure_cluster_topics("games", 1, limit).has_value());
  const auto other = one->ensure_cluster_topics("other", 1, limit);
  BOOST_REQUIRE(!other.has_value());
  BOOST_TEST(other.error().message.find("troupe.other.control") != std::string::npos);
  const auto wrong = one->ensure_cluster_topics("wrong", 1, limit);
  BOOST_REQUIRE(!wrong.has_value());
  BOOST_TEST(wrong.error().message.find("3 partitions") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(admin__no_broker__is_unavailable_within_the_limit) {
  auto opened = topic_admin::open({{"bootstrap.servers", "127.0.0.1:1"}});
  BOOST_REQUIRE(opened.has_value());
  const auto topics = (*opened)->list(milliseconds(300));
  BOOST_REQUIRE(!topics.has_value());
  BOOST_TEST((topics.error().code == errc::unavailable));
}

BOOST_AUTO_TEST_SUITE_END()
