// The coordinator actor and its clerk: a coordinator whose hand in Kafka is gone, or stuck, ends.
#include <boost/test/unit_test.hpp>

#include "actors/coordinator.hpp"
#include "tests/support/fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

struct silent_leases final : lease_writer {
  void beat(std::string) override {}
};

/// Asked and never answering, as if a call of librdkafka hung; or answering that Kafka is not there.
struct clerk_desk {
  bool stuck = true;
  std::size_t asked = 0;
};

template <class Answer> caf::result<result<Answer>> answer(clerk_actor::pointer self, clerk_desk& desk) {
  ++desk.asked;
  if (desk.stuck) {
    auto promise = self->make_response_promise<result<Answer>>();
    return promise;
  }
  return result<Answer>{fail(errc::unavailable, "no broker")};
}

clerk_actor::behavior_type fake_clerk(clerk_actor::pointer self, std::shared_ptr<clerk_desk> desk) {
  return {
      [=](const clerk_claim&) { return answer<std::int64_t>(self, *desk); },
      [=](const clerk_append&) { return answer<std::int64_t>(self, *desk); },
      [=](const clerk_starts&) { return answer<found_starts>(self, *desk); },
      [=](const clerk_topics&) { return answer<std::vector<topic_info>>(self, *desk); },
  };
}

// With an argument: CAF 0.17 dereferences a null pointer where there is none, which checked builds abort on.
dialer_actor::behavior_type fake_dialer(dialer_actor::pointer, probe_answer found) {
  return {
      [](const dial&) { return dialed{}; },
      [=](const probe&) { return found; },
  };
}

/// A coordinator that nobody has ever coordinated before: it claims at once.
struct coordinator_alone : actor_fixture {
  std::shared_ptr<clerk_desk> desk = std::make_shared<clerk_desk>();
  clerk_actor hand;
  coordinator_actor boss;
  std::string ended;
  std::shared_ptr<bool> here = std::make_shared<bool>(true);

  coordinator_alone() {
    coordinator_config own;
    own.self = {"a", incarnation_id{1}};
    own.unix_ms = [] { return std::int64_t{0}; };
    hand = spawn(fake_clerk, desk);
    auto leases = std::make_shared<std::unique_ptr<lease_writer>>(std::make_unique<silent_leases>());
    boss = spawn(coordinator, own, hand, spawn(fake_dialer, probe_answer::silent), leases);
    caf::actor_cast<caf::abstract_actor*>(boss)->attach_functor(
        [this, alive = std::weak_ptr<bool>{here}](const caf::error& why) {
          if (!alive.expired()) ended = sys.render(why);
        });
    send(boss, control_news{std::make_shared<std::vector<log_record>>(), 0, true});
    run();
  }
  ~coordinator_alone() {
    hand = nullptr;
    boss = nullptr;
  }
  /// What the node sends every 50 ms.
  void live(std::chrono::milliseconds span) {
    for (auto done = 0ms; done < span; done += 50ms) {
      lease_news news;
      news.caught_up = true;
      send(boss, news);
      advance(50ms);
    }
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(coordinator, coordinator_alone)

BOOST_AUTO_TEST_CASE(clerk__never_answers__the_coordinator_ends) {
  live(2s);
  BOOST_TEST(desk->asked == 1u); // the claim
  live(36s);
  BOOST_TEST(ended.empty());
  live(6s);
  BOOST_TEST(ended.find("no answer for 40000 ms") != std::string::npos, ended);
}

BOOST_AUTO_TEST_CASE(clerk__answers_that_kafka_is_gone__the_coordinator_goes_on) {
  desk->stuck = false;
  live(90s);
  BOOST_TEST(desk->asked > 10u);
  BOOST_TEST(ended.empty(), ended);
}

BOOST_AUTO_TEST_CASE(clerk__owes_an_answer_while_the_process_is_frozen__nobody_is_blamed) {
  live(2s);
  freeze(120s);
  live(5s);
  BOOST_TEST(ended.empty(), ended);
}

BOOST_AUTO_TEST_CASE(clerk__ends__the_coordinator_ends) {
  caf::anon_send_exit(hand, caf::exit_reason::kill);
  run();
  BOOST_TEST(ended.find("has lost its clerk") != std::string::npos, ended);
}

BOOST_AUTO_TEST_SUITE_END()
