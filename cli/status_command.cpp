// troupe status: nodes, coordinator, partitions and who owns them and why, models, rates, lag, rejections.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <unistd.h>

#include "cli/admin_client.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_limit = 10'000ms;

struct options {
  cluster_options cluster;
  bool json = false, watch = false;
  double interval_seconds = 1.0;
};

std::uint64_t stat(const rapidjson::Value& node, const char* name) {
  auto stats = node.FindMember("stats");
  if (stats == node.MemberEnd() || !stats->value.IsObject()) return 0;
  auto value = stats->value.FindMember(name);
  return value != stats->value.MemberEnd() && value->value.IsUint64() ? value->value.GetUint64() : 0;
}

std::string list(const rapidjson::Value& texts) {
  std::string line;
  for (auto& text : texts.GetArray()) line += (line.empty() ? "" : ",") + std::string(text.GetString());
  return line.empty() ? "-" : line;
}

void print_nodes(const rapidjson::Value& cluster) {
  std::string coordinator = cluster["coordinator"].HasMember("node") ? cluster["coordinator"]["node"].GetString() : "";
  fmt::print("{:<10} {:<9} {:<22} {:<27} {:>10} {:>10} {:>10} {:>9} {:>8}\n", "NODE", "STATE", "ADDRESS", "ROLES",
             "READ/S", "SCORED/S", "PRODUCED/S", "REJECTED", "RSS MB");
  for (auto& node : cluster["nodes"].GetArray())
    fmt::print("{:<10} {:<9} {:<22} {:<27} {:>10} {:>10} {:>10} {:>9} {:>8}\n",
               node["node"].GetString() + std::string(coordinator == node["node"].GetString() ? " *" : ""),
               node["state"].GetString(), node["address"].GetString(), list(node["roles"]),
               stat(node, "read_rows_per_second"), stat(node, "scored_rows_per_second"),
               stat(node, "produced_rows_per_second"), stat(node, "rows_rejected"), stat(node, "resident_bytes") >> 20);
  if (coordinator.empty())
    fmt::print("no coordinator yet: the nodes agree on one within seconds; ask again\n");
  else
    fmt::print("* coordinates, term {}\n", cluster["coordinator"]["term"].GetInt64());
  for (auto& gone : cluster["removed"].GetArray())
    fmt::print("removed: {}: {}\n", gone["node"].GetString(), gone["reason"].GetString());
  for (auto& refusal : cluster["refusals"].GetArray())
    fmt::print("refused: {} at {}: {}\n", refusal["node"].GetString(), refusal["address"].GetString(),
               refusal["message"].GetString());
}

std::string known(const rapidjson::Value& number) {
  return number.GetInt64() < 0 ? "?" : std::to_string(number.GetInt64());
}

void print_pipelines(const rapidjson::Value& cluster) {
  for (auto& pipeline : cluster["pipelines"].GetArray()) {
    fmt::print("\npipeline {}: {} -> model {}@{}, {}\n", pipeline["name"].GetString(), list(pipeline["topics"]),
               pipeline["model"].GetString(), pipeline["alias"].GetString(), pipeline["state"].GetString());
    for (auto* why : {"reason", "where", "problem"})
      if (pipeline[why].GetStringLength() > 0) fmt::print("  {}: {}\n", why, pipeline[why].GetString());
    fmt::print("  {:<20} {:<10} {:<10} {:>12} {:>12} {:>9}  {}\n", "PARTITION", "STATE", "OWNER", "COMMITTED", "END",
               "LAG", "WHY THERE");
    for (auto& part : cluster["partitions"].GetArray())
      if (!std::strcmp(part["pipeline"].GetString(), pipeline["name"].GetString()))
        fmt::print("  {:<20} {:<10} {:<10} {:>12} {:>12} {:>9}  {}\n",
                   fmt::format("{}/{}", part["topic"].GetString(), part["partition"].GetInt()),
                   part["state"].GetString(), part["owner"].GetString(),
                   known(part[part["committed"].GetInt64() < 0 ? "start" : "committed"]), known(part["end"]),
                   known(part["lag"]), part["reason"].GetString());
  }
}

