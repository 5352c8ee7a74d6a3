#include "model/forest.hpp"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "base/assert.hpp"
#include "model/forest_lanes.hpp"
#include "model/forest_layout.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t rows_together = 8;       // that descend side by side: enough to hide each other's waiting
constexpr std::size_t trees_together = 16;     // likewise, of one row
constexpr std::uint32_t levels_unasked = 4;    // between two looks at whether all have arrived
constexpr std::size_t rows_for_lanes = 12;     // fewer rows descend
constexpr std::size_t row_block = lane_rows;   // that a tree is applied to in one go
constexpr std::size_t key_bytes_max = 1 << 18; // of rows prepared at once
constexpr std::size_t tree_block_bytes = 1 << 17;

// A node as it is descended from: `step` nodes on, or one more where the row's key is greater. A leaf: step 0, a column
// whose keys are least, and as its key what the row gets from the tree.
template <class T> struct wide_node {
  key_of_number<T> key;
  std::uint32_t column, step;
};
struct compact_node {
  std::int32_t key;
  std::uint16_t column, step;
};

// Down from at[k] with the keys at keys[k], all of them together, without a branch; gives what the leaves hold.
template <std::size_t Count, class Node, class K>
inline void descend(const Node* nodes, std::uint32_t depth, const K* const* keys, const std::uint32_t* at, K* found) {
  std::uint32_t here[Count];
  std::copy(at, at + Count, here);
  while (depth > 0) {
    const std::uint32_t levels = std::min(depth, levels_unasked);
    for (std::uint32_t level = 0; level < levels; ++level)
      for (std::size_t k = 0; k < Count; ++k) {
        const Node& node = nodes[here[k]];
        here[k] += node.step + static_cast<std::uint32_t>(keys[k][node.column] > node.key);
      }
    depth -= levels;
    if (depth == 0) break;
    std::uint32_t further = 0;
    for (std::size_t k = 0; k < Count; ++k) further |= nodes[here[k]].step;
    if (further == 0) break;
  }
  for (std::size_t k = 0; k < Count; ++k) found[k] = nodes[here[k]].key;
}

} // namespace

