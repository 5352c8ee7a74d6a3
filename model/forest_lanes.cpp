#include "model/forest_lanes.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/assert.hpp"

namespace troupe::model {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)
#define TROUPE_HAS_AVX2_PATH 1
bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  return has;
}
#else
bool has_avx2() { return false; }
#endif

constexpr std::size_t plane_thresholds = 255; // ranks that a byte can tell apart, but one
constexpr std::size_t thresholds_max = 65'000;
constexpr std::size_t planes_max = 2048; // 128 KiB a chunk of rows
constexpr std::size_t stack_slots = 16;  // of a tree; 8 suffice for 256 leaves
constexpr std::size_t all_slots = 256 + 4 * stack_slots;

// Rough cycles of a chunk of rows, measured on one machine; only their proportions matter.
constexpr std::size_t cycles_of_level = 160; // to descend by one
std::size_t cycles_of_op() { return has_avx2() ? 5 : 12; }
std::size_t cycles_of_ranking(std::size_t thresholds) {
  const auto bits = static_cast<std::size_t>(std::bit_width(thresholds));
  return lane_rows * (has_avx2() ? 1 + bits / 2 : 2 + bits);
}

// 32 rows. May alias: the memory is that of bytes.
typedef std::int8_t lanes_of_bytes __attribute__((vector_size(32), may_alias));

template <class Op, class Lane, std::size_t Halves>
[[gnu::always_inline]] inline void select_leaves(const Op* op, const Op* end, const Lane* planes, Lane* slots) {
  for (; op != end; ++op) {
    const auto* x = reinterpret_cast<const lanes_of_bytes*>(planes + op->plane);
    const auto* first = reinterpret_cast<const lanes_of_bytes*>(slots + op->first);
    const auto* second = reinterpret_cast<const lanes_of_bytes*>(slots + op->second);
    auto* out = reinterpret_cast<lanes_of_bytes*>(slots + op->result);
    const lanes_of_bytes threshold = op->threshold - lanes_of_bytes{};
    for (std::size_t half = 0; half < Halves; ++half) out[half] = x[half] > threshold ? second[half] : first[half];
  }
}

// The thresholds below each of 64 keys, by halving.
template <class K> void rank_by_halves(const K* keys, const std::vector<K>& thresholds, std::uint16_t* ranks) {
  constexpr std::size_t together = 8;
  for (std::size_t part = 0; part < lane_rows; part += together) {
    std::uint32_t at[together] = {};
    for (std::size_t left = thresholds.size(); left > 1;) {
      const std::size_t half = left / 2;
      const K* middle = thresholds.data() + half - 1;
      for (std::size_t k = 0; k < together; ++k)
        at[k] += static_cast<std::uint32_t>(half) & (0u - static_cast<std::uint32_t>(middle[at[k]] < keys[part + k]));
      left -= half;
    }
    for (std::size_t k = 0; k < together; ++k)
      ranks[part + k] = static_cast<std::uint16_t>(at[k] + (thresholds[at[k]] < keys[part + k]));
  }
}

// The bytes of ranks that a plane holds, from its first threshold on, as signed ones in the same order.
[[gnu::always_inline]] inline void to_plane(const std::uint16_t* ranks, std::uint16_t first, std::int8_t* plane) {
  for (std::size_t i = 0; i < lane_rows; ++i) {
    const auto above = static_cast<std::uint16_t>(std::max(ranks[i], first) - first);
    plane[i] = static_cast<std::int8_t>(std::min(above, std::uint16_t{255}) ^ 128);
  }
}

[[gnu::always_inline]] inline void to_planes(const std::uint16_t* ranks, std::uint32_t count, std::int8_t* planes) {
  for (std::uint32_t p = 0; p < count; ++p)
    to_plane(ranks, static_cast<std::uint16_t>(p * plane_thresholds), planes + p * lane_rows);
}

template <class Op, class Lane, std::size_t Halves>
void select_generic(const Op* op, const Op* end, const Lane* planes, Lane* slots) {
  select_leaves<Op, Lane, Halves>(op, end, planes, slots);
}
void to_planes_generic(const std::uint16_t* ranks, std::uint32_t count, std::int8_t* planes) {
  to_planes(ranks, count, planes);
}

#ifndef TROUPE_HAS_AVX2_PATH
constexpr auto to_planes_best = to_planes_generic;
#else
template <class Op, class Lane, std::size_t Halves>
[[gnu::target("avx2")]] void select_avx2(const Op* op, const Op* end, const Lane* planes, Lane* slots) {
  select_leaves<Op, Lane, Halves>(op, end, planes, slots);
}
[[gnu::target("avx2")]] void to_planes_best(const std::uint16_t* ranks, std::uint32_t count, std::int8_t* planes) {
  to_planes(ranks, count, planes);
}

