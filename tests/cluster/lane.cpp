#include "cluster/lane.hpp"

#include <boost/test/unit_test.hpp>

#include "cluster/freeze_guard.hpp"

using namespace troupe;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(lane)

namespace {
partition_grant grant_of(std::int32_t partition, std::int64_t epoch, std::int64_t offset = 0) {
  return {{"dsp", partition}, offset, "", control_offset{epoch}};
}
using kind = lane_table::decision::kind;
} // namespace

BOOST_AUTO_TEST_CASE(next__every_pair__as_the_diagram_says) {
  using s = hold_state;
  using e = hold_event;
  struct {
    s from;
    e event;
    s to;
  } table[] = {
      {s::reading, e::grant, s::reading},   {s::reading, e::revoke, s::draining},
      {s::reading, e::fail, s::stopped},    {s::reading, e::drained, s::reading},
      {s::stopped, e::grant, s::draining},  {s::stopped, e::revoke, s::draining},
      {s::stopped, e::fail, s::stopped},    {s::stopped, e::drained, s::stopped},
      {s::draining, e::grant, s::draining}, {s::draining, e::revoke, s::draining},
      {s::draining, e::fail, s::draining},  {s::draining, e::drained, s::released},
      {s::released, e::grant, s::reading},  {s::released, e::revoke, s::released},
      {s::released, e::fail, s::released},  {s::released, e::drained, s::released},
  };
  for (const auto& row : table) BOOST_CHECK(next(row.from, row.event) == row.to);
}

BOOST_AUTO_TEST_CASE(grant__then_revoke__slot_read_drained_released_and_never_used_again) {
  lane_table table;
  auto first = table.grant(grant_of(0, 1));
  BOOST_CHECK(first.what == kind::start);
  BOOST_CHECK(table.grant(grant_of(0, 1)).what == kind::ignore);
  BOOST_CHECK_EQUAL(table.stale(), 0u);
  BOOST_CHECK(table.revoke({"dsp", 0}, control_offset{2}).what == kind::drain);
  BOOST_CHECK(table.revoke({"dsp", 0}, control_offset{3}).what == kind::ignore);
  BOOST_CHECK(!table.drained(first.slot));
  BOOST_CHECK(table.held().empty());
  auto second = table.grant(grant_of(0, 4));
  BOOST_CHECK(second.what == kind::start);
  BOOST_CHECK_NE(second.slot, first.slot);
}

BOOST_AUTO_TEST_CASE(older_epochs__ignored_and_counted) {
  lane_table table;
  table.grant(grant_of(0, 5));
  BOOST_CHECK(table.grant(grant_of(0, 4)).what == kind::ignore);
  BOOST_CHECK(table.revoke({"dsp", 0}, control_offset{4}).what == kind::ignore);
  BOOST_CHECK_EQUAL(table.stale(), 2u);
  BOOST_CHECK(table.any(hold_state::reading));
}

BOOST_AUTO_TEST_CASE(grant__while_draining__waits_for_the_release) {
  lane_table table;
  auto slot = table.grant(grant_of(0, 1)).slot;
  table.revoke({"dsp", 0}, control_offset{2});
  BOOST_CHECK(table.grant(grant_of(0, 3, 77)).what == kind::ignore);
  auto again = table.drained(slot);
  BOOST_REQUIRE(again.has_value());
  BOOST_CHECK_EQUAL(again->offset, 77);
  BOOST_CHECK(table.grant(*again).what == kind::start);
}

BOOST_AUTO_TEST_CASE(fail__stopped_until_granted_anew) {
  lane_table table;
  auto slot = table.grant(grant_of(3, 1)).slot;
  BOOST_CHECK(table.fail(slot, "offset 5 is out of range"));
  BOOST_CHECK(!table.fail(slot, "again"));
  BOOST_CHECK(!table.fail(99, "unknown"));
  BOOST_CHECK_EQUAL(table.problem(), "dsp/3 stopped: offset 5 is out of range");
  BOOST_CHECK(!table.any(hold_state::reading));
  BOOST_CHECK(table.grant(grant_of(3, 2, 8)).what == kind::drain);
  BOOST_CHECK_EQUAL(table.drained(slot)->offset, 8);
  BOOST_CHECK_EQUAL(table.problem(), "");
}

BOOST_AUTO_TEST_CASE(freeze_guard__gap_longer_than_the_limit__frozen_for_good) {
  freeze_guard guard{5000ms};
  mono_time now{100s};
  BOOST_CHECK(guard.note(now));
  BOOST_CHECK(guard.note(now + 5000ms));
  BOOST_CHECK(!guard.note(now + 10001ms));
  BOOST_CHECK(!guard.note(now + 10002ms));
  BOOST_CHECK(guard.frozen());
}

BOOST_AUTO_TEST_SUITE_END()
