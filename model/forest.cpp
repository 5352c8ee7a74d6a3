#include "model/forest.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "model/forest_layout.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t together = 8; // rows, or trees, that descend side by side: enough to hide each other's waiting
constexpr std::uint32_t levels_unasked = 4;    // levels between two looks at whether all have arrived
constexpr std::size_t row_block = 64;          // rows that a tree is applied to in one go
constexpr std::size_t key_bytes_max = 1 << 18; // of rows prepared at once
constexpr std::size_t tree_block_bytes = 1 << 17;

// Down from at[k] with the keys at keys[k], all of them together, without a branch: a leaf leads to itself.
template <class T>
inline void descend(const flat_node<T>* nodes, std::uint32_t depth, const key_of_number<T>* const* keys,
                    std::uint32_t* at) {
  std::uint32_t here[together];
  std::copy(at, at + together, here);
  while (depth > 0) {
    const std::uint32_t levels = std::min(depth, levels_unasked);
    for (std::uint32_t level = 0; level < levels; ++level)
      for (std::size_t k = 0; k < together; ++k) {
        const flat_node<T>& node = nodes[here[k]];
        here[k] = node.first + static_cast<std::uint32_t>(keys[k][node.column] > node.key);
      }
    depth -= levels;
    if (depth == 0) break;
    bool arrived = true;
    for (std::size_t k = 0; k < together; ++k) arrived &= nodes[here[k]].first == here[k];
    if (arrived) break;
  }
  std::copy(here, here + together, at);
}

} // namespace

