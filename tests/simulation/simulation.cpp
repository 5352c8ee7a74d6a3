// The whole cluster, simulated from a seed: the real actors, with Kafka, network and time in memory.
//
//   test_simulation -- --seeds 1000 --from 1     so many seeds, from this one
//   test_simulation -- --seeds 1000 --delivery exactly_once    those of them that run with it
//   test_simulation -- --seeds 1 --from 42 --print    one history, all of it
//
// Without arguments as many seeds as fit into some seconds, at most 100. A thousand seeds or more have to reach all
// that coverage.hpp lists.

#include <chrono>
#include <cstdlib>
#include <iostream>

#include <boost/test/unit_test.hpp>

#include "tests/simulation/scenario.hpp"

namespace {

using namespace troupe::sim;

struct options {
  std::uint64_t seeds = 100, from = 1;
  std::chrono::seconds budget{20};
  std::optional<guarantee> only;
  bool print = false;
};

constexpr std::uint64_t seeds_that_reach_all = 1000;

std::optional<guarantee> guarantee_named(const std::string& name) {
  for (auto how : {guarantee::at_least_once, guarantee::exactly_once})
    if (name == to_string(how)) return how;
  BOOST_FAIL("--delivery takes at_least_once or exactly_once, not '" + name + "'");
  return std::nullopt;
}

options read_options() {
  options opts;
  auto& suite = boost::unit_test::framework::master_test_suite();
  for (int i = 1; i < suite.argc; ++i) {
    std::string word = suite.argv[i];
    auto number = [&] { return i + 1 < suite.argc ? std::strtoull(suite.argv[++i], nullptr, 10) : 0; };
    if (word == "--seeds") {
      opts.seeds = number();
      opts.budget = std::chrono::hours{24};
    } else if (word == "--from") {
      opts.from = number();
    } else if (word == "--delivery") {
      opts.only = guarantee_named(i + 1 < suite.argc ? suite.argv[++i] : "");
    } else if (word == "--print") {
      opts.print = true;
    } else {
      BOOST_FAIL("unknown option " + word + "; there are --seeds N, --from S, --delivery D and --print");
    }
  }
  return opts;
}

std::string story(std::uint64_t seed, const outcome& o) {
  auto text = fmt::format("seed {}, {} (./dev simulate --seeds 1 --from {} --print)\n", seed,
                          to_string(guarantee_of(seed)), seed);
  for (auto& wrong : o.wrongs) text += "  " + wrong + "\n";
  return text + "the end of its history:\n" + o.history;
}

struct summary {
  std::size_t seeds = 0, rows = 0, lives = 0;
  std::uint64_t steps = 0, repeated = 0;
  std::int64_t slowest_ms = 0;
  coverage reached;

  void add(const outcome& o) {
    ++seeds;
    rows += o.rows;
    lives += o.lives;
    steps += o.steps;
    repeated += o.repeated;
    slowest_ms = std::max(slowest_ms, o.took_ms);
    reached.add(o.reached);
  }
  std::string text(guarantee how, std::uint64_t from) const {
    auto out = fmt::format("{}: {} seeds from {}: {} rows, {} repeated, {} lives of nodes, {} messages, peace after {} "
                           "ms at most; reached:\n",
                           to_string(how), seeds, from, rows, repeated, lives, steps, slowest_ms);
    for (auto& name : coverage::wanted(how)) out += fmt::format("  {:>7} {}\n", reached.times(name), name);
    return out;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(simulation)

BOOST_AUTO_TEST_CASE(cluster__faults_from_seeds__every_invariant_holds) {
  auto opts = read_options();
  auto started = std::chrono::steady_clock::now();
  std::map<guarantee, summary> sums;
  std::uint64_t seed = opts.from, failed = 0;
  for (; seed < opts.from + opts.seeds && std::chrono::steady_clock::now() - started < opts.budget; ++seed) {
    if (opts.only && *opts.only != guarantee_of(seed)) continue;
    scenario one{seed, canary::none, opts.print};
    auto o = one.run();
    BOOST_CHECK_MESSAGE(o.wrongs.empty(), story(seed, o));
    if (!o.wrongs.empty() && ++failed == 3) return;
    sums[guarantee_of(seed)].add(o);
  }
  for (auto& [how, sum] : sums) {
    std::cout << sum.text(how, opts.from);
    if (opts.seeds < seeds_that_reach_all) continue;
    for (auto& name : sum.reached.missing(how))
      BOOST_ERROR(fmt::format("no seed with {} reached: {}", to_string(how), name));
  }
}

BOOST_AUTO_TEST_CASE(coverage__one_thing_not_reached__is_named) {
  for (auto how : {guarantee::at_least_once, guarantee::exactly_once}) {
    auto wanted = coverage::wanted(how);
    coverage seen;
    for (auto& name : wanted)
      if (name != wanted.back()) seen.reached(name);
    BOOST_TEST(seen.missing(how) == std::vector{wanted.back()}, boost::test_tools::per_element());
    seen.reached(wanted.back());
    BOOST_TEST(seen.missing(how).empty());
  }
}

BOOST_AUTO_TEST_CASE(history__same_seed__is_the_same) {
  for (auto how : {guarantee::at_least_once, guarantee::exactly_once}) {
    auto run = [how](std::uint64_t seed) { return scenario{seed, how, canary::none}.run(8s); };
    auto once = run(7), again = run(7), other = run(8);
    BOOST_TEST(once.trace == again.trace);
    BOOST_TEST(once.steps == again.steps);
    BOOST_TEST(once.trace != other.trace);
  }
}

BOOST_AUTO_TEST_SUITE_END()