// How many of the eight keys of a node are below: they ascend.
[[gnu::target("avx2,popcnt"), gnu::always_inline]] inline std::uint32_t below(const rank_node<std::int32_t>& node,
                                                                              std::int32_t key) {
  const __m256i is_below =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(key), _mm256_load_si256(reinterpret_cast<const __m256i*>(node.keys)));
  const int mask = _mm256_movemask_ps(_mm256_castsi256_ps(is_below));
  return static_cast<std::uint32_t>(_mm_popcnt_u32(static_cast<unsigned>(mask)));
}
[[gnu::target("avx2,popcnt"), gnu::always_inline]] inline std::uint32_t below(const rank_node<std::int64_t>& node,
                                                                              std::int64_t key) {
  const __m256i x = _mm256_set1_epi64x(key);
  const auto* keys = reinterpret_cast<const __m256i*>(node.keys);
  const __m256i low = _mm256_cmpgt_epi64(x, _mm256_load_si256(keys));
  const __m256i high = _mm256_cmpgt_epi64(x, _mm256_load_si256(keys + 1));
  const int mask = _mm256_movemask_pd(_mm256_castsi256_pd(low)) | _mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
  return static_cast<std::uint32_t>(_mm_popcnt_u32(static_cast<unsigned>(mask)));
}

// The same as rank_by_halves, by ninths: a node of eight thresholds is one comparison.
template <class K>
[[gnu::target("avx2,popcnt")]] void rank_by_ninths(const K* keys, const rank_node<K>* nodes, std::uint32_t levels,
                                                   std::uint16_t* ranks) {
  constexpr std::size_t together = 8;
  std::uint32_t before_leaves = 0;
  for (std::uint32_t level = 0; level < levels; ++level) before_leaves = before_leaves * 9 + 1;
  for (std::size_t part = 0; part < lane_rows; part += together) {
    std::uint32_t at[together] = {};
    for (std::uint32_t level = 0; level < levels; ++level)
      for (std::size_t k = 0; k < together; ++k) at[k] = at[k] * 9 + 1 + below(nodes[at[k]], keys[part + k]);
    for (std::size_t k = 0; k < together; ++k) ranks[part + k] = static_cast<std::uint16_t>(at[k] - before_leaves);
  }
}
#endif

// A full search tree of the thresholds: node k has the children 9k + 1 to 9k + 9.
template <class K> class rank_tree_builder {
public:
  explicit rank_tree_builder(const std::vector<K>& thresholds)
      : thresholds_(thresholds) {
    std::size_t nodes = 0;
    while (nodes * 8 < thresholds.size()) {
      nodes = nodes * 9 + 1;
      ++levels;
    }
    tree.resize(nodes);
    fill(0);
  }
  std::vector<rank_node<K>> tree;
  std::uint32_t levels = 0;

private:
  // In order; as deep as the tree, which has six levels at most.
  void fill(std::size_t node) {
    if (node >= tree.size()) return;
    for (std::size_t i = 0; i < 8; ++i) {
      fill(node * 9 + 1 + i);
      tree[node].keys[i] = next_ < thresholds_.size() ? thresholds_[next_] : std::numeric_limits<K>::max();
      ++next_;
    }
    fill(node * 9 + 9);
  }

  const std::vector<K>& thresholds_;
  std::size_t next_ = 0;
};

} // namespace

