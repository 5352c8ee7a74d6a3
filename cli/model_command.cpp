// troupe model push|list|show|promote|rollback: versions of models in the running cluster. Of files: model_file.cpp.

#include <charconv>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "cli/admin_client.hpp"
#include "cli/model_file.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t chunk_bytes = 256 << 10;
constexpr auto answer_limit = 10'000ms, change_limit = 30'000ms, store_limit = 200'000ms;

struct options {
  cluster_options cluster;
  std::string file, name, reference, alias = "champion";
  std::vector<std::string> features;
  int wait_seconds = 30;
  bool json = false, no_wait = false;
};

struct model_reference {
  std::string name;
  std::uint32_t version = 0;
};

/// "games@2"
result<model_reference> split_reference(const std::string& text) {
  if (auto ok = check_plain(text); !ok) return tl::make_unexpected(ok.error());
  auto at = text.find('@');
  model_reference reference{text.substr(0, at), 0};
  if (at == std::string::npos) return fail(errc::invalid, "'" + text + "': say which version, as in " + text + "@2");
  auto* begin = text.data() + at + 1;
  auto* end = text.data() + text.size();
  auto [stop, fault] = std::from_chars(begin, end, reference.version);
  if (fault != std::errc{} || stop != end || reference.version == 0)
    return fail(errc::invalid, "'" + text + "': a version is a number, as in games@2");
  return reference;
}

using json_writer = rapidjson::Writer<rapidjson::StringBuffer>;

std::string begin_body(const options& opts, std::size_t bytes) {
  rapidjson::StringBuffer text;
  json_writer json{text};
  json.StartObject();
  json.Key("name");
  json.String(opts.name.c_str());
  json.Key("alias");
  json.String(opts.alias.c_str());
  json.Key("bytes");
  json.Uint64(bytes);
  json.Key("features");
  json.StartArray();
  for (auto& feature : opts.features) json.String(feature.c_str());
  json.EndArray();
  json.EndObject();
  return text.GetString();
}

result<std::string> upload(admin_client& client, const options& opts, const std::vector<char>& content) {
  auto begun = client.ask("model.begin", begin_body(opts, content.size()), answer_limit);
  if (!begun) return begun;
  rapidjson::Document answer;
  answer.Parse(begun->c_str());
  std::string id = answer["upload"].GetString();
  for (std::size_t at = 0; at < content.size(); at += chunk_bytes) {
    auto end = std::min(content.size(), at + chunk_bytes);
    auto sent = client.ask(
        "model.chunk", fmt::format(R"({{"upload":"{}","at":{}}})", id, at), answer_limit,
        {content.begin() + static_cast<std::ptrdiff_t>(at), content.begin() + static_cast<std::ptrdiff_t>(end)});
    if (!sent) return sent;
    if (on_terminal()) fmt::print(stderr, "\r{} of {} KiB", end >> 10, content.size() >> 10);
  }
  if (on_terminal()) fmt::print(stderr, "\r\033[K");
  return client.ask("model.commit", fmt::format(R"({{"upload":"{}"}})", id), store_limit);
}

result<rapidjson::Document> status(admin_client& client) {
  auto text = client.ask("status", "{}", answer_limit);
  if (!text) return tl::make_unexpected(text.error());
  rapidjson::Document document;
  document.Parse(text->data(), text->size());
  if (document.HasParseError() || !document["cluster"].IsObject())
    return fail(errc::unavailable, "the cluster has no coordinator at the moment; ask again in a few seconds");
  return document;
}

const rapidjson::Value* find_model(const rapidjson::Document& status, const model_reference& which) {
  for (auto& model : status["cluster"]["models"].GetArray())
    if (model["name"].GetString() == which.name && model["version"].GetUint() == which.version) return &model;
  return nullptr;
}

bool everybody_applied(const rapidjson::Document& status, std::int64_t offset) {
  for (auto& node : status["cluster"]["nodes"].GetArray())
    if (node["applied"].GetInt64() <= offset) return false;
  return true;
}

