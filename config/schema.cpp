#include "config/schema.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <rapidjson/pointer.h>

#include "base/assert.hpp"
#include "config/load.hpp"

namespace troupe::config {
namespace {

constexpr std::size_t shown_max = 80;

bool split_offsets_text(json::value& option, const std::string& path, json::allocator& memory, problem_list& problems) {
  auto text = json::string_of(option);
  auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return false;
  auto parsed = json::parse(text);
  if (!parsed) {
    problems.add(path, fmt::format("the string holds an object that can't be read: {}", parsed.error().front().what));
    return false;
  }
  option.CopyFrom(*parsed, memory);
  return true;
}

void split_list(json::value& option, json::allocator& memory) {
  std::string text(json::string_of(option));
  option.SetArray();
  for (std::size_t begin = 0; begin <= text.size();) {
    auto end = std::min(text.find(',', begin), text.size());
    auto item = std::string_view(text).substr(begin, end - begin);
    while (!item.empty() && std::isspace(static_cast<unsigned char>(item.front()))) item.remove_prefix(1);
    while (!item.empty() && std::isspace(static_cast<unsigned char>(item.back()))) item.remove_suffix(1);
    option.PushBack(json::make_string(item, memory), memory);
    begin = end + 1;
  }
}

std::vector<std::string> types_of(const json::value& node) {
  std::vector<std::string> types;
  if (const auto* type = json::find(node, "type")) {
    if (type->IsArray())
      for (const auto& one : type->GetArray()) types.emplace_back(json::string_of(one));
    else
      types.emplace_back(json::string_of(*type));
  }
  return types;
}

std::string number_text(const json::value& node, const char* keyword) {
  const auto* bound = json::find(node, keyword);
  return bound == nullptr ? std::string() : json::to_text(*bound);
}

} // namespace

const json::value& schema_root() {
  static const auto parsed = [] {
    auto document = json::parse(schema());
    TROUPE_ASSERT(document.has_value());
    return std::move(*document);
  }();
  return parsed;
}

const json::value& resolved(const json::value& node) {
  const auto* reference = json::find(node, "$ref");
  if (reference == nullptr) return node;
  rapidjson::Pointer pointer(reference->GetString(), reference->GetStringLength());
  const auto* target = pointer.Get(schema_root());
  TROUPE_ASSERT(target != nullptr);
  return resolved(*target);
}

const json::value* member_schema(const json::value& node, std::string_view key) {
  const auto& object = resolved(node);
  if (const auto* properties = json::find(object, "properties"))
    if (const auto* own = json::find(*properties, key)) return own;
  const auto* others = json::find(object, "additionalProperties");
  return others != nullptr && others->IsObject() ? others : nullptr;
}

bool has_type(const json::value& node, std::string_view type) {
  auto types = types_of(resolved(node));
  return std::find(types.begin(), types.end(), type) != types.end();
}

std::string allowed_text(const json::value& from) {
  const auto& node = resolved(from);
  if (const auto* words = json::find(node, "x-allowed")) return std::string(json::string_of(*words));
  if (const auto* choices = json::find(node, "enum")) {
    std::vector<std::string> names;
    for (const auto& choice : choices->GetArray()) names.emplace_back(json::string_of(choice));
    return fmt::format("one of {}", fmt::join(names, ", "));
  }
  auto types = types_of(node);
  if (types.size() == 1 && types[0] == "integer") {
    auto low = number_text(node, "minimum"), high = number_text(node, "maximum");
    const auto* unit = json::find(node, "x-unit");
    return fmt::format("an integer from {} to {}{}", low, high,
                       unit == nullptr ? std::string() : fmt::format(" ({})", json::string_of(*unit)));
  }
  if (types.size() == 1) {
    if (types[0] == "boolean") return "true or false";
    if (types[0] == "string") {
      auto longest = number_text(node, "maxLength");
      if (!longest.empty()) return fmt::format("a string of at most {} characters", longest);
      return json::find(node, "minLength") != nullptr ? "a string that is not empty" : "a string";
    }
    if (types[0] == "object") return "an object (a section in braces)";
    if (types[0] == "array") {
      auto least = number_text(node, "minItems"), most = number_text(node, "maxItems");
      return fmt::format("an array of {} to {} elements", least.empty() ? "0" : least, most);
    }
  }
  return "a string, number or boolean";
}

bool is_secret(std::string_view path) {
  if (path.substr(0, 6) != "kafka." && path.substr(0, 5) != "node.") return false;
  std::string name(path);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* part : {"password", "passphrase", "secret", "token", "credential", "jwt", "key.pem"})
    if (name.find(part) != std::string::npos) return true;
  return false;
}

