// What a lane tells Prometheus: as long as it lives, and when it is gone.
#include <memory>

#include <prometheus/registry.h>

#include "tests/actors/ingest_fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

/// The registry lives as long as the last lane that has something to take away from it.
struct registry_and_metrics {
  prometheus::Registry registry;
  lane_metrics metrics{registry, "games", "games"};
};

struct measured_lane : lane_fixture {
  std::shared_ptr<registry_and_metrics> kept = std::make_shared<registry_and_metrics>();
  measured_lane() { icfg.metrics = {kept, &kept->metrics}; }

  /// Sum over the children of a counter or gauge; -1: there is none.
  double value(const std::string& name) {
    double sum = -1;
    for (const auto& family : kept->registry.Collect())
      for (const auto& metric : family.metric)
        if (family.name == name) sum = std::max(sum, 0.0) + metric.counter.value + metric.gauge.value;
    return sum;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(lane_metrics, measured_lane)

BOOST_AUTO_TEST_CASE(orders__of_an_older_epoch__are_counted) {
  start();
  grant(0, 0, 5);
  advance(300ms);
  BOOST_TEST(value("troupe_stale_orders_total") == 0);
  grant(0, 0, 4);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{3}});
  advance(300ms);
  BOOST_TEST(value("troupe_stale_orders_total") == 2);
}

BOOST_AUTO_TEST_CASE(lane__ends__nothing_of_the_moment_is_left) {
  start();
  add_scorer(true, false);
  grant(0);
  append(0, 30);
  advance(300ms);
  for (auto* name : {"records_lag_max", "consumer_lag"}) BOOST_TEST(value(name) == 30, name);
  for (auto* name : {"troupe_rows_uncommitted", "troupe_rows_inflight", "troupe_batches_inflight"})
    BOOST_TEST(value(name) > 0, name);
  lane->emit({source_event::kind::fatal, 0, -1, 0, "fenced"});
  run();
  BOOST_REQUIRE(down);
  for (auto* name : {"troupe_rows_uncommitted", "troupe_rows_inflight", "troupe_bytes_inflight",
                     "troupe_batches_queued", "troupe_batches_inflight", "troupe_scorer_credits"})
    BOOST_TEST(value(name) == 0, name);
  for (auto* name : {"records_lag_max", "consumer_lag"}) BOOST_TEST(value(name) == -1, name);
  BOOST_TEST(value("troupe_rows_read_total") > 0); // counters stay
}

BOOST_AUTO_TEST_SUITE_END()
