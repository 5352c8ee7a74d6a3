#include "model/forest_layout.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/assert.hpp"

namespace troupe::model {
namespace {

constexpr double near_zero = 1e-35; // LightGBM's, for missing_type zero

template <class T> class layout_builder {
public:
  layout_builder(const forest_spec<T>& spec, forest_layout<T>& out)
      : spec_(spec)
      , out_(out) {}

  void run() {
    out_.nodes.reserve(spec_.nodes.size());
    find_columns();
    for (const std::uint32_t root : spec_.roots) add_tree(root);
    find_always();
  }

private:
  void add_tree(std::uint32_t root) {
    flat_tree<T> tree;
    tree.root = static_cast<std::uint32_t>(out_.nodes.size());
    order_.assign(1, root);
    out_.nodes.emplace_back();
    // Level after level: the children of order_[i] are appended together.
    std::size_t level_end = 1;
    std::vector<std::uint32_t>& leaves = leaves_;
    leaves.clear();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i == level_end) {
        ++tree.depth;
        level_end = order_.size();
      }
      const tree_node<T>& node = spec_.nodes[order_[i]];
      const auto at = tree.root + static_cast<std::uint32_t>(i);
      if (node.is_leaf()) {
        out_.nodes[at] = {static_cast<key_of_number<T>>(leaves.size()), static_cast<std::uint32_t>(out_.leaf_column()),
                          at};
        leaves.push_back(order_[i]);
        continue;
      }
      out_.nodes[at] = {key_of(node), column_of(node), static_cast<std::uint32_t>(out_.nodes.size())};
      out_.nodes.resize(out_.nodes.size() + 2);
      order_.push_back(node.first);
      order_.push_back(node.second);
    }
    tree.end = static_cast<std::uint32_t>(out_.nodes.size());
    tree.leaves = static_cast<std::uint32_t>(leaves.size());
    add_weights(tree);
    out_.trees.push_back(tree);
  }

  static key_of_number<T> key_of(const tree_node<T>& node) {
    if (node.how == split::at_most) return to_key(node.value);
    if (node.how == split::below) return static_cast<key_of_number<T>>(to_key(node.value) - 1);
    return 0;
  }

  using source_id = std::tuple<bool, split, missing_rule, std::uint32_t, key_of_number<T>, std::uint32_t>;

  static source_id id_of(const tree_node<T>& node) {
    const split how = node.how == split::below ? split::at_most : node.how;
    const bool plain = how == split::at_most && node.missing == missing_rule::nan;
    const key_of_number<T> value = how == split::equals ? to_key(node.value) : 0;
    return {!plain, how, node.missing, node.feature, value, how == split::member ? node.set : 0};
  }

  // Sorted: plain sources first, by feature.
  void find_columns() {
    for (const tree_node<T>& node : spec_.nodes)
      if (!node.is_leaf()) known_.emplace(id_of(node), 0);
    for (auto& [id, index] : known_) {
      index = static_cast<std::uint32_t>(out_.sources.size());
      out_.plain_sources += !std::get<0>(id);
      out_.sources.emplace_back();
    }
    for (const tree_node<T>& node : spec_.nodes) {
      if (node.is_leaf()) continue;
      const source_id id = id_of(node);
      key_source<T>& source = out_.sources[known_[id]];
      source.how = std::get<1>(id);
      source.missing = node.missing;
      source.feature = node.feature;
      source.set = std::get<5>(id);
      source.value = node.value;
      std::uint32_t& column = node.missing_first ? source.missing_low : source.missing_high;
      if (column == no_column) column = static_cast<std::uint32_t>(out_.columns++);
    }
  }

  std::uint32_t column_of(const tree_node<T>& node) {
    const key_source<T>& source = out_.sources[known_[id_of(node)]];
    return node.missing_first ? source.missing_low : source.missing_high;
  }

  bool same_targets(const tree_node<T>& a, const tree_node<T>& b) const {
    if (a.second != b.second) return false;
    for (std::size_t i = 0; i < a.second; ++i)
      if (spec_.weights[a.first + i].target != spec_.weights[b.first + i].target) return false;
    return true;
  }

  void add_weights(flat_tree<T>& tree) {
    const tree_node<T>& example = spec_.nodes[leaves_[0]];
    tree.uniform = example.second > 0;
    for (const std::uint32_t leaf : leaves_) tree.uniform = tree.uniform && same_targets(example, spec_.nodes[leaf]);
    if (!tree.uniform) {
      tree.first_weight = static_cast<std::uint32_t>(out_.ranges.size());
      for (const std::uint32_t leaf : leaves_) {
        const tree_node<T>& node = spec_.nodes[leaf];
        out_.ranges.push_back({static_cast<std::uint32_t>(out_.weights.size()), node.second});
        for (std::size_t i = 0; i < node.second; ++i) out_.weights.push_back(spec_.weights[node.first + i]);
      }
      return;
    }
    tree.first_weight = static_cast<std::uint32_t>(out_.values.size());
    tree.target_count = example.second;
    tree.first_target = static_cast<std::uint32_t>(out_.target_lists.size());
    for (std::size_t i = 0; i < example.second; ++i)
      out_.target_lists.push_back(spec_.weights[example.first + i].target);
    for (const std::uint32_t leaf : leaves_)
      for (std::size_t i = 0; i < example.second; ++i)
        out_.values.push_back(spec_.weights[spec_.nodes[leaf].first + i].value);
  }