bool is_redacted(std::string_view path) {
  return is_secret(path) ||
         (path.substr(0, 6) == "kafka." && path.size() > 10 && path.substr(path.size() - 4) == ".pem");
}

std::string shown_value(const std::string& path, const json::value& value, const origins& expanded) {
  if (is_redacted(path)) return std::string(redacted_text);
  // What was split or parsed out of an expanded string lies inside its place.
  for (auto place = path; !place.empty();) {
    if (auto found = expanded.find(place); found != expanded.end())
      return fmt::format("the value of \"{}\"", found->second.substr(0, shown_max));
    auto outer = place.find_last_of(".[");
    place.resize(outer == std::string::npos ? 0 : outer);
  }
  return json::to_text(value, shown_max);
}

void normalize(json::document& doc, problem_list& problems) {
  auto* pipelines = json::find(doc, "pipelines");
  if (pipelines == nullptr || !pipelines->IsArray()) return;
  auto& memory = doc.GetAllocator();
  for (rapidjson::SizeType i = 0; i < pipelines->Size(); ++i) {
    auto& pipeline = (*pipelines)[i];
    auto path = json::element_path("pipelines", i);
    if (auto* topics = json::find(pipeline, "subscribe"); topics != nullptr && topics->IsString())
      split_list(*topics, memory);
    for (const char* name : {"startingOffsets", "startingOffsetsByTimestamp"})
      if (auto* offsets = json::find(pipeline, name); offsets != nullptr && offsets->IsString())
        split_offsets_text(*offsets, json::member_path(path, name), memory, problems);
  }
}

void remove_bad(json::value& value, const std::string& path, const problem_list& problems) {
  if (value.IsObject()) {
    for (auto member = value.MemberBegin(); member != value.MemberEnd();) {
      auto place = json::member_path(path, json::string_of(member->name));
      if (problems.holds(place)) {
        member = value.EraseMember(member);
      } else {
        remove_bad(member->value, place, problems);
        ++member;
      }
    }
  } else if (value.IsArray()) {
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      auto place = json::element_path(path, i);
      if (problems.holds(place))
        value[i].SetNull();
      else
        remove_bad(value[i], place, problems);
    }
  }
}

void apply_aliases(json::value& value, const json::value& from, const std::string& path, json::allocator& memory,
                   problem_list& problems) {
  const auto& node = resolved(from);
  if (value.IsArray()) {
    if (const auto* items = json::find(node, "items"))
      for (rapidjson::SizeType i = 0; i < value.Size(); ++i)
        apply_aliases(value[i], *items, json::element_path(path, i), memory, problems);
    return;
  }
  const auto* properties = json::find(node, "properties");
  if (!value.IsObject() || properties == nullptr) return;
  for (const auto& property : properties->GetObject()) {
    auto name = json::string_of(property.name);
    auto* present = json::find(value, name);
    if (present == nullptr) continue;
    const auto* alias = json::find(property.value, "x-alias-of");
    if (alias == nullptr) {
      apply_aliases(*present, property.value, json::member_path(path, name), memory, problems);
      continue;
    }
    auto real = json::string_of(*alias);
    if (json::find(value, real) != nullptr) {
      problems.add(json::member_path(path, name),
                   fmt::format("is another name for {}, which is given too; remove one", real));
    } else {
      json::value moved(*present, memory);
      json::put(value, real, std::move(moved), memory);
    }
    value.EraseMember(value.FindMember(property.name));
  }
}

void fill_defaults(json::value& value, const json::value& from, json::allocator& memory) {
  const auto& node = resolved(from);
  if (value.IsArray()) {
    if (const auto* items = json::find(node, "items"))
      for (auto& element : value.GetArray()) fill_defaults(element, *items, memory);
    return;
  }
  const auto* properties = json::find(node, "properties");
  if (!value.IsObject() || properties == nullptr) return;
  for (const auto& property : properties->GetObject()) {
    if (json::find(property.value, "x-alias-of") != nullptr) continue;
    auto name = json::string_of(property.name);
    const auto& option = resolved(property.value);
    if (auto* present = json::find(value, name)) {
      fill_defaults(*present, option, memory);
    } else if (const auto* fallback = json::find(option, "default")) {
      json::put(value, name, json::value(*fallback, memory), memory);
    } else if (json::find(option, "properties") != nullptr) {
      json::value section(rapidjson::kObjectType);
      fill_defaults(section, option, memory);
      json::put(value, name, std::move(section), memory);
    }
  }
}

} // namespace troupe::config
