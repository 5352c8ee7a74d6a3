#include "model/operators/tree_ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "model/text.hpp"

namespace troupe::model {
namespace {

// Numbers of an attribute, or of its twin that holds a tensor (since ai.onnx.ml 3).
result<std::vector<double>> read_numbers(attribute_reader& node, const std::string& name, bool infinite,
                                         bool& doubles) {
  auto floats = infinite ? node.floats_or_infinite(name) : node.floats(name);
  if (!floats) return tl::make_unexpected(floats.error());
  const std::string twin = name + "_as_tensor";
  auto tensor = node.any_tensor(twin);
  if (!tensor) return tl::make_unexpected(tensor.error());
  if (!*tensor) return std::vector<double>(floats->begin(), floats->end());
  if (!floats->empty()) return node.wrong(fmt::format("it has both {} and {}", name, twin));
  const element type = (*tensor)->type();
  if (type != element::f32 && type != element::f64)
    return node.wrong(fmt::format("the attribute {} holds {}, expected float or double", twin, to_string(type)));
  doubles = doubles || type == element::f64;
  auto numbers = (*tensor)->as<double>();
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (std::isnan(numbers[i]) || (!infinite && std::isinf(numbers[i])))
      return node.wrong(fmt::format("the attribute {}[{}] is not a finite number", twin, i));
  return numbers;
}

result<void> same_length(const attribute_reader& node, std::size_t length, std::string_view of, std::size_t other,
                         std::string_view name) {
  if (length == other) return {};
  return node.wrong(fmt::format("the attribute {} has {} entries, {} has {}", name, other, of, length));
}

std::optional<split> split_of(std::string_view mode) {
  if (mode == "LEAF") return split::leaf;
  if (mode == "BRANCH_LEQ" || mode == "BRANCH_GT") return split::at_most;
  if (mode == "BRANCH_LT" || mode == "BRANCH_GTE") return split::below;
  if (mode == "BRANCH_EQ" || mode == "BRANCH_NEQ") return split::equals;
  return std::nullopt;
}

// Whether the mode holds where the test of split_of does not.
bool is_opposite(std::string_view mode) { return mode == "BRANCH_GT" || mode == "BRANCH_GTE" || mode == "BRANCH_NEQ"; }

template <class T> class ensemble_builder {
public:
  ensemble_builder(const attribute_reader& node, const ensemble_attributes& given)
      : node_(node)
      , given_(given) {}

  result<forest<T>> run(std::size_t features, std::size_t targets, aggregate how) {
    spec_.features = features;
    spec_.targets = targets;
    spec_.how = how;
    if (auto ok = sort_nodes(); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = add_nodes(); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = add_weights(); !ok) return tl::make_unexpected(ok.error());
    if (const auto fault = find_fault(spec_)) return named(*fault);
    return forest<T>{spec_};
  }

private:
  std::string id(std::size_t at) const {
    return fmt::format("node {} of tree {}", given_.node_ids[order_[at]], given_.tree_ids[order_[at]]);
  }

  // Trees in the order in which they begin, nodes by their ids.
  result<void> sort_nodes() {
    const std::size_t count = given_.node_ids.size();
    if (count > forest_nodes_max)
      return node_.wrong(fmt::format("it has {} nodes, at most {} are allowed", count, forest_nodes_max));
    const auto columns = static_cast<std::size_t>(std::count_if(
        given_.modes.begin(), given_.modes.end(), [](auto& mode) { return split_of(mode) == split::equals; }));
    if (auto ok = node_.charge(count * forest_node_bytes + columns * forest_column_bytes); !ok) return ok;
    tree_of_.resize(count);
    for (std::size_t i = 0; i < count; ++i)
      tree_of_[i] = trees_.emplace(given_.tree_ids[i], static_cast<std::uint32_t>(trees_.size())).first->second;
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0u);
    auto before = [&](std::uint32_t a, std::uint32_t b) {
      return tree_of_[a] != tree_of_[b] ? tree_of_[a] < tree_of_[b] : given_.node_ids[a] < given_.node_ids[b];
    };
    if (!std::is_sorted(order_.begin(), order_.end(), before)) std::sort(order_.begin(), order_.end(), before);
    for (std::size_t i = 0; i < count; ++i) {
      if (i == 0 || tree_of_[order_[i]] != tree_of_[order_[i - 1]])
        spec_.trees.push_back(static_cast<std::uint32_t>(i));
      else if (given_.node_ids[order_[i]] == given_.node_ids[order_[i - 1]])
        return node_.wrong(fmt::format("the attribute nodes_nodeids[{}]: {} is there twice", order_[i], id(i)));
    }
    return {};
  }

