#pragma once
// Many rows through a tree at once, in the lanes of vector registers. Used by forest.cpp only, for batches.
//
// A row's key of a column becomes its rank among the thresholds that the forest compares the column with, in a byte:
// 32 rows a register. A tree becomes a list of selections from its leaves upwards: the number of the leaf that a row
// reaches below a node is that of the first or of the second child, by one comparison of bytes. All nodes are visited,
// but each costs a fraction of a cycle a row, where a row that descends alone waits for its node and for its key.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/forest_layout.hpp"

namespace troupe::model {

inline constexpr std::size_t lane_rows = 64; ///< a chunk of rows

/// Eight thresholds of a search tree.
template <class K> struct alignas(8 * sizeof(K)) rank_node { K keys[8]; };

template <class T> class forest_lanes {
public:
  using K = key_of_number<T>;

  /// Trees that follow each other, evaluated together.
  struct group {
    static constexpr std::size_t trees_max = 4;
    std::uint32_t first_op = 0, last_op = 0;
    std::uint16_t leaf_slots[trees_max] = {}; ///< of each tree: where the rows' leaf numbers are
  };
  /// A byte of each row of a chunk.
  struct alignas(64) lane {
    std::int8_t of_row[lane_rows];
  };
  struct workspace {
    std::vector<K> keys; ///< column after column
    std::vector<std::uint16_t> ranks;
    std::vector<lane> planes;
    std::vector<lane> slots;
  };

  explicit forest_lanes(const forest_layout<T>& layout);

  /// Whether it is worth it for this tree; all others descend.
  bool takes(std::size_t tree) const { return takes_[tree]; }
  bool takes_any() const { return any_; }
  /// A group of `count` trees from `first` on. REQUIRES: takes() each of them; count <= group::trees_max.
  group add_group(std::size_t first, std::size_t count);

  /// Ranks of `count` rows, at most lane_rows.
  void prepare(const cells_in& rows, std::size_t first_row, std::size_t count, workspace& memory) const;
  /// REQUIRES: prepared.
  void run(const group& trees, std::size_t count, workspace& memory) const;
  /// Leaf numbers of the rows.
  static const std::uint8_t* leaves(const group& trees, std::size_t tree, const workspace& memory);

  /// The slots of constants come first: slot i holds i in each lane.
  static constexpr std::size_t leaves_max = 256;

  /// In all lanes: slot `result` = rank of `plane` > threshold ? slot `second` : slot `first`.
  struct op {
    std::uint32_t plane;
    std::uint16_t first, second, result;
    std::int8_t threshold;
  };

private:
  struct ranking {
    std::uint32_t source;           ///< of the layout
    std::uint32_t planes;           ///< bytes that a rank is spread over
    std::uint32_t high_plane = 0;   ///< the first one, for missing_high; if that column is there
    std::uint32_t low_plane = 0;    ///< likewise
    std::vector<K> thresholds;      ///< sorted, distinct
    std::vector<rank_node<K>> tree; ///< of them, where the processor has use for it
    std::uint32_t levels = 0;       ///< of the tree
  };
  struct column_place {
    std::uint32_t ranking = 0;
    std::uint32_t first_plane = 0;
  };

  void choose_trees();
  void rank_columns();
  void find_thresholds(std::vector<std::vector<K>>& of_sources) const;
  void rank(const ranking& r, const K* keys, std::uint16_t* ranks) const;
  class emitter;

  const forest_layout<T>& layout_;
  std::vector<bool> takes_;
  bool any_ = false;
  std::vector<ranking> rankings_;
  std::vector<column_place> columns_;
  std::size_t planes_ = 0;
  std::vector<op> ops_;
};

extern template class forest_lanes<float>;
extern template class forest_lanes<double>;

} // namespace troupe::model
