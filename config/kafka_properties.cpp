#include "config/kafka_properties.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace troupe::config {
namespace {

std::vector<std::string> words(std::string_view text, char separator) {
  std::vector<std::string> found;
  while (!text.empty()) {
    auto end = std::min(text.find(separator), text.size());
    auto word = text.substr(0, end);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    found.emplace_back(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool one_of(const std::string& text, std::string_view choices) {
  auto known = words(choices, ' ');
  return std::any_of(known.begin(), known.end(), [&](const auto& choice) { return lower(choice) == lower(text); });
}

bool number_fits(const kafka_property& property, const std::string& text) {
  const char* end = text.data() + text.size();
  double number = 0;
  std::int64_t whole = 0;
  bool read = false;
  if (property.kind == property_kind::integer) {
    auto got = std::from_chars(text.data(), end, whole);
    read = got.ec == std::errc{} && got.ptr == end;
    number = static_cast<double>(whole);
  } else {
    auto got = std::from_chars(text.data(), end, number);
    read = got.ec == std::errc{} && got.ptr == end;
  }
  return read && number >= property.low && number <= property.high;
}

bool fits(const kafka_property& property, const std::string& text) {
  switch (property.kind) {
  case property_kind::text:
    return !text.empty();
  case property_kind::integer:
  case property_kind::real:
    return number_fits(property, text);
  case property_kind::boolean:
    return text == "true" || text == "false";
  case property_kind::choice:
    return one_of(text, property.choices);
  case property_kind::list: {
    auto items = words(text, ',');
    return !items.empty() && text.back() != ',' &&
           std::all_of(items.begin(), items.end(), [&](const auto& item) { return one_of(item, property.choices); });
  }
  }
  return false;
}

std::string as_text(const json::value& value) {
  if (value.IsString()) return std::string(json::string_of(value));
  return json::to_text(value);
}

const kafka_property* find_allowed(std::string_view name) {
  const auto& all = allowed_properties();
  auto found = std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.name == name; });
  return found == all.end() ? nullptr : &*found;
}

const refused_property* find_refused(std::string_view name) {
  const auto& all = refused_properties();
  auto found = std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string unknown_text(std::string_view name) {
  std::vector<std::string> known;
  for (const auto& property : allowed_properties()) known.emplace_back(property.name);
  auto nearest = nearest_name(name, known);
  return nearest.empty()
             ? "is not a property that Troupe passes to librdkafka; `troupe config schema --markdown` lists them"
             : fmt::format("unknown property; did you mean {}?", nearest);
}

using properties = std::map<std::string, std::string>;

void check_security(const properties& kafka, problem_list& problems) {
  auto value = [&](const char* name) {
    auto found = kafka.find(name);
    return found == kafka.end() ? std::string() : lower(found->second);
  };
  if (kafka.count("sasl.mechanism") != 0 && kafka.count("sasl.mechanisms") != 0)
    problems.add("kafka.sasl.mechanism", "is another name for sasl.mechanisms, which is given too; remove one");
  auto protocol = value("security.protocol");
  bool sasl = protocol == "sasl_ssl" || protocol == "sasl_plaintext";
  bool has_mechanism = kafka.count("sasl.mechanism") + kafka.count("sasl.mechanisms") != 0;
  if (problems.concerns("kafka.security.protocol")) return;
  for (const char* name : {"sasl.username", "sasl.password"}) {
    auto place = json::member_path("kafka", name);
    if (sasl && kafka.count(name) == 0 && !problems.concerns(place))
      problems.add(place, fmt::format("is required with security.protocol {}", protocol));
    if (!sasl && kafka.count(name) != 0)
      problems.add(place,
                   "has no effect without security.protocol sasl_ssl or sasl_plaintext; add that or remove this");
  }
  bool mechanism_wrong = problems.concerns("kafka.sasl.mechanism") || problems.concerns("kafka.sasl.mechanisms");
  if (sasl && !has_mechanism && !mechanism_wrong)
    problems.add("kafka.sasl.mechanism", fmt::format("is required with security.protocol {}: {}", protocol,
                                                     allowed_text(*find_allowed("sasl.mechanism"))));
  bool tls = protocol == "ssl" || protocol == "sasl_ssl";
  for (const auto& [name, text] : kafka)
    if (name.compare(0, 4, "ssl.") == 0 && !tls)
      problems.add(json::member_path("kafka", name),
                   "has no effect without security.protocol ssl or sasl_ssl; add that or remove this");
}

} // namespace

std::string allowed_text(const kafka_property& property) {
  switch (property.kind) {
  case property_kind::text:
    return "a string that is not empty";
  case property_kind::integer:
    return fmt::format("an integer from {:.0f} to {:.0f}", property.low, property.high);
  case property_kind::real:
    return fmt::format("a number from {:.0f} to {:.0f}", property.low, property.high);
  case property_kind::boolean:
    return "true or false";
  case property_kind::choice:
    return fmt::format("one of {}", fmt::join(words(property.choices, ' '), ", "));
  case property_kind::list:
    return fmt::format("some of {}, with commas between", fmt::join(words(property.choices, ' '), ", "));
  }
  return {};
}

std::map<std::string, std::string> read_kafka_properties(const json::value& section, const origins& expanded,
                                                         problem_list& problems) {
  std::map<std::string, std::string> kafka;
  if (!section.IsObject()) return kafka;
  for (const auto& member : section.GetObject()) {
    std::string name(json::string_of(member.name));
    auto place = json::member_path("kafka", name);
    if (const auto* refused = find_refused(name)) {
      problems.add(place, fmt::format("is refused: {}", refused->reason));
      continue;
    }
    const auto* property = find_allowed(name);
    if (property == nullptr) {
      problems.add(place, problems.size() < 100 ? unknown_text(name) : "unknown property");
      continue;
    }
    auto text = as_text(member.value);
    if (fits(*property, text))
      kafka.emplace(name, text);
    else
      problems.add(place, fmt::format("{} is not allowed; must be {}", shown_value(place, member.value, expanded),
                                      allowed_text(*property)));
  }
  check_security(kafka, problems);
  return kafka;
}

} // namespace troupe::config
