// The proof that a forest_spec is a forest.
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "model/forest.hpp"

namespace troupe::model {
namespace {

using where = forest_fault::where;

template <class T> std::optional<forest_fault> fault_of_leaf(const forest_spec<T>& spec, std::size_t at) {
  const tree_node<T>& leaf = spec.nodes[at];
  if (std::size_t{leaf.first} + leaf.second > spec.weights.size())
    return forest_fault{at, where::weights, "has weights that are not there"};
  for (std::size_t i = leaf.first; i < std::size_t{leaf.first} + leaf.second; ++i) {
    if (spec.weights[i].target >= spec.targets)
      return forest_fault{
          at, where::weights,
          fmt::format("has a weight for the target {}, expected 0 to {}", spec.weights[i].target, spec.targets - 1)};
    if (!std::isfinite(spec.weights[i].value))
      return forest_fault{at, where::weights, "has a weight that is not a finite number"};
  }
  return std::nullopt;
}

template <class T> std::optional<forest_fault> fault_of_test(const forest_spec<T>& spec, std::size_t at) {
  const tree_node<T>& node = spec.nodes[at];
  if (node.feature >= spec.features)
    return forest_fault{
        at, where::feature,
        fmt::format("tests the feature {}, expected 0 to {}", node.feature, static_cast<long>(spec.features) - 1)};
  if (std::isnan(node.value)) return forest_fault{at, where::value, "compares with NaN"};
  if (node.how == split::member && node.set >= spec.sets.size())
    return forest_fault{at, where::value, "has no set of categories"};
  return std::nullopt;
}

template <class T> class tree_proof {
public:
  explicit tree_proof(forest_spec<T>& spec)
      : spec_(spec)
      , has_parent_(spec.nodes.size(), false) {}

  std::optional<forest_fault> run() {
    if (spec_.nodes.size() > forest_nodes_max)
      return forest_fault{forest_nodes_max, where::node,
                          fmt::format("is one too many, at most {} are allowed", forest_nodes_max)};
    spec_.roots.clear();
    for (std::size_t tree = 0; tree < spec_.trees.size(); ++tree) {
      const std::size_t begin = spec_.trees[tree];
      const std::size_t end = spec_.end_of(tree);
      if (auto fault = check_children(begin, end)) return fault;
      if (auto fault = find_root(begin, end)) return fault;
      if (auto fault = walk(begin, end)) return fault;
    }
    return std::nullopt;
  }

private:
  std::optional<forest_fault> check_children(std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; ++at) {
      const tree_node<T>& node = spec_.nodes[at];
      if (auto fault = node.is_leaf() ? fault_of_leaf(spec_, at) : fault_of_test(spec_, at)) return fault;
      if (node.is_leaf()) continue;
      for (const auto part : {where::first, where::second}) {
        const std::size_t child = part == where::first ? node.first : node.second;
        if (child < begin || child >= end) return forest_fault{at, part, "is not a node of its tree"};
        if (child == at) return forest_fault{at, part, "is the node itself"};
        if (has_parent_[child]) return forest_fault{at, part, "is the child of another node, too"};
        has_parent_[child] = true;
      }
    }
    return std::nullopt;
  }

  std::optional<forest_fault> find_root(std::size_t begin, std::size_t end) {
    std::size_t root = end;
    for (std::size_t at = begin; at < end; ++at) {
      if (has_parent_[at]) continue;
      if (root != end) return forest_fault{at, where::node, "is a second root of its tree: no node leads to it"};
      root = at;
    }
    if (root == end) return forest_fault{begin, where::node, "is in a loop: its tree has no root"};
    spec_.roots.push_back(static_cast<std::uint32_t>(root));
    return std::nullopt;
  }

  // Level after level. Every node has one parent at most, so none is met twice; what is not met is in a loop.
  std::optional<forest_fault> walk(std::size_t begin, std::size_t end) {
    std::size_t met = 0;
    level_.assign(1, spec_.roots.back());
    for (std::size_t depth = 0; !level_.empty(); ++depth) {
      if (depth > tree_depth_max)
        return forest_fault{level_[0], where::node, fmt::format("is deeper than {} levels", tree_depth_max)};
      next_.clear();
      for (const std::uint32_t at : level_) {
        ++met;
        has_parent_[at] = false; // met
        if (spec_.nodes[at].is_leaf()) continue;
        next_.push_back(spec_.nodes[at].first);
        next_.push_back(spec_.nodes[at].second);
      }
      level_.swap(next_);
    }
    if (met == end - begin) return std::nullopt;
    for (std::size_t at = begin; at < end; ++at)
      if (has_parent_[at]) return forest_fault{at, where::node, "is in a loop: its root does not lead to it"};
    return std::nullopt;
  }

  forest_spec<T>& spec_;
  std::vector<bool> has_parent_;
  std::vector<std::uint32_t> level_, next_;
};

} // namespace

template <class T> std::optional<forest_fault> find_fault(forest_spec<T>& spec) { return tree_proof<T>{spec}.run(); }

template std::optional<forest_fault> find_fault(forest_spec<float>&);
template std::optional<forest_fault> find_fault(forest_spec<double>&);

} // namespace troupe::model
