// The whole cluster, simulated from a seed: the real actors, with Kafka, network and time in memory.
//
//   test_simulation -- --seeds 1000 --from 1     so many seeds, from this one
//   test_simulation -- --seeds 1 --from 42 --print    one history, all of it
//
// Without arguments as many seeds as fit into some seconds, at most 100.

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
  bool print = false;
};

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
    } else if (word == "--print") {
      opts.print = true;
    } else {
      BOOST_FAIL("unknown option " + word + "; there are --seeds N, --from S and --print");
    }
  }
  return opts;
}

std::string story(std::uint64_t seed, const outcome& o) {
  std::string text =
      "seed " + std::to_string(seed) + " (test_simulation -- --seeds 1 --from " + std::to_string(seed) + " --print)\n";
  for (auto& wrong : o.wrongs) text += "  " + wrong + "\n";
  return text + "the end of its history:\n" + o.history;
}

} // namespace

BOOST_AUTO_TEST_SUITE(simulation)

BOOST_AUTO_TEST_CASE(cluster__faults_from_seeds__every_invariant_holds) {
  auto opts = read_options();
  auto started = std::chrono::steady_clock::now();
  outcome sum;
  std::uint64_t seed = opts.from, failed = 0;
  std::int64_t slowest = 0;
  for (; seed < opts.from + opts.seeds && std::chrono::steady_clock::now() - started < opts.budget; ++seed) {
    scenario one{seed, canary::none, opts.print};
    auto o = one.run();
    BOOST_CHECK_MESSAGE(o.wrongs.empty(), story(seed, o));
    if (!o.wrongs.empty() && ++failed == 3) break;
    sum.rows += o.rows;
    sum.steps += o.steps;
    sum.repeated += o.repeated;
    sum.lives += o.lives;
    slowest = std::max(slowest, o.took_ms);
  }
  std::cout << fmt::format(
      "{} seeds from {}: {} rows, {} repeated, {} lives of nodes, {} messages, peace after {} ms at most\n",
      seed - opts.from, opts.from, sum.rows, sum.repeated, sum.lives, sum.steps, slowest);
}

// What is broken on purpose has to be found, under the name of the invariant that it breaks.
BOOST_AUTO_TEST_CASE(canary__planted_fault__is_caught) {
  struct planted {
    canary what;
    const char* name;
    std::vector<std::string> caught_as;
  };
  const std::vector<planted> all{
      {canary::lost_row, "lost_row", {"I1", "I2", "after 90 s of peace"}},
      {canary::repeated_rows, "repeated_rows", {"I3"}},
      {canary::swapped_rows, "swapped_rows", {"I3"}},
      {canary::early_commit, "early_commit", {"I2"}},
      {canary::old_version, "old_version", {"I4"}},
      {canary::wrong_value, "wrong_value", {"I4"}},
      {canary::no_fencing, "no_fencing", {"I6"}},
      {canary::kept_partition, "kept_partition", {"two lanes", "I3", "I1", "after 90 s of peace"}},
      {canary::deaf_node, "deaf_node", {"after 90 s of peace", "two lanes"}},
  };
  for (auto& one : all) {
    bool caught = false;
    std::string other;
    for (std::uint64_t seed = 1; seed <= 60 && !caught; ++seed) {
      auto o = scenario{seed, one.what}.run(12s);
      for (auto& name : one.caught_as) caught |= !o.wrongs.empty() && o.wrongs.front().find(name) != std::string::npos;
      if (!caught && !o.wrongs.empty()) other = o.wrongs.front();
      if (caught) std::cout << fmt::format("{}: seed {}: {}\n", one.name, seed, o.wrongs.front());
    }
    BOOST_CHECK_MESSAGE(caught, std::string{one.name} + " was not caught; instead: " + other);
  }
}

BOOST_AUTO_TEST_CASE(history__same_seed__is_the_same) {
  auto once = scenario{7}.run(8s), again = scenario{7}.run(8s), other = scenario{8}.run(8s);
  BOOST_TEST(once.trace == again.trace);
  BOOST_TEST(once.steps == again.steps);
  BOOST_TEST(once.trace != other.trace);
}

BOOST_AUTO_TEST_SUITE_END()
