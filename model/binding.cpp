#include "model/binding.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "model/json_text.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

feature_type natural_type(element type) {
  switch (type) {
  case element::f32:
    return feature_type::number;
  case element::f64:
    return feature_type::real;
  case element::i64:
    return feature_type::integer;
  case element::boolean:
    return feature_type::boolean;
  case element::text:
    break;
  }
  return feature_type::text;
}

bool fits(feature_type what, element into) {
  if ((what == feature_type::text) != (into == element::text)) return false;
  if (into == element::i64) return what == feature_type::integer || what == feature_type::boolean;
  if (into == element::boolean) return what == feature_type::boolean;
  return true;
}

// A feature of a whole input: one value where it has one column.
feature_spec whole_input(const graph_input& input, std::string name) {
  feature_spec spec;
  spec.name = std::move(name);
  spec.type = natural_type(input.type.type);
  if (input.type.width() > 1) spec.dims = input.type.dims;
  return spec;
}

// The inputs' columns, one feature after another.
class column_walk {
public:
  explicit column_walk(std::span<const graph_input> inputs)
      : inputs_(inputs) {}
  bool at_end() const { return input_ == inputs_.size(); }
  const graph_input& input() const { return inputs_[input_]; }
  /// Index of the next column among those that load() takes.
  std::size_t column() const { return input().column + offset_; }
  std::size_t left() const { return input().type.width() - offset_; }
  void advance(std::size_t columns) {
    offset_ += columns;
    if (offset_ < input().type.width()) return;
    offset_ = 0;
    ++input_;
  }

private:
  std::span<const graph_input> inputs_;
  std::size_t input_ = 0;
  std::size_t offset_ = 0;
};

std::size_t columns_of(const evaluator& graph) { return graph.number_columns() + graph.text_columns(); }

// Whether a cell of the feature can hold the number.
bool holds(feature_type type, double number) {
  switch (type) {
  case feature_type::number:
    return std::isfinite(static_cast<float>(number));
  case feature_type::integer:
    return std::trunc(number) == number && std::abs(number) <= 9007199254740992.0; // 2^53
  case feature_type::boolean:
    return number == 0 || number == 1;
  default:
    return true;
  }
}

result<void> check_replacement(const feature_spec& spec, double number, const std::optional<bool>& is_text) {
  if (!is_text) return {};
  if (*is_text != (spec.type == feature_type::text))
    return fail(errc::invalid, fmt::format("the feature {} is {}, but its replacement is a {}", quoted(spec.name),
                                           to_string(spec.type), *is_text ? "string" : "number"));
  if (!*is_text && !holds(spec.type, number))
    return fail(errc::invalid, fmt::format("the feature {} is {}, but its replacement is {}", quoted(spec.name),
                                           to_string(spec.type), number));
  return {};
}

result<void> check_treatment(const feature_spec& spec, const told_feature& told) {
  const bool whole = spec.type == feature_type::integer || spec.type == feature_type::boolean;
  if (whole && spec.on_missing != treatment::reject && std::isnan(spec.missing_number))
    return fail(errc::invalid,
                fmt::format("the feature {} is {}, which can't be missing as it is: give a missingValueReplacement",
                            quoted(spec.name), to_string(spec.type)));
  if (auto ok = check_replacement(spec, spec.missing_number, told.missing_is_text); !ok) return ok;
  return check_replacement(spec, spec.invalid_number, told.invalid_is_text);
}

} // namespace

std::optional<std::vector<feature_spec>> features_of_inputs(const evaluator& graph) {
  const auto inputs = graph.inputs();
  if (inputs.size() == 1 && inputs[0].type.dims.size() < 2) return std::nullopt;
  std::vector<feature_spec> features;
  for (const graph_input& input : inputs) features.push_back(whole_input(input, input.name));
  return features;
}

result<std::vector<feature_spec>> features_of_names(const evaluator& graph, const std::vector<std::string>& names,
                                                    std::string_view source) {
  const auto inputs = graph.inputs();
  std::vector<feature_spec> features;
  if (names.size() == columns_of(graph)) {
    column_walk walk{inputs};
    for (const std::string& name : names) {
      features.emplace_back();
      features.back().name = name;
      features.back().type = natural_type(walk.input().type.type);
      walk.advance(1);
    }
    return features;
  }
  if (names.size() != inputs.size())
    return fail(errc::invalid,
                fmt::format("{} names {} features, but the model takes {}", source, names.size(), columns_of(graph)));
  for (std::size_t i = 0; i < names.size(); ++i) features.push_back(whole_input(inputs[i], names[i]));
  return features;
}

