#include "data_path.hpp"

#include <map>

#include "kafka/simple_client.hpp"
#include "kafka/topics.hpp"

using namespace troupe;
using namespace troupe::kafka;
using start = consume_request::start;

namespace {

constexpr milliseconds limit{20000};

std::vector<std::string> values_of(const kafka_properties& properties, const consume_request& request) {
  std::vector<std::string> values;
  const auto count = consume(properties, request, limit, [&](const consumed_record& record) {
    values.emplace_back(record.value.value_or("null"));
    return true;
  });
  BOOST_REQUIRE(count.has_value());
  BOOST_TEST(*count == values.size());
  return values;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(data_client, broker_fixture)

BOOST_AUTO_TEST_CASE(simple_producer__records_of_all_kinds__are_consumed_again) {
  auto to = simple_producer::open(properties(), "in", limit);
  BOOST_REQUIRE(to.has_value());
  BOOST_TEST((*to)->partitions() == 4);
  BOOST_TEST((*to)->send(std::nullopt, "a", 2, limit).has_value());
  BOOST_TEST((*to)->send("foobar", "b", -1, limit).has_value());
  const std::vector<header_view> headers{{"h", "1"}};
  BOOST_TEST((*to)->send(std::nullopt, "c", 2, limit, headers).has_value());
  BOOST_TEST((*to)->send(std::nullopt, "d", 7, limit).error().message.find("7") != std::string::npos);
  const auto outcome = (*to)->finish(limit);
  BOOST_TEST(outcome.delivered == 3u);
  BOOST_TEST(outcome.failed + outcome.unknown == 0u);

  std::map<std::string, consumed_record> seen;
  const auto count = consume(properties(), {"in", std::nullopt, start::beginning, 0, 0, false}, limit,
                             [&](const consumed_record& record) {
                               auto kept = record;
                               BOOST_TEST(record.headers.size() == (*record.value == "c" ? 1u : 0u));
                               BOOST_TEST(record.key.has_value() == (*record.value == "b"));
                               kept.key = kept.value = std::nullopt;
                               kept.headers.clear();
                               seen[std::string(*record.value)] = kept;
                               return true;
                             });
  BOOST_REQUIRE(count.has_value());
  BOOST_TEST(*count == 3u);
  BOOST_TEST(seen["a"].where.partition == 2);
  BOOST_TEST(seen["a"].offset == 0);
  BOOST_TEST(seen["c"].offset == 2);
  BOOST_TEST(seen["b"].where.partition == 2); // beside the others: (-790332482 & 0x7fffffff) % 4
}

BOOST_AUTO_TEST_CASE(consume__start_and_limits__are_kept) {
  fill("in", 1, 100);
  BOOST_TEST(values_of(properties(), {"in", 1, start::beginning, 0, 0, false}).size() == 100u);
  BOOST_TEST(values_of(properties(), {"in", 1, start::offset, 90, 0, false}).front() == "90");
  BOOST_TEST(values_of(properties(), {"in", 1, start::beginning, 0, 7, true}).size() == 7u);
  BOOST_TEST(values_of(properties(), {"in", 1, start::end, 0, 0, false}).empty());
  BOOST_TEST(values_of(properties(), {"in", 0, start::beginning, 0, 0, false}).empty());
}

BOOST_AUTO_TEST_CASE(consume__told_to_stop__stops) {
  int asked = 0;
  const auto count = consume(
      properties(), {"in", std::nullopt, start::end, 0, 0, true}, limit, [](const consumed_record&) { return true; },
      [&] { return ++asked > 2; });
  BOOST_REQUIRE(count.has_value());
  BOOST_TEST(*count == 0u);
}

BOOST_AUTO_TEST_CASE(consume__callback_has_enough__ends) {
  fill("in", 0, 100);
  int seen = 0;
  const auto count = consume(properties(), {"in", 0, start::beginning, 0, 0, true}, limit,
                             [&](const consumed_record&) { return ++seen < 5; });
  BOOST_REQUIRE(count.has_value());
  BOOST_TEST(*count == 5u);
}

BOOST_AUTO_TEST_CASE(consume__offset_that_is_not_there__is_refused_with_the_range) {
  fill("in", 0, 10);
  const auto count =
      consume(properties(), {"in", 0, start::offset, 11, 0, false}, limit, [](const consumed_record&) { return true; });
  BOOST_REQUIRE(!count.has_value());
  BOOST_TEST(count.error().message.find("0 to 10") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(clients__topic_that_does_not_exist__refused_and_not_made) {
  auto to = simple_producer::open(properties(), "mistyped", limit);
  BOOST_REQUIRE(!to.has_value());
  BOOST_TEST((to.error().code == errc::not_found));
  const auto count = consume(properties(), {"mistyped", std::nullopt, start::beginning, 0, 0, false}, limit,
                             [](const consumed_record&) { return true; });
  BOOST_REQUIRE(!count.has_value());
  BOOST_TEST((count.error().code == errc::not_found));
  auto admin = topic_admin::open(properties());
  BOOST_REQUIRE(admin.has_value());
  BOOST_TEST(!(*admin)->exists("mistyped", limit).value());
}

BOOST_AUTO_TEST_CASE(clients__no_broker__say_so_within_the_limit) {
  const kafka_properties nowhere{{"bootstrap.servers", "127.0.0.1:1"}};
  const auto to = simple_producer::open(nowhere, "in", milliseconds(300));
  BOOST_REQUIRE(!to.has_value());
  BOOST_TEST((to.error().code == errc::unavailable));
  BOOST_TEST(to.error().message.find("127.0.0.1:1") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
