// troupe pipeline resume: read on after errors.tolerance none has stopped a pipeline at a bad row.

#include <memory>

#include <fmt/format.h>

#include "cli/admin_client.hpp"

namespace troupe::cli {
namespace {

struct options {
  cluster_options cluster;
  std::string name;
};

int resume(const options& opts) {
  if (auto ok = check_plain(opts.name); !ok) return failed(ok.error());
  auto client = admin_client::connect(opts.cluster);
  if (!client) return failed(client.error());
  auto done = (*client)->ask("pipeline.resume", fmt::format(R"({{"name":"{}"}})", opts.name), std::chrono::seconds(30));
  if (!done) return failed(done.error());
  fmt::print("pipeline {} runs\n", opts.name);
  return 0;
}

} // namespace

void add_pipeline_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("pipeline", "Pipelines of the running cluster");
  command->require_subcommand(1);
  auto opts = std::make_shared<options>();
  auto* sub = command->add_subcommand("resume", "Read on after a stop (errors.tolerance none)");
  opts->cluster.add_to(*sub);
  sub->add_option("name", opts->name, "Pipeline")->required();
  sub->callback([opts, &chosen] { chosen = [opts] { return resume(*opts); }; });
}

} // namespace troupe::cli