result<std::vector<feature_spec>> features_of_signature(const evaluator& graph, const std::vector<told_feature>& told) {
  std::vector<feature_spec> features;
  column_walk walk{graph.inputs()};
  std::size_t columns = 0;
  for (const told_feature& feature : told) columns += feature.spec.width();
  if (columns != columns_of(graph))
    return fail(errc::invalid,
                fmt::format("the metadata names {} features, but the model takes {}", columns, columns_of(graph)));
  for (const told_feature& feature : told) {
    feature_spec spec = feature.spec;
    const element into = walk.input().type.type;
    const std::size_t width = spec.width();
    if (width > walk.left())
      return fail(errc::invalid, fmt::format("the metadata gives the feature {} {} columns, the input {} has {} left",
                                             quoted(spec.name), width, quoted(walk.input().name), walk.left()));
    spec.type = feature.type.value_or(natural_type(into));
    if (!fits(spec.type, into))
      return fail(errc::invalid,
                  fmt::format("the metadata says that the feature {} is {}, but the input {} takes {}",
                              quoted(spec.name), to_string(spec.type), quoted(walk.input().name), to_string(into)));
    if (spec.type == feature_type::text && !spec.dims.empty())
      return fail(errc::unsupported,
                  fmt::format("the feature {} is an array of strings, which is not supported", quoted(spec.name)));
    if (into == element::f32 && spec.type == feature_type::real) spec.type = feature_type::number;
    if (into == element::f64 && spec.type == feature_type::number) spec.type = feature_type::real;
    if (auto ok = check_treatment(spec, feature); !ok) return tl::make_unexpected(ok.error());
    walk.advance(width);
    features.push_back(std::move(spec));
  }
  return features;
}

std::vector<feature_slot> place_features(const evaluator& graph, const std::vector<feature_spec>& features) {
  std::vector<feature_slot> slots;
  column_walk walk{graph.inputs()};
  for (const feature_spec& spec : features) {
    TROUPE_ASSERT(!walk.at_end() && spec.width() <= walk.left());
    slots.push_back({spec, walk.column()});
    walk.advance(spec.width());
  }
  TROUPE_ASSERT(walk.at_end());
  return slots;
}

result<wanted_fields> wanted_features(std::vector<feature_slot> slots, std::string_view source) {
  wanted_fields wanted;
  std::set<std::string_view> seen;
  std::map<std::string, std::size_t> groups; // top-level field -> its place in `names`
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::string& name = slots[i].spec.name;
    if (name.empty() || check_utf8(name) != utf8_state::valid)
      return fail(errc::invalid,
                  fmt::format("{} has the feature name {}, which is empty or not UTF-8", source, quoted(name)));
    if (!seen.insert(name).second)
      return fail(errc::invalid, fmt::format("{} names the feature {} twice", source, quoted(name)));
    std::vector<std::string> path{name};
    if (name.front() == '/') {
      auto parsed = parse_pointer(name);
      if (!parsed) return tl::make_unexpected(parsed.error());
      path = std::move(*parsed);
    }
    const auto [at, fresh] = groups.emplace(path.front(), wanted.names.size());
    if (fresh) wanted.names.push_back({path.front(), -1, -1, -1});
    known_name& field = wanted.names[at->second];
    if (path.size() == 1) {
      if (field.feature >= 0)
        return fail(errc::invalid, fmt::format("{} names the feature {} twice", source, quoted(name)));
      field.feature = static_cast<std::int32_t>(i);
      continue;
    }
    if (field.nested < 0) {
      field.nested = static_cast<std::int32_t>(wanted.nested.size());
      wanted.nested.emplace_back();
    }
    path.erase(path.begin());
    wanted.nested[static_cast<std::size_t>(field.nested)].push_back({i, std::move(path)});
  }
  wanted.features = std::move(slots);
  return wanted;
}

} // namespace troupe::model
