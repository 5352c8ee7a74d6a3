// Judged by valijson, told by us: valijson says which places are wrong, all of them; the sentence comes from the
// schema, which knows what would be right.

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 with AddressSanitizer takes std::regex's own states for uninitialized (GCC bug 105562).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <exception>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "config/schema.hpp"

namespace troupe::config {
namespace {

// Longer strings never reach std::regex, which recurses once a character and would run out of stack.
constexpr std::size_t pattern_text_max = 1024;
// Beyond so many findings nobody reads on, and looking for the nearest name costs more than finding the error.
constexpr std::size_t suggestions_max = 100;

const valijson::Schema& compiled_schema() {
  static const valijson::Schema* const compiled = [] {
    auto* target = new valijson::Schema; // lives as long as the process, like every static
    valijson::SchemaParser parser;
    valijson::adapters::RapidJsonAdapter adapter(schema_root());
    parser.populateSchema(adapter, *target);
    return target;
  }();
  return *compiled;
}

/// What valijson's context ("<root>", "[pipelines]", "[0]") leads to.
struct place {
  std::string path;
  const json::value* value = nullptr;
  const json::value* node = nullptr;
};

bool step(place& at, const std::string& token) {
  auto name = token.substr(1, token.size() - 2);
  if (at.value->IsArray()) {
    auto index = std::stoul(name);
    const auto* items = json::find(resolved(*at.node), "items");
    if (index >= at.value->Size() || items == nullptr) return false;
    at = {json::element_path(at.path, index), &(*at.value)[static_cast<rapidjson::SizeType>(index)], items};
    return true;
  }
  const auto* member = json::find(*at.value, name);
  const auto* node = member_schema(*at.node, name);
  if (member == nullptr || node == nullptr) return false;
  at = {json::member_path(at.path, name), member, node};
  return true;
}

std::vector<std::string> names_in(const json::value& node) {
  std::vector<std::string> names;
  if (const auto* properties = json::find(resolved(node), "properties"))
    for (const auto& property : properties->GetObject()) names.emplace_back(json::string_of(property.name));
  return names;
}

/// Where else the schema has an option of that name: "node", "pipelines[]"; "" if nowhere.
std::string home_of(std::string_view name, const json::value& from, const std::string& path) {
  const auto& node = resolved(from);
  if (const auto* items = json::find(node, "items")) return home_of(name, *items, path + "[]");
  const auto* properties = json::find(node, "properties");
  if (properties == nullptr) return {};
  if (!path.empty() && json::find(*properties, name) != nullptr) return path;
  for (const auto& property : properties->GetObject())
    if (auto home = home_of(name, property.value, json::member_path(path, json::string_of(property.name)));
        !home.empty())
      return home;
  return {};
}

void report_unknown(const place& at, problem_list& problems) {
  auto known = names_in(*at.node);
  for (const auto& member : at.value->GetObject()) {
    std::string name(json::string_of(member.name));
    if (member_schema(*at.node, name) != nullptr) continue;
    std::string hint;
    if (problems.size() < suggestions_max) {
      auto nearest = nearest_name(name, known);
      auto home = nearest.empty() ? home_of(name, schema_root(), "") : std::string();
      if (!nearest.empty())
        hint = fmt::format("; did you mean {}?", nearest);
      else if (!home.empty())
        hint = fmt::format("; it belongs in {}", home);
      else
        hint = fmt::format("; known here: {}", fmt::join(known, ", "));
    }
    problems.add(json::member_path(at.path, name), "unknown option" + hint);
  }
}

void report_missing(const place& at, problem_list& problems) {
  for (const auto& name : json::find(resolved(*at.node), "required")->GetArray()) {
    auto key = json::string_of(name);
    if (json::find(*at.value, key) != nullptr) continue;
    const auto* option = member_schema(*at.node, key);
    auto allowed = option == nullptr ? std::string("a string") : allowed_text(*option);
    problems.add(json::member_path(at.path, key), fmt::format("is required: {}", allowed));
  }
}

/// Cuts what would make the checks themselves dangerous or slow, and reports it.
void cut_excess(json::value& value, const json::value& from, const std::string& path, problem_list& problems) {
  const auto& node = resolved(from);
  if (value.IsString() && json::find(node, "pattern") != nullptr && value.GetStringLength() > pattern_text_max) {
    problems.add(path, fmt::format("a string of {} characters is not allowed; must be {}", value.GetStringLength(),
                                   allowed_text(node)));
    value.SetNull();
  } else if (value.IsArray()) {
    const auto* most = json::find(node, "maxItems");
    if (most != nullptr && value.Size() > most->GetUint64()) {
      problems.add(path,
                   fmt::format("an array of {} elements is not allowed; at most {}", value.Size(), most->GetUint64()));
      value.Clear();
    }
    if (const auto* items = json::find(node, "items"))
      for (rapidjson::SizeType i = 0; i < value.Size(); ++i)
        cut_excess(value[i], *items, json::element_path(path, i), problems);
  } else if (value.IsObject()) {
    for (auto& member : value.GetObject())
      if (const auto* option = member_schema(node, json::string_of(member.name)))
        cut_excess(member.value, *option, json::member_path(path, json::string_of(member.name)), problems);
  }
}

bool starts_with(const std::string& text, std::string_view with) { return text.compare(0, with.size(), with) == 0; }

/// What stands where a section belongs may be a secret that has lost its name, so only its kind is told.
std::string shown(const place& at, const origins& expanded) {
  if (json::find(resolved(*at.node), "properties") == nullptr) return shown_value(at.path, *at.value, expanded);
  if (at.value->IsString()) return "a string";
  return at.value->IsArray() ? "an array" : at.value->IsNumber() ? "a number" : json::to_text(*at.value);
}

void report(const valijson::ValidationResults::Error& finding, const json::document& doc, const origins& expanded,
            problem_list& problems) {
  // Said of every section around a wrong value; the value itself has been reported.
  if (starts_with(finding.description, "Failed to validate ")) return;
  place at{"", &doc, &schema_root()};
  for (std::size_t i = 1; i < finding.context.size(); ++i)
    if (!step(at, finding.context[i])) return problems.add(at.path, "is not allowed: " + finding.description);
  if (starts_with(finding.description, "Object contains a property that could not"))
    report_unknown(at, problems);
  else if (starts_with(finding.description, "Missing required property"))
    report_missing(at, problems);
  else
    problems.add(at.path, fmt::format("{} is not allowed; must be {}", shown(at, expanded), allowed_text(*at.node)));
}

} // namespace

void validate(json::document& doc, const origins& expanded, problem_list& problems) {
  cut_excess(doc, schema_root(), "", problems);
  try {
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    valijson::adapters::RapidJsonAdapter target(doc);
    valijson::ValidationResults findings;
    if (validator.validate(compiled_schema(), target, &findings)) return;
    for (const auto& finding : findings) report(finding, doc, expanded, problems);
    if (problems.empty()) problems.add("", "does not match the schema, for a reason that could not be told");
  } catch (const std::exception& failure) {
    problems.add("", fmt::format("could not be checked: {}", failure.what()));
  }
}

} // namespace troupe::config
