// troupe: one binary for the node, the embedded broker and every tool. The table below is the list of commands.

#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/command.hpp"

int main(int argc, char** argv) {
  using namespace troupe::cli;
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app{"Troupe scores rows of a Kafka topic with models trained in Python, on as many nodes as it takes."};
  app.set_version_flag("--version", "troupe " TROUPE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  run_fn chosen;
  for (add_fn add :
       {add_node_command, add_status_command, add_model_command, add_pipeline_command, add_topics_command,
        add_produce_command, add_consume_command, add_score_command, add_broker_command, add_config_command})
    add(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    return chosen();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "troupe: internal error: %s\n", e.what());
    return 1;
  }
}
