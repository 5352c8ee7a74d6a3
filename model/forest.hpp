#pragma once
// Decision trees, whatever they came from: what a loader says about them (forest_spec), the proof that they are trees,
// and their evaluation (forest). Knows no file format. Pure; any thread.
//
//   loader -> forest_spec -> find_fault -> forest -> sums a row
//
// Every test of a node becomes "key of a column <= key of the node", where a column is a feature together with its way
// of treating a missing value: keys are integers in the order of the numbers, and NaN is the least or the greatest of
// them. So descending needs no branch, whatever the modes of the nodes, and no look at NaN.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/cells.hpp"

namespace troupe::model {

/// How an inner node tells its first child from its second: the first where the test holds.
enum class split : std::uint8_t {
  leaf,
  at_most, ///< x <= value
  below,   ///< x < value
  equals,  ///< x == value
  member,  ///< x is in a set of categories
};

/// What else than NaN is missing.
enum class missing_rule : std::uint8_t {
  nan,         ///< nothing
  nan_is_zero, ///< not even NaN: it counts as 0
  zero,        ///< 0, too (LightGBM: what is within 1e-35 of it)
};

/// Categories that a member test holds for: whole numbers, the fraction of the value is cut off.
template <class T> struct category_set {
  std::vector<std::uint64_t> bits;
  T least = 0; ///< values below it are in no set
};

/// T: float or double, of thresholds, weights and sums.
template <class T> struct tree_node {
  split how = split::leaf;
  bool missing_first = false; ///< a missing value goes to the first child; else to the second
  missing_rule missing = missing_rule::nan;
  std::uint32_t feature = 0;
  std::uint32_t set = 0;    ///< member: index of the set
  std::uint32_t first = 0;  ///< child: index of a node; leaf: of its first weight
  std::uint32_t second = 0; ///< child; leaf: number of its weights
  T value = 0;              ///< not NaN
  bool is_leaf() const { return how == split::leaf; }
};

template <class T> struct leaf_weight {
  std::uint32_t target = 0;
  T value = 0;
};

enum class aggregate : std::uint8_t { sum, min, max };

template <class T> struct forest_spec {
  std::size_t features = 0; ///< cells of a row
  std::size_t targets = 1;  ///< sums of a row
  aggregate how = aggregate::sum;
  std::vector<std::uint32_t> trees; ///< where each tree's nodes begin; its root is found by find_fault
  std::vector<tree_node<T>> nodes;  ///< tree after tree; children are in the same tree
  std::vector<leaf_weight<T>> weights;
  std::vector<category_set<T>> sets;
  std::vector<std::uint32_t> roots; ///< filled by find_fault
  std::size_t end_of(std::size_t tree) const { return tree + 1 < trees.size() ? trees[tree + 1] : nodes.size(); }
};

/// Why a spec is no forest.
struct forest_fault {
  enum class where { node, first, second, feature, value, weights };
  std::size_t node = 0; ///< whose part `where` is at fault
  where part = where::node;
  std::string what; ///< "has two parents"
};

inline constexpr std::size_t forest_nodes_max = 1u << 25;
/// What building and running a forest takes for each node: all forms of it together; and where the node makes a column
/// of keys of its own (split::equals, split::member).
inline constexpr std::size_t forest_node_bytes = 128;
inline constexpr std::size_t forest_column_bytes = 512;
inline constexpr std::size_t tree_depth_max = 10'000;

/// Proves that every tree is one: children within it, no node with two parents, one root, all nodes below it, bounded
/// depth; features, targets, sets and weights in range, values not NaN. Linear in the number of nodes.
template <class T> std::optional<forest_fault> find_fault(forest_spec<T>& spec);

/// Sums of the leaves that rows reach. Immutable.
template <class T> class forest {
public:
  /// REQUIRES: find_fault found nothing in the spec.
  explicit forest(const forest_spec<T>& spec);
  forest(forest&&) noexcept;
  forest& operator=(forest&&) noexcept;
  ~forest();

  std::size_t targets() const;
  std::size_t trees() const;
  /// Whether every row has, or no row can have, a weight for the target.
  bool always(std::size_t target) const;
  bool never(std::size_t target) const;
  /// Adds, tree after tree, to what `sums` holds (rows x targets); min and max take part of it only where `has` (of the
  /// same shape) is set, and set it; `has` may be null for sum. Cells of another number type are converted to T.
  void run(const cells_in& rows, T* sums, std::uint8_t* has) const;

private:
  struct impl;
  std::unique_ptr<const impl> impl_;
};

extern template std::optional<forest_fault> find_fault(forest_spec<float>&);
extern template std::optional<forest_fault> find_fault(forest_spec<double>&);
extern template class forest<float>;
extern template class forest<double>;

} // namespace troupe::model
