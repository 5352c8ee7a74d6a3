#pragma once
// How a command talks to a running cluster: it finds the nodes as a node does (the config names Kafka and the cluster,
// the control topic has the addresses) or goes straight to --node host:port, and asks the first one that answers. Every
// step has a limit.

#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cluster/cluster_state.hpp"
#include "cluster/messages.hpp"
#include "config/config.hpp"

namespace troupe::cli {

struct cluster_options {
  std::string config_file = "cluster.json", node;
  std::vector<std::string> sets;
  void add_to(CLI::App& command);
};

/// What the control topic says now. errc::not_found: no such cluster has ever run.
result<cluster_state> read_cluster(const cluster_options& options);

/// A connection to one node of the cluster. Used from one thread.
class admin_client {
public:
  /// errc::unavailable: no node could be reached (the sentence says which were tried, and why not).
  static result<std::unique_ptr<admin_client>> connect(const cluster_options& options);
  ~admin_client();

  /// The answer's JSON; the error's sentence where the node refused.
  result<std::string> ask(const std::string& verb, const std::string& body, std::chrono::milliseconds limit,
                          std::vector<char> blob = {});

private:
  struct impl;
  explicit admin_client(std::unique_ptr<impl> own);
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::cli
