#include "cluster/election.hpp"

#include <functional>

#include <boost/test/unit_test.hpp>

#include "tests/cluster/core_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using what = election::advice::what_kind;
using phase = election_phase;

namespace {

const node_ref a = ref("a", 1), b = ref("b", 2), c = ref("c", 3);

/// One node's election, ticked every 50 ms; `now` is milliseconds since the start.
struct candidate {
  election e;
  std::chrono::milliseconds now{0};
  std::chrono::milliseconds contact{20};

  explicit candidate(const node_ref& self, std::uint64_t seed = 1)
      : e(self, {}, seed) {
    e.caught_up(true);
    e.members({a, b, c});
  }
  void claim(std::int64_t term, const node_ref& who) { e.claim_seen(term_id{term}, who, at(now)); }
  void lease(std::int64_t term, const node_ref& who, bool resigned = false) {
    e.lease_seen({term_id{term}, who, resigned}, at(now));
  }
  what tick() {
    now += 50ms;
    return e.step(at(now), contact).what;
  }
  /// Milliseconds from here until the advice is `claim`, -1 if it is not within the limit.
  long until_claim(
      std::chrono::milliseconds limit = 20000ms, const std::function<void()>& each = [] {}) {
    const auto start = now;
    while (now - start < limit) {
      each();
      if (tick() == what::claim) return static_cast<long>((now - start).count());
    }
    return -1;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(election)

BOOST_AUTO_TEST_CASE(fresh_cluster__claims_after_the_jitter_only) {
  candidate node(a);
  const auto took = node.until_claim();
  BOOST_TEST(took >= 0);
  BOOST_TEST(took <= 450);
  BOOST_TEST((node.tick() == what::wait)); // given once
}

BOOST_AUTO_TEST_CASE(not_caught_up__never_stands) {
  candidate node(a);
  node.e.caught_up(false);
  BOOST_TEST(node.until_claim() == -1);
}

BOOST_AUTO_TEST_CASE(leases_arrive__follows) {
  candidate node(b);
  node.claim(10, a);
  int ticks = 0;
  BOOST_TEST(node.until_claim(30000ms, [&] {
    if (++ticks % 10 == 0) node.lease(10, a);
  }) == -1);
  BOOST_TEST((node.e.phase() == phase::following));
}

// Silence of 2 s, then rank * 1 s, then up to 250 ms of jitter, then a fetch that succeeds.
BOOST_AUTO_TEST_CASE(silence__claims_in_the_turn_of_its_rank) {
  for (const auto& [self, rank] : {std::pair{b, 0}, std::pair{c, 1}, std::pair{ref("new", 9), 2}}) {
    candidate node(self);
    node.claim(10, a);
    node.lease(10, a);
    BOOST_TEST(node.e.rank() == static_cast<std::size_t>(rank));
    const auto took = node.until_claim();
    BOOST_TEST(took >= 2000 + 1000 * rank);
    BOOST_TEST(took <= 2000 + 1000 * rank + 250 + 200);
  }
}

BOOST_AUTO_TEST_CASE(refused__does_not_wait_for_silence) {
  for (const auto& [self, rank] : {std::pair{b, 0}, std::pair{c, 1}}) {
    candidate node(self);
    node.claim(10, a);
    for (int i = 0; i < 20; ++i) node.tick();
    node.lease(10, a);
    node.e.refused(a, at(node.now));
    node.lease(10, a); // its last words were still under way
    const auto took = node.until_claim();
    BOOST_TEST(took >= 1000 * rank);
    BOOST_TEST(took <= 1000 * rank + 450);
  }
}

BOOST_AUTO_TEST_CASE(refused_candidates__are_skipped_in_the_ranking) {
  candidate node(c);
  node.claim(10, a);
  BOOST_TEST(node.e.rank() == 1u);
  node.e.refused(b, at(0ms));
  BOOST_TEST(node.e.rank() == 0u);
}

BOOST_AUTO_TEST_CASE(own_former_incarnation__is_skipped_in_the_ranking) {
  candidate node(ref("b", 99));
  node.claim(10, a);
  BOOST_TEST(node.e.rank() == 1u); // only c goes first
}

BOOST_AUTO_TEST_CASE(lease_in_its_turn__back_to_following) {
  candidate node(c);
  node.claim(10, a);
  while (node.e.phase() != phase::waiting) node.tick();
  node.lease(10, a);
  BOOST_TEST((node.e.phase() == phase::following));
  BOOST_TEST(node.until_claim() >= 3000);
}

BOOST_AUTO_TEST_CASE(stale_lease__is_ignored_and_counted) {
  candidate node(b);
  node.claim(10, a);
  node.claim(20, c);
  int ticks = 0;
  BOOST_TEST(node.until_claim(20000ms, [&] {
    if (++ticks % 5 == 0) node.lease(10, a);
  }) > 0);
  BOOST_TEST(node.e.stale_leases() > 0u);
}

BOOST_AUTO_TEST_CASE(resigned__short_turns) {
  for (const auto& [self, rank] : {std::pair{b, 0}, std::pair{c, 1}}) {
    candidate node(self);
    node.claim(10, a);
    node.lease(10, a, true);
    const auto took = node.until_claim();
    BOOST_TEST(took >= 300 * rank);
    BOOST_TEST(took <= 300 * rank + 450);
  }
}

BOOST_AUTO_TEST_CASE(resigned_lease_read_before_its_claim__still_counts) {
  candidate node(b);
  node.claim(5, c);
  node.lease(10, a, true);
  node.claim(10, a);
  BOOST_TEST(node.until_claim() <= 450);
}

BOOST_AUTO_TEST_CASE(kafka_lost__deposes_nobody_and_starts_the_count_again) {
  candidate node(b);
  node.claim(10, a);
  for (int i = 0; i < 30; ++i) node.tick(); // 1.5 s of silence
  node.contact = 60000ms;
  BOOST_TEST(node.until_claim(30000ms) == -1);
  node.contact = 20ms;
  BOOST_TEST(node.until_claim() >= 2000);
}

BOOST_AUTO_TEST_CASE(frozen_itself__does_not_count_the_time) {
  candidate node(b);
  node.claim(10, a);
  node.tick();
  node.now += 60000ms;
  BOOST_TEST(node.until_claim() >= 2000);
}

BOOST_AUTO_TEST_CASE(looking__waits_for_a_fetch_that_came_after) {
  candidate node(b);
  node.claim(10, a);
  while (node.e.phase() != phase::waiting) node.tick();
  node.contact = 1000ms; // the last answer is a second old, and stays so
  for (int i = 0; i < 20; ++i) {
    const auto advice = node.tick();
    BOOST_TEST((advice == what::wait || advice == what::look_again));
  }
  BOOST_TEST((node.e.phase() == phase::looking));
  node.contact = 0ms;
  BOOST_TEST((node.tick() == what::claim));
}

BOOST_AUTO_TEST_CASE(claim_read_after_it_was_appended__rules_and_beats) {
  candidate node(a);
  node.until_claim();
  BOOST_TEST(!node.e.beat_due(at(node.now)));
  node.e.claim_appended(term_id{7}, at(node.now));
  BOOST_TEST((node.tick() == what::wait)); // not before it has read up to its own claim
  node.claim(7, a);
  BOOST_TEST((node.tick() == what::rule));
  BOOST_TEST((node.e.lease().term == term_id{7}));
  int beats = 0;
  for (int i = 0; i < 200; ++i) {
    node.tick();
    beats += node.e.beat_due(at(node.now));
  }
  BOOST_TEST(beats == 20); // 10 s
}

BOOST_AUTO_TEST_CASE(claim_read_before_the_answer__rules_too) {
  candidate node(a);
  node.until_claim();
  node.claim(7, a);
  BOOST_TEST((node.tick() == what::wait));
  node.e.claim_appended(term_id{7}, at(node.now));
  BOOST_TEST((node.tick() == what::rule));
}

BOOST_AUTO_TEST_CASE(another_claim_while_claiming__the_later_one_wins) {
  candidate first(a);
  first.until_claim();
  first.claim(5, b);
  BOOST_TEST((first.e.phase() == phase::claiming));
  first.e.claim_appended(term_id{7}, at(first.now));
  first.claim(7, a);
  BOOST_TEST(first.e.ruling());
  candidate second(a);
  second.until_claim();
  second.e.claim_appended(term_id{7}, at(second.now));
  second.claim(7, a);
  second.claim(9, b);
  BOOST_TEST((second.e.phase() == phase::following));
  candidate third(a);
  third.until_claim();
  third.claim(9, b);
  third.e.claim_appended(term_id{7}, at(third.now));
  BOOST_TEST((third.e.phase() == phase::following));
}

// Two candidates that open the control writer at the same time fence each other, and the cluster waits for both.
BOOST_AUTO_TEST_CASE(another_one_is_claiming__gives_it_time__then_goes_on) {
  candidate node(c);
  node.claim(10, a);
  node.e.refused(a, at(node.now));
  node.tick();
  BOOST_TEST((node.e.phase() == phase::waiting));
  node.e.lease_seen({term_id{10}, b, false, true}, at(node.now));
  const auto took = node.until_claim();
  BOOST_TEST(took >= 3000);
  BOOST_TEST(took <= 3700);
}

BOOST_AUTO_TEST_CASE(another_one_is_claiming__is_no_lease_of_the_holder) {
  candidate node(b);
  node.claim(10, a);
  const auto took = node.until_claim(10000ms, [&] {
    if (node.now == 1900ms) node.e.lease_seen({term_id{10}, c, false, true}, at(node.now));
  });
  BOOST_TEST(took >= 2000);
  BOOST_TEST(took <= 2450);
}

BOOST_AUTO_TEST_CASE(claim_failed__stands_again_later__or_follows_who_came) {
  candidate node(a);
  node.until_claim();
  node.e.claim_failed(at(node.now));
  const auto took = node.until_claim();
  BOOST_TEST(took >= 1000);
  BOOST_TEST(took <= 1450);
  node.claim(9, b);
  node.e.claim_failed(at(node.now));
  BOOST_TEST((node.e.phase() == phase::following));
}

BOOST_AUTO_TEST_CASE(ruling__steps_down_for_a_newer_claim) {
  candidate node(a);
  node.until_claim();
  node.e.claim_appended(term_id{7}, at(node.now));
  node.claim(7, a);
  node.claim(7, a);
  BOOST_TEST(node.e.ruling());
  node.claim(3, b); // an older claim, read again
  BOOST_TEST(node.e.ruling());
  node.claim(9, b);
  BOOST_TEST((node.e.phase() == phase::following));
  BOOST_TEST(!node.e.beat_due(at(node.now)));
}

BOOST_AUTO_TEST_CASE(resign__says_so_once_and_never_stands_again) {
  candidate node(a);
  node.until_claim();
  node.e.claim_appended(term_id{7}, at(node.now));
  node.claim(7, a);
  BOOST_TEST(node.e.resign());
  BOOST_TEST(node.e.lease().resigned);
  BOOST_TEST(!node.e.resign());
  BOOST_TEST(node.until_claim() == -1);
  node.claim(9, b);
  BOOST_TEST((node.e.phase() == phase::retired));
}

BOOST_AUTO_TEST_CASE(step_down__stands_again_in_turn) {
  candidate node(a);
  node.until_claim();
  node.e.claim_appended(term_id{7}, at(node.now));
  node.claim(7, a);
  node.e.step_down();
  BOOST_TEST((node.e.phase() == phase::following));
  BOOST_TEST(node.until_claim() >= 2000);
}

// Every phase meets every event: the result is a phase from which a node alone in the world still gets to rule, or
// retired.
BOOST_AUTO_TEST_CASE(machine__every_phase_and_event__stays_live) {
  const std::vector<std::function<void(candidate&)>> ways{[](candidate& n) { n.claim(5, b); },
                                                          [](candidate& n) {
                                                            n.claim(5, b);
                                                            while (n.e.phase() != phase::waiting) n.tick();
                                                          },
                                                          [](candidate& n) {
                                                            n.claim(5, b);
                                                            n.contact = 1400ms;
                                                            while (n.e.phase() != phase::looking) n.tick();
                                                          },
                                                          [](candidate& n) {
                                                            n.claim(5, b);
                                                            n.until_claim();
                                                          },
                                                          [](candidate& n) {
                                                            n.claim(5, b);
                                                            n.until_claim();
                                                            n.e.claim_appended(term_id{7}, at(n.now));
                                                            n.claim(7, a);
                                                          }};
  const std::vector<phase> reached{phase::following, phase::waiting, phase::looking, phase::claiming, phase::ruling};
  const std::vector<std::function<void(candidate&)>> events{
      [](candidate& n) { n.claim(20, b); },
      [](candidate& n) { n.claim(20, a); },
      [](candidate& n) { n.claim(2, b); },
      [](candidate& n) { n.lease(5, b); },
      [](candidate& n) { n.lease(5, b, true); },
      [](candidate& n) { n.lease(30, c); },
      [](candidate& n) { n.lease(2, b); },
      [](candidate& n) { n.e.refused(b, at(n.now)); },
      [](candidate& n) { n.e.claim_failed(at(n.now)); },
      [](candidate& n) { n.e.claim_appended(term_id{20}, at(n.now)); },
      [](candidate& n) { n.e.step_down(); },
      [](candidate& n) { n.e.resign(); },
      [](candidate& n) {
        n.contact = 60000ms;
        n.tick();
      },
      [](candidate& n) {
        n.now += 60000ms;
        n.tick();
      }};
  for (std::size_t w = 0; w < ways.size(); ++w)
    for (std::size_t e = 0; e < events.size(); ++e) {
      candidate node(a);
      ways[w](node);
      BOOST_TEST((node.e.phase() == reached[w]), to_string(node.e.phase()));
      events[e](node);
      node.contact = 0ms;
      if (node.e.phase() == phase::claiming) { // whatever came, the shell tells how its claim ended
        node.e.claim_failed(at(node.now));
      }
      BOOST_TEST_CONTEXT("way " << w << " event " << e << " " << to_string(node.e.phase())) {
        const bool done = node.e.phase() == phase::retired || node.e.ruling();
        BOOST_TEST((done || node.until_claim() > 0));
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()