// One tree as selections, the children of a node before it.
template <class T> class forest_lanes<T>::emitter {
public:
  emitter(const forest_lanes& lanes, const flat_tree<T>& tree, std::size_t stack)
      : lanes_(lanes)
      , nodes_(lanes.layout_.nodes.data())
      , stack_(stack)
      , needs_(tree.end - tree.root, 0)
      , root_(tree.root) {
    // Children lie behind their parents.
    for (std::uint32_t at = tree.end; at-- > tree.root;) {
      if (is_leaf(at)) continue;
      const std::uint8_t a = needs_[nodes_[at].first - root_];
      const std::uint8_t b = needs_[nodes_[at].first + 1 - root_];
      needs_[at - root_] = a == b ? static_cast<std::uint8_t>(a + 1) : std::max(a, b);
    }
    result_ = emit(tree.root, 0);
  }
  std::vector<op> ops;
  std::uint16_t result() const { return result_; }

private:
  bool is_leaf(std::uint32_t at) const { return nodes_[at].first == at; }

  // `depth` slots of the stack are taken. A tree of at most 256 leaves has at most 255 levels.
  std::uint16_t emit(std::uint32_t at, std::size_t depth) {
    if (is_leaf(at)) return static_cast<std::uint16_t>(nodes_[at].key);
    const std::uint32_t a = nodes_[at].first;
    const bool second_first =
        needs_[a + 1 - root_] > needs_[a - root_]; // the child that needs more, while more is free
    const std::uint16_t one = emit(a + second_first, depth);
    const std::uint16_t other = emit(a + !second_first, depth + (one >= leaves_max));
    TROUPE_ASSERT(depth < stack_slots);
    const auto result = static_cast<std::uint16_t>(leaves_max + stack_ * stack_slots + depth);
    const column_place& place = lanes_.columns_[nodes_[at].column];
    const auto& thresholds = lanes_.rankings_[place.ranking].thresholds;
    const auto rank = static_cast<std::size_t>(std::lower_bound(thresholds.begin(), thresholds.end(), nodes_[at].key) -
                                               thresholds.begin());
    ops.push_back({place.first_plane + static_cast<std::uint32_t>(rank / plane_thresholds), second_first ? other : one,
                   second_first ? one : other, result,
                   static_cast<std::int8_t>(static_cast<int>(rank % plane_thresholds) - 128)});
    return result;
  }

  const forest_lanes& lanes_;
  const flat_node<T>* nodes_;
  std::size_t stack_;
  std::vector<std::uint8_t> needs_; // slots that a subtree needs
  std::uint32_t root_;
  std::uint16_t result_ = 0;
};

template <class T>
forest_lanes<T>::forest_lanes(const forest_layout<T>& layout)
    : layout_(layout) {
  choose_trees();
  if (any_) rank_columns();
}

template <class T> void forest_lanes<T>::choose_trees() {
  takes_.assign(layout_.trees.size(), false);
  std::size_t gain = 0;
  for (std::size_t t = 0; t < layout_.trees.size(); ++t) {
    const flat_tree<T>& tree = layout_.trees[t];
    const std::size_t ops = tree.leaves - 1;
    takes_[t] = tree.leaves <= leaves_max && ops * cycles_of_op() <= tree.depth * cycles_of_level;
    if (takes_[t]) gain += tree.depth * cycles_of_level - ops * cycles_of_op();
    any_ = any_ || takes_[t];
  }
  if (!any_) return;
  std::vector<std::vector<K>> thresholds;
  find_thresholds(thresholds);
  std::size_t cost = 0;
  std::size_t planes = 0;
  bool too_many = false;
  for (const auto& of_source : thresholds) {
    if (of_source.empty()) continue;
    cost += cycles_of_ranking(of_source.size());
    planes += 2 * (1 + of_source.size() / plane_thresholds);
    too_many = too_many || of_source.size() > thresholds_max;
  }
  if (cost < gain && planes <= planes_max && !too_many) return;
  takes_.assign(layout_.trees.size(), false);
  any_ = false;
}

template <class T> void forest_lanes<T>::find_thresholds(std::vector<std::vector<K>>& of_sources) const {
  std::vector<std::uint32_t> source_of(layout_.columns, 0);
  for (std::size_t s = 0; s < layout_.sources.size(); ++s)
    for (const std::uint32_t column : {layout_.sources[s].missing_high, layout_.sources[s].missing_low})
      if (column != no_column) source_of[column] = static_cast<std::uint32_t>(s);
  of_sources.assign(layout_.sources.size(), {});
  for (std::size_t t = 0; t < layout_.trees.size(); ++t) {
    if (!takes_[t]) continue;
    for (std::uint32_t at = layout_.trees[t].root; at < layout_.trees[t].end; ++at)
      if (layout_.nodes[at].first != at)
        of_sources[source_of[layout_.nodes[at].column]].push_back(layout_.nodes[at].key);
  }
  for (auto& keys : of_sources) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  }
}

