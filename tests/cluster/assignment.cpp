#include "cluster/assignment.hpp"

#include <algorithm>
#include <random>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "tests/cluster/core_fixture.hpp"

using namespace troupe;

namespace {

using owners = std::map<partition_key, std::string>;

/// "games: a=0,1 b=2,3" <- the owner of each partition of topic dsp.
std::string picture(const assignment& plan) {
  std::map<std::string, std::map<std::string, std::string>> lines;
  for (const auto& [which, owner] : plan) {
    auto& list = lines[which.pipeline][owner.node.empty() ? "-" : owner.node];
    list += (list.empty() ? "" : ",") + std::to_string(which.where.partition);
  }
  std::string out;
  for (const auto& [pipeline, nodes] : lines) {
    out += (out.empty() ? "" : "; ") + pipeline + ":";
    for (const auto& [node, list] : nodes) out += " " + node + "=" + list;
  }
  return out;
}

std::vector<partition_key> partitions(const std::string& pipeline, int n) {
  std::vector<partition_key> out;
  for (int p = 0; p < n; ++p) out.push_back({pipeline, {"dsp", p}});
  return out;
}
std::vector<partition_key> both(std::vector<partition_key> a, const std::vector<partition_key>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Members in the order of their age, each with a lane for games and shop.
std::vector<plan_member> members(const std::vector<std::string>& names) {
  std::vector<plan_member> out;
  for (const auto& name : names)
    out.push_back({name, control_offset{static_cast<std::int64_t>(out.size())}, {{"games"}, {"shop"}}});
  return out;
}

owners after(const assignment& plan) {
  owners out;
  for (const auto& [which, owner] : plan)
    if (!owner.node.empty()) out[which] = owner.node;
  return out;
}
owners had(const std::string& pipeline, const std::map<std::string, std::vector<int>>& by_node) {
  owners out;
  for (const auto& [node, list] : by_node)
    for (int p : list) out[{pipeline, {"dsp", p}}] = node;
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(assignment)

// games 0..3, nobody yet                a joins alone                a=0,1,2,3
BOOST_AUTO_TEST_CASE(plan__one_member__has_all) {
  const auto plan = plan_assignment(members({"a"}), partitions("games", 4), {});
  BOOST_TEST(picture(plan) == "games: a=0,1,2,3");
  BOOST_TEST((plan.begin()->second.why == planned_owner::why_kind::first));
}

// a=0,1,2,3                             b joins                      a=0,1  b=2,3
BOOST_AUTO_TEST_CASE(plan__member_joins__takes_half_and_no_more) {
  const auto plan = plan_assignment(members({"a", "b"}), partitions("games", 4), had("games", {{"a", {0, 1, 2, 3}}}));
  BOOST_TEST(picture(plan) == "games: a=0,1 b=2,3");
  BOOST_TEST((plan.at({"games", {"dsp", 0}}).why == planned_owner::why_kind::sticky));
  BOOST_TEST((plan.at({"games", {"dsp", 3}}).why == planned_owner::why_kind::balance));
  BOOST_TEST(plan.at({"games", {"dsp", 3}}).reason == "from a for balance (4 partitions there, 0 here)");
}

// a=0,1  b=2,3  c=4,5                   c dies                       a=0,1,4  b=2,3,5
BOOST_AUTO_TEST_CASE(plan__member_dies__only_its_partitions_move) {
  const auto plan = plan_assignment(members({"a", "b"}), partitions("games", 6),
                                    had("games", {{"a", {0, 1}}, {"b", {2, 3}}, {"c", {4, 5}}}));
  BOOST_TEST(picture(plan) == "games: a=0,1,4 b=2,3,5");
  BOOST_TEST((plan.at({"games", {"dsp", 4}}).why == planned_owner::why_kind::orphan));
}

// a=0,1,2  b=3,4                        nothing                      the same
BOOST_AUTO_TEST_CASE(plan__uneven_but_within_one__nothing_moves) {
  BOOST_TEST(picture(plan_assignment(members({"a", "b"}), partitions("games", 5),
                                     had("games", {{"b", {0, 1, 2}}, {"a", {3, 4}}}))) == "games: a=3,4 b=0,1,2");
}

// games 0, shop 0: both at a            b joins                      one each
BOOST_AUTO_TEST_CASE(plan__two_pipelines_of_one_partition__totals_are_levelled) {
  auto previous = had("games", {{"a", {0}}});
  previous.merge(had("shop", {{"a", {0}}}));
  const auto plan = plan_assignment(members({"a", "b"}), both(partitions("games", 1), partitions("shop", 1)), previous);
  std::map<std::string, int> load;
  for (const auto& [which, owner] : plan) ++load[owner.node];
  BOOST_TEST(load["a"] == 1);
  BOOST_TEST(load["b"] == 1);
}

// nobody serves shop                    games as usual               shop waits, with a reason
BOOST_AUTO_TEST_CASE(plan__no_lane_for_a_pipeline__its_partitions_wait) {
  std::vector<plan_member> only{{"a", control_offset{0}, {{"games"}}}};
  const auto plan = plan_assignment(only, both(partitions("games", 2), partitions("shop", 1)), {});
  BOOST_TEST(picture(plan) == "games: a=0,1; shop: -=0");
  BOOST_TEST(plan.at({"shop", {"dsp", 0}}).reason == "no node with role ingest can serve pipeline shop");
}

// a=0,1 (its lane has a problem) b=2,3  two more partitions          a keeps, b takes them
BOOST_AUTO_TEST_CASE(plan__reluctant_member__keeps_but_gets_no_more) {
  auto two = members({"a", "b"});
  two[0].lanes[0].reluctant = true;
  BOOST_TEST(picture(plan_assignment(two, partitions("games", 6), had("games", {{"a", {0, 1}}, {"b", {2, 3}}}))) ==
             "games: a=0,1 b=2,3,4,5");
  BOOST_TEST(picture(plan_assignment(two, partitions("games", 4), {})) == "games: b=0,1,2,3");
  two[1].lanes[0].reluctant = true; // all of them: then it makes no difference
  BOOST_TEST(picture(plan_assignment(two, partitions("games", 4), {})) == "games: a=0,2 b=1,3");
}

// a=0..5                                b, c join, one move a plan   2, 2, 2 after four plans
BOOST_AUTO_TEST_CASE(plan__moves_are_limited__converges_in_steps) {
  auto now = had("games", {{"a", {0, 1, 2, 3, 4, 5}}});
  for (int round = 0; round < 4; ++round) {
    const auto plan = plan_assignment(members({"a", "b", "c"}), partitions("games", 6), now, {.moves_max = 1});
    int moved = 0;
    for (const auto& [which, owner] : plan) moved += owner.node != now[which];
    BOOST_TEST(moved == 1);
    now = after(plan);
  }
  const auto plan = plan_assignment(members({"a", "b", "c"}), partitions("games", 6), now, {.moves_max = 1});
  BOOST_TEST((after(plan) == now));
}

// Random joins, leaves and crashes: after each, one plan must be complete, balanced, minimal for one pipeline, and
// final.
BOOST_AUTO_TEST_CASE(plan__random_changes__converges_at_once) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    std::ostringstream history;
    history << "seed " << seed << "\n";
    std::vector<plan_member> now;
    std::int64_t joined = 0;
    std::map<std::string, int> sizes{
        {"games", 1 + int(random() % 12)}, {"shop", int(random() % 5)}, {"ads", int(random() % 7)}};
    std::vector<partition_key> wanted;
    for (const auto& [name, n] : sizes) wanted = both(wanted, partitions(name, n));
    owners owner;
    for (int step = 0; step < 12; ++step) {
      if (now.empty() || random() % 2) {
        plan_member one{"n" + std::to_string(joined), control_offset{joined}, {}};
        ++joined;
        for (const auto& [name, n] : sizes)
          if (seed % 2 || random() % 4) one.lanes.push_back({name});
        now.push_back(one);
        history << "join " << one.name << "\n";
      } else {
        const auto who = random() % now.size();
        history << "crash " << now[who].name << "\n";
        now.erase(now.begin() + static_cast<std::ptrdiff_t>(who));
      }
      const auto plan = plan_assignment(now, wanted, owner);
      history << "  " << picture(plan) << "\n";
      BOOST_REQUIRE_MESSAGE(plan.size() == wanted.size(), history.str());
      std::map<std::string, std::size_t> total;
      for (const auto& [name, n] : sizes) {
        std::map<std::string, int> count, before;
        for (const auto& one : now)
          if (std::any_of(one.lanes.begin(), one.lanes.end(), [&, p = name](auto& l) { return l.pipeline == p; }))
            count[one.name] = 0;
        int needed = 0, moved = 0;
        for (const auto& which : wanted) {
          if (which.pipeline != name) continue;
          const auto& to = plan.at(which).node;
          BOOST_REQUIRE_MESSAGE(to.empty() == count.empty(), history.str());
          if (to.empty()) continue;
          BOOST_REQUIRE_MESSAGE(count.contains(to), history.str());
          ++count[to], ++total[to];
          moved += owner[which] != to;
          if (count.contains(owner[which]))
            ++before[owner[which]];
          else
            ++needed;
        }
        int low = 1 << 20, high = 0;
        for (const auto& [who, c] : count) low = std::min(low, c), high = std::max(high, c);
        BOOST_REQUIRE_MESSAGE(count.empty() || high - low <= 1, history.str());
        // Fewest moves: those without an owner, and what exceeds an even share. Levelling totals may add one a member.
        if (count.empty()) continue;
        const int floor = n / int(count.size());
        int ceilings = n % int(count.size());
        for (const auto& [who, c] : before) {
          const bool ceiling = c > floor && ceilings > 0;
          if (ceiling) --ceilings;
          needed += std::max(0, c - floor - (ceiling ? 1 : 0));
        }
        BOOST_REQUIRE_MESSAGE(moved <= needed + (n % int(count.size())), history.str());
      }
      if (seed % 2 && !now.empty()) { // everybody serves everything: totals within one as well
        std::size_t low = wanted.size(), high = 0;
        for (const auto& one : now) low = std::min(low, total[one.name]), high = std::max(high, total[one.name]);
        BOOST_REQUIRE_MESSAGE(high - low <= 1, history.str());
      }
      owner = after(plan);
      std::shuffle(now.begin(), now.end(), random);
      std::shuffle(wanted.begin(), wanted.end(), random);
      BOOST_REQUIRE_MESSAGE((after(plan_assignment(now, wanted, owner)) == owner), history.str()
                                                                                       << "the second plan differs");
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
