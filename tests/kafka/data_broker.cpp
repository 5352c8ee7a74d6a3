#include "data_path.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace troupe;
using namespace troupe::kafka;

namespace {

// A port of 127.0.0.1 that was free a moment ago; with `keep` it is left taken.
std::uint16_t loopback_port(int* keep = nullptr) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  BOOST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  BOOST_REQUIRE(::listen(fd, 1) == 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  if (keep != nullptr)
    *keep = fd;
  else
    ::close(fd);
  return ntohs(address.sin_port);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(data_broker, broker_fixture)

BOOST_AUTO_TEST_CASE(embedded_broker__fixed_port__serves_rows_there) {
  const auto port = loopback_port();
  auto started = embedded_broker::start({{{"in", 2}}, {}, 1, port});
  BOOST_REQUIRE(started.has_value());
  BOOST_TEST((*started)->bootstrap() == "127.0.0.1:" + std::to_string(port));
  broker = std::move(*started);
  fill("in", 1, 1000);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 1}, 0}});
  BOOST_TEST(read(*from, 1000).back().offset == 999);
}

BOOST_AUTO_TEST_CASE(embedded_broker__port_taken__says_so) {
  int holder = -1;
  const auto port = loopback_port(&holder);
  const auto started = embedded_broker::start({{}, {}, 1, port});
  ::close(holder);
  BOOST_REQUIRE(!started.has_value());
  BOOST_TEST((started.error().code == errc::unavailable));
  BOOST_TEST(started.error().message.find(std::to_string(port)) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(embedded_broker__clusters__get_their_topics) {
  auto started = embedded_broker::start({{}, {"games"}, 1, 0});
  BOOST_REQUIRE(started.has_value());
  broker = std::move(*started);
  for (const auto& topic : {control_topic("games"), lease_topic("games"), models_topic("games")}) {
    fill(topic, 0, 1);
    auto from = source();
    from->assign(std::vector<partition_start>{{0, {topic, 0}, 0}});
    BOOST_TEST(read(*from, 1).size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(embedded_broker__several_brokers__one_down_leaves_the_others) {
  auto started = embedded_broker::start({{{"in", 3}}, {}, 3, 0});
  BOOST_REQUIRE(started.has_value());
  broker = std::move(*started);
  for (int p = 0; p < 3; ++p) fill("in", p, 10);
  broker->set_round_trip(std::chrono::milliseconds(20), 2);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}, {1, {"in", 1}, 0}, {2, {"in", 2}, 0}});
  BOOST_TEST(read(*from, 30).size() == 30u);
}

BOOST_AUTO_TEST_SUITE_END()
