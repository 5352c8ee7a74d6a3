#pragma once
// What the subcommands of `troupe` share. One file a subcommand: cli/<name>_command.cpp adds its flags to the CLI11 app
// and hands back what runs it. Exit codes: 0 done, 1 failed (one line on stderr says what and what to do), 2 wrong
// usage.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.hpp"
#include "config/config.hpp"

namespace troupe::cli {

/// The exit code of the subcommand that was chosen.
using run_fn = std::function<int()>;
/// Adds a subcommand; its callback puts what is to be run into `chosen`.
using add_fn = void (*)(CLI::App& app, run_fn& chosen);

void add_node_command(CLI::App& app, run_fn& chosen);
void add_drain_command(CLI::App& node, run_fn& chosen); ///< below `node`
void add_status_command(CLI::App& app, run_fn& chosen);
void add_model_command(CLI::App& app, run_fn& chosen);
void add_pipeline_command(CLI::App& app, run_fn& chosen);
void add_topics_command(CLI::App& app, run_fn& chosen);
void add_produce_command(CLI::App& app, run_fn& chosen);
void add_consume_command(CLI::App& app, run_fn& chosen);
void add_score_command(CLI::App& app, run_fn& chosen);
void add_broker_command(CLI::App& app, run_fn& chosen);
void add_config_command(CLI::App& app, run_fn& chosen);

/// Prints "troupe: <message>" on stderr, each line of the message a line; gives exit code 1.
int failed(const error& why);
int failed(const std::string& why);

/// A name given on the command line, as it may stand in a message and in JSON. Fails (errc::invalid) where it has
/// control characters, quotes or backslashes, or is not ASCII; nothing in a cluster has such a name.
result<void> check_plain(const std::string& name);

/// --config FILE [--set a.b=c], or --bootstrap HOST:PORT: how a command finds Kafka.
struct kafka_options {
  std::string config_file, bootstrap;
  std::vector<std::string> sets;
  void add_to(CLI::App& command);
  /// librdkafka properties. Neither flag given: ./cluster.json if there is one, else 127.0.0.1:9092.
  result<std::map<std::string, std::string>> properties() const;
};

/// The bytes of a model file. Fails where it can't be read, is no regular file, or is larger than any model may be.
result<std::vector<char>> read_model_file(const std::string& path);

/// Logs of a command that is not a node: warnings of libraries only, on stderr.
void quiet_logging();
/// True where stderr is a terminal: progress is shown only there.
bool on_terminal();

} // namespace troupe::cli
