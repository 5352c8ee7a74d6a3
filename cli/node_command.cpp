// troupe node: a member of the cluster. In order: the config, the log, Kafka and its topics, then one life after
// another of the node.

#include <csignal>
#include <memory>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "actors/tls_files.hpp"
#include "cli/command.hpp"
#include "cli/node_process.hpp"
#include "config/load.hpp"
#include "kafka/topics.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

struct options {
  std::string config_file = "cluster.json", name;
  std::vector<std::string> sets;
};

constexpr auto kafka_limit = 10'000ms;
constexpr auto kafka_retry = 1s;
constexpr auto rejoin_pause = 1s;
/// A node that was removed while alive is refused for a moment by those who have not noticed yet.
constexpr int rejoin_tries = 10;

/// %J: the message as the inside of a JSON string.
class json_text_flag final : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& line, const std::tm&, spdlog::memory_buf_t& out) override {
    for (unsigned char c : std::string_view{line.payload.data(), line.payload.size()}) {
      if (c == '"' || c == '\\')
        fmt::format_to(std::back_inserter(out), "\\{}", static_cast<char>(c));
      else if (c < 0x20)
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
      else
        out.push_back(static_cast<char>(c));
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<json_text_flag>(); }
};

void start_logging(const config::node_config& node) {
  auto logger = std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  spdlog::set_default_logger(logger);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<json_text_flag>('J');
  if (node.log_format == "json")
    formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","node":")" + node.name +
                           R"(","message":"%J"})");
  else
    formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %l [" + node.name + "] %v");
  spdlog::set_formatter(std::move(formatter));
  spdlog::set_level(spdlog::level::from_str(node.log_level));
  spdlog::flush_on(spdlog::level::info);
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int sig : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, sig);
  return signals;
}

/// Sleeps; true if the process was told to stop meanwhile.
bool stopped_within(std::chrono::seconds pause) {
  auto signals = stop_signals();
  timespec limit{pause.count(), 0};
  return ::sigtimedwait(&signals, nullptr, &limit) > 0;
}

bool passing(const error& why) { return why.code == errc::unavailable || why.code == errc::timeout; }

/// The topics of every pipeline are there; outputs with their limits. Never creates one: a mistyped name is a mistake
/// to be told.
result<node_surroundings> look_around(kafka::topic_admin& admin, const config::config& cfg) {
  node_surroundings around;
  auto embedded = admin.embedded(kafka_limit);
  if (!embedded) return tl::make_unexpected(embedded.error());
  around.embedded = *embedded;
  if (auto made = admin.ensure_cluster_topics(cfg.cluster.name, cfg.cluster.replication_factor, kafka_limit); !made)
    return tl::make_unexpected(made.error());
  for (auto& pipeline : cfg.pipelines) {
    if (around.embedded && pipeline.delivery == "exactly_once")
      return fail(errc::unsupported,
                  fmt::format("pipeline {}: delivery is exactly_once, but this is the embedded "
                              "broker, which has no transactions; use at_least_once, or a real Kafka",
                              pipeline.name));
    std::vector<std::pair<std::string, std::string>> wanted;
    for (auto& topic : pipeline.subscribe) wanted.emplace_back("subscribe", topic);
    wanted.emplace_back("topic", pipeline.topic);
    if (!pipeline.errors.dead_letter_topic.empty())
      wanted.emplace_back("errors.deadletterqueue.topic.name", pipeline.errors.dead_letter_topic);
    for (auto& [option, topic] : wanted) {
      auto limits = admin.limits(topic, kafka_limit);
      if (!limits && limits.error().code == errc::not_found)
        return fail(
            errc::not_found,
            fmt::format("pipeline {}: there is no topic {} ({}); create it: troupe topics create {} --partitions 4",
                        pipeline.name, topic, option, topic));
      if (!limits) return tl::make_unexpected(limits.error());
      around.topics[topic] = *limits;
    }
    auto& letters = pipeline.errors.dead_letter_topic;
    if (!letters.empty())
      if (auto good = kafka::check_dead_letter_topic(letters, around.topics[letters]); !good)
        return fail(good.error().code, fmt::format("pipeline {}: {}", pipeline.name, good.error().message));
    if (around.topics[pipeline.topic].compacted)
      spdlog::warn("pipeline {}: topic {} is compacted, so rows without a key become dead letters UNACCEPTABLE_RECORD",
                   pipeline.name, pipeline.topic);
    for (auto& topic : pipeline.subscribe)
      if (!letters.empty() && around.topics[letters].max_message_bytes < around.topics[topic].max_message_bytes)
        spdlog::warn("pipeline {}: dead letters of {} may be cut: max.message.bytes is {} there and {} in {}",
                     pipeline.name, topic, around.topics[topic].max_message_bytes,
                     around.topics[letters].max_message_bytes, letters);
  }
  return around;
}