template <class T> void forest_lanes<T>::rank_columns() {
  std::vector<std::vector<K>> thresholds;
  find_thresholds(thresholds);
  columns_.resize(layout_.columns);
  for (std::size_t s = 0; s < thresholds.size(); ++s) {
    if (thresholds[s].empty()) continue;
    const key_source<T>& source = layout_.sources[s];
    ranking next;
    next.source = static_cast<std::uint32_t>(s);
    next.planes = static_cast<std::uint32_t>((thresholds[s].size() + plane_thresholds - 1) / plane_thresholds);
    next.thresholds = std::move(thresholds[s]);
    for (const auto& [column, plane] :
         {std::pair{source.missing_high, &next.high_plane}, std::pair{source.missing_low, &next.low_plane}}) {
      if (column == no_column) continue;
      *plane = static_cast<std::uint32_t>(planes_);
      columns_[column] = {static_cast<std::uint32_t>(rankings_.size()), *plane};
      planes_ += next.planes;
    }
    if (has_avx2()) {
      rank_tree_builder<K> builder{next.thresholds};
      next.tree = std::move(builder.tree);
      next.levels = builder.levels;
    }
    rankings_.push_back(std::move(next));
  }
}

template <class T> typename forest_lanes<T>::group forest_lanes<T>::add_group(std::size_t first, std::size_t count) {
  TROUPE_ASSERT(count <= group::trees_max);
  group made;
  made.first_op = static_cast<std::uint32_t>(ops_.size());
  std::vector<std::vector<op>> of_trees;
  std::size_t longest = 0;
  for (std::size_t k = 0; k < count; ++k) {
    emitter tree{*this, layout_.trees[first + k], k};
    made.leaf_slots[k] = tree.result();
    longest = std::max(longest, tree.ops.size());
    of_trees.push_back(std::move(tree.ops));
  }
  // In turns: a selection often waits for the one before it in the same tree.
  for (std::size_t i = 0; i < longest; ++i)
    for (const auto& ops : of_trees)
      if (i < ops.size()) ops_.push_back(ops[i]);
  made.last_op = static_cast<std::uint32_t>(ops_.size());
  return made;
}

template <class T>
void forest_lanes<T>::prepare(const cells_in& rows, std::size_t first_row, std::size_t count, workspace& memory) const {
  if (memory.keys.size() < layout_.key_width() * lane_rows) memory.keys.resize(layout_.key_width() * lane_rows);
  if (memory.planes.size() < planes_) memory.planes.resize(planes_);
  if (memory.ranks.empty()) memory.ranks.resize(lane_rows);
  if (memory.slots.empty()) {
    memory.slots.resize(all_slots);
    for (std::size_t i = 0; i < leaves_max; ++i)
      std::fill_n(memory.slots[i].of_row, lane_rows, static_cast<std::int8_t>(i));
  }
  layout_.make_keys(rows, first_row, count, memory.keys.data(), 1, lane_rows);
  std::uint16_t* ranks = memory.ranks.data();
  const auto planes = has_avx2() ? to_planes_best : to_planes_generic;
  for (const ranking& r : rankings_) {
    const key_source<T>& source = layout_.sources[r.source];
    const bool high = source.missing_high != no_column;
    const K* keys = memory.keys.data() + (high ? source.missing_high : source.missing_low) * lane_rows;
    rank(r, keys, ranks);
    if (high) planes(ranks, r.planes, memory.planes[r.high_plane].of_row);
    if (source.missing_low == no_column) continue;
    if (high)
      for (std::size_t i = 0; i < lane_rows; ++i) ranks[i] = keys[i] == greatest_key<T> ? std::uint16_t{0} : ranks[i];
    planes(ranks, r.planes, memory.planes[r.low_plane].of_row);
  }
}

template <class T> void forest_lanes<T>::rank(const ranking& r, const K* keys, std::uint16_t* ranks) const {
#ifdef TROUPE_HAS_AVX2_PATH
  if (has_avx2()) return rank_by_ninths(keys, r.tree.data(), r.levels, ranks);
#endif
  rank_by_halves(keys, r.thresholds, ranks);
}

template <class T> void forest_lanes<T>::run(const group& trees, std::size_t count, workspace& memory) const {
  const op* first = ops_.data() + trees.first_op;
  const op* last = ops_.data() + trees.last_op;
  const bool both = count > lane_rows / 2;
#ifdef TROUPE_HAS_AVX2_PATH
  if (has_avx2()) {
    (both ? select_avx2<op, lane, 2> : select_avx2<op, lane, 1>)(first, last, memory.planes.data(),
                                                                 memory.slots.data());
    return;
  }
#endif
  (both ? select_generic<op, lane, 2> : select_generic<op, lane, 1>)(first, last, memory.planes.data(),
                                                                     memory.slots.data());
}

template <class T>
const std::uint8_t* forest_lanes<T>::leaves(const group& trees, std::size_t tree, const workspace& memory) {
  return reinterpret_cast<const std::uint8_t*>(memory.slots[trees.leaf_slots[tree]].of_row);
}

template class forest_lanes<float>;
template class forest_lanes<double>;

} // namespace troupe::model
