#include "cluster/assignment.hpp"

#include <algorithm>
#include <optional>

namespace troupe {
namespace {

/// One pipeline while it is planned. Members are indices into the list that is ordered by age.
struct pipeline_plan {
  std::vector<partition_key> partitions;
  std::vector<std::size_t> members;         ///< share evenly
  std::map<std::size_t, std::size_t> had;   ///< member -> partitions of this pipeline that it has now
  std::map<std::size_t, std::size_t> quota; ///< member -> partitions that it shall have
  std::size_t floor = 0;
};

struct planner {
  std::vector<plan_member> members; ///< oldest first
  std::map<std::string, std::size_t> index;
  std::map<std::string, pipeline_plan> pipelines;
  std::vector<std::size_t> total;

  explicit planner(std::vector<plan_member> unordered)
      : members(std::move(unordered))
      , total(members.size(), 0) {
    std::sort(members.begin(), members.end(), [](const plan_member& a, const plan_member& b) {
      return std::tie(a.joined, a.name) < std::tie(b.joined, b.name);
    });
    for (std::size_t i = 0; i < members.size(); ++i) index[members[i].name] = i;
  }

  std::optional<std::size_t> lane_of(std::size_t member, const std::string& pipeline, bool& reluctant) const {
    for (const auto& lane : members[member].lanes) {
      if (lane.pipeline != pipeline) continue;
      reluctant = lane.reluctant;
      return member;
    }
    return std::nullopt;
  }

  bool serves(std::size_t member, const std::string& pipeline) const {
    bool reluctant = false;
    return lane_of(member, pipeline, reluctant).has_value();
  }

  /// Who shares the pipeline, what they have, and the part of everybody that needs no choice.
  void share(const std::string& name, pipeline_plan& plan) {
    std::vector<std::size_t> willing, all;
    for (std::size_t m = 0; m < members.size(); ++m) {
      bool reluctant = false;
      if (!lane_of(m, name, reluctant)) continue;
      all.push_back(m);
      if (!reluctant) willing.push_back(m);
    }
    std::size_t left = plan.partitions.size();
    if (willing.empty()) willing = all;
    // A reluctant member keeps what it has up to an even share, so that a failing lane neither grows nor flutters.
    const std::size_t even = all.empty() ? 0 : (left + all.size() - 1) / all.size();
    for (const auto m : all) {
      if (std::find(willing.begin(), willing.end(), m) != willing.end()) continue;
      const auto kept = std::min({plan.had[m], even, left});
      plan.quota[m] = kept;
      total[m] += kept;
      left -= kept;
    }
    plan.members = std::move(willing);
    if (plan.members.empty()) return;
    plan.floor = left / plan.members.size();
    for (const auto m : plan.members) {
      plan.quota[m] = plan.floor;
      total[m] += plan.floor;
    }
  }

  /// Hands out the remainder, one a member at most: to those who have it already, then to those with the least.
  void share_remainder(pipeline_plan& plan) {
    if (plan.members.empty()) return;
    std::size_t given = 0;
    for (const auto& [m, quota] : plan.quota) given += quota;
    auto order = plan.members;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const bool keeps_a = plan.had[a] > plan.floor, keeps_b = plan.had[b] > plan.floor;
      return keeps_a != keeps_b ? keeps_a : total[a] < total[b];
    });
    for (std::size_t i = 0; given < plan.partitions.size(); ++i, ++given) {
      ++plan.quota[order[i]];
      ++total[order[i]];
    }
  }

  /// Extras that a move from one member to another costs: none if it would not have kept that one anyway.
  static int cost(const pipeline_plan& plan, std::size_t from, std::size_t to) {
    const auto had = [&](std::size_t m) {
      const auto it = plan.had.find(m);
      return it == plan.had.end() ? 0 : it->second;
    };
    return (had(from) > plan.floor ? 1 : 0) - (had(to) > plan.floor ? 1 : 0);
  }

