// What is broken on purpose has to be found, under the name of the invariant that it breaks, with each guarantee that
// has that invariant.
#include <iostream>

#include <boost/test/unit_test.hpp>

#include "tests/simulation/scenario.hpp"
#include "tests/simulation/walk.hpp"

namespace {

using namespace troupe::sim;

constexpr std::uint64_t seeds_max = 60;
const std::vector<guarantee> both{guarantee::at_least_once, guarantee::exactly_once};
const std::vector<guarantee> only_exactly_once{guarantee::exactly_once};

struct planted {
  canary what;
  const char* name;
  std::vector<std::string> caught_as;
  std::vector<guarantee> in;
  std::function<std::string(guarantee, canary)> walk{}; ///< null: faults from seeds
};

const std::vector<planted>& all() {
  static const std::vector<planted> list{
      {canary::lost_row, "lost_row", {"I1", "I2", "after 90 s of peace"}, both},
      {canary::repeated_rows, "repeated_rows", {"I3"}, both},
      {canary::swapped_rows, "swapped_rows", {"I3"}, both},
      {canary::early_commit, "early_commit", {"I2"}, both},
      {canary::old_version, "old_version", {"I4"}, both},
      {canary::wrong_value, "wrong_value", {"I4"}, both},
      {canary::no_fencing, "no_fencing", {"I6"}, both},
      {canary::kept_partition,
       "kept_partition",
       {"two lanes", "I1", "I3", "I5", "atomic", "after 90 s of peace"},
       both},
      {canary::deaf_node, "deaf_node", {"after 90 s of peace", "two lanes"}, both},
      {canary::waiting_lanes, "waiting_lanes", {"I7"}, both, scoring_without_coordinator},
      {canary::greedy_source, "greedy_source", {"I8"}, both},
      {canary::blocking_scorer, "blocking_scorer", {"I9"}, both, control_while_scorers_are_slow},
      {canary::unfenced_lanes, "unfenced_lanes", {"I5"}, only_exactly_once},
      {canary::late_fence, "late_fence", {"I5", "I1"}, only_exactly_once},
      {canary::outside_offsets, "outside_offsets", {"I2"}, only_exactly_once},
      {canary::split_transactions, "split_transactions", {"atomic"}, only_exactly_once},
      {canary::kept_generation, "kept_generation", {"I5", "I1"}, only_exactly_once},
      {canary::opened_unfenced, "opened_unfenced", {"I1", "atomic"}, only_exactly_once},
      {canary::reused_producer, "reused_producer", {"atomic"}, only_exactly_once},
      {canary::hung_transaction, "hung_transaction", {"readers", "an open transaction"}, only_exactly_once},
  };
  return list;
}

/// The complaint that names what was planted; else, in brackets, what was found instead.
std::string search(const planted& one, guarantee how) {
  auto is_named = [&](const std::string& wrong) {
    return std::any_of(one.caught_as.begin(), one.caught_as.end(),
                       [&](auto& name) { return wrong.find(name) != std::string::npos; });
  };
  if (one.walk) {
    auto wrong = one.walk(how, one.what);
    return is_named(wrong) ? wrong : "(" + wrong + ")";
  }
  std::string other;
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    auto o = scenario{seed, how, one.what}.run(12s);
    if (o.wrongs.empty()) continue;
    if (is_named(o.wrongs.front())) return fmt::format("seed {}: {}", seed, o.wrongs.front());
    other = o.wrongs.front();
  }
  return "(" + other + ")";
}

} // namespace

BOOST_AUTO_TEST_SUITE(canaries)

BOOST_AUTO_TEST_CASE(canary__planted_fault__is_caught) {
  for (auto& one : all())
    for (auto how : one.in) {
      auto found = search(one, how);
      std::cout << fmt::format("{}, {}: {}\n", one.name, to_string(how), found);
      BOOST_CHECK_MESSAGE(found.front() != '(', fmt::format("{} was not caught in {}", one.name, to_string(how)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
