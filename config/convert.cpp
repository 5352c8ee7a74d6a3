#include "config/convert.hpp"

#include <algorithm>
#include <charconv>
#include <thread>

#include <fmt/format.h>

#include "config/address.hpp"
#include "config/kafka_properties.hpp"

namespace troupe::config {
namespace {

struct context {
  const origins& expanded;
  problem_list& problems;
  std::set<std::string>* consumed;
};

/// One object of the document; remembers what was asked of it. Wrong or missing members read as zero or empty.
class section {
public:
  section(const json::value* value, std::string path, std::string generic, context& with)
      : value_(value)
      , path_(std::move(path))
      , generic_(std::move(generic))
      , with_(with) {}

  const json::value* raw(std::string_view key) const {
    if (with_.consumed != nullptr) with_.consumed->insert(json::member_path(generic_, key));
    return value_ == nullptr ? nullptr : json::find(*value_, key);
  }

  section inner(std::string_view key) const {
    return {value_ == nullptr ? nullptr : json::find(*value_, key), path(key), json::member_path(generic_, key), with_};
  }

  std::string text(std::string_view key) const {
    const auto* found = raw(key);
    return found == nullptr ? std::string() : std::string(json::string_of(*found));
  }

  template <class T> T number(std::string_view key) const {
    const auto* found = raw(key);
    return found != nullptr && found->IsInt64() ? static_cast<T>(found->GetInt64()) : T();
  }

  template <class Duration> Duration duration(std::string_view key) const {
    return Duration(number<std::int64_t>(key));
  }

  bool flag(std::string_view key) const {
    const auto* found = raw(key);
    return found != nullptr && found->IsBool() && found->GetBool();
  }

  std::vector<std::string> list(std::string_view key) const {
    std::vector<std::string> items;
    if (const auto* found = raw(key); found != nullptr && found->IsArray())
      for (const auto& item : found->GetArray()) items.emplace_back(json::string_of(item));
    return items;
  }