/// Until every node has obeyed: the alias points to the version, and all have read past the record that says so.
int wait_until_live(admin_client& client, const options& opts, const model_reference& which) {
  auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(opts.wait_seconds);
  std::int64_t live_since = -1;
  std::string waiting_for = "the coordinator";
  while (std::chrono::steady_clock::now() < give_up) {
    auto now = status(client);
    if (now) {
      auto* model = find_model(*now, which);
      if (model && !std::strcmp((*model)["state"].GetString(), "failed"))
        return failed(fmt::format("{}@{} was refused by a node and is not live; what ran before keeps running: {}",
                                  which.name, which.version, (*model)["message"].GetString()));
      for (auto& alias : (*now)["cluster"]["aliases"].GetArray())
        if (alias["model"].GetString() == which.name && alias["alias"].GetString() == opts.alias &&
            alias["version"].GetUint() == which.version && live_since < 0)
          live_since = (*now)["cluster"]["applied"].GetInt64() - 1;
      if (live_since >= 0 && everybody_applied(*now, live_since)) {
        fmt::print("{}@{} is live: it is {} on every node\n", which.name, which.version, opts.alias);
        return 0;
      }
      waiting_for.clear();
      if (model)
        for (auto& node : (*model)["waiting"].GetArray())
          waiting_for += std::string(waiting_for.empty() ? "node " : ", ") + node.GetString();
      if (waiting_for.empty()) waiting_for = "the nodes to read the control topic";
    }
    std::this_thread::sleep_for(50ms);
  }
  return failed(fmt::format("{}@{} is registered but not live after {} s; still waiting for {}", which.name,
                            which.version, opts.wait_seconds, waiting_for));
}

int push(const options& opts) {
  for (const std::string& name : {opts.name, opts.alias})
    if (auto ok = check_plain(name); !ok) return failed(ok.error());
  auto content = read_model_file(opts.file);
  if (!content) return failed(content.error());
  auto client = admin_client::connect(opts.cluster);
  if (!client) return failed(client.error());
  auto done = upload(**client, opts, *content);
  if (!done) return failed(opts.file + ": " + done.error().message);
  rapidjson::Document answer;
  answer.Parse(done->c_str());
  model_reference which{opts.name, answer["result"]["version"].GetUint()};
  if (opts.json) fmt::print("{}\n", *done);
  if (opts.no_wait) {
    if (!opts.json) fmt::print("{}@{} is registered\n", which.name, which.version);
    return 0;
  }
  return wait_until_live(**client, opts, which);
}

std::string joined(const rapidjson::Value& texts) {
  std::string line;
  for (auto& text : texts.GetArray()) line += (line.empty() ? "" : ",") + std::string(text.GetString());
  return line.empty() ? "-" : line;
}

std::string to_json(const rapidjson::Value& value) {
  rapidjson::StringBuffer text;
  json_writer json{text};
  value.Accept(json);
  return text.GetString();
}

int list(const options& opts) {
  auto client = admin_client::connect(opts.cluster);
  if (!client) return failed(client.error());
  auto now = status(**client);
  if (!now) return failed(now.error());
  auto& models = (*now)["cluster"]["models"];
  if (opts.json) {
    fmt::print("{}\n", to_json(models));
    return 0;
  }
  if (models.Empty())
    fmt::print("no models yet: troupe model push FILE --name NAME\n");
  else
    fmt::print("{:<24} {:<8} {:<14} {:>10}  {:<14} {}\n", "MODEL", "STATE", "ALIASES", "BYTES", "READY ON", "SHA256");
  for (auto& model : models.GetArray())
    fmt::print("{:<24} {:<8} {:<14} {:>10}  {:<14} {}\n",
               fmt::format("{}@{}", model["name"].GetString(), model["version"].GetUint()), model["state"].GetString(),
               joined(model["aliases"]), model["bytes"].GetInt64(), joined(model["ready"]),
               std::string(model["sha256"].GetString()).substr(0, 12));
  return 0;
}