  void find_always() {
    out_.always.assign(spec_.targets, false);
    out_.never.assign(spec_.targets, true);
    for (const std::uint32_t target : out_.target_lists) out_.always[target] = true;
    for (const std::uint32_t target : out_.target_lists) out_.never[target] = false;
    for (const leaf_weight<T>& weight : out_.weights) out_.never[weight.target] = false;
  }

  const forest_spec<T>& spec_;
  forest_layout<T>& out_;
  std::vector<std::uint32_t> order_, leaves_;
  std::map<source_id, std::uint32_t> known_; // index of the source
};

template <class T> bool is_member(const category_set<T>& set, T x) {
  if (!(x >= set.least)) return false;
  const T whole = std::max(x, T{0}); // what is between -1 and 0 is cut to 0
  if (whole >= static_cast<T>(set.bits.size() * 64)) return false;
  const auto category = static_cast<std::size_t>(whole);
  return (set.bits[category / 64] >> (category % 64) & 1) != 0;
}

// The keys of one source, for rows of cells of type C.
template <class T, class C> struct key_writer {
  using K = key_of_number<T>;
  const cells_in& rows;
  std::size_t first_row, count;
  K* out;
  std::size_t row_step, column_step;

  template <class Missing, class Key> void fill(const key_source<T>& source, Missing missing, Key key) const {
    K* high = source.missing_high == no_column ? nullptr : out + source.missing_high * column_step;
    K* low = source.missing_low == no_column ? nullptr : out + source.missing_low * column_step;
    const C* cell = rows.row<C>(first_row) + source.feature;
    for (std::size_t i = 0; i < count; ++i, cell += rows.stride) {
      const auto x = static_cast<T>(*cell);
      const K k = key(x);
      const bool is_missing = missing(x);
      if (high != nullptr) high[i * row_step] = is_missing ? greatest_key<T> : k;
      if (low != nullptr) low[i * row_step] = is_missing ? lowest_key<T> : k;
    }
  }

  template <class Key> void by_rule(const key_source<T>& source, Key key) const {
    switch (source.missing) {
    case missing_rule::nan:
      return fill(
          source, [](T x) { return x != x; }, key);
    case missing_rule::nan_is_zero:
      return fill(
          source, [](T) { return false; }, [key](T x) { return key(x != x ? T{0} : x); });
    case missing_rule::zero:
      return fill(
          source, [](T x) { return !(std::abs(x) > static_cast<T>(near_zero)); }, key);
    }
  }

  void write(const key_source<T>& source, const std::vector<category_set<T>>& sets) const {
    if (source.how == split::equals)
      return by_rule(source, [value = source.value](T x) { return static_cast<K>(x == value ? 0 : 1); });
    if (source.how == split::member)
      return by_rule(source, [&set = sets[source.set]](T x) { return static_cast<K>(is_member(set, x) ? 0 : 1); });
    by_rule(source, [](T x) { return to_key(x); });
  }
};

} // namespace

template <class T>
forest_layout<T>::forest_layout(const forest_spec<T>& spec)
    : features(spec.features)
    , targets(spec.targets)
    , how(spec.how)
    , sets(spec.sets) {
  TROUPE_ASSERT(spec.roots.size() == spec.trees.size()); // find_fault was asked
  layout_builder<T>{spec, *this}.run();
}

template <class T>
void forest_layout<T>::make_keys(const cells_in& rows, std::size_t first_row, std::size_t count, key_of_number<T>* out,
                                 std::size_t row_step, std::size_t column_step) const {
  auto write_all = [&]<class C>(C) {
    const key_writer<T, C> writer{rows, first_row, count, out, row_step, column_step};
    for (const key_source<T>& source : sources) writer.write(source, sets);
  };
  switch (rows.type) {
  case element::f32:
    return write_all(float{});
  case element::f64:
    return write_all(double{});
  case element::i64:
    return write_all(std::int64_t{});
  case element::boolean:
    return write_all(std::uint8_t{});
  case element::text:
    TROUPE_ASSERT(false);
  }
}

template <class T>
void forest_layout<T>::make_row_keys(const cells_in& rows, std::size_t row, key_of_number<T>* out) const {
  using K = key_of_number<T>;
  out[leaf_column()] = lowest_key<T>;
  if (plain_sources < sources.size() || rows.type != element_of<T>()) return make_keys(rows, row, 1, out, 1, 1);
  const T* cells = rows.row<T>(row);
  const std::size_t nowhere = columns + 1;
  for (const key_source<T>& source : sources) {
    const T x = cells[source.feature];
    const K key = to_key(x);
    const bool missing = x != x;
    out[source.missing_high == no_column ? nowhere : source.missing_high] = missing ? greatest_key<T> : key;
    out[source.missing_low == no_column ? nowhere : source.missing_low] = missing ? lowest_key<T> : key;
  }
}

template struct forest_layout<float>;
template struct forest_layout<double>;

} // namespace troupe::model
