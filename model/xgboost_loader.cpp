// XGBoost's own formats, JSON and UBJSON: the same tree of values in two spellings. Numbers are float as in XGBoost:
// sums begin with the base score, as a margin, and trees follow in their order.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "model/json_document.hpp"
#include "model/native_loaders.hpp"
#include "model/native_model.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr double groups_max = 1 << 16;
constexpr double features_max = 1'000'000;
constexpr std::size_t set_words_max = 1u << 22; // 32 MiB of category sets
constexpr double deleted_node = 2147483647;     // as its split_indices

struct objective {
  std::string_view name;
  native_link link;
  bool classes = false;
  enum class base { as_it_is, logit, log } from = base::as_it_is; ///< of base_score to what sums begin with
};

constexpr objective objectives[] = {
    {"binary:hinge", native_link::step, false},
    {"binary:logistic", native_link::sigmoid, true, objective::base::logit},
    {"binary:logitraw", native_link::identity},
    {"count:poisson", native_link::exponential, false, objective::base::log},
    {"multi:softmax", native_link::softmax, true},
    {"multi:softprob", native_link::softmax, true},
    {"rank:map", native_link::identity},
    {"rank:ndcg", native_link::identity},
    {"rank:pairwise", native_link::identity},
    {"reg:absoluteerror", native_link::identity},
    {"reg:gamma", native_link::exponential, false, objective::base::log},
    {"reg:logistic", native_link::sigmoid, false, objective::base::logit},
    {"reg:pseudohubererror", native_link::identity},
    {"reg:quantileerror", native_link::identity},
    {"reg:squarederror", native_link::identity},
    {"reg:squaredlogerror", native_link::identity},
    {"reg:tweedie", native_link::exponential, false, objective::base::log},
    {"survival:aft", native_link::exponential, false, objective::base::log},
    {"survival:cox", native_link::exponential, false, objective::base::log},
};

tl::unexpected<error> broken(std::string what) { return fail(errc::invalid, "the XGBoost model: " + std::move(what)); }

class xgboost_reader {
public:
  xgboost_reader(const json_value& file, memory_budget& memory)
      : memory_(memory)
      , file_(file) {}

  result<std::shared_ptr<const loaded_model>> run() {
    const json_value* learner = file_.find("learner");
    if (learner == nullptr) return fail(errc::invalid, "the file is JSON, but no XGBoost model: it has no learner");
    if (auto ok = read_parameters(*learner); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_objective(*learner); !ok) return tl::make_unexpected(ok.error());
    if (auto ok = read_names(*learner); !ok) return tl::make_unexpected(ok.error());
    const json_value* booster = learner->find("gradient_booster");
    if (booster == nullptr) return broken("learner has no gradient_booster");
    return read_booster(*booster);
  }

private:
  // ---- parameters ----