template <class T> struct forest<T>::impl {
  using K = key_of_number<T>;
  using tree = flat_tree<T>;

  explicit impl(const forest_spec<T>& spec)
      : layout(spec) {
    find_blocks();
    add_segments();
    simple = layout.how == aggregate::sum;
    for (const tree& t : layout.trees) simple = simple && t.uniform && t.target_count == 1;
    // Trees of like depth together: what is left of a shallow one's descent is wasted.
    by_depth.resize(layout.trees.size());
    std::iota(by_depth.begin(), by_depth.end(), 0u);
    std::stable_sort(by_depth.begin(), by_depth.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return layout.trees[a].depth < layout.trees[b].depth; });
    make_nodes();
    const std::size_t row_bytes = layout.key_width() * sizeof(K);
    rows_prepared = std::clamp<std::size_t>(key_bytes_max / row_bytes / row_block * row_block, row_block, 512);
  }

  // Trees in their order: in lanes a few together, others one after another.
  struct segment {
    std::size_t first, last;
    bool in_lanes;
    typename forest_lanes<T>::group group;
  };
  struct workspace {
    std::vector<K> keys;
    std::vector<K> found; // of each row, or of each tree
    typename forest_lanes<T>::workspace lanes;
  };

  forest_layout<T> layout;
  forest_lanes<T> lanes{layout};
  std::vector<segment> segments;
  bool some_descend = false;
  bool simple = false; // each leaf has one weight, and sums are wanted: it lies in the leaf
  std::vector<compact_node> compact_nodes;
  std::vector<wide_node<T>> wide_nodes; // where they don't fit
  std::vector<std::uint32_t> by_depth;
  std::vector<std::size_t> tree_blocks; // first trees, and the end
  std::size_t rows_prepared = row_block;

  // ---- building ----

  // Blocks of trees whose nodes stay in the cache while blocks of rows pass.
  void find_blocks() {
    std::size_t bytes = 0;
    tree_blocks.push_back(0);
    for (std::size_t t = 0; t < layout.trees.size(); ++t) {
      const std::size_t more = (layout.trees[t].end - layout.trees[t].root) * sizeof(wide_node<T>);
      if (bytes + more > tree_block_bytes && bytes > 0) {
        tree_blocks.push_back(t);
        bytes = 0;
      }
      bytes += more;
    }
    if (!layout.trees.empty()) tree_blocks.push_back(layout.trees.size());
  }

  void add_segments() {
    const std::size_t trees = layout.trees.size();
    for (std::size_t first = 0; first < trees;) {
      const bool in_lanes = lanes.takes(first);
      const std::size_t most = in_lanes ? first + forest_lanes<T>::group::trees_max : trees;
      std::size_t last = first + 1;
      while (last < std::min(most, trees) && lanes.takes(last) == in_lanes) ++last;
      segment next{first, last, in_lanes, {}};
      if (in_lanes) next.group = lanes.add_group(first, last - first);
      some_descend = some_descend || !in_lanes;
      segments.push_back(next);
      first = last;
    }
  }

  void make_nodes() {
    constexpr std::size_t most = 1 << 16;
    bool fits = std::is_same_v<T, float> && layout.key_width() <= most;
    for (const tree& t : layout.trees) fits = fits && t.end - t.root <= most;
    for (const tree& t : layout.trees)
      for (std::uint32_t at = t.root; at < t.end; ++at) {
        const flat_node<T>& from = layout.nodes[at];
        const bool leaf = from.first == at;
        const std::uint32_t step = from.first - at;
        const K key = leaf && simple
                          ? std::bit_cast<K>(layout.values[t.first_weight + static_cast<std::size_t>(from.key)])
                          : from.key;
        if (fits)
          compact_nodes.push_back({static_cast<std::int32_t>(key), static_cast<std::uint16_t>(from.column),
                                   static_cast<std::uint16_t>(step)});
        else
          wide_nodes.push_back({key, from.column, step});
      }
    layout.nodes = {}; // nobody needs them any more
  }

  // ---- the sums ----

  // `found[i]` is what the leaf of row i holds; the sums of row i begin at sums[i * targets].
  template <class Found>
  void add(const tree& t, const Found* found, std::size_t rows, T* sums, std::uint8_t* has) const {
    if (!t.uniform || has != nullptr || layout.how != aggregate::sum) return add_any(t, found, rows, sums, has);
    const T* values = layout.values.data() + t.first_weight;
    const std::uint32_t* targets = layout.target_lists.data() + t.first_target;
    const std::size_t step = layout.targets;
    if (t.target_count == 1) {
      T* out = sums + targets[0];
      for (std::size_t i = 0; i < rows; ++i) out[i * step] += values[found[i]];
      return;
    }
    for (std::size_t i = 0; i < rows; ++i) {
      const T* from = values + static_cast<std::size_t>(found[i]) * t.target_count;
      T* out = sums + i * step;
      for (std::size_t k = 0; k < t.target_count; ++k) out[targets[k]] += from[k];
    }
  }

  // The same of leaves that hold their weights.
  void add_simple(const tree& t, const K* found, std::size_t rows, T* sums) const {
    T* out = sums + layout.target_lists[t.first_target];
    for (std::size_t i = 0; i < rows; ++i) out[i * layout.targets] += std::bit_cast<T>(found[i]);
  }

  void combine(T& sum, std::uint8_t* has, T value) const {
    if (layout.how == aggregate::sum)
      sum += value;
    else if (!*has || (layout.how == aggregate::min ? value < sum : value > sum))
      sum = value;
    if (has != nullptr) *has = 1;
  }

  template <class Found>
  void add_any(const tree& t, const Found* found, std::size_t rows, T* sums, std::uint8_t* has) const {
    for (std::size_t i = 0; i < rows; ++i) {
      const auto leaf = static_cast<std::size_t>(found[i]);
      auto one = [&](std::uint32_t target, T value) {
        const std::size_t at = i * layout.targets + target;
        combine(sums[at], has == nullptr ? nullptr : has + at, value);
      };
      if (t.uniform) {
        const T* values = layout.values.data() + t.first_weight + leaf * t.target_count;
        for (std::size_t k = 0; k < t.target_count; ++k) one(layout.target_lists[t.first_target + k], values[k]);
        continue;
      }
      const auto range = layout.ranges[t.first_weight + leaf];
      for (std::size_t k = range.first; k < std::size_t{range.first} + range.count; ++k)
        one(layout.weights[k].target, layout.weights[k].value);
    }
  }

  // ---- the ways down ----

  // One row, several trees together.
  template <class Node> void run_row(const Node* nodes, const K* keys, K* found, T* sums, std::uint8_t* has) const {
    const K* same[trees_together];
    std::fill(same, same + trees_together, keys);
    const std::size_t count = layout.trees.size();
    for (std::size_t first = 0; first < count; first += trees_together) {
      std::uint32_t at[trees_together];
      K values[trees_together];
      std::uint32_t depth = 0;
      for (std::size_t k = 0; k < trees_together; ++k) {
        const tree& t = layout.trees[by_depth[std::min(first + k, count - 1)]];
        at[k] = t.root;
        depth = t.depth;
      }
      descend<trees_together>(nodes, depth, same, at, values);
      const std::size_t some = std::min(trees_together, count - first);
      for (std::size_t k = 0; k < some; ++k) found[by_depth[first + k]] = values[k];
    }
    if (simple && has == nullptr && layout.targets == 1) {
      for (std::size_t t = 0; t < count; ++t) sums[0] += std::bit_cast<T>(found[t]);
      return;
    }
    for (std::size_t t = 0; t < count; ++t) add_found(layout.trees[t], found + t, 1, sums, has);
  }

  void add_found(const tree& t, const K* found, std::size_t rows, T* sums, std::uint8_t* has) const {
    if (!simple) return add(t, found, rows, sums, has);
    add_simple(t, found, rows, sums);
    if (has == nullptr) return;
    for (std::size_t i = 0; i < rows; ++i) has[i * layout.targets + layout.target_lists[t.first_target]] = 1;
  }

  // A block of rows, tree after tree. `keys` has rows up to the next multiple of rows_together.
  template <class Node>
  void run_block(const Node* nodes, std::size_t first_tree, std::size_t last_tree, const K* keys, std::size_t rows,
                 K* found, T* sums, std::uint8_t* has) const {
    for (std::size_t i = first_tree; i < last_tree; ++i) {
      const tree& t = layout.trees[i];
      std::uint32_t at[rows_together];
      std::fill(at, at + rows_together, t.root);
      for (std::size_t row = 0; row < rows; row += rows_together) {
        const K* of_rows[rows_together];
        for (std::size_t k = 0; k < rows_together; ++k) of_rows[k] = keys + (row + k) * layout.key_width();
        descend<rows_together>(nodes, t.depth, of_rows, at, found + row);
      }
      add_found(t, found, rows, sums, has);
    }
  }

  template <class Node>
  void run_rows(const Node* nodes, const cells_in& in, std::size_t first, std::size_t count, workspace& memory, T* sums,
                std::uint8_t* has) const {
    auto has_of = [&](std::size_t row) { return has == nullptr ? nullptr : has + row * layout.targets; };
    if (count < rows_together / 2) {
      for (std::size_t i = 0; i < count; ++i) {
        layout.make_row_keys(in, first + i, memory.keys.data());
        run_row(nodes, memory.keys.data(), memory.found.data(), sums + i * layout.targets, has_of(i));
      }
      return;
    }
    make_block_keys(in, first, count, memory);
    for (std::size_t block = 0; block + 1 < tree_blocks.size(); ++block)
      for (std::size_t row = 0; row < count; row += row_block)
        run_block(nodes, tree_blocks[block], tree_blocks[block + 1], memory.keys.data() + row * layout.key_width(),
                  std::min(row_block, count - row), memory.found.data(), sums + row * layout.targets, has_of(row));
  }

  void make_block_keys(const cells_in& in, std::size_t first, std::size_t count, workspace& memory) const {
    layout.make_keys(in, first, count, memory.keys.data(), layout.key_width(), 1);
    for (std::size_t i = 0; i < count; ++i) memory.keys[i * layout.key_width() + layout.leaf_column()] = lowest_key<T>;
  }

  // At most row_block rows.
  template <class Node>
  void run_lanes(const Node* nodes, const cells_in& in, std::size_t first, std::size_t count, workspace& memory,
                 T* sums, std::uint8_t* has) const {
    if (some_descend) make_block_keys(in, first, count, memory);
    lanes.prepare(in, first, count, memory.lanes);
    for (const segment& s : segments) {
      if (!s.in_lanes) {
        run_block(nodes, s.first, s.last, memory.keys.data(), count, memory.found.data(), sums, has);
        continue;
      }
      lanes.run(s.group, count, memory.lanes);
      for (std::size_t t = s.first; t < s.last; ++t)
        add(layout.trees[t], lanes.leaves(s.group, t - s.first, memory.lanes), count, sums, has);
    }
  }

  template <class Node> void run(const Node* nodes, const cells_in& in, T* sums, std::uint8_t* has) const {
    // Scratch of a thread that scores: the forest itself stays immutable.
    thread_local workspace memory;
    const std::size_t prepared =
        std::min(rows_prepared, (in.rows + rows_together - 1) / rows_together * rows_together) * layout.key_width();
    if (memory.keys.size() < prepared) memory.keys.resize(prepared);
    if (memory.found.size() < std::max(row_block, layout.trees.size()))
      memory.found.resize(std::max(row_block, layout.trees.size()));
    auto has_of = [&](std::size_t row) { return has == nullptr ? nullptr : has + row * layout.targets; };
    std::size_t done = 0;
    if (lanes.takes_any())
      for (; in.rows - done >= rows_for_lanes; done += std::min(row_block, in.rows - done))
        run_lanes(nodes, in, done, std::min(row_block, in.rows - done), memory, sums + done * layout.targets,
                  has_of(done));
    for (; done < in.rows; done += std::min(rows_prepared, in.rows - done))
      run_rows(nodes, in, done, std::min(rows_prepared, in.rows - done), memory, sums + done * layout.targets,
               has_of(done));
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
  if constexpr (std::is_same_v<T, float>)
    if (!impl_->compact_nodes.empty()) return impl_->run(impl_->compact_nodes.data(), rows, sums, has);
  impl_->run(impl_->wide_nodes.data(), rows, sums, has);
}

template class forest<float>;
template class forest<double>;

} // namespace troupe::model
