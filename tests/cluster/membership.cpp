#include "cluster/membership.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/cluster/core_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {
struct fixture {
  failure_detector nodes{5000ms};
  node_ref a = ref("a"), b = ref("b");
  bool hear(const node_ref& node, std::uint64_t sequence, steady_time now) {
    return nodes.heard(report_of(node, sequence, control_offset{0}), now);
  }
};
} // namespace

BOOST_FIXTURE_TEST_SUITE(membership, fixture)

BOOST_AUTO_TEST_CASE(silence__longer_than_the_timeout__is_death) {
  hear(a, 1, at(0ms));
  BOOST_TEST(!nodes.dead(a, at(5000ms)).has_value());
  BOOST_TEST(nodes.dead(a, at(5001ms)).value() == "not heard from for 5000 ms");
  hear(a, 2, at(6000ms));
  BOOST_TEST(!nodes.dead(a, at(6001ms)).has_value());
}

BOOST_AUTO_TEST_CASE(refused__is_death_at_once__until_heard_again) {
  hear(a, 1, at(0ms));
  nodes.refused(a, at(10ms));
  BOOST_TEST(nodes.dead(a, at(10ms)).value() == "its port refuses connections");
  hear(a, 2, at(20ms));
  BOOST_TEST(!nodes.dead(a, at(20ms)).has_value());
}

BOOST_AUTO_TEST_CASE(report__older_than_the_last__is_ignored) {
  BOOST_TEST(hear(a, 5, at(0ms)));
  BOOST_TEST(!hear(a, 5, at(1ms)));
  BOOST_TEST(!hear(a, 4, at(4000ms)));
  BOOST_TEST(nodes.latest(a)->sequence == 5u);
  BOOST_TEST(nodes.dead(a, at(5001ms)).has_value());
}

BOOST_AUTO_TEST_CASE(unknown_node__is_not_dead__watched_one_has_a_full_timeout) {
  BOOST_TEST(!nodes.dead(b, at(99999ms)).has_value());
  nodes.watch(b, at(1000ms));
  nodes.watch(b, at(4000ms));
  BOOST_TEST(!nodes.dead(b, at(6000ms)).has_value());
  BOOST_TEST(nodes.dead(b, at(6001ms)).has_value());
  BOOST_TEST(nodes.latest(b) == nullptr);
}

BOOST_AUTO_TEST_CASE(new_term__everybody_starts_again__a_fresh_refusal_stays) {
  hear(a, 7, at(0ms));
  hear(b, 7, at(0ms));
  nodes.refused(b, at(7000ms));
  nodes.begin_term(at(8000ms));
  BOOST_TEST(!nodes.dead(a, at(13000ms)).has_value());
  BOOST_TEST(nodes.dead(b, at(8000ms)).has_value());
  BOOST_TEST(nodes.latest(a) == nullptr);
  BOOST_TEST(hear(a, 1, at(8001ms)));
  nodes.begin_term(at(60000ms));
  BOOST_TEST(!nodes.dead(b, at(60000ms)).has_value());
}

BOOST_AUTO_TEST_CASE(incarnations__are_different_nodes) {
  hear(ref("a", 1), 1, at(0ms));
  nodes.refused(ref("a", 1), at(1ms));
  hear(ref("a", 2), 1, at(2ms));
  BOOST_TEST(nodes.dead(ref("a", 1), at(3ms)).has_value());
  BOOST_TEST(!nodes.dead(ref("a", 2), at(3ms)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
