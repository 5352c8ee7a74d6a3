// troupe topics create|list|describe|delete: what is needed of Kafka's own topic tool, without a JVM.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.hpp"
#include "cli/json_out.hpp"
#include "kafka/topics.hpp"

namespace troupe::cli {
namespace {

struct options {
  kafka_options kafka;
  std::string name;
  std::int32_t partitions = 1, replication_factor = -1;
  std::vector<std::string> settings;
  bool json = false, yes = false;
};

constexpr auto limit = std::chrono::milliseconds{20'000};
/// The settings that people look for; --json has all of them.
constexpr const char* shown_settings[] = {"cleanup.policy", "max.message.bytes", "min.insync.replicas",
                                          "retention.bytes", "retention.ms"};

result<std::unique_ptr<kafka::topic_admin>> open_admin(const options& opts) {
  quiet_logging();
  return opts.kafka.properties().and_then([](const auto& properties) { return kafka::topic_admin::open(properties); });
}

result<std::map<std::string, std::string>> parse_settings(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> settings;
  for (auto& text : texts) {
    auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(errc::invalid,
                  fmt::format("--topic-config {}: expected name=value, for instance retention.ms=86400000", text));
    settings[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return settings;
}

int create(const options& opts) {
  auto settings = parse_settings(opts.settings);
  if (!settings) return failed(settings.error());
  auto admin = open_admin(opts);
  if (!admin) return failed(admin.error());
  auto made = (*admin)->create(opts.name, opts.partitions, opts.replication_factor, *settings, limit);
  if (!made) return failed(made.error());
  fmt::print("created {} with {} partition{}\n", opts.name, opts.partitions, opts.partitions == 1 ? "" : "s");
  return 0;
}

int list(const options& opts) {
  auto admin = open_admin(opts);
  if (!admin) return failed(admin.error());
  auto topics = (*admin)->list(limit);
  if (!topics) return failed(topics.error());
  if (opts.json) {
    rapidjson::StringBuffer buffer;
    json_writer out{buffer};
    out.StartArray();
    for (auto& topic : *topics) {
      out.StartObject();
      out.Key("name");
      write_text(out, topic.name);
      out.Key("partitions");
      out.Int(topic.partitions);
      out.EndObject();
    }
    out.EndArray();
    fmt::print("{}\n", buffer.GetString());
    return 0;
  }
  std::size_t width = 0;
  for (auto& topic : *topics) width = std::max(width, topic.name.size());
  for (auto& topic : *topics)
    fmt::print("{:<{}}  {} partition{}\n", topic.name, width, topic.partitions, topic.partitions == 1 ? "" : "s");
  return 0;
}

void print_json(const kafka::topic_description& topic) {
  rapidjson::StringBuffer buffer;
  json_writer out{buffer};
  out.StartObject();
  out.Key("name");
  write_text(out, topic.name);
  out.Key("partitions");
  out.StartArray();
  for (auto& one : topic.partitions) {
    out.StartObject();
    out.Key("partition");
    out.Int(one.partition);
    out.Key("leader");
    out.Int(one.leader);
    out.Key("replicas");
    out.StartArray();
    for (auto replica : one.replicas) out.Int(replica);
    out.EndArray();
    out.Key("low");
    out.Int64(one.low);
    out.Key("high");
    out.Int64(one.high);
    out.EndObject();
  }
  out.EndArray();
  out.Key("configs");
  out.StartObject();
  for (auto& [name, value] : topic.configs) {
    out.Key(name.c_str());
    write_text(out, value);
  }
  out.EndObject();
  out.EndObject();
  fmt::print("{}\n", buffer.GetString());
}

void print_text(const kafka::topic_description& topic) {
  std::size_t replicas = topic.partitions.empty() ? 0 : topic.partitions.front().replicas.size();
  fmt::print("{}: {} partition{}, replication factor {}\n", topic.name, topic.partitions.size(),
             topic.partitions.size() == 1 ? "" : "s", replicas);
  fmt::print("{:>9}  {:>6}  {:<12}  {:>12}  {:>12}  {:>12}\n", "PARTITION", "LEADER", "REPLICAS", "FIRST", "NEXT",
             "RECORDS");
  for (auto& one : topic.partitions) {
    auto number = [&](std::int64_t value) { return one.high < 0 ? std::string{"?"} : std::to_string(value); };
    fmt::print("{:>9}  {:>6}  {:<12}  {:>12}  {:>12}  {:>12}\n", one.partition,
               one.leader < 0 ? "none" : std::to_string(one.leader), fmt::format("{}", fmt::join(one.replicas, ",")),
               number(one.low), number(one.high), number(one.high - one.low));
  }
  for (auto name : shown_settings)
    if (auto found = topic.configs.find(name); found != topic.configs.end()) fmt::print("{}={}\n", name, found->second);
}

int describe(const options& opts) {
  auto admin = open_admin(opts);
  if (!admin) return failed(admin.error());
  auto topic = (*admin)->describe(opts.name, limit);
  if (!topic) return failed(topic.error());
  if (opts.json)
    print_json(*topic);
  else
    print_text(*topic);
  return 0;
}

int remove(const options& opts) {
  auto admin = open_admin(opts);
  if (!admin) return failed(admin.error());
  auto gone = (*admin)->remove(opts.name, limit);
  if (!gone) return failed(gone.error());
  fmt::print("deleted {}\n", opts.name);
  return 0;
}

} // namespace

void add_topics_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("topics", "Create, list, describe and delete topics");
  command->require_subcommand(1);
  auto opts = std::make_shared<options>();
  auto add = [&](const char* name, const char* what, int (*run)(const options&)) {
    auto* sub = command->add_subcommand(name, what);
    opts->kafka.add_to(*sub);
    sub->callback([opts, run, &chosen] { chosen = [opts, run] { return run(*opts); }; });
    return sub;
  };

  auto* creating = add("create", "Create a topic; returns once every partition has a leader", create);
  creating->add_option("name", opts->name, "Name of the topic")->required();
  creating->add_option("--partitions", opts->partitions, "Number of partitions")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  creating
      ->add_option("--replication-factor", opts->replication_factor,
                   "Copies of each partition; what the brokers say unless given")
      ->check(CLI::PositiveNumber);
  creating->add_option("--topic-config", opts->settings, "A setting of the topic: retention.ms=86400000");

  auto* listing = add("list", "Print every topic and its number of partitions", list);
  listing->add_flag("--json", opts->json, "As a JSON array");

  auto* describing = add("describe", "Print partitions, leaders, offsets and settings of a topic", describe);
  describing->add_option("name", opts->name, "Name of the topic")->required();
  describing->add_flag("--json", opts->json, "As a JSON object, with every setting");

  auto* deleting = add("delete", "Delete a topic and everything in it, without asking", remove);
  deleting->add_option("name", opts->name, "Name of the topic")->required();
  deleting->add_flag("--yes", opts->yes, "Accepted for scripts; nothing is asked anyway");
}

} // namespace troupe::cli
