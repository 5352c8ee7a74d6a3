#include "cluster/respawn.hpp"

#include <boost/test/unit_test.hpp>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

std::vector<held_partition> holding(std::int64_t position, std::int64_t committed, std::int32_t partition = 0) {
  return {{{"dsp", partition}, position, committed, -1}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(respawn)

BOOST_AUTO_TEST_CASE(died__again_and_again__the_pause_doubles_up_to_a_bound) {
  respawn_guard guard;
  BOOST_CHECK(guard.died({}) == 100ms);
  BOOST_CHECK(guard.died({}) == 200ms);
  for (int i = 0; i < 10; ++i) guard.died({});
  BOOST_CHECK(guard.died({}) == respawn_guard::pause_max);
}

// A record at offset 150 that the broker never takes: each life commits what comes before it, and dies.
BOOST_AUTO_TEST_CASE(died__committed_up_to_the_same_place_each_time__the_pause_grows) {
  respawn_guard guard;
  guard.alive(holding(120, 110));
  BOOST_CHECK(guard.died(holding(200, 140)) == 100ms);
  guard.granted({"dsp", 0}, 140, true);
  guard.alive(holding(180, 149));
  BOOST_CHECK(guard.died(holding(180, 149)) == 200ms);
  guard.granted({"dsp", 0}, 149, true);
  guard.alive(holding(160, -1));
  BOOST_CHECK(guard.died(holding(160, -1)) == 400ms);
}

BOOST_AUTO_TEST_CASE(alive__committed_past_where_the_last_one_died__the_pause_starts_over) {
  respawn_guard guard;
  guard.died(holding(200, 140));
  guard.died(holding(180, 150));
  guard.granted({"dsp", 0}, 150, true);
  guard.alive(holding(300, 200));
  BOOST_CHECK(guard.died(holding(300, 200)) == 100ms);
}

BOOST_AUTO_TEST_CASE(granted__behind_the_place_or_to_somebody_else__it_is_forgotten) {
  for (bool here : {true, false}) {
    respawn_guard guard;
    guard.died(holding(200, 140));
    guard.granted({"dsp", 0}, here ? 200 : 140, here);
    guard.alive(holding(60, 50, 1));
    BOOST_CHECK(guard.died(holding(60, 50, 1)) == 100ms);
  }
}

BOOST_AUTO_TEST_CASE(alive__holds_and_has_not_committed__proves_nothing) {
  respawn_guard guard;
  guard.died({});
  guard.alive(holding(10, -1));
  BOOST_CHECK(guard.died({}) == 200ms);
  guard.alive(holding(10, 10));
  BOOST_CHECK(guard.died({}) == 100ms);
}

BOOST_AUTO_TEST_SUITE_END()
