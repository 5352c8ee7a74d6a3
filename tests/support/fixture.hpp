#pragma once
// A Boost.Test fixture over CAF's test scheduler: one thread, a clock that stands still until advance(). Deterministic.
//
//   struct my_fixture : actor_fixture { ... };
//   BOOST_FIXTURE_TEST_CASE(name, my_fixture) { auto a = spawn(...); send(a, msg{}); run(); advance(100ms); }
//
// Rules: nothing detached; kill() what was spawned by hand is not needed, the fixture ends every actor made with
// spawn().

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "cluster/messages.hpp"

namespace troupe::testing {

struct test_config : caf::actor_system_config {
  test_config() {
    add_message_types<caf::id_block::troupe>();
    set("scheduler.policy", caf::atom("testing"));
  }
};

struct actor_fixture {
  test_config cfg;
  caf::actor_system sys{cfg};
  caf::scheduler::test_coordinator& sched = dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  std::vector<caf::strong_actor_ptr> spawned;

  actor_fixture() = default;
  actor_fixture(const actor_fixture&) = delete;
  ~actor_fixture() {
    for (auto& actor : spawned) caf::anon_send_exit(actor, caf::exit_reason::kill);
    spawned.clear();
    run();
  }

  template <class F, class... Ts> auto spawn(F f, Ts&&... args) {
    auto handle = sys.spawn(f, std::forward<Ts>(args)...);
    spawned.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  template <class Handle, class... Ts> void send(const Handle& to, Ts&&... message) {
    caf::anon_send(to, std::forward<Ts>(message)...);
  }

  /// Handles messages until there is none left.
  void run() {
    while (sched.try_run_once()) {
    }
  }
  /// Lets time pass in steps of at most a millisecond, handling what becomes due.
  void advance(std::chrono::nanoseconds duration) {
    run();
    constexpr std::chrono::nanoseconds step = std::chrono::milliseconds{1};
    for (std::chrono::nanoseconds done{0}; done < duration; done += step) {
      sched.advance_time(std::min(step, duration - done));
      run();
    }
  }
  /// One message of a random runnable actor. False: nobody has one.
  template <class Random> bool step(Random& random) {
    auto& jobs = sched.jobs;
    if (jobs.empty()) return false;
    auto chosen = static_cast<std::ptrdiff_t>(random() % jobs.size());
    std::rotate(jobs.begin(), jobs.begin() + chosen, jobs.begin() + chosen + 1);
    return sched.try_run_once();
  }
  /// Time passes, but nobody notices: as if the process had been stopped.
  void freeze(std::chrono::nanoseconds duration) { sched.clock().current_time += duration; }
  [[nodiscard]] std::chrono::steady_clock::time_point now() { return sched.clock().now(); }
};

} // namespace troupe::testing
