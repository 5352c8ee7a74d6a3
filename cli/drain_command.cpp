// troupe node drain: a running node hands over its partitions and leaves, as it does on SIGTERM.

#include <memory>
#include <thread>

#include <fmt/format.h>

#include "cli/admin_client.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto drain_limit = 30s;

struct options {
  cluster_options cluster;
  std::string name;
};

/// The address of the member with that name; or who the members are.
result<member> find_member(const cluster_state& state, const std::string& name) {
  if (const auto* found = state.find_member(name)) return *found;
  std::string names;
  for (const auto* one : state.members_by_age()) names += (names.empty() ? "" : ", ") + one->node.name;
  return fail(errc::not_found, fmt::format("node {} is no member of the cluster; {}", name,
                                           names.empty() ? "there is none" : "there are " + names));
}

int drain(options opts) {
  if (auto ok = check_plain(opts.name); !ok) return failed(ok.error());
  auto state = read_cluster(opts.cluster);
  if (!state) return failed(state.error());
  auto who = find_member(*state, opts.name);
  if (!who) return failed(who.error());
  opts.cluster.node = who->address;
  {
    auto client = admin_client::connect(opts.cluster);
    if (!client) return failed(client.error());
    if (auto told = (*client)->ask("node.drain", "{}", 10s); !told) return failed(told.error());
  }
  // It leaves once nobody needs it; then its removal stands in the control topic.
  for (auto give_up = std::chrono::steady_clock::now() + drain_limit; std::chrono::steady_clock::now() < give_up;
       std::this_thread::sleep_for(200ms)) {
    auto now = read_cluster(opts.cluster);
    if (!now) return failed(now.error());
    if (now->is_member(who->node)) continue;
    fmt::print("node {} has handed over and left\n", opts.name);
    return 0;
  }
  return failed(fmt::format("node {} was told to leave and is still a member after {} s; look with troupe status",
                            opts.name, drain_limit / 1s));
}

} // namespace

void add_drain_command(CLI::App& node, run_fn& chosen) {
  auto opts = std::make_shared<options>();
  auto* command =
      node.add_subcommand("drain", "Tell a running node to hand over its partitions and leave, as SIGTERM does");
  opts->cluster.add_to(*command);
  command->add_option("name", opts->name, "Node")->required();
  command->callback([opts, &chosen] { chosen = [opts] { return drain(*opts); }; });
}

} // namespace troupe::cli