  /// Moves extras between pipelines' sharers while that brings two totals nearer. Ends: the sum of squares shrinks.
  void level_totals() {
    for (;;) {
      pipeline_plan* best = nullptr;
      std::size_t from = 0, to = 0, gap = 1;
      int price = 0;
      for (auto& [name, plan] : pipelines)
        for (const auto hi : plan.members)
          for (const auto lo : plan.members) {
            if (plan.quota[hi] <= plan.floor || plan.quota[lo] > plan.floor || total[hi] < total[lo] + 2) continue;
            const auto difference = total[hi] - total[lo];
            const int its_price = cost(plan, hi, lo);
            if (best && (difference < gap || (difference == gap && its_price >= price))) continue;
            best = &plan, from = hi, to = lo, gap = difference, price = its_price;
          }
      if (!best) return;
      --best->quota[from], ++best->quota[to];
      --total[from], ++total[to];
    }
  }
};

std::string counted(std::size_t n) { return std::to_string(n) + (n == 1 ? " partition" : " partitions"); }

/// Gives every partition of a pipeline an owner that fills the quotas, sticky first.
void fill(const std::string& name, pipeline_plan& plan, const planner& all,
          const std::map<partition_key, std::string>& previous, std::size_t& moves_left, assignment& out) {
  using why = planned_owner::why_kind;
  auto room = plan.quota;
  std::vector<partition_key> homeless;
  const auto owner_before = [&](const partition_key& p) -> const std::string* {
    const auto found = previous.find(p);
    return found == previous.end() || found->second.empty() ? nullptr : &found->second;
  };
  for (const auto& partition : plan.partitions) {
    const auto* before = owner_before(partition);
    const auto known = before ? all.index.find(*before) : all.index.end();
    if (known != all.index.end() && all.serves(known->second, name) && room[known->second] > 0) {
      --room[known->second];
      out[partition] = {*before, why::sticky, *before + " keeps it"};
    } else {
      homeless.push_back(partition);
    }
  }
  for (const auto& partition : homeless) {
    std::optional<std::size_t> to;
    for (std::size_t m = 0; m < all.members.size(); ++m)
      if (const auto it = room.find(m); it != room.end() && it->second > 0 && (!to || it->second > room[*to])) to = m;
    const auto* before = owner_before(partition);
    if (!to) {
      out[partition] = {"", why::nobody, "no node with role ingest can serve pipeline " + name};
      continue;
    }
    const auto known = before ? all.index.find(*before) : all.index.end();
    const bool could_stay = known != all.index.end() && all.serves(known->second, name);
    if (could_stay && moves_left == 0) {
      out[partition] = {*before, why::sticky, *before + " keeps it until earlier moves are done"};
      continue;
    }
    --room[*to];
    const auto& owner = all.members[*to].name;
    if (!before) {
      out[partition] = {owner, why::first, "first owner"};
    } else if (!could_stay) {
      out[partition] = {owner, why::orphan, "from " + *before + ", which is gone or can't serve it"};
    } else {
      --moves_left;
      out[partition] = {owner, why::balance,
                        "from " + *before + " for balance (" + counted(plan.had[known->second]) + " there, " +
                            std::to_string(plan.had[*to]) + " here)"};
    }
  }
}

} // namespace

assignment plan_assignment(const std::vector<plan_member>& members, const std::vector<partition_key>& partitions,
                           const std::map<partition_key, std::string>& previous, const plan_limits& limits) {
  planner all(members);
  for (const auto& partition : partitions) {
    auto& plan = all.pipelines[partition.pipeline];
    plan.partitions.push_back(partition);
    const auto before = previous.find(partition);
    if (before == previous.end()) continue;
    const auto owner = all.index.find(before->second);
    if (owner != all.index.end() && all.serves(owner->second, partition.pipeline)) ++plan.had[owner->second];
  }
  for (auto& [name, plan] : all.pipelines) {
    std::sort(plan.partitions.begin(), plan.partitions.end());
    all.share(name, plan);
  }
  for (auto& [name, plan] : all.pipelines) all.share_remainder(plan);
  all.level_totals();
  assignment out;
  std::size_t moves_left = limits.moves_max;
  for (auto& [name, plan] : all.pipelines) fill(name, plan, all, previous, moves_left, out);
  return out;
}

} // namespace troupe