  std::string path(std::string_view key) const { return json::member_path(path_, key); }
  const std::string& path() const { return path_; }
  problem_list& problems() const { return with_.problems; }
  const origins& expanded() const { return with_.expanded; }

private:
  const json::value* value_;
  std::string path_, generic_;
  context& with_;
};

cluster_config read_cluster(const section& from) {
  cluster_config to;
  to.name = from.text("name");
  to.heartbeat_interval_ms = from.duration<milliseconds>("heartbeat_interval_ms");
  to.removal_timeout_ms = from.duration<milliseconds>("removal_timeout_ms");
  to.lease_interval_ms = from.duration<milliseconds>("lease_interval_ms");
  to.lease_timeout_ms = from.duration<milliseconds>("lease_timeout_ms");
  to.kafka_loss_timeout_ms = from.duration<milliseconds>("kafka_loss_timeout_ms");
  to.replication_factor = from.number<int>("replication_factor");
  return to;
}

void read_offsets(const json::value& topics, const std::string& path, starting_offsets& to, problem_list& problems) {
  for (const auto& topic : topics.GetObject()) {
    auto topic_path = json::member_path(path, json::string_of(topic.name));
    if (!topic.value.IsObject()) continue;
    auto& partitions = to.values[std::string(json::string_of(topic.name))];
    for (const auto& entry : topic.value.GetObject()) {
      auto key = json::string_of(entry.name);
      std::int32_t partition = -1;
      auto got = std::from_chars(key.data(), key.data() + key.size(), partition);
      if (got.ec != std::errc{} || got.ptr != key.data() + key.size() || partition < 0 ||
          std::to_string(partition) != key)
        problems.add(json::member_path(topic_path, key), "is not a partition; its number, from \"0\", is expected");
      else if (entry.value.IsInt64())
        partitions[partition] = entry.value.GetInt64();
    }
  }
}

starting_offsets read_starting(const section& from) {
  starting_offsets to;
  const auto* offsets = from.raw("startingOffsets");
  const auto* times = from.raw("startingOffsetsByTimestamp");
  if (times != nullptr && times->IsString()) times = nullptr; // "", which the schema lets through, is none
  auto word = offsets == nullptr ? std::string_view() : json::string_of(*offsets);
  if (times != nullptr) {
    to.at = starting_offsets::kind::timestamp;
    read_offsets(*times, from.path("startingOffsetsByTimestamp"), to, from.problems());
    if (offsets != nullptr && word != "latest")
      from.problems().add(from.path("startingOffsetsByTimestamp"), "startingOffsets is given too; remove one");
  } else if (offsets != nullptr && offsets->IsObject()) {
    to.at = starting_offsets::kind::explicit_offsets;
    read_offsets(*offsets, from.path("startingOffsets"), to, from.problems());
  } else {
    to.at = word == "earliest" ? starting_offsets::kind::earliest : starting_offsets::kind::latest;
  }
  return to;
}

output_config read_output(const section& from) {
  output_config to;
  if (from.raw("carry") != nullptr) to.carry = from.list("carry");
  if (const auto* prediction = from.raw("prediction")) {
    if (prediction->IsString())
      to.prediction.emplace_back(json::string_of(*prediction), "");
    else if (prediction->IsObject())
      for (const auto& output : prediction->GetObject())
        to.prediction.emplace_back(json::string_of(output.name), json::string_of(output.value));
  }
  to.headers = from.list("headers");
  to.timestamp =
      from.text("timestamp") == "now" ? output_config::timestamp_from::now : output_config::timestamp_from::source;
  return to;
}

errors_config read_errors(const section& from) {
  errors_config to;
  to.tolerance =
      from.text("tolerance") == "none" ? errors_config::tolerance_kind::none : errors_config::tolerance_kind::all;
  to.dead_letter_topic = from.text("deadletterqueue.topic.name");
  to.context_headers = from.flag("deadletterqueue.context.headers.enable");
  return to;
}

void read_model(const section& from, pipeline_config& to) {
  constexpr std::string_view prefix = "models:/";
  auto text = from.text("model");
  if (text.compare(0, prefix.size(), prefix) == 0) text.erase(0, prefix.size());
  auto at = text.find('@');
  to.model = text.substr(0, at);
  to.model_alias = at == std::string::npos ? "champion" : text.substr(at + 1);
  if (std::all_of(to.model_alias.begin(), to.model_alias.end(), [](unsigned char c) { return std::isdigit(c); }))
    from.problems().add(from.path("model"), fmt::format("{}@{} names a version; a pipeline follows an alias, such as "
                                                        "{}@champion",
                                                        to.model, to.model_alias, to.model));
}

pipeline_config read_pipeline(const section& from, const std::string& cluster) {
  pipeline_config to;
  to.name = from.text("name");
  to.subscribe = from.list("subscribe");
  to.starting = read_starting(from);
  to.fail_on_data_loss = from.flag("failOnDataLoss");
  to.group_id = from.text("group.id");
  if (to.group_id.empty()) to.group_id = fmt::format("troupe.{}.{}", cluster, to.name);
  read_model(from, to);
  to.features = from.list("features");
  to.topic = from.text("topic");
  to.output = read_output(from.inner("output"));
  to.errors = read_errors(from.inner("errors"));
  to.delivery = from.text("delivery");
  to.commit_interval_ms = from.duration<milliseconds>("commit.interval.ms");
  to.max_batch_size = from.number<std::uint32_t>("max_batch_size");
  to.max_queue_delay_us = from.duration<std::chrono::microseconds>("max_queue_delay_us");
  to.max_inflight_rows = from.number<std::uint32_t>("max_inflight_rows");
  to.max_inflight_bytes = from.number<std::uint64_t>("max_inflight_bytes");
  to.max_uncommitted_rows = from.number<std::uint32_t>("max_uncommitted_rows");
  to.max_row_bytes = from.number<std::uint32_t>("max_row_bytes");
  to.max_nesting_depth = from.number<std::uint32_t>("max_nesting_depth");
  return to;
}

/// The address of an option; a default one, and a problem, where it is none.
address read_address(const section& from, const char* key) {
  auto text = from.text(key);
  if (auto parsed = parse_address(text)) return *parsed;
  const auto* value = from.raw(key);
  const auto* node = member_schema(*json::find(schema_root()["properties"], "node"), key);
  if (value != nullptr)
    from.problems().add(from.path(key),
                        fmt::format("{} is not allowed; must be {}",
                                    shown_value(from.path(key), *value, from.expanded()), allowed_text(*node)));
  return {};
}

tls_config read_tls(const section& from) {
  tls_config to;
  to.certificate = from.text("certificate");
  to.key = from.text("key");
  to.ca = from.text("ca");
  to.passphrase = from.text("passphrase");
  return to;
}

node_config read_node(const section& from) {
  node_config to;
  to.name = from.text("name");
  auto listen = read_address(from, "listen");
  to.listen_host = listen.host;
  to.listen_port = listen.port;
  if (!from.text("advertise").empty()) to.advertise = to_string(read_address(from, "advertise"));
  const auto* http = from.raw("http");
  to.http_enabled = http != nullptr && !http->IsNull();
  if (to.http_enabled) {
    auto where = read_address(from, "http");
    to.http_host = where.host;
    to.http_port = where.port;
  }
  to.roles = from.list("roles");
  to.scorers = from.number<std::uint32_t>("scorers");
  if (to.scorers == 0) to.scorers = std::max(2u, std::thread::hardware_concurrency()) - 1;
  to.index = from.number<std::uint32_t>("index");
  to.tls = read_tls(from.inner("tls"));
  auto log = from.inner("log");
  to.log_level = log.text("level");
  to.log_format = log.text("format");
  return to;
}

} // namespace

bool node_config::has_role(const std::string& role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

config to_config(const json::document& doc, const origins& expanded, problem_list& problems,
                 std::set<std::string>* consumed) {
  context with{expanded, problems, consumed};
  section root(&doc, "", "", with);
  config to;
  to.cluster = read_cluster(root.inner("cluster"));
  if (const auto* kafka = root.raw("kafka")) to.kafka = read_kafka_properties(*kafka, expanded, problems);
  if (const auto* pipelines = json::find(doc, "pipelines"); pipelines != nullptr && pipelines->IsArray())
    for (rapidjson::SizeType i = 0; i < pipelines->Size(); ++i)
      to.pipelines.push_back(read_pipeline(
          section(&(*pipelines)[i], json::element_path("pipelines", i), "pipelines[]", with), to.cluster.name));
  to.node = read_node(root.inner("node"));
  return to;
}

} // namespace troupe::config