template <class T> struct forest<T>::impl {
  using K = key_of_number<T>;
  using tree = flat_tree<T>;

  explicit impl(const forest_spec<T>& spec)
      : layout(spec) {
    // Blocks of trees whose nodes stay in the cache while blocks of rows pass.
    std::size_t bytes = 0;
    tree_blocks.push_back(0);
    for (std::size_t t = 0; t < layout.trees.size(); ++t) {
      const std::size_t more = (layout.trees[t].end - layout.trees[t].root) * sizeof(flat_node<T>);
      if (bytes + more > tree_block_bytes && bytes > 0) {
        tree_blocks.push_back(t);
        bytes = 0;
      }
      bytes += more;
    }
    tree_blocks.push_back(layout.trees.size());
    if (layout.trees.empty()) tree_blocks.assign(1, 0);
    const std::size_t row_bytes = std::max<std::size_t>(layout.columns, 1) * sizeof(K);
    rows_prepared = std::clamp<std::size_t>(key_bytes_max / row_bytes / together * together, together, 512);
  }

  forest_layout<T> layout;
  std::vector<std::size_t> tree_blocks; // first trees, and the end
  std::size_t rows_prepared;

  struct workspace {
    std::vector<K> keys;
    std::vector<std::uint32_t> leaves;
  };

  // ---- the sums ----

  // `leaf[i]` is the number of the leaf of row i; the sums of row i begin at sums[i * targets].
  void add(const tree& t, const std::uint32_t* leaf, std::size_t rows, T* sums, std::uint8_t* has) const {
    if (!t.uniform || has != nullptr || layout.how != aggregate::sum) return add_any(t, leaf, rows, sums, has);
    const T* values = layout.values.data() + t.first_weight;
    const std::uint32_t* targets = layout.target_lists.data() + t.first_target;
    const std::size_t step = layout.targets;
    if (t.target_count == 1) {
      T* out = sums + targets[0];
      for (std::size_t i = 0; i < rows; ++i) out[i * step] += values[leaf[i]];
      return;
    }
    for (std::size_t i = 0; i < rows; ++i) {
      const T* from = values + leaf[i] * std::size_t{t.target_count};
      T* out = sums + i * step;
      for (std::size_t k = 0; k < t.target_count; ++k) out[targets[k]] += from[k];
    }
  }

  void combine(T& sum, std::uint8_t* has, T value) const {
    if (layout.how == aggregate::sum)
      sum += value;
    else if (!*has || (layout.how == aggregate::min ? value < sum : value > sum))
      sum = value;
    if (has != nullptr) *has = 1;
  }

  void add_any(const tree& t, const std::uint32_t* leaf, std::size_t rows, T* sums, std::uint8_t* has) const {
    for (std::size_t i = 0; i < rows; ++i) {
      T* out = sums + i * layout.targets;
      std::uint8_t* out_has = has == nullptr ? nullptr : has + i * layout.targets;
      auto one = [&](std::uint32_t target, T value) {
        combine(out[target], out_has == nullptr ? nullptr : out_has + target, value);
      };
      if (t.uniform) {
        for (std::size_t k = 0; k < t.target_count; ++k)
          one(layout.target_lists[t.first_target + k],
              layout.values[t.first_weight + leaf[i] * std::size_t{t.target_count} + k]);
        continue;
      }
      const auto range = layout.ranges[t.first_weight + leaf[i]];
      for (std::size_t k = range.first; k < std::size_t{range.first} + range.count; ++k)
        one(layout.weights[k].target, layout.weights[k].value);
    }
  }

  // ---- the ways down ----

  // One row, several trees together.
  void run_row(const K* keys, std::uint32_t* leaves, T* sums, std::uint8_t* has) const {
    const K* same[together];
    std::fill(same, same + together, keys);
    for (std::size_t first = 0; first < layout.trees.size(); first += together) {
      const std::size_t count = std::min(together, layout.trees.size() - first);
      std::uint32_t depth = 0;
      for (std::size_t k = 0; k < together; ++k) {
        const tree& t = layout.trees[first + std::min(k, count - 1)];
        leaves[k] = t.root;
        depth = std::max(depth, t.depth);
      }
      descend(layout.nodes.data(), depth, same, leaves);
      for (std::size_t k = 0; k < count; ++k) {
        leaves[k] = layout.leaf_numbers[leaves[k]];
        add(layout.trees[first + k], leaves + k, 1, sums, has);
      }
    }
  }

  // A block of rows, tree after tree. `keys` has rows up to the next multiple of `together`.
  void run_block(std::size_t first_tree, std::size_t last_tree, const K* keys, std::size_t rows, std::uint32_t* leaves,
                 T* sums, std::uint8_t* has) const {
    for (std::size_t at = first_tree; at < last_tree; ++at) {
      const tree& t = layout.trees[at];
      for (std::size_t row = 0; row < rows; row += together) {
        const K* of_rows[together];
        for (std::size_t k = 0; k < together; ++k) of_rows[k] = keys + (row + k) * layout.columns;
        std::fill(leaves + row, leaves + row + together, t.root);
        descend(layout.nodes.data(), t.depth, of_rows, leaves + row);
      }
      for (std::size_t row = 0; row < rows; ++row) leaves[row] = layout.leaf_numbers[leaves[row]];
      add(t, leaves, rows, sums, has);
    }
  }

  void run_rows(const cells_in& in, std::size_t first, std::size_t count, workspace& memory, T* sums,
                std::uint8_t* has) const {
    layout.make_keys(in, first, count, memory.keys.data(), layout.columns, 1);
    auto has_of = [&](std::size_t row) { return has == nullptr ? nullptr : has + row * layout.targets; };
    if (count < together / 2) {
      for (std::size_t i = 0; i < count; ++i)
        run_row(memory.keys.data() + i * layout.columns, memory.leaves.data(), sums + i * layout.targets, has_of(i));
      return;
    }
    for (std::size_t block = 0; block + 1 < tree_blocks.size(); ++block)
      for (std::size_t row = 0; row < count; row += row_block)
        run_block(tree_blocks[block], tree_blocks[block + 1], memory.keys.data() + row * layout.columns,
                  std::min(row_block, count - row), memory.leaves.data(), sums + row * layout.targets, has_of(row));
  }

  void run(const cells_in& in, T* sums, std::uint8_t* has) const {
    // Scratch of a thread that scores: the forest itself stays immutable.
    thread_local workspace memory;
    const std::size_t prepared = std::min(rows_prepared, (in.rows + together - 1) / together * together);
    if (memory.keys.size() < prepared * layout.columns + 1) memory.keys.resize(prepared * layout.columns + 1);
    if (memory.leaves.size() < row_block) memory.leaves.resize(row_block);
    for (std::size_t first = 0; first < in.rows; first += rows_prepared)
      run_rows(in, first, std::min(rows_prepared, in.rows - first), memory, sums + first * layout.targets,
               has == nullptr ? nullptr : has + first * layout.targets);
  }
};

template <class T>
forest<T>::forest(const forest_spec<T>& spec)
    : impl_(std::make_unique<const impl>(spec)) {}
template <class T> forest<T>::forest(forest&&) noexcept = default;
template <class T> forest<T>& forest<T>::operator=(forest&&) noexcept = default;
template <class T> forest<T>::~forest() = default;

template <class T> std::size_t forest<T>::targets() const { return impl_->layout.targets; }
template <class T> std::size_t forest<T>::trees() const { return impl_->layout.trees.size(); }
template <class T> bool forest<T>::always(std::size_t target) const { return impl_->layout.always[target]; }
template <class T> bool forest<T>::never(std::size_t target) const { return impl_->layout.never[target]; }

template <class T> void forest<T>::run(const cells_in& rows, T* sums, std::uint8_t* has) const {
  TROUPE_ASSERT(rows.width == impl_->layout.features && (has != nullptr || impl_->layout.how == aggregate::sum));
  impl_->run(rows, sums, has);
}

template class forest<float>;
template class forest<double>;

} // namespace troupe::model
