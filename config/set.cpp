// `--set a.b=c`. The schema knows where a name ends, which the dots in "commit.interval.ms" would leave open.

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "config/schema.hpp"

namespace troupe::config {
namespace {

/// Walks from the root to the place that an assignment names, making what is missing on the way.
class setter {
public:
  setter(json::document& doc, std::string where, std::string_view text, problem_list& problems)
      : memory_(doc.GetAllocator())
      , where_(std::move(where))
      , text_(text)
      , problems_(problems) {}

  void assign(json::value& at, const json::value* node, std::string_view rest, const std::string& path) {
    const auto* schema = node == nullptr ? nullptr : &resolved(*node);
    if (rest.empty()) return store(at, schema, path);
    if (at.IsArray()) return into_array(at, schema, rest, path);
    if (at.IsNull()) at.SetObject();
    if (!at.IsObject()) return fail(fmt::format("{} is not a section, so nothing can be set inside it", path));
    auto key = key_in(at, schema, rest);
    auto member = json::member_path(path, key);
    if (json::find(at, key) == nullptr)
      json::put(at, key, empty_value(schema == nullptr ? nullptr : member_schema(*schema, key)), memory_);
    assign(*json::find(at, key), schema == nullptr ? nullptr : member_schema(*schema, key),
           key.size() == rest.size() ? std::string_view() : rest.substr(key.size() + 1), member);
  }

private:
  json::value empty_value(const json::value* node) {
    if (node != nullptr && has_type(*node, "array") && !has_type(*node, "string"))
      return json::value(rapidjson::kArrayType);
    return {};
  }

  void into_array(json::value& at, const json::value* schema, std::string_view rest, const std::string& path) {
    auto segment = rest.substr(0, rest.find('.'));
    std::size_t index = 0;
    auto got = std::from_chars(segment.data(), segment.data() + segment.size(), index);
    if (got.ec != std::errc{} || got.ptr != segment.data() + segment.size())
      return fail(fmt::format("{} is an array; name an element by its number, from 0", path));
    if (index > at.Size()) return fail(fmt::format("{} has {} elements; the next is {}", path, at.Size(), at.Size()));
    if (index == at.Size()) at.PushBack(json::value(), memory_);
    const auto* items = schema == nullptr ? nullptr : json::find(*schema, "items");
    assign(at[static_cast<rapidjson::SizeType>(index)], items,
           segment.size() == rest.size() ? std::string_view() : rest.substr(segment.size() + 1),
           json::element_path(path, index));
  }

  /// The longest beginning of `rest`, ending at a dot, that is a name here; all of `rest` where none is, so that the
  /// error shows what was typed.
  static std::string_view key_in(const json::value& at, const json::value* schema, std::string_view rest) {
    const auto* properties = schema == nullptr ? nullptr : json::find(*schema, "properties");
    for (auto end = rest.size(); end != std::string_view::npos && end > 0; end = rest.rfind('.', end - 1)) {
      auto key = rest.substr(0, end);
      if (json::find(at, key) != nullptr || (properties != nullptr && json::find(*properties, key) != nullptr))
        return key;
    }
    const auto* others = schema == nullptr ? nullptr : json::find(*schema, "additionalProperties");
    if (others != nullptr && others->IsObject() && has_type(*others, "object"))
      return rest.substr(0, rest.rfind('.')); // a topic, which may have dots, and then a partition
    return rest;
  }

  void store(json::value& at, const json::value* schema, const std::string& path) {
    if (is_secret(path) && text_.find("${") == std::string_view::npos)
      return fail(fmt::format("{} is a secret, and a command line can be read by others; give ${{NAME}} or "
                              "${{file:PATH}} in single quotes instead",
                              path));
    bool only_text = schema != nullptr && has_type(*schema, "string") && !has_type(*schema, "integer") &&
                     !has_type(*schema, "object") && !has_type(*schema, "array") && !has_type(*schema, "null");
    auto parsed = json::parse(text_);
    if (parsed && (!only_text || parsed->IsString()))
      at.CopyFrom(*parsed, memory_);
    else
      at = json::make_string(text_, memory_);
  }

  void fail(std::string what) { problems_.add("", fmt::format("--set {}: {}", where_, what)); }

  json::allocator& memory_;
  std::string where_;
  std::string_view text_;
  problem_list& problems_;
};

} // namespace

void apply_set(json::document& doc, const std::string& assignment, problem_list& problems) {
  auto equals = assignment.find('=');
  auto name = assignment.substr(0, equals);
  bool usable = equals != std::string::npos && equals > 0 && name.size() <= 512 && name.front() != '.' &&
                name.back() != '.' && std::count(name.begin(), name.end(), '.') < json::max_depth &&
                assignment.find('\0') == std::string::npos && assignment.size() <= 65536;
  if (!usable)
    return problems.add("",
                        fmt::format("--set {}: must be NAME=VALUE, such as node.scorers=4 or pipelines.0.topic=preds",
                                    name.substr(0, 80)));
  setter(doc, name, std::string_view(assignment).substr(equals + 1), problems).assign(doc, &schema_root(), name, "");
}

} // namespace troupe::config
