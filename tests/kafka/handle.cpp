// Whose properties a client gets: those that Troupe fixes, then the user's, then what is good for most.
#include "kafka/handle.hpp"

#include <array>

#include "data_path.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

std::string property_of(rd_kafka_t* client, const char* name) {
  std::array<char, 512> value{};
  auto size = value.size();
  BOOST_REQUIRE(rd_kafka_conf_get(rd_kafka_conf(client), name, value.data(), &size) == RD_KAFKA_CONF_OK);
  return value.data();
}

std::string opened(const kafka_properties& user, const kafka_properties& fixed, const char* name) {
  auto client = open_client(role::producer, user, fixed);
  BOOST_REQUIRE(client.has_value());
  return property_of(client->get(), name);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(handle, broker_fixture)

BOOST_AUTO_TEST_CASE(client__property_by_nobody_or_the_user_or_troupe__the_last_one_wins) {
  const char* name = "socket.nagle.disable";
  BOOST_TEST(opened(properties(), {}, name) == "true");
  BOOST_TEST(opened(properties({{name, "false"}}), {}, name) == "false");
  BOOST_TEST(opened(properties({{"linger.ms", "7"}}), {{"linger.ms", "0"}}, "linger.ms") == "0");
}

BOOST_AUTO_TEST_CASE(make_error__denial__says_what_to_do) {
  const auto denied = make_error(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "can't commit to group g");
  BOOST_TEST(denied.message.find("can't commit to group g: ") == 0u, denied.message);
  BOOST_TEST(denied.message.find("GROUP_AUTHORIZATION_FAILED") != std::string::npos, denied.message);
  BOOST_TEST(denied.message.find("right") != std::string::npos, denied.message);
  BOOST_TEST(make_error(RD_KAFKA_RESP_ERR__TRANSPORT, "x").message.find("right") == std::string::npos);
}

// What a lane's clients merely prefer yields to the user: these values would do harm, and the client says so.
BOOST_AUTO_TEST_CASE(source__default_that_the_user_changes__the_users_value_is_used) {
  auto made = make_source({properties({{"receive.message.max.bytes", "1000000"}}), "g", true});
  BOOST_REQUIRE(!made.has_value());
  BOOST_TEST(made.error().message.find("receive.message.max.bytes") != std::string::npos, made.error().message);
  BOOST_TEST(make_source({properties({{"receive.message.max.bytes", "100000000"}}), "g", true}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