int show(const options& opts) {
  if (is_model_file(opts.reference)) return show_model_file(opts.reference, opts.json);
  auto which = split_reference(opts.reference);
  if (!which) return failed(which.error());
  auto client = admin_client::connect(opts.cluster);
  if (!client) return failed(client.error());
  auto now = status(**client);
  if (!now) return failed(now.error());
  auto* model = find_model(*now, *which);
  if (!model) return failed("there is no " + opts.reference + "; troupe model list shows what there is");
  fmt::print("{}\n", to_json(*model));
  return 0;
}

/// version 0: back to the previous one.
int set_alias(const options& opts, const std::string& name, std::uint32_t version) {
  for (const std::string& given : {name, opts.alias})
    if (auto ok = check_plain(given); !ok) return failed(ok.error());
  auto client = admin_client::connect(opts.cluster);
  if (!client) return failed(client.error());
  auto done = (*client)->ask("model.alias",
                             fmt::format(R"({{"name":"{}","alias":"{}","version":{}}})", name, opts.alias, version),
                             change_limit);
  if (!done) return failed(done.error());
  rapidjson::Document answer;
  answer.Parse(done->c_str());
  if (opts.json) fmt::print("{}\n", *done);
  if (opts.no_wait) return 0;
  return wait_until_live(**client, opts, {name, answer["result"]["version"].GetUint()});
}

int promote(const options& opts) {
  auto which = split_reference(opts.reference);
  return which ? set_alias(opts, which->name, which->version) : failed(which.error());
}

void add_bench(CLI::App& command, run_fn& chosen) {
  auto bench = std::make_shared<bench_options>();
  auto* sub = command.add_subcommand("bench", "How long a model file takes a row, at batches of 1, 64 and 1024");
  sub->add_option("file", bench->path, "Model file")->required();
  sub->add_option("--rows", bench->rows, "Rows to score, one JSON object a line; made up unless given");
  sub->add_option("--seconds", bench->seconds, "Time spent on each batch size")->capture_default_str();
  sub->add_flag("--json", bench->json, "Print JSON");
  sub->callback([bench, &chosen] { chosen = [bench] { return bench_model_file(*bench); }; });
}

} // namespace

void add_model_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("model", "Push models to the running cluster, and say which version is live");
  command->require_subcommand(1);
  auto opts = std::make_shared<options>();
  auto add = [&](const char* name, const char* what, int (*run)(const options&)) {
    auto* sub = command->add_subcommand(name, what);
    opts->cluster.add_to(*sub);
    sub->add_flag("--json", opts->json, "Print JSON");
    sub->callback([opts, &chosen, run] { chosen = [opts, run] { return run(*opts); }; });
    return sub;
  };
  auto add_waiting = [opts](CLI::App* sub) {
    sub->add_option("--alias", opts->alias, "The alias that moves")->capture_default_str();
    sub->add_option("--wait", opts->wait_seconds, "Seconds to wait until every node runs it")->capture_default_str();
    sub->add_flag("--no-wait", opts->no_wait, "Return once the change is recorded");
  };
  auto* push_sub = add("push", "Prove a model file, store it, and make it live on every node", push);
  push_sub->add_option("file", opts->file, "ONNX, XGBoost or LightGBM file")->required();
  push_sub->add_option("--name", opts->name, "Registered name")->required();
  push_sub->add_option("--features", opts->features, "Feature names, in the order of the model's inputs")
      ->delimiter(',');
  add_waiting(push_sub);
  add("list", "Every version, its aliases, and the nodes that have it", list);
  add("show", "All about one version, or about a model file", show)
      ->add_option("model", opts->reference, "As games@2, or a file")
      ->required();
  add_bench(*command, chosen);
  auto* promote_sub = add("promote", "Make a version live", promote);
  promote_sub->add_option("model", opts->reference, "As games@2")->required();
  add_waiting(promote_sub);
  auto* rollback_sub =
      add("rollback", "Make the version before live again", [](const options& o) { return set_alias(o, o.name, 0); });
  rollback_sub->add_option("name", opts->name, "Registered name")->required();
  add_waiting(rollback_sub);
}

} // namespace troupe::cli
