#pragma once
// What the tests of config/ share: a small valid config, and ways to load a changed one.

#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "config/load.hpp"

namespace test_config {

namespace cfg = troupe::config;

/// The sections of a small valid config; tests replace one.
struct parts {
  std::string cluster = R"("name":"games")";
  std::string kafka = R"("bootstrap.servers":"127.0.0.1:9092")";
  std::string pipeline = R"("name":"games","subscribe":"dsp","model":"games","topic":"preds")";
  std::string node = {};
  std::map<std::string, std::string> environment = {};
  std::vector<std::string> sets = {};

  std::string text() const {
    return "{\"cluster\":{" + cluster + "},\"kafka\":{" + kafka + "},\"pipelines\":[{" + pipeline + "}],\"node\":{" +
           node + "}}";
  }
};

inline cfg::load_options options_of(const parts& from) {
  cfg::load_options options;
  options.sets = from.sets;
  options.environment = [from](const std::string& name) -> std::optional<std::string> {
    auto found = from.environment.find(name);
    return found == from.environment.end() ? std::nullopt : std::optional(found->second);
  };
  return options;
}

inline troupe::result<cfg::config> load(const parts& from) {
  return cfg::load_text(from.text(), "c.json", options_of(from));
}

/// Loads what has to be right.
inline cfg::config loaded(const parts& from) {
  auto result = load(from);
  BOOST_REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return std::move(*result);
}

/// What is said of a config that has to be wrong; "" if it loads.
inline std::string refusal(const parts& from) {
  auto result = load(from);
  BOOST_CHECK_MESSAGE(!result.has_value(), "loads, but should not: " + from.text());
  return result.has_value() ? std::string() : result.error().message;
}

inline std::string refusal_of_text(const std::string& text) {
  auto result = cfg::load_text(text, "c.json");
  BOOST_CHECK_MESSAGE(!result.has_value(), "loads, but should not: " + text.substr(0, 200));
  return result.has_value() ? std::string() : result.error().message;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::size_t lines(const std::string& text) {
  std::size_t count = text.empty() ? 0 : 1;
  for (char c : text) count += c == '\n';
  return count;
}

/// One line of an error that is expected as a whole.
inline void check_only_line(const std::string& message, const std::string& expected) {
  BOOST_CHECK_EQUAL(message, "c.json: " + expected);
}

inline parts with_cluster(std::string more) {
  parts p;
  p.cluster += "," + more;
  return p;
}
inline parts with_kafka(std::string more) {
  parts p;
  p.kafka += "," + more;
  return p;
}
inline parts with_pipeline(std::string more) {
  parts p;
  p.pipeline += "," + more;
  return p;
}
inline parts with_node(std::string all) {
  parts p;
  p.node = std::move(all);
  return p;
}
inline parts with_sets(std::vector<std::string> sets) {
  parts p;
  p.sets = std::move(sets);
  return p;
}

} // namespace test_config