  // Numbers that XGBoost writes as text: "3", "5E-1", since version 3 also "[5E-1,2E-1]".
  static std::optional<std::vector<double>> numbers_in(std::string_view text) {
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    std::vector<double> found;
    while (!text.empty()) {
      const std::string_view one = text.substr(0, text.find(','));
      double value = 0;
      const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), value);
      if (error != std::errc{} || end != one.data() + one.size()) return std::nullopt;
      found.push_back(value);
      text.remove_prefix(std::min(text.size(), one.size() + 1));
    }
    return found;
  }

  // `path`: "learner_model_param.num_class".
  static result<double> parameter(const json_value& in, std::string_view path, double otherwise) {
    const json_value* value = in.find(path.substr(path.rfind('.') + 1));
    if (value == nullptr) return otherwise;
    if (value->what == json_value::kind::number) return value->number;
    const auto numbers = value->what == json_value::kind::text ? numbers_in(value->text) : std::nullopt;
    if (!numbers || numbers->size() != 1) return broken(fmt::format("the parameter {} is not a number", path));
    return numbers->front();
  }

  result<void> read_parameters(const json_value& learner) {
    const json_value* parameters = learner.find("learner_model_param");
    if (parameters == nullptr) return broken("learner has no learner_model_param");
    const auto features = parameter(*parameters, "learner_model_param.num_feature", 0);
    if (!features) return tl::make_unexpected(features.error());
    if (!(*features >= 1 && *features <= features_max))
      return broken(fmt::format("num_feature is {}, expected 1 to {}", *features, features_max));
    features_ = static_cast<std::size_t>(*features);
    if (auto ok = memory_.charge(features_ * native_feature_bytes, "the XGBoost model: num_feature"); !ok) return ok;
    const auto classes = parameter(*parameters, "learner_model_param.num_class", 0);
    if (!classes) return tl::make_unexpected(classes.error());
    const auto targets = parameter(*parameters, "learner_model_param.num_target", 1);
    if (!targets) return tl::make_unexpected(targets.error());
    const double groups = std::max({*classes, *targets, 1.0});
    if (!(groups <= groups_max))
      return broken(fmt::format("it has {} classes or targets, at most {} are allowed", groups, groups_max));
    groups_ = static_cast<std::size_t>(groups);
    const json_value* base = parameters->find("base_score");
    if (base == nullptr || base->what != json_value::kind::text) return broken("it has no base_score");
    auto scores = numbers_in(base->text);
    if (!scores || scores->empty() || (scores->size() != 1 && scores->size() != groups_))
      return broken(fmt::format("base_score is {}, expected 1 or {} numbers", quoted(base->text), groups_));
    scores->resize(groups_, scores->front());
    base_ = std::move(*scores);
    return {};
  }

  result<void> read_objective(const json_value& learner) {
    const json_value* value = learner.find("objective");
    const json_value* name = value == nullptr ? nullptr : value->find("name");
    if (name == nullptr) return broken("learner has no objective");
    const auto* known = std::find_if(std::begin(objectives), std::end(objectives),
                                     [&](const objective& o) { return o.name == name->text; });
    if (known == std::end(objectives))
      return fail(errc::unsupported,
                  fmt::format("the XGBoost model: the objective {} is not supported", quoted(name->text)));
    about_.output.link = known->link;
    about_.output.classes = known->classes;
    if (known->link == native_link::softmax && groups_ < 2) return broken("num_class is less than 2");
    for (const double score : base_) {
      const auto x = static_cast<float>(score);
      float margin = x;
      if (known->from == objective::base::logit) margin = -std::log(1.0f / x - 1.0f);
      if (known->from == objective::base::log) margin = std::log(x);
      if (!std::isfinite(margin)) return broken(fmt::format("base_score {} has no margin", score));
      about_.output.start.push_back(static_cast<double>(margin));
    }
    return {};
  }

  // Of a matrix without names, as XGBoost's dumps call them.
  result<void> read_names(const json_value& learner) {
    const json_value* names = learner.find("feature_names");
    if (names != nullptr && names->is_array() && !names->items.empty()) {
      if (names->items.size() != features_)
        return broken(fmt::format("feature_names has {} entries for {} features", names->items.size(), features_));
      for (const json_value& name : names->items) about_.features.push_back(name.text);
      return {};
    }
    for (std::size_t i = 0; i < features_; ++i) about_.features.push_back(fmt::format("f{}", i));
    return {};
  }

  // ---- boosters ----

  result<std::shared_ptr<const loaded_model>> read_booster(const json_value& booster) {
    const json_value* name = booster.find("name");
    const std::string kind = name == nullptr ? "" : name->text;
    about_.name = "XGBoost " + kind;
    const json_value* holder = &booster;
    const json_value* drops = nullptr;
    if (kind == "dart") {
      holder = booster.find("gbtree");
      drops = booster.find("weight_drop");
      if (drops == nullptr || !drops->is_numbers()) return broken("dart has no weight_drop");
    } else if (kind != "gbtree" && kind != "gblinear") {
      return fail(errc::unsupported,
                  fmt::format("the XGBoost model: the booster {} of gradient_booster is not supported", quoted(kind)));
    }
    const json_value* model = holder == nullptr ? nullptr : holder->find("model");
    if (model == nullptr) return broken("gradient_booster has no model");
    if (kind == "gblinear") return read_linear(*model);
    return read_trees(*model, drops);
  }

  result<std::shared_ptr<const loaded_model>> read_linear(const json_value& model) {
    const json_value* weights = model.find("weights");
    if (weights == nullptr || !weights->is_numbers() || weights->numbers.size() != (features_ + 1) * groups_)
      return broken(fmt::format("weights does not have {} numbers", (features_ + 1) * groups_));
    for (const double weight : weights->numbers)
      if (!std::isfinite(weight)) return broken("weights has a number that is not finite");
    std::vector<float> of_features(weights->numbers.begin(),
                                   weights->numbers.end() - static_cast<std::ptrdiff_t>(groups_));
    // The first base score is that of all, in XGBoost 3.2 as well.
    about_.output.start.assign(groups_, about_.output.start.front());
    for (std::size_t k = 0; k < groups_; ++k) about_.output.start[k] += weights->numbers[features_ * groups_ + k];
    return make_native_linear(std::move(of_features), std::move(about_));
  }

  result<std::shared_ptr<const loaded_model>> read_trees(const json_value& model, const json_value* drops) {
    const json_value* trees = model.find("trees");
    const json_value* info = model.find("tree_info");
    if (trees == nullptr || !trees->is_array() || !trees->numbers.empty()) return broken("the model has no trees");
    const std::size_t count = trees->items.size();
    if (info == nullptr || !info->is_numbers() || info->numbers.size() != count)
      return broken(fmt::format("tree_info does not have {} entries", count));
    if (drops != nullptr && drops->numbers.size() != count)
      return broken(fmt::format("weight_drop does not have {} entries", count));
    spec_.features = features_;
    spec_.targets = groups_;
    for (std::size_t t = 0; t < count; ++t) {
      if (!(info->numbers[t] >= 0 && info->numbers[t] < static_cast<double>(groups_)))
        return broken(fmt::format("tree_info[{}] is {}, expected 0 to {}", t, info->numbers[t], groups_ - 1));
      const double scale = drops == nullptr ? 1 : drops->numbers[t];
      if (!std::isfinite(scale)) return broken(fmt::format("weight_drop[{}] is not a finite number", t));
      tree_ = t;
      if (auto ok = read_tree(trees->items[t], static_cast<std::uint32_t>(info->numbers[t]), static_cast<float>(scale));
          !ok)
        return tl::make_unexpected(ok.error());
    }
    if (const auto fault = find_fault(spec_)) return named(*fault);
    return make_native(spec_, std::move(about_));
  }

  // ---- one tree ----

  struct tree_arrays {
    const std::vector<double>*left, *right, *features, *values, *default_left;
    const std::vector<double>* kinds = nullptr; // 1: categorical
    std::size_t size = 0;
    std::size_t vector_size = 1; // weights of a leaf
    const std::vector<double>* leaf_weights = nullptr;
    bool weights_by_node = false; // of vector leaves, as XGBoost 2 has them
  };

  std::string where(std::string_view name) const { return fmt::format("trees[{}].{}", tree_, name); }

  result<const std::vector<double>*> array(const json_value& tree, std::string_view name, std::size_t size) const {
    const json_value* found = tree.find(name);
    if (found == nullptr || !found->is_numbers()) return broken(where(name) + " is not an array of numbers");
    if (found->numbers.size() != size)
      return broken(fmt::format("{} has {} entries, expected {}", where(name), found->numbers.size(), size));
    return &found->numbers;
  }

  result<tree_arrays> arrays_of(const json_value& tree) const {
    const json_value* left = tree.find("left_children");
    if (left == nullptr || !left->is_numbers() || left->numbers.empty())
      return broken(where("left_children") + " is not an array of numbers");
    tree_arrays out{&left->numbers, nullptr, nullptr, nullptr, nullptr};
    out.size = left->numbers.size();
    for (const auto& [to, name] : {std::pair{&out.right, "right_children"},
                                   {&out.features, "split_indices"},
                                   {&out.values, "split_conditions"},
                                   {&out.default_left, "default_left"}}) {
      const auto found = array(tree, name, out.size);
      if (!found) return tl::make_unexpected(found.error());
      *to = *found;
    }
    if (tree.find("split_type") != nullptr) {
      const auto kinds = array(tree, "split_type", out.size);
      if (!kinds) return tl::make_unexpected(kinds.error());
      out.kinds = *kinds;
    }
    if (const json_value* parameters = tree.find("tree_param")) {
      const auto size = parameter(*parameters, where("tree_param.size_leaf_vector"), 1);
      if (!size) return tl::make_unexpected(size.error());
      if (*size > 1 && *size != static_cast<double>(groups_))
        return broken(fmt::format("{} is {}, expected {}", where("tree_param.size_leaf_vector"), *size, groups_));
      if (*size > 1) out.vector_size = groups_;
    }
    if (out.vector_size > 1) {
      const json_value* weights = tree.find("leaf_weights");
      out.weights_by_node = weights == nullptr;
      if (weights == nullptr) weights = tree.find("base_weights");
      if (weights == nullptr || !weights->is_numbers()) return broken(where("leaf_weights") + " is missing");
      out.leaf_weights = &weights->numbers;
    }
    return out;
  }

  result<void> read_tree(const json_value& tree, std::uint32_t group, float scale) {
    const auto arrays = arrays_of(tree);
    if (!arrays) return tl::make_unexpected(arrays.error());
    const std::size_t begin = spec_.nodes.size();
    weights_begin_ = spec_.weights.size();
    if (begin + arrays->size > forest_nodes_max)
      return broken(fmt::format("it has more than {} nodes", forest_nodes_max));
    if (auto ok = memory_.charge(arrays->size * forest_node_bytes, fmt::format("the XGBoost model: trees[{}]", tree_));
        !ok)
      return ok;
    // Nodes that pruning took away stay in the arrays; nothing leads to them.
    std::vector<std::uint32_t> place(arrays->size, no_place);
    auto next = static_cast<std::uint32_t>(begin);
    for (std::size_t i = 0; i < arrays->size; ++i)
      if ((*arrays->features)[i] != deleted_node) place[i] = next++;
    spec_.trees.push_back(static_cast<std::uint32_t>(begin));
    for (std::size_t i = 0; i < arrays->size; ++i) {
      if (place[i] == no_place) continue;
      origin_.push_back(static_cast<std::uint32_t>(i));
      spec_.nodes.emplace_back();
      const bool leaf = (*arrays->left)[i] == -1;
      if (auto ok = leaf ? add_leaf(*arrays, i, group, scale) : add_split(*arrays, i, place); !ok) return ok;
    }
    if (next == begin) return broken(where("left_children") + ": all nodes are deleted");
    return read_categories(tree, *arrays, place);
  }

  result<void> add_leaf(const tree_arrays& arrays, std::size_t i, std::uint32_t group, float scale) {
    tree_node<float>& node = spec_.nodes.back();
    node.first = static_cast<std::uint32_t>(spec_.weights.size());
    node.second = static_cast<std::uint32_t>(arrays.vector_size);
    if (arrays.vector_size == 1) {
      spec_.weights.push_back({group, static_cast<float>((*arrays.values)[i]) * scale});
      return {};
    }
    // Each leaf has weights of its own. Without this a small file could name the same ones again and again.
    if (spec_.weights.size() - weights_begin_ + arrays.vector_size > arrays.leaf_weights->size())
      return broken(fmt::format("{} has fewer weights than the tree's leaves need", where("leaf_weights")));
    const double index = arrays.weights_by_node ? static_cast<double>(i) : (*arrays.right)[i];
    const double leaves = static_cast<double>(arrays.leaf_weights->size() / arrays.vector_size);
    if (!(index >= 0 && index < leaves))
      return broken(
          fmt::format("{}[{}] is {}, but leaf_weights has {} leaves", where("right_children"), i, index, leaves));
    for (std::size_t k = 0; k < arrays.vector_size; ++k)
      spec_.weights.push_back(
          {static_cast<std::uint32_t>(k),
           static_cast<float>((*arrays.leaf_weights)[static_cast<std::size_t>(index) * arrays.vector_size + k]) *
               scale});
    return {};
  }

  result<void> add_split(const tree_arrays& arrays, std::size_t i, const std::vector<std::uint32_t>& place) {
    tree_node<float>& node = spec_.nodes.back();
    node.how = split::below;
    node.value = static_cast<float>((*arrays.values)[i]);
    node.missing_first = (*arrays.default_left)[i] != 0;
    const double feature = (*arrays.features)[i];
    if (!(feature >= 0 && feature < static_cast<double>(features_)))
      return broken(fmt::format("{}[{}] is {}, expected 0 to {}", where("split_indices"), i, feature, features_ - 1));
    node.feature = static_cast<std::uint32_t>(feature);
    for (const auto& [to, from, name] :
         {std::tuple{&node.first, arrays.left, "left_children"}, {&node.second, arrays.right, "right_children"}}) {
      const double child = (*from)[i];
      if (!(child >= 0 && child < static_cast<double>(place.size())) ||
          place[static_cast<std::size_t>(child)] == no_place || child != std::floor(child))
        return broken(fmt::format("{}[{}] is {}, which is no node of the tree", where(name), i, child));
      *to = place[static_cast<std::size_t>(child)];
    }
    return {};
  }

  // A value in the set goes to the right.
  result<void> read_categories(const json_value& tree, const tree_arrays& arrays,
                               const std::vector<std::uint32_t>& place) {
    std::vector<bool> has_set(arrays.size, false);
    if (const json_value* nodes = tree.find("categories_nodes"); nodes != nullptr && !nodes->numbers.empty()) {
      const std::size_t count = nodes->numbers.size();
      const auto segments = array(tree, "categories_segments", count);
      if (!segments) return tl::make_unexpected(segments.error());
      const auto sizes = array(tree, "categories_sizes", count);
      if (!sizes) return tl::make_unexpected(sizes.error());
      const json_value* categories = tree.find("categories");
      if (categories == nullptr || !categories->is_numbers()) return broken(where("categories") + " is missing");
      for (std::size_t c = 0; c < count; ++c) {
        const double at = nodes->numbers[c];
        if (!(at >= 0 && at < static_cast<double>(arrays.size)) || place[static_cast<std::size_t>(at)] == no_place)
          return broken(fmt::format("{}[{}] is no node of the tree", where("categories_nodes"), c));
        const auto i = static_cast<std::size_t>(at);
        if (spec_.nodes[place[i]].is_leaf() || has_set[i])
          return broken(fmt::format("{}[{}] is a leaf, or there twice", where("categories_nodes"), c));
        has_set[i] = true;
        if (auto ok = add_set(spec_.nodes[place[i]], categories->numbers, (**segments)[c], (**sizes)[c]); !ok)
          return ok;
      }
    }
    for (std::size_t i = 0; arrays.kinds != nullptr && i < arrays.size; ++i)
      if ((*arrays.kinds)[i] == 1 && place[i] != no_place && !spec_.nodes[place[i]].is_leaf() && !has_set[i])
        return broken(fmt::format("{}[{}] is categorical, but has no categories", where("split_type"), i));
    return {};
  }

  result<void> add_set(tree_node<float>& node, const std::vector<double>& categories, double first, double size) {
    if (!(first >= 0 && size >= 0 && first + size <= static_cast<double>(categories.size())))
      return broken(where("categories_segments") + " leads out of categories");
    if (auto ok = memory_.charge(forest_column_bytes, "the XGBoost model: " + where("categories")); !ok) return ok;
    category_set<float> set;
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
      const double category = categories[static_cast<std::size_t>(first) + i];
      if (!(category >= 0 && category < 16777217))
        return broken(fmt::format("{} has the category {}, expected 0 to 16777216", where("categories"), category));
      const auto bit = static_cast<std::size_t>(category);
      if (bit / 64 >= set.bits.size()) {
        set_words_ += bit / 64 + 1 - set.bits.size();
        if (set_words_ > set_words_max) return broken("its sets of categories are too large");
        set.bits.resize(bit / 64 + 1, 0);
      }
      set.bits[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    node.how = split::member;
    node.set = static_cast<std::uint32_t>(spec_.sets.size());
    std::swap(node.first, node.second);
    node.missing_first = !node.missing_first;
    spec_.sets.push_back(std::move(set));
    return {};
  }

  tl::unexpected<error> named(const forest_fault& fault) const {
    const auto tree = std::upper_bound(spec_.trees.begin(), spec_.trees.end(), fault.node) - spec_.trees.begin() - 1;
    const bool swapped = spec_.nodes[fault.node].how == split::member;
    std::string_view name = "split_conditions";
    if (fault.part == forest_fault::where::node) name = "parents";
    if (fault.part == forest_fault::where::first) name = swapped ? "right_children" : "left_children";
    if (fault.part == forest_fault::where::second) name = swapped ? "left_children" : "right_children";
    return broken(fmt::format("trees[{}].{}[{}]: the node {}", tree, name, origin_[fault.node], fault.what));
  }

  static constexpr std::uint32_t no_place = std::numeric_limits<std::uint32_t>::max();

  memory_budget& memory_;
  const json_value& file_;
  native_model about_;
  std::size_t features_ = 0;
  std::size_t groups_ = 1;
  std::vector<double> base_;
  forest_spec<float> spec_;
  std::size_t tree_ = 0;
  std::size_t set_words_ = 0;
  std::size_t weights_begin_ = 0;     // of the tree that is read
  std::vector<std::uint32_t> origin_; // of each node of spec_: its index in the file's arrays
};

// What nothing here looks at, and what is most of a file.
bool is_ignored(std::string_view key) {
  return key == "sum_hessian" || key == "loss_changes" || key == "parents" || key == "attributes" ||
         key == "iteration_indptr" || key == "cats" || key == "stats";
}

} // namespace

result<std::shared_ptr<const loaded_model>> load_xgboost(std::string_view file, memory_budget& memory) {
  document_limits limits;
  limits.ignored = is_ignored;
  limits.memory = &memory;
  // In UBJSON a length follows the brace, in JSON white space or a quote.
  const bool binary = file.size() > 1 && std::string_view{"iUIlL"}.find(file[1]) != std::string_view::npos;
  const auto parsed = binary ? parse_ubjson(file, limits) : parse_json(file, limits);
  if (!parsed) return tl::make_unexpected(error{parsed.error().code, "the XGBoost model: " + parsed.error().message});
  return xgboost_reader{*parsed, memory}.run();
}

std::vector<std::string_view> xgboost_objectives() {
  std::vector<std::string_view> names;
  for (const objective& one : objectives) names.push_back(one.name);
  return names;
}

} // namespace troupe::model
