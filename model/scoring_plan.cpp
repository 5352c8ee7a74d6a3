// A model and the words of the config into a bound_plan.
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "model/binding.hpp"
#include "model/bound_plan.hpp"
#include "model/json_text.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

using kind_type = output_member::kind_type;

std::string key_of(std::string_view name) {
  std::string key;
  append_json_string(key, name);
  return key + ':';
}

result<std::vector<feature_spec>> choose_features(const loaded_model& model, const std::vector<std::string>& given) {
  const std::size_t columns = model.graph->number_columns() + model.graph->text_columns();
  if (given.empty()) {
    if (!model.features.empty()) return model.features;
    return fail(
        errc::invalid,
        fmt::format("the model file does not name its {} features; give them in the order of the training columns "
                    "(features in the config, --features on the command line)",
                    columns));
  }
  // Other names for what the file tells keep its types and treatments.
  if (given.size() == model.features.size()) {
    auto renamed = model.features;
    for (std::size_t i = 0; i < given.size(); ++i) renamed[i].name = given[i];
    return renamed;
  }
  return features_of_names(*model.graph, given, "the list of features");
}

result<void> bind_features(bound_plan& plan, const std::vector<std::string>& given) {
  const auto features = choose_features(*plan.model, given);
  if (!features) return tl::make_unexpected(features.error());
  auto wanted = wanted_features(place_features(*plan.model->graph, *features),
                                given.empty() ? "the model file" : "the list of features");
  if (!wanted) return tl::make_unexpected(wanted.error());
  plan.wanted = std::move(*wanted);
  plan.oddities = std::vector<std::atomic<std::uint64_t>>(features->size() * oddity_count);
  return {};
}

// "score(2)" -> {"score", "2"}; "label" -> {"label", ""}.
struct choice {
  std::string_view word;
  std::string_view argument;
  bool has_argument = false;
};

choice split(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos || text.back() != ')') return {text, {}, false};
  return {text.substr(0, open), text.substr(open + 1, text.size() - open - 2), true};
}

class member_maker {
public:
  member_maker(const bound_plan& plan, const std::string& label)
      : model_(*plan.model)
      , model_label_(label) {}

  result<output_member> make(const std::string& name, const std::string& text) const {
    if (check_utf8(name) != utf8_state::valid)
      return fail(errc::invalid, fmt::format("the output name {} is not UTF-8", quoted(name)));
    if (text.empty()) return make(name, what_suits());
    const choice c = split(text);
    output_member member;
    member.key = key_of(name);
    if (c.word == "probability") return probability(std::move(member), c);
    if ((c.word == "value" || c.word == "score") && c.has_argument) return indexed(std::move(member), c);
    if (c.has_argument) return unknown(text);
    if (c.word == "value") return value(std::move(member));
    if (c.word == "label" || c.word == "probabilities") return of_classes(std::move(member), c);
    if (c.word != "model") return unknown(text);
    member.kind = kind_type::text;
    append_json_string(member.text, model_label_);
    return member;
  }

private:
  bool classifier() const { return model_.what != task::regressor; }

  /// `"prediction": "pred"` names the member and leaves the choice to the model.
  const char* what_suits() const {
    if (model_.what == task::binary_classifier) return "probability";
    return classifier() ? "label" : "value";
  }

  tl::unexpected<error> unknown(const std::string& text) const {
    return fail(
        errc::invalid,
        fmt::format("the output choice {} is none of probability, probability(CLASS), label, probabilities, value, "
                    "value(i), score(i), model",
                    quoted(text)));
  }

  result<output_member> probability(output_member member, const choice& c) const {
    if (auto ok = needs_probabilities(c); !ok) return tl::make_unexpected(ok.error());
    if (!c.has_argument) {
      if (model_.what != task::binary_classifier)
        return fail(errc::invalid,
                    fmt::format("the output choice probability needs a class, the model has {}: write probability({})",
                                model_.classes.size(), model_.classes.front()));
      member.column = model_.positive_class;
      return member;
    }
    for (std::size_t i = 0; i < model_.classes.size(); ++i)
      if (model_.classes[i] == c.argument) {
        member.column = i;
        return member;
      }
    return fail(errc::invalid,
                fmt::format("the output choice probability({}) names a class that the model doesn't have; it has {}",
                            c.argument, some_classes()));
  }

  std::string some_classes() const {
    std::string text;
    for (std::size_t i = 0; i < model_.classes.size() && i < 10; ++i)
      text += (i == 0 ? "" : ", ") + quoted(model_.classes[i]);
    return model_.classes.size() > 10 ? text + ", ..." : text;
  }

  result<void> needs_probabilities(const choice& c) const {
    if (!classifier())
      return fail(errc::invalid,
                  fmt::format("the output choice {} needs a classifier, the model is a regressor", c.word));
    if (!model_.graph->probabilities())
      return fail(errc::invalid,
                  fmt::format("the output choice {} needs probabilities, the model gives scores: use label or score(i)",
                              c.word));
    return {};
  }

  result<output_member> of_classes(output_member member, const choice& c) const {
    if (c.word == "probabilities")
      if (auto ok = needs_probabilities(c); !ok) return tl::make_unexpected(ok.error());
    if (!classifier())
      return fail(errc::invalid, "the output choice label needs a classifier, the model is a regressor");
    member.kind = c.word == "label" ? kind_type::label : kind_type::probabilities;
    return member;
  }

