// troupe broker: the embedded broker on a port, for trying things out. Never for rows that matter, and it says so.

#include <charconv>
#include <csignal>
#include <initializer_list>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.hpp"
#include "kafka/embedded_broker.hpp"

namespace troupe::cli {
namespace {

struct options {
  std::uint16_t port = 9092;
  std::vector<std::string> topics, clusters{"games"};
};

constexpr int most_partitions = 1000;

/// "dsp:4", or "dsp" for one partition.
result<std::pair<std::string, int>> parse_topic(const std::string& text) {
  auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::pair{text, 1};
  int partitions = 0;
  const char* end = text.data() + text.size();
  auto [stop, why] = std::from_chars(text.data() + colon + 1, end, partitions);
  if (why != std::errc{} || stop != end || colon == 0 || partitions < 1 || partitions > most_partitions)
    return fail(errc::invalid, fmt::format("--topics {}: expected name:partitions, 1 to {} of them, for instance dsp:4",
                                           text, most_partitions));
  return std::pair{text.substr(0, colon), partitions};
}

int run(const options& opts) {
  quiet_logging();
  kafka::embedded_broker_settings settings;
  settings.port = opts.port;
  settings.clusters = opts.clusters;
  for (auto& text : opts.topics) {
    auto topic = parse_topic(text);
    if (!topic) return failed(topic.error());
    settings.topics.insert(*topic);
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (int sig : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, sig);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr); // before the broker's threads, which inherit it
  auto broker = kafka::embedded_broker::start(settings);
  if (!broker) return failed(broker.error());
  fmt::print(stderr,
             "embedded broker at {}; topics: {}; own topics of cluster {}\n"
             "It is for trying things out: it forgets everything when it ends, keeps at most 5 MB and 100,000 records "
             "of a partition,\n"
             "and proves nothing about transactions or durability. Ctrl-C ends it.\n",
             (*broker)->bootstrap(), fmt::join(opts.topics, ", "), fmt::join(opts.clusters, ", "));
  int which = 0;
  ::sigwait(&signals, &which);
  return 0;
}

} // namespace

void add_broker_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("broker", "Run an embedded Kafka broker on this machine, for trying things out");
  auto opts = std::make_shared<options>();
  command->add_option("--port", opts->port, "Port on 127.0.0.1; 0 for any free one")->capture_default_str();
  command->add_option("--topics", opts->topics, "Topics and their partitions: dsp:4,preds:4,dsp.dlq:1")->delimiter(',');
  command
      ->add_option("--cluster", opts->clusters,
                   "cluster.name of the clusters that will use it: their own topics are made too")
      ->delimiter(',')
      ->capture_default_str();
  command->callback([opts, &chosen] { chosen = [opts] { return run(*opts); }; });
}

} // namespace troupe::cli
