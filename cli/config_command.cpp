// troupe config check|show|schema: the config file, without starting anything.

#include <cstdio>
#include <memory>

#include "cli/command.hpp"
#include "config/load.hpp"

namespace troupe::cli {
namespace {

struct options {
  std::string file = "cluster.json";
  std::vector<std::string> sets;
  bool markdown = false;
};

int print(const result<std::string>& text) {
  if (!text) return failed(text.error());
  std::fputs(text->c_str(), stdout);
  if (!text->empty() && text->back() != '\n') std::fputc('\n', stdout);
  return 0;
}

} // namespace

void add_config_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("config", "Check a config file, show what is in force, print the schema");
  command->require_subcommand(1);
  auto opts = std::make_shared<options>();
  auto with_file = [opts](CLI::App* sub) {
    sub->add_option("file,-c,--config", opts->file, "Cluster config file")->capture_default_str();
    sub->add_option("--set", opts->sets, "Override one option: a.b=c");
  };

  auto* check = command->add_subcommand("check", "Say everything that is wrong with it, or that it is fine");
  with_file(check);
  check->callback([opts, &chosen] {
    chosen = [opts] { return print(config::load_file(opts->file, {opts->sets, {}, {}}).map(config::summary)); };
  });

  auto* show = command->add_subcommand("show", "Print what is in force, defaults included, secrets redacted");
  with_file(show);
  show->callback([opts, &chosen] {
    chosen = [opts] { return print(config::load_file(opts->file, {opts->sets, {}, {}}).map(config::show)); };
  });

  auto* schema = command->add_subcommand("schema", "Print the JSON Schema of the file, for editors");
  schema->add_flag("--markdown", opts->markdown, "As docs/configuration.md");
  schema->callback([opts, &chosen] {
    chosen = [opts] {
      return print(opts->markdown ? config::configuration_markdown() : std::string(config::schema()));
    };
  });
}

} // namespace troupe::cli
