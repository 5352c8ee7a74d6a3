// LightGBM's text format: lines of "key=value", one block of them for the model and one for each tree. Numbers are
// double as in LightGBM: trees are summed in their order.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "model/native_loaders.hpp"
#include "model/native_model.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr std::int64_t targets_max = 1 << 16;
constexpr std::int64_t features_max = 1'000'000;
// Bits of decision_type.
constexpr std::int64_t categorical_bit = 1;
constexpr std::int64_t default_left_bit = 2;

struct objective {
  std::string_view name;
  native_link link;
  bool classes = false; ///< of one sum two classes, of several as many
  bool several = false; ///< where it is a classifier: whether it has more than one sum
  bool fits(std::size_t sums) const { return !classes || several == (sums > 1); }
};

// As files name them, whatever alias the training was given. Without a name, as that of a function of the user, a file
// gives its sums.
constexpr objective objectives[] = {
    {"", native_link::identity},
    {"binary", native_link::sigmoid, true, false},
    {"cross_entropy", native_link::sigmoid},
    {"cross_entropy_lambda", native_link::soft_plus},
    {"fair", native_link::identity},
    {"gamma", native_link::exponential},
    {"huber", native_link::identity},
    {"lambdarank", native_link::identity},
    {"mape", native_link::identity},
    {"multiclass", native_link::softmax, true, true},
    {"multiclassova", native_link::sigmoid, true, true},
    {"poisson", native_link::exponential},
    {"quantile", native_link::identity},
    {"rank_xendcg", native_link::identity},
    {"regression", native_link::identity},
    {"regression_l1", native_link::identity},
    {"tweedie", native_link::exponential},
};

tl::unexpected<error> broken(std::string what) { return fail(errc::invalid, "the LightGBM model: " + std::move(what)); }

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ')));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

template <class N> bool read_number(std::string_view text, N& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return false;
  if (error == std::errc::result_out_of_range && std::is_floating_point_v<N>) {
    value = 0; // LightGBM prints what it computed with: only what is next to 0 can't be held
    return text.find("e-") != std::string_view::npos;
  }
  return error == std::errc{};
}

class lightgbm_reader {
public:
  lightgbm_reader(std::string_view file, memory_budget& memory)
      : memory_(memory)
      , rest_(file) {}

  result<std::shared_ptr<const loaded_model>> run() {
    section_ = "the head";
    next_line(); // "tree"
    if (auto ok = read_block(); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_head(); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_trees(); !ok) return tl::make_unexpected(ok.error());
    if (const auto fault = find_fault(spec_)) return named(*fault);
    if (average_) about_.output.divisor = static_cast<double>(spec_.trees.size() / spec_.targets);
    return make_native(spec_, std::move(about_));
  }

private:
  // ---- lines ----

  std::string_view next_line() {
    std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }

  // Lines up to an empty one into block_.
  result<void> read_block() {
    block_.clear();
    while (!rest_.empty()) {
      const std::string_view line = next_line();
      if (line.empty()) break;
      const std::size_t equals = std::min(line.size(), line.find('='));
      if (!block_.emplace(line.substr(0, equals), line.substr(std::min(line.size(), equals + 1))).second)
        return broken(fmt::format("{} has {} twice", section_, quoted(std::string{line.substr(0, equals)})));
    }
    return {};
  }