void print_models(const rapidjson::Value& cluster) {
  if (cluster["models"].Empty()) return;
  fmt::print("\n{:<20} {:<8} {:<14} {:<20} {}\n", "MODEL", "STATE", "ALIASES", "READY ON", "WAITING FOR");
  for (auto& model : cluster["models"].GetArray()) {
    fmt::print("{:<20} {:<8} {:<14} {:<20} {}\n",
               fmt::format("{}@{}", model["name"].GetString(), model["version"].GetUint()), model["state"].GetString(),
               list(model["aliases"]), list(model["ready"]), list(model["waiting"]));
    if (model["message"].GetStringLength() > 0) fmt::print("  {}\n", model["message"].GetString());
    for (auto& failure : model["failed"].GetArray())
      fmt::print("  not on {}: {}\n", failure["node"].GetString(), failure["message"].GetString());
  }
}

void print_rejections(const rapidjson::Value& cluster) {
  std::map<std::string, std::uint64_t> by_code;
  for (auto& node : cluster["nodes"].GetArray()) {
    auto stats = node.FindMember("stats");
    if (stats == node.MemberEnd() || !stats->value.IsObject() || !stats->value.HasMember("rejected")) continue;
    for (auto& code : stats->value["rejected"].GetObject()) by_code[code.name.GetString()] += code.value.GetUint64();
  }
  if (by_code.empty()) return;
  fmt::print("\nrejected rows:");
  for (auto& [code, count] : by_code) fmt::print(" {} {}", code, count);
  fmt::print("\n");
}

int print(const std::string& text) {
  rapidjson::Document status;
  status.Parse(text.data(), text.size());
  if (status.HasParseError()) return failed("the status could not be read; is the node of another version?");
  auto& cluster = status["cluster"];
  if (!cluster.IsObject()) {
    auto& node = status["node"];
    fmt::print("no coordinator answers: {}\n", status["problem"].GetString());
    fmt::print("node {} at {}: {}, Kafka {}\n", node["node"].GetString(), node["address"].GetString(),
               node["member"].GetBool() ? "a member" : "not a member",
               node["kafka_lost"].GetBool() ? "lost" : "in reach");
    return 1;
  }
  fmt::print("cluster {} (fingerprint {})\n\n", cluster["cluster"]["name"].GetString(),
             std::string(cluster["cluster"]["fingerprint"].GetString()).substr(0, 12));
  print_nodes(cluster);
  print_pipelines(cluster);
  print_models(cluster);
  print_rejections(cluster);
  return 0;
}

int show_once(admin_client& client, const options& opts) {
  auto text = client.ask("status", "{}", answer_limit);
  if (!text) return failed(text.error());
  if (opts.json) {
    fmt::print("{}\n", *text);
    return 0;
  }
  return print(*text);
}

/// Follows until interrupted; a node that goes away is replaced by the next one that answers.
int follow(const options& opts) {
  for (;;) {
    auto client = admin_client::connect(opts.cluster);
    if (!client) {
      failed(client.error());
      std::this_thread::sleep_for(1s);
      continue;
    }
    for (;;) {
      if (!opts.json && ::isatty(STDOUT_FILENO)) fmt::print("\033[H\033[2J");
      auto text = (*client)->ask("status", "{}", answer_limit);
      if (!text) break;
      opts.json ? fmt::print("{}\n", *text) : static_cast<void>(print(*text));
      std::fflush(stdout);
      std::this_thread::sleep_for(std::chrono::duration<double>(opts.interval_seconds));
    }
  }
}

int run(const options& opts) {
  if (opts.watch) return follow(opts);
  auto client = admin_client::connect(opts.cluster);
  return client ? show_once(**client, opts) : failed(client.error());
}

} // namespace

void add_status_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("status", "Nodes, coordinator, partitions and their owners, models, rates, lag");
  auto opts = std::make_shared<options>();
  opts->cluster.add_to(*command);
  command->add_flag("--json", opts->json, "Print JSON (docs/protocol.md lists the fields)");
  command->add_flag("-w,--watch", opts->watch, "Follow until interrupted");
  command->add_option("--interval", opts->interval_seconds, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  command->callback([opts, &chosen] { chosen = [opts] { return run(*opts); }; });
}

} // namespace troupe::cli