  // Where the node lies after sorting. Nodes are numbered from 0 on by all known exporters, so it is tried first.
  std::optional<std::uint32_t> find(std::uint32_t tree, std::int64_t node_id) const {
    const std::uint32_t begin = spec_.trees[tree];
    const auto end = static_cast<std::uint32_t>(tree + 1 < spec_.trees.size() ? spec_.trees[tree + 1] : order_.size());
    if (node_id >= 0 && node_id < end - begin &&
        given_.node_ids[order_[begin + static_cast<std::uint32_t>(node_id)]] == node_id)
      return begin + static_cast<std::uint32_t>(node_id);
    const auto found = std::lower_bound(order_.begin() + begin, order_.begin() + end, node_id,
                                        [&](std::uint32_t at, std::int64_t id) { return given_.node_ids[at] < id; });
    if (found == order_.begin() + end || given_.node_ids[*found] != node_id) return std::nullopt;
    return static_cast<std::uint32_t>(found - order_.begin());
  }

  result<void> add_nodes() {
    spec_.nodes.resize(order_.size());
    for (std::size_t at = 0; at < order_.size(); ++at) {
      const std::uint32_t i = order_[at];
      tree_node<T>& out = spec_.nodes[at];
      const auto how = split_of(given_.modes[i]);
      if (!how) return node_.wrong(fmt::format("the attribute nodes_modes[{}] is {}", i, quoted(given_.modes[i])));
      out.how = *how;
      out.value = static_cast<T>(given_.values[i]);
      if (out.is_leaf()) continue;
      if (given_.feature_ids[i] < 0 || given_.feature_ids[i] >= static_cast<std::int64_t>(spec_.features))
        return node_.wrong(fmt::format("the attribute nodes_featureids[{}] is {}, but its input has {} columns", i,
                                       given_.feature_ids[i], spec_.features));
      out.feature = static_cast<std::uint32_t>(given_.feature_ids[i]);
      const auto yes = find(tree_of_[i], given_.true_ids[i]);
      const auto no = find(tree_of_[i], given_.false_ids[i]);
      if (!yes || !no)
        return node_.wrong(fmt::format("the attribute nodes_{}ids[{}] is {}, which tree {} does not have",
                                       yes ? "falsenode" : "truenode", i,
                                       yes ? given_.false_ids[i] : given_.true_ids[i], given_.tree_ids[i]));
      const bool opposite = is_opposite(given_.modes[i]);
      out.first = opposite ? *no : *yes;
      out.second = opposite ? *yes : *no;
      // NaN compares as false with everything, but it is not equal to anything.
      const bool nan_is_true = given_.modes[i] == "BRANCH_NEQ" ||
                               (!given_.missing_tracks_true.empty() && given_.missing_tracks_true[i] == 1);
      out.missing_first = nan_is_true != opposite;
    }
    return {};
  }

  // Weights of inner nodes are left out, as onnxruntime does: old exporters wrote some.
  result<void> add_weights() {
    const std::size_t count = given_.weights.size();
    std::vector<std::uint32_t> leaf_of(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      const auto tree = trees_.find(given_.weight_trees[i]);
      const auto at = tree == trees_.end() ? std::nullopt : find(tree->second, given_.weight_nodes[i]);
      if (!at)
        return node_.wrong(fmt::format("the attribute {}_nodeids[{}]: there is no node {} of tree {}", given_.prefix, i,
                                       given_.weight_nodes[i], given_.weight_trees[i]));
      if (given_.weight_ids[i] < 0 || given_.weight_ids[i] >= static_cast<std::int64_t>(spec_.targets))
        return node_.wrong(fmt::format("the attribute {}_ids[{}] is {}, expected 0 to {}", given_.prefix, i,
                                       given_.weight_ids[i], static_cast<std::int64_t>(spec_.targets) - 1));
      leaf_of[i] = *at;
      if (tree_node<T>& leaf = spec_.nodes[*at]; leaf.is_leaf()) ++leaf.second;
    }
    // With one target a leaf has one weight, the first; its own value where there is none.
    const bool single = spec_.targets == 1;
    std::uint32_t next = 0;
    for (tree_node<T>& node : spec_.nodes) {
      if (!node.is_leaf()) continue;
      if (single && node.second == 0) next_value_.emplace_back(next, node.value);
      if (single) node.second = 1;
      node.first = next;
      next += node.second;
    }
    spec_.weights.resize(next);
    for (const auto& [at, value] : next_value_) spec_.weights[at] = {0, value};
    std::vector<std::uint32_t> filled(spec_.nodes.size(), 0);
    for (std::size_t i = 0; i < count; ++i) {
      const tree_node<T>& leaf = spec_.nodes[leaf_of[i]];
      if (!leaf.is_leaf() || filled[leaf_of[i]] == leaf.second) continue;
      spec_.weights[leaf.first + filled[leaf_of[i]]++] = {static_cast<std::uint32_t>(given_.weight_ids[i]),
                                                          static_cast<T>(given_.weights[i])};
    }
    return {};
  }