  result<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most) const {
    const auto found = block_.find(key);
    std::int64_t value = 0;
    if (found == block_.end() || !read_number(found->second, value) || value < least || value > most)
      return broken(fmt::format("{} has no {} of {} to {}", section_, key, least, most));
    return value;
  }

  template <class N> result<std::vector<N>> list(std::string_view key, std::size_t size) const {
    const auto found = block_.find(key);
    if (found == block_.end()) return broken(fmt::format("{} has no {}", section_, key));
    std::vector<N> values;
    std::string_view text = found->second;
    for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
      N value{};
      if (!read_number(word, value))
        return broken(fmt::format("{}: {}[{}] is not a number", section_, key, values.size()));
      values.push_back(value);
    }
    if (values.size() != size)
      return broken(fmt::format("{}: {} has {} entries, expected {}", section_, key, values.size(), size));
    return values;
  }

  // ---- the head ----

  result<void> read_head() {
    const auto last_feature = integer("max_feature_idx", 0, features_max - 1);
    if (!last_feature) return tl::make_unexpected(last_feature.error());
    spec_.features = static_cast<std::size_t>(*last_feature) + 1;
    if (auto ok = memory_.charge(spec_.features * native_feature_bytes, "the LightGBM model: its features"); !ok)
      return ok;
    const auto targets = integer("num_tree_per_iteration", 1, targets_max);
    if (!targets) return tl::make_unexpected(targets.error());
    spec_.targets = static_cast<std::size_t>(*targets);
    about_.name = "LightGBM";
    about_.output.start.assign(spec_.targets, 0.0);
    average_ = block_.count("average_output") > 0;
    std::string_view names = block_["feature_names"];
    for (std::string_view name = next_word(names); !name.empty(); name = next_word(names))
      about_.features.emplace_back(name);
    if (about_.features.size() != spec_.features)
      return broken(
          fmt::format("feature_names has {} entries for {} features", about_.features.size(), spec_.features));
    const auto objective = block_.find("objective");
    return read_objective(objective == block_.end() ? std::string_view{} : objective->second);
  }

  result<void> read_objective(std::string_view text) {
    const std::string name{next_word(text)};
    native_output& out = about_.output;
    bool squared = false;
    for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
      squared = squared || word == "sqrt";
      if (word.substr(0, 8) == "sigmoid:" && (!read_number(word.substr(8), out.slope) || !(out.slope > 0)))
        return broken("the objective's sigmoid is not a positive number");
    }
    const auto* known = std::find_if(std::begin(objectives), std::end(objectives),
                                     [&](const objective& o) { return o.name == name && o.fits(spec_.targets); });
    if (known == std::end(objectives))
      return fail(errc::unsupported, fmt::format("the LightGBM model: the objective {} with {} sums a row is not "
                                                 "supported",
                                                 quoted(name), spec_.targets));
    out.link = squared && known->link == native_link::identity ? native_link::signed_square : known->link;
    out.classes = known->classes;
    return {};
  }

  // ---- trees ----

  result<void> read_trees() {
    for (;;) {
      if (rest_.empty()) return broken("it ends before 'end of trees': it is truncated");
      const std::string_view line = next_line();
      if (line.empty()) continue;
      if (line == "end of trees") break;
      section_ = fmt::format("tree {}", spec_.trees.size());
      if (line.substr(0, 5) != "Tree=")
        return broken(fmt::format("{} begins with {}", section_, quoted(std::string{line})));
      if (auto ok = read_block(); !ok) return ok;
      if (auto ok = read_tree(); !ok) return ok;
    }
    if (spec_.trees.size() % spec_.targets != 0)
      return broken(fmt::format("it has {} trees for {} sums a row", spec_.trees.size(), spec_.targets));
    return {};
  }

  struct tree_arrays {
    std::vector<std::int64_t> features, kinds, left, right;
    std::vector<double> thresholds, leaves;
    std::vector<std::int64_t> set_ends; // cat_boundaries
    std::vector<std::uint32_t> set_words;
  };

  result<tree_arrays> read_arrays(std::size_t leaves) const {
    tree_arrays out;
    const std::size_t splits = leaves - 1;
    auto take = [&]<class N>(std::vector<N>& to, std::string_view key, std::size_t size) -> result<void> {
      auto values = list<N>(key, size);
      if (!values) return tl::make_unexpected(values.error());
      to = std::move(*values);
      return {};
    };
    result<void> ok = take(out.leaves, "leaf_value", leaves);
    if (ok && splits > 0) ok = take(out.features, "split_feature", splits);
    if (ok && splits > 0) ok = take(out.kinds, "decision_type", splits);
    if (ok && splits > 0) ok = take(out.left, "left_child", splits);
    if (ok && splits > 0) ok = take(out.right, "right_child", splits);
    if (ok && splits > 0) ok = take(out.thresholds, "threshold", splits);
    if (!ok) return tl::make_unexpected(ok.error());
    const auto sets = integer("num_cat", 0, static_cast<std::int64_t>(splits));
    if (!sets) return tl::make_unexpected(sets.error());
    if (*sets == 0) return out;
    if (ok = take(out.set_ends, "cat_boundaries", static_cast<std::size_t>(*sets) + 1); !ok)
      return tl::make_unexpected(ok.error());
    if (out.set_ends.front() != 0 || !std::is_sorted(out.set_ends.begin(), out.set_ends.end()) ||
        out.set_ends.back() > features_max)
      return broken(section_ + ": cat_boundaries do not ascend from 0");
    if (ok = take(out.set_words, "cat_threshold", static_cast<std::size_t>(out.set_ends.back())); !ok)
      return tl::make_unexpected(ok.error());
    return out;
  }

  result<void> read_tree() {
    if (const auto linear = block_.find("is_linear"); linear != block_.end() && linear->second != "0")
      return fail(errc::unsupported,
                  fmt::format("the LightGBM model: {}: is_linear is {}, linear trees are not supported", section_,
                              quoted(linear->second)));
    const auto count = integer("num_leaves", 1, static_cast<std::int64_t>(forest_nodes_max / 2));
    if (!count) return tl::make_unexpected(count.error());
    const auto leaves = static_cast<std::size_t>(*count);
    const auto arrays = read_arrays(leaves);
    if (!arrays) return tl::make_unexpected(arrays.error());
    const auto begin = static_cast<std::uint32_t>(spec_.nodes.size());
    if (begin + 2 * leaves > forest_nodes_max)
      return broken(fmt::format("it has more than {} nodes", forest_nodes_max));
    const std::size_t bytes = 2 * leaves * forest_node_bytes + (arrays->set_ends.size()) * forest_column_bytes;
    if (auto ok = memory_.charge(bytes, "the LightGBM model: " + section_); !ok) return ok;
    const auto target = static_cast<std::uint32_t>(spec_.trees.size() % spec_.targets);
    const auto first_set = static_cast<std::uint32_t>(spec_.sets.size());
    add_sets(*arrays);
    spec_.trees.push_back(begin);
    for (std::size_t i = 0; i + 1 < leaves; ++i)
      if (auto ok = add_split(*arrays, i, begin, first_set); !ok) return ok;
    for (const double value : arrays->leaves) {
      tree_node<double> leaf;
      leaf.first = static_cast<std::uint32_t>(spec_.weights.size());
      leaf.second = 1;
      spec_.weights.push_back({target, value});
      spec_.nodes.push_back(leaf);
    }
    return {};
  }

  // Splits come first, then leaves: a child i >= 0 is a split, ~i a leaf.
  result<void> add_split(const tree_arrays& arrays, std::size_t i, std::uint32_t begin, std::uint32_t first_set) {
    tree_node<double> node;
    const auto leaves = static_cast<std::int64_t>(arrays.leaves.size());
    for (const auto& [to, from, name] :
         {std::tuple{&node.first, &arrays.left, "left_child"}, {&node.second, &arrays.right, "right_child"}}) {
      const std::int64_t child = (*from)[i];
      if (child < -leaves || child >= leaves - 1)
        return broken(
            fmt::format("{}: {}[{}] is {}, expected {} to {}", section_, name, i, child, -leaves, leaves - 2));
      *to = begin + static_cast<std::uint32_t>(child >= 0 ? child : leaves - 1 + ~child);
    }
    if (arrays.features[i] < 0 || arrays.features[i] >= static_cast<std::int64_t>(spec_.features))
      return broken(fmt::format("{}: split_feature[{}] is {}, expected 0 to {}", section_, i, arrays.features[i],
                                spec_.features - 1));
    node.feature = static_cast<std::uint32_t>(arrays.features[i]);
    const std::int64_t kind = arrays.kinds[i];
    if (kind < 0 || kind > 15 || kind >> 2 > 2)
      return broken(fmt::format("{}: decision_type[{}] is {}", section_, i, kind));
    if ((kind & categorical_bit) != 0) {
      const double set = arrays.thresholds[i];
      if (!(set >= 0 && set + 1 < static_cast<double>(arrays.set_ends.size())) || set != std::floor(set))
        return broken(fmt::format("{}: threshold[{}] is {}, which is no categorical split", section_, i, set));
      node.how = split::member; // a missing value is in no set
      node.set = first_set + static_cast<std::uint32_t>(set);
    } else {
      node.how = split::at_most;
      node.value = arrays.thresholds[i];
      constexpr missing_rule rules[] = {missing_rule::nan_is_zero, missing_rule::zero, missing_rule::nan};
      node.missing = rules[kind >> 2];
      node.missing_first = node.missing != missing_rule::nan_is_zero && (kind & default_left_bit) != 0;
    }
    spec_.nodes.push_back(node);
    return {};
  }

  void add_sets(const tree_arrays& arrays) {
    for (std::size_t s = 0; s + 1 < arrays.set_ends.size(); ++s) {
      category_set<double> set;
      set.least = std::nextafter(-1.0, 0.0); // LightGBM cuts the fraction off before it looks at the sign
      const auto begin = static_cast<std::size_t>(arrays.set_ends[s]);
      const auto end = static_cast<std::size_t>(arrays.set_ends[s + 1]);
      set.bits.assign((end - begin + 1) / 2, 0);
      for (std::size_t w = begin; w < end; ++w)
        set.bits[(w - begin) / 2] |= std::uint64_t{arrays.set_words[w]} << ((w - begin) % 2 * 32);
      spec_.sets.push_back(std::move(set));
    }
  }

  tl::unexpected<error> named(const forest_fault& fault) const {
    const auto tree = std::upper_bound(spec_.trees.begin(), spec_.trees.end(), fault.node) - spec_.trees.begin() - 1;
    const std::size_t at = fault.node - spec_.trees[static_cast<std::size_t>(tree)];
    const std::size_t splits =
        (spec_.end_of(static_cast<std::size_t>(tree)) - spec_.trees[static_cast<std::size_t>(tree)]) / 2;
    std::string name = at < splits ? "threshold" : "leaf_value";
    if (fault.part == forest_fault::where::first) name = "left_child";
    if (fault.part == forest_fault::where::second) name = "right_child";
    return broken(fmt::format("tree {}: {}[{}]: the node {}", tree, name, at < splits ? at : at - splits, fault.what));
  }

  memory_budget& memory_;
  std::string_view rest_;
  std::string section_;
  std::map<std::string_view, std::string_view> block_;
  native_model about_;
  forest_spec<double> spec_;
  bool average_ = false;
};

} // namespace

result<std::shared_ptr<const loaded_model>> load_lightgbm(std::string_view file, memory_budget& memory) {
  return lightgbm_reader{file, memory}.run();
}

std::vector<std::string_view> lightgbm_objectives() {
  std::vector<std::string_view> names;
  for (const objective& one : objectives) names.push_back(one.name);
  return names;
}

} // namespace troupe::model