/// Waits for Kafka as long as it takes, saying so; nullopt if told to stop meanwhile.
result<std::optional<node_surroundings>> wait_for_kafka(const config::config& cfg) {
  auto admin = kafka::topic_admin::open(cfg.kafka);
  if (!admin) return tl::make_unexpected(admin.error());
  for (;;) {
    auto around = look_around(**admin, cfg);
    if (around) return std::optional{*around};
    if (!passing(around.error())) return tl::make_unexpected(around.error());
    spdlog::warn("Kafka at {} can't be used yet, trying again: {}", cfg.kafka.at("bootstrap.servers"),
                 around.error().message);
    if (stopped_within(kafka_retry)) return std::optional<node_surroundings>{};
  }
}

int live(const config::config& cfg, const node_surroundings& around) {
  int refusals = 0;
  for (bool rejoining = false;; rejoining = true) {
    auto end = run_node(cfg, around, rejoining);
    if (end && *end == node_end::left) return 0;
    if (!end && !(rejoining && end.error().code == errc::conflict && ++refusals < rejoin_tries))
      return failed(end.error());
    if (end) refusals = 0;
    if (stopped_within(rejoin_pause)) return 0;
  }
}

int run(const options& opts) {
  config::load_options how{opts.sets, {}, {}};
  if (!opts.name.empty()) how.node_name = opts.name;
  auto cfg = config::load_file(opts.config_file, how);
  if (!cfg) return failed(cfg.error());
  if (cfg->node.name.empty()) return failed("the node needs a name: --name a");
  if (cfg->node.tls.enabled()) {
    auto& tls = cfg->node.tls;
    if (auto good = check_tls_files({tls.certificate, tls.key, tls.ca, tls.passphrase}); !good)
      return failed(good.error());
  }
  start_logging(cfg->node);
  auto signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr); // before the first thread, so that every thread inherits it
  auto around = wait_for_kafka(*cfg);
  if (!around) return failed(around.error());
  if (!*around) return 0;
  if ((*around)->embedded)
    spdlog::warn("this is the embedded broker: it keeps 5 MB of a partition, forgets everything at its end, and proves "
                 "no guarantee");
  int code = live(*cfg, **around);
  spdlog::shutdown();
  return code;
}

} // namespace

void add_node_command(CLI::App& app, run_fn& chosen) {
  auto* command =
      app.add_subcommand("node", "Run a node of the cluster until it is told to stop (SIGTERM hands over first)");
  auto opts = std::make_shared<options>();
  command->add_option("-c,--config", opts->config_file, "Cluster config file, the same for every node")
      ->capture_default_str();
  command->add_option("-n,--name", opts->name, "Name of this node, its own in the cluster");
  command->add_option("--set", opts->sets, "Override one option of the config: node.listen=127.0.0.1:4801");
  add_drain_command(*command, chosen);
  command->callback([command, opts, &chosen] {
    if (command->get_subcommands().empty()) chosen = [opts] { return run(*opts); };
  });
}

} // namespace troupe::cli
