#pragma once
// The NODE actor: one per process. It tails the control topic and obeys it, spawns lanes, keeps the models, knows the
// peers, and reports to the coordinator. It decides nothing about the cluster: a command that is not in the log does
// not exist.
//
//   node.cpp         the log, the door, the tick, leaving
//   node_peers.cpp   who is connected, and whose scorers may be used
//   node_models.cpp  which versions are loaded, and who has their plans
//   node_lanes.cpp   which partitions are read here
//   node_report.cpp  what the coordinator and people are told
//
// A node that reads of its own removal stops with exit reason `removed`: the process starts again under a new
// incarnation.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "actors/feature_metrics.hpp"
#include "actors/interfaces.hpp"
#include "actors/scorer.hpp"
#include "cluster/cluster_state.hpp"
#include "cluster/membership.hpp"
#include "cluster/respawn.hpp"

namespace troupe {

struct node_pipeline {
  std::string name;
  std::string model, alias;
  model::scoring_options scoring; ///< its model_label is filled in for each version
};

struct node_setup {
  node_ref self;
  std::string cluster, fingerprint;
  std::string address; ///< that others dial
  std::vector<std::string> roles;
  std::vector<node_pipeline> pipelines;
  milliseconds heartbeat{250};
  milliseconds kafka_loss_timeout{5000};
  milliseconds leave_limit{10'000};
  std::uint64_t seed = 0; ///< of the jitter between dials
  bool has_role(const std::string& role) const;
};

/// What other threads may look at without asking the actor.
struct node_pulse {
  std::atomic<std::int64_t> last_tick_ns{0}; ///< steady clock
  std::atomic<bool> ready{false};            ///< a member, with its models loaded
};

/// Everything with effects. Built by cli/ for a process, by the tests for a simulated one.
struct node_parts {
  std::unique_ptr<log_reader> control;
  std::unique_ptr<log_reader> lease; ///< null without the role coordinator
  librarian_actor librarian;
  dialer_actor dialer;
  coordinator_actor coordinator; ///< invalid without the role
  std::vector<scorer_actor> scorers;
  std::shared_ptr<scorer_totals> totals = std::make_shared<scorer_totals>();
  std::shared_ptr<node_pulse> pulse = std::make_shared<node_pulse>();
  std::shared_ptr<feature_metrics> features; ///< may be null
  /// Opens the lane of a pipeline as this generation.
  std::function<result<ingest_actor>(const std::string& pipeline, generation_id generation, lane_owner_actor owner)>
      spawn_lane;
  /// Spawns the admin actor, which needs the node.
  std::function<admin_actor(node_actor node)> spawn_admin;
};

/// Exit reasons of the node actor, as codes of the error category "troupe".
/// control_lost: the control topic, or the lease topic, is gone.
enum class node_exit : std::uint8_t { left = 1, removed, refused, control_lost, colleague_lost };
caf::error make_error(node_exit code, const std::string& why);

struct node_state {
  static constexpr const char* name = "node";

  struct peer {
    node_ref node;
    std::string address;
    door_actor door; ///< null: not connected
    bool dialing = false;
    steady_time next_dial{};
    milliseconds backoff{0};
    bool introduced = false; ///< our scorers have been offered to it
    /// Its scorers that introduced themselves before it answered our hello
    std::vector<scorer_up> early;
  };
  struct local_model {
    model_report report;
    bool loading = false;
    steady_time retry_at{};
    std::map<std::string, std::shared_ptr<const model::scoring_plan>> plans; ///< by pipeline
  };
  struct lane {
    ingest_actor actor;       ///< null: none now
    generation_id generation; ///< of the actor; without one: of nobody, so that nothing granted to it is kept
    std::map<topic_partition, control_offset> grants; ///< sent to the actor; epoch
    std::optional<lane_state> last;
    std::string problem; ///< why the last one ended
    steady_time respawn_at{};
    respawn_guard respawn;
  };

  node_setup cfg;
  node_parts parts;
  cluster_state cluster;
  std::string cluster_id;               ///< the first one read; another one means another log
  std::set<caf::actor_addr> colleagues; ///< local actors that this one can't do without
  bool was_caught_up = false;
  std::map<std::string, peer> peers;       ///< by node name
  std::map<scorer_key, scorer_up> scorers; ///< all that lanes may use
  std::map<model_key, local_model> models;
  std::map<std::string, lane> lanes; ///< by pipeline
  admin_actor admin;
  std::mt19937_64 random;
  bool kafka_lost = false;
  bool leaving = false, drained = false, ended = false;
  bool may_open_lane = true; ///< one a tick: opening the clients of a lane takes a while
  steady_time leave_by{};
  bool report_due = false;
  steady_time next_report{};
  steady_time next_count{}; ///< of treated features
  std::uint64_t reports = 0;
  steady_time started{};
  struct rate_sample {
    steady_time at{};
    std::uint64_t read = 0, produced = 0, scored = 0, remote = 0;
  } before;
  struct rates {
    double read = 0, produced = 0, scored = 0, remote = 0;
  } rate;
};

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup cfg,
                               std::shared_ptr<node_parts> parts);

} // namespace troupe
