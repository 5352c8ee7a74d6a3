#pragma once
// A forest_spec in the form that is evaluated: numbers become integer keys in the same order, tests become "key <= key
// of the node", children lie side by side. Used by forest.cpp and forest_lanes.cpp only.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "model/forest.hpp"

namespace troupe::model {

template <class T> struct key_type;
template <> struct key_type<float> { using type = std::int32_t; };
template <> struct key_type<double> { using type = std::int64_t; };
template <class T> using key_of_number = typename key_type<T>::type;

/// Integers that compare as the numbers do. REQUIRES: not NaN.
template <class T> constexpr key_of_number<T> to_key(T x) {
  using K = key_of_number<T>;
  const K bits = std::bit_cast<K>(x + T{0}); // -0 becomes 0
  return bits ^ ((bits >> (sizeof(K) * 8 - 1)) & std::numeric_limits<K>::max());
}
template <class T> inline constexpr key_of_number<T> lowest_key = std::numeric_limits<key_of_number<T>>::min();
template <class T> inline constexpr key_of_number<T> greatest_key = std::numeric_limits<key_of_number<T>>::max();

inline constexpr std::uint32_t no_column = ~std::uint32_t{0};

/// A feature as nodes ask for it, and the columns of keys that it fills: where missing is greatest, and where least.
template <class T> struct key_source {
  split how = split::at_most; ///< at_most: the order of the numbers; equals, member: 0 where it holds, else 1
  missing_rule missing = missing_rule::nan;
  std::uint32_t feature = 0;
  std::uint32_t set = 0;
  T value = 0;
  std::uint32_t missing_high = no_column;
  std::uint32_t missing_low = no_column;
};

/// An inner node goes to `first` where the row's key of the column is at most `key`, else to `first` + 1. A leaf leads
/// to itself, as its column is the one that holds the least key in every row; `key` is its number in its tree.
template <class T> struct flat_node {
  key_of_number<T> key = 0;
  std::uint32_t column = 0;
  std::uint32_t first = 0;
};

template <class T> struct flat_tree {
  std::uint32_t root = 0;         ///< of `nodes`
  std::uint32_t end = 0;          ///< behind its last node; they follow the root, level after level
  std::uint32_t depth = 0;        ///< levels below the root
  std::uint32_t leaves = 0;       ///< numbered as they lie, from 0 on
  bool uniform = false;           ///< all leaves have the same targets, in the same order
  std::uint32_t first_weight = 0; ///< uniform: of `values`, leaf after leaf; else of `ranges`, one a leaf
  std::uint32_t first_target = 0; ///< uniform: of `targets`
  std::uint32_t target_count = 0;
};

template <class T> struct forest_layout {
  std::size_t features = 0;
  std::size_t targets = 1;
  aggregate how = aggregate::sum;
  std::size_t columns = 0; ///< behind them, one of leaves (lowest_key in every row) and one that nobody reads
  std::size_t leaf_column() const { return columns; }
  std::size_t key_width() const { return columns + 2; }
  std::vector<key_source<T>> sources; ///< first the plain ones: the order of the numbers, only NaN is missing
  std::size_t plain_sources = 0;
  std::vector<category_set<T>> sets;
  std::vector<flat_node<T>> nodes;
  std::vector<flat_tree<T>> trees;
  std::vector<T> values;
  std::vector<std::uint32_t> target_lists;
  struct weight_range {
    std::uint32_t first, count; ///< of `weights`
  };
  std::vector<weight_range> ranges;
  std::vector<leaf_weight<T>> weights;
  std::vector<bool> always, never; ///< of each target

  explicit forest_layout(const forest_spec<T>& spec);

  /// Keys of rows: that of row i and column c goes to out[i * row_step + c * column_step].
  void make_keys(const cells_in& rows, std::size_t first_row, std::size_t count, key_of_number<T>* out,
                 std::size_t row_step, std::size_t column_step) const;
  /// Those of one row, side by side, with that of leaves.
  void make_row_keys(const cells_in& rows, std::size_t row, key_of_number<T>* out) const;
};

extern template struct forest_layout<float>;
extern template struct forest_layout<double>;

} // namespace troupe::model
