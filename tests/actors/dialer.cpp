// The dialer's TCP part, on loopback: names with several addresses, and callers that have gone.

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <caf/scoped_actor.hpp>

#include "actors/dialer.hpp"
#include "tests/support/fixture.hpp"

namespace {

using namespace troupe;

/// Binds a port of one address of loopback; whoever connects to the others is refused.
struct bound_port {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t number = 0;

  explicit bound_port(const char* host) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, host, &address.sin_addr);
    socklen_t size = sizeof address;
    BOOST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    BOOST_REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number = ntohs(address.sin_port);
  }
  bound_port(const bound_port&) = delete;
  ~bound_port() { ::close(fd); }
  void listen() const { BOOST_REQUIRE(::listen(fd, 8) == 0); }
  [[nodiscard]] std::string of(const std::string& host) const { return host + ":" + std::to_string(number); }
};

struct dialer_fixture : testing::actor_fixture {
  std::vector<std::string> addresses;
  int looked_up = 0;
  dialer_config how;
  dialer_actor door;
  bound_port port{"127.0.0.2"};

  dialer_fixture() {
    how.resolve = [this](const std::string&) {
      ++looked_up;
      return addresses;
    };
    door = spawn(dialer, how);
  }
  template <class Answer, class Question> Answer ask(const Question& question) {
    caf::scoped_actor self{sys};
    auto pending = self->request(door, std::chrono::seconds{10}, question);
    run();
    Answer answer{};
    pending.receive([&](const Answer& got) { answer = got; },
                    [&](caf::error& why) { BOOST_ERROR("no answer: " + sys.render(why)); });
    return answer;
  }
  bool probed(const std::string& address, probe_answer expected) {
    return ask<probe_answer>(probe{address}) == expected;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(dialer, dialer_fixture)

BOOST_AUTO_TEST_CASE(name__first_address_refuses__the_second_is_tried) {
  port.listen();
  addresses = {"127.0.0.1", "127.0.0.2"};
  BOOST_TEST(probed(port.of("node"), probe_answer::open));
  addresses = {"127.0.0.2", "127.0.0.1"};
  BOOST_TEST(probed(port.of("node"), probe_answer::open));
}

BOOST_AUTO_TEST_CASE(name__all_addresses_refuse__refused) {
  addresses = {"127.0.0.1", "127.0.0.2"};
  BOOST_TEST(probed(port.of("node"), probe_answer::refused));
  auto answer = ask<dialed>(dial{port.of("node")});
  BOOST_TEST(!answer.door);
  BOOST_TEST(answer.refused);
}

// Broadcast can't be connected to: an address that says nothing about who is there.
BOOST_AUTO_TEST_CASE(name__one_address_does_not_refuse__that_is_no_proof_of_death) {
  addresses = {"127.0.0.2", "255.255.255.255"};
  BOOST_TEST(probed(port.of("node"), probe_answer::silent));
  addresses = {"255.255.255.255", "127.0.0.2"};
  BOOST_TEST(probed(port.of("node"), probe_answer::silent));
  BOOST_TEST(!ask<dialed>(dial{port.of("node")}).refused);
}

BOOST_AUTO_TEST_CASE(name__without_an_address__says_nothing_about_the_node) {
  BOOST_TEST(probed(port.of("node"), probe_answer::silent));
}

BOOST_AUTO_TEST_CASE(numeric_address__is_not_looked_up) {
  port.listen();
  BOOST_TEST(probed(port.of("127.0.0.2"), probe_answer::open));
  BOOST_TEST(probed(port.of("127.0.0.1"), probe_answer::refused));
  ask<probe_answer>(probe{port.of("[::1]")});
  BOOST_TEST(looked_up == 0);
}

BOOST_AUTO_TEST_CASE(caller__has_given_up_already__nothing_is_dialled) {
  addresses = {"127.0.0.2"};
  BOOST_TEST((ask<probe_answer>(probe{port.of("node"), now()}) == probe_answer::silent));
  BOOST_TEST(!ask<dialed>(dial{port.of("node"), now()}).refused);
  BOOST_TEST(looked_up == 0);
  BOOST_TEST((ask<probe_answer>(probe{port.of("node"), now() + std::chrono::seconds{1}}) == probe_answer::refused));
}

BOOST_AUTO_TEST_SUITE_END()