  result<output_member> value(output_member member) const {
    if (classifier())
      return fail(errc::invalid, "the output choice value needs a regressor, the model is a classifier");
    if (model_.targets > 1) member.kind = kind_type::values;
    return member;
  }

  result<output_member> indexed(output_member member, const choice& c) const {
    if ((c.word == "score") != classifier())
      return fail(errc::invalid, fmt::format("the output choice {}({}) needs a {}", c.word, c.argument,
                                             classifier() ? "regressor; use score(i)" : "classifier; use value(i)"));
    const char* end = c.argument.data() + c.argument.size();
    const auto [stop, status] = std::from_chars(c.argument.data(), end, member.column);
    if (status != std::errc{} || stop != end || member.column >= model_.graph->width())
      return fail(errc::invalid, fmt::format("the output choice {}({}) needs a number from 0 to {}", c.word, c.argument,
                                             model_.graph->width() - 1));
    return member;
  }

  const loaded_model& model_;
  const std::string& model_label_;
};

std::vector<std::pair<std::string, std::string>> what_suits(const loaded_model& model) {
  if (model.what == task::regressor) return {{"pred", "value"}};
  if (!model.graph->probabilities()) return {{"label", "label"}};
  if (model.what == task::binary_classifier) return {{"pred", "probability"}};
  return {{"label", "label"}, {"probabilities", "probabilities"}};
}

// The output's own names: a field of the row with one of them is not carried.
using name_set = std::set<std::string, std::less<>>;

result<name_set> choose_members(bound_plan& plan, const scoring_options& options) {
  const member_maker maker{plan, options.model_label};
  name_set taken;
  for (const auto& [name, text] : options.prediction.empty() ? what_suits(*plan.model) : options.prediction) {
    if (!taken.insert(name).second)
      return fail(errc::invalid, fmt::format("the output has the name {} twice", quoted(name)));
    auto member = maker.make(name, text);
    if (!member) return tl::make_unexpected(member.error());
    plan.members.push_back(std::move(*member));
  }
  return taken;
}

known_name& name_entry(bound_plan& plan, const std::string& name) {
  for (known_name& entry : plan.wanted.names)
    if (entry.text == name) return entry;
  plan.wanted.names.push_back({name, -1, -1, -1});
  return plan.wanted.names.back();
}

result<void> choose_carried(bound_plan& plan, const std::vector<std::string>& carry, name_set taken) {
  std::set<std::string_view> seen;
  for (const std::string& text : carry) {
    if (check_utf8(text) != utf8_state::valid)
      return fail(errc::invalid, fmt::format("the carried field {} is not UTF-8", quoted(text)));
    std::vector<std::string> path{text};
    if (text.starts_with('/')) {
      auto parsed = parse_pointer(text);
      if (!parsed) return tl::make_unexpected(parsed.error());
      path = std::move(*parsed);
    }
    const std::string name = path.back();
    if (!taken.insert(name).second)
      return fail(errc::invalid,
                  fmt::format("carrying {} gives the output the name {} twice", quoted(text), quoted(name)));
    known_name& entry = name_entry(plan, path.front());
    if (entry.tag < 0) {
      entry.tag = static_cast<std::int32_t>(plan.carry.size());
      plan.carry.emplace_back();
    }
    path.erase(path.begin());
    plan.carry[static_cast<std::size_t>(entry.tag)].parts.push_back({std::move(path), key_of(name)});
  }
  return {};
}

} // namespace

std::vector<std::string> bound_plan::feature_names() const {
  std::vector<std::string> names;
  for (const feature_slot& slot : wanted.features) names.push_back(slot.spec.name);
  return names;
}

std::vector<treated_feature> bound_plan::treated() const {
  std::vector<treated_feature> all;
  for (std::size_t i = 0; i < wanted.features.size(); ++i) {
    treated_feature one{wanted.features[i].spec.name, {}};
    std::uint64_t sum = 0;
    for (std::size_t what = 0; what < oddity_count; ++what)
      sum += one.counts[what] = oddities[i * oddity_count + what].load(std::memory_order_relaxed);
    if (sum > 0) all.push_back(std::move(one));
  }
  return all;
}

result<std::shared_ptr<const scoring_plan>> scoring_plan::make(std::shared_ptr<const loaded_model> model,
                                                               scoring_options options) {
  TROUPE_ASSERT(model != nullptr);
  auto plan = std::make_shared<bound_plan>();
  plan->model = std::move(model);
  plan->limits = {options.max_row_bytes, options.max_nesting_depth, options.max_fields};
  if (auto ok = bind_features(*plan, options.features); !ok) return tl::make_unexpected(ok.error());
  auto taken = choose_members(*plan, options);
  if (!taken) return tl::make_unexpected(taken.error());
  if (options.carry) {
    if (auto ok = choose_carried(*plan, *options.carry, std::move(*taken)); !ok) return tl::make_unexpected(ok.error());
  } else {
    plan->wanted.record_unknown = true;
    for (const std::string& name : *taken) name_entry(*plan, name);
  }
  for (const std::string& name : plan->model->classes) {
    plan->label_keys.push_back(key_of(name));
    std::string label;
    if (plan->model->classes_are_numbers)
      label = name;
    else
      append_json_string(label, name);
    plan->labels.push_back(std::move(label));
  }
  return std::shared_ptr<const scoring_plan>{std::move(plan)};
}

} // namespace troupe::model