  tl::unexpected<error> named(const forest_fault& fault) const {
    const std::uint32_t i = order_[fault.node];
    std::string_view attribute = "nodes_nodeids";
    const bool opposite = is_opposite(given_.modes[i]);
    if (fault.part == forest_fault::where::first) attribute = opposite ? "nodes_falsenodeids" : "nodes_truenodeids";
    if (fault.part == forest_fault::where::second) attribute = opposite ? "nodes_truenodeids" : "nodes_falsenodeids";
    if (fault.part == forest_fault::where::value || fault.part == forest_fault::where::weights)
      attribute = "nodes_values";
    const bool child = fault.part == forest_fault::where::first || fault.part == forest_fault::where::second;
    return node_.wrong(fmt::format("the attribute {}[{}]: {} {} {}", attribute, i, child ? "a child of" : "the",
                                   id(fault.node), fault.what));
  }

  const attribute_reader& node_;
  const ensemble_attributes& given_;
  forest_spec<T> spec_;
  std::unordered_map<std::int64_t, std::uint32_t> trees_; // id -> index
  std::vector<std::uint32_t> tree_of_, order_;
  std::vector<std::pair<std::uint32_t, T>> next_value_;
};

} // namespace

result<ensemble_attributes> read_ensemble(attribute_reader& node, std::string prefix) {
  ensemble_attributes out;
  out.prefix = std::move(prefix);
  const std::pair<std::vector<std::int64_t>*, std::string> integers[] = {
      {&out.tree_ids, "nodes_treeids"},
      {&out.node_ids, "nodes_nodeids"},
      {&out.feature_ids, "nodes_featureids"},
      {&out.true_ids, "nodes_truenodeids"},
      {&out.false_ids, "nodes_falsenodeids"},
      {&out.missing_tracks_true, "nodes_missing_value_tracks_true"},
      {&out.weight_trees, out.prefix + "_treeids"},
      {&out.weight_nodes, out.prefix + "_nodeids"},
      {&out.weight_ids, out.prefix + "_ids"},
  };
  for (const auto& [to, name] : integers) {
    auto values = node.integers(name);
    if (!values) return tl::make_unexpected(values.error());
    *to = std::move(*values);
  }
  auto modes = node.strings("nodes_modes");
  if (!modes) return tl::make_unexpected(modes.error());
  out.modes = std::move(*modes);
  bool ignored = false; // nobody computes with hit rates
  if (auto rates = read_numbers(node, "nodes_hitrates", true, ignored); !rates)
    return tl::make_unexpected(rates.error());
  auto values = read_numbers(node, "nodes_values", true, out.doubles);
  if (!values) return tl::make_unexpected(values.error());
  out.values = std::move(*values);
  auto weights = read_numbers(node, out.prefix + "_weights", false, out.doubles);
  if (!weights) return tl::make_unexpected(weights.error());
  out.weights = std::move(*weights);
  auto base = read_numbers(node, "base_values", false, out.doubles);
  if (!base) return tl::make_unexpected(base.error());
  out.base_values = std::move(*base);
  const auto how = read_post_transform(node);
  if (!how) return tl::make_unexpected(how.error());
  out.how = *how;

  const std::size_t count = out.node_ids.size();
  if (count == 0) return node.wrong("the attribute nodes_nodeids is empty: it has no tree");
  for (const auto& [length, name] :
       {std::pair{out.tree_ids.size(), "nodes_treeids"},
        {out.feature_ids.size(), "nodes_featureids"},
        {out.true_ids.size(), "nodes_truenodeids"},
        {out.false_ids.size(), "nodes_falsenodeids"},
        {out.modes.size(), "nodes_modes"},
        {out.values.size(), "nodes_values"},
        {out.missing_tracks_true.empty() ? count : out.missing_tracks_true.size(), "nodes_missing_value_tracks_true"}})
    if (auto ok = same_length(node, count, "nodes_nodeids", length, name); !ok) return tl::make_unexpected(ok.error());
  for (const auto& [length, name] : {std::pair{out.weight_trees.size(), "_treeids"},
                                     {out.weight_nodes.size(), "_nodeids"},
                                     {out.weights.size(), "_weights"}})
    if (auto ok = same_length(node, out.weight_ids.size(), out.prefix + "_ids", length, out.prefix + name); !ok)
      return tl::make_unexpected(ok.error());
  return out;
}

template <class T>
result<forest<T>> build_forest(const attribute_reader& node, const ensemble_attributes& attributes,
                               std::size_t features, std::size_t targets, aggregate how) {
  return ensemble_builder<T>{node, attributes}.run(features, targets, how);
}

result<const value_type*> row_numbers(const attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return input;
  if ((*input)->type == element::text || (*input)->label || (*input)->dims.size() > 1)
    return node.wrong(fmt::format("its input is {}, expected numbers [N, columns]", to_string(**input)));
  return input;
}

template result<forest<float>> build_forest<float>(const attribute_reader&, const ensemble_attributes&, std::size_t,
                                                   std::size_t, aggregate);
template result<forest<double>> build_forest<double>(const attribute_reader&, const ensemble_attributes&, std::size_t,
                                                     std::size_t, aggregate);

} // namespace troupe::model
