#pragma once
// The ruling coordinator, as a value: it is told what was read and reported, and asked what to do next. No CAF, Kafka,
// clock or log. The coordinator actor calls it, on its own thread, and carries out the actions.
//
// Level-triggered: every step compares what the log says with what is wanted and with what nodes report, and proposes
// records for the difference. Nothing is remembered that a new coordinator would not learn from the log and from one
// heartbeat of each node; so a term may end between any two actions. At most one append is under way, and the next is
// decided only after its records have come back through apply().
//
// How a partition changes hands:
//   1. the plan names another owner              -> append `revoked` (the owner named in it drains, commits, lets go)
//   2. it is free: never granted; or its owner is no member any more; or the owner's lane is a newer generation; or
//      the owner has applied the revocation and no longer holds it; or it has lost Kafka and holds nothing
//   3. -> fetch_starts; answered by starts()     -> the committed offset, made durable before it is used. With
//      exactly_once the last owner's lane is fenced before the offset is read, unless it let go of the partition itself
//      or its successor, by opening, has fenced it
//   4. -> append `granted` {node, incarnation, generation, offset}
// What nodes must do for 2 to be true: a report's `holding` lists a partition from the moment its grant was applied
// until the lane has let go; `applied` never runs ahead of that. A node that lost Kafka ends its lanes; the next ones
// have newer generations.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "cluster/assignment.hpp"
#include "cluster/cluster_state.hpp"
#include "cluster/membership.hpp"
#include "cluster/report.hpp"
#include "cluster/rollout.hpp"

namespace troupe {

struct pipeline_spec {
  std::string name;
  std::vector<std::string> topics;
  std::string model;
  std::string alias = "champion";
  bool exactly_once = false;
};

struct core_config {
  std::string cluster;     ///< name
  std::string cluster_id;  ///< random hex, used if the log has none yet
  std::string fingerprint; ///< of this node's cluster-wide config
  std::uint32_t protocol = 1;
  std::vector<pipeline_spec> pipelines;
  std::chrono::milliseconds heartbeat{500};
  std::chrono::milliseconds removal_timeout{5000};
  std::chrono::milliseconds topics_refresh{
      10000}; ///< how often partition counts are asked for; a tenth of it while one is missing
  std::chrono::milliseconds retry{500}; ///< after something that failed, and between probes of a node
  std::size_t changes_kept = 100;
  std::size_t changes_waiting_max = 1000;
  plan_limits limits;
};

/// cluster/messages.hpp change_request and change_reply, without the wire.
struct change {
  std::string id;
  std::string kind; ///< register_model, set_alias, resume_pipeline, remove_node
  std::string body; ///< JSON, see change_requests.hpp
};
struct change_answer {
  bool ok = false;
  std::string message;
  control_offset offset{-1}; ///< done at a node once its report's `applied` is larger
  std::string body;          ///< JSON result
};

namespace action {
/// Append in one transaction, then call appended(). Only one at a time.
struct append {
  std::vector<log_write> records;
  std::string purpose;
};
struct start_query {
  topic_partition where;
  bool added_later = false; ///< the topic was in use without it: without a committed offset it starts at 0
  std::string fence{};      ///< transactional.id to be shut out before its committed offset is read; may be empty
};
/// Where do they start: committed offset, or resolved and committed. Then call starts() or starts_failed(). One a
/// pipeline.
struct fetch_starts {
  std::string pipeline;
  std::vector<start_query> where;
};
/// How many partitions; then call topics() or topics_failed(). Never create one.
struct query_topics {
  std::vector<std::string> names;
};
/// Try to connect; if refused, call refused().
struct probe {
  node_ref node;
  std::string address;
};
struct answer {
  std::string change_id;
  change_answer reply;
};
/// Rule no more; changes that wait have no answer (their senders repeat them to the next coordinator).
/// `for_good`: this node can't be part of the cluster at all (another config), so it should stop.
struct step_down {
  std::string why;
  bool for_good = false;
};
} // namespace action

using coordinator_action = std::variant<action::append, action::fetch_starts, action::query_topics, action::probe,
                                        action::answer, action::step_down>;

struct partition_start_found {
  topic_partition where;
  std::int64_t offset = 0;
  std::string metadata;
};

/// A node that wants in and can't.
struct refusal {
  node_ref node;
  std::string address;
  std::string message; ///< says what to do
  steady_time last;
};

class coordinator_core {
public:
  coordinator_core(core_config config, node_ref self);

  // ---- always, ruling or not
  std::vector<cluster_event> apply(const log_record& record, steady_time now);
  void advance_to(std::int64_t position);
  const cluster_state& state() const { return state_; }

  // ---- a term. REQUIRES for begin_term: the own claim has been applied.
  void begin_term(term_id term, steady_time now);
  void end_term();
  bool ruling() const { return term_.has_value(); }

  // ---- what happened
  void heard(const node_report& report, steady_time now);
  void refused(const node_ref& node, steady_time now);
  void topics(const std::map<std::string, std::int32_t>& partition_counts, steady_time now);
  void topics_failed(const std::string& why, steady_time now);
  void starts(const std::string& pipeline, const std::vector<partition_start_found>& found, steady_time now);
  void starts_failed(const std::string& pipeline, const std::string& why, steady_time now);
  /// Offset of the first record; or: errc::unavailable (it did not happen, try again), anything else ends the term.
  void appended(const result<std::int64_t>& first_offset, steady_time now);
  /// Accepted changes are answered by an action::answer of a later step (also refusals and repeated ones).
  void submit(change request, steady_time now, std::int64_t wall_clock_ms);

  // ---- what to do now. Call after every event above and every 50 ms.
  std::vector<coordinator_action> step(steady_time now);

  /// Nodes that were not admitted, by name and incarnation; forgotten after a minute of silence.
  const std::map<node_ref, refusal>& refusals() const { return refusals_; }
  /// The sentence for a node that is refused; nullopt if it is welcome (or a member already).
  std::optional<std::string> refusal_of(const node_report& report, steady_time now) const;

  /// All of `troupe status --json`. Works on a core that does not rule (then without what only reports tell).
  /// `stale_leases`: what the election has ignored, which this core does not see.
  std::string status_json(steady_time now, std::uint64_t stale_leases = 0) const;

private:
  struct batch; // coordinator_batch.hpp: records of one append
  struct waiting_change {
    change request;
    std::int64_t wall_clock_ms = 0;
  };
  struct in_flight {
    std::size_t records = 0;
    std::optional<std::int64_t> last_offset; // known once it is durable
    std::optional<waiting_change> request;
    change_answer reply;
    std::size_t reply_index = 0; // of the record that says so
  };
  struct known_start {
    partition_start_found found;
    control_offset record;
  };
  using actions = std::vector<coordinator_action>;

  // coordinator_core.cpp
  bool append_pending();
  std::optional<action::step_down> must_step_down() const;
  void ask_topics(actions& out, steady_time now);
  void probe_silent(actions& out, steady_time now);
  void decide_changes(batch& out, actions& answers);
  const node_report* report_of(const node_ref& node) const;
  report_lookup reports() const;
  // coordinator_members.cpp
  void decide_cluster(batch& out) const;
  void decide_members(batch& out, steady_time now);
  void admit(batch& out, steady_time now);
  bool holds_nothing(const node_ref& node) const;
  void forget_silent(steady_time now);
  bool foreign_log() const;
  // coordinator_partitions.cpp
  void decide_pipelines(batch& out) const;
  void decide_partitions(batch& out, actions& fetches, steady_time now);
  void fetch_or_grant(batch& out, actions& fetches, const pipeline_spec& pipeline,
                      const std::vector<std::pair<partition_key, planned_owner>>& free, steady_time now);
  bool settled() const;
  enum class freedom { held, free, free_once_fenced };
  freedom freedom_of(const partition_key& which) const;
  bool exactly_once(const std::string& pipeline) const;
  std::vector<plan_member> eligible() const;
  std::vector<partition_key> wanted_partitions() const;
  const partition_state* partition(const partition_key& which) const;
  // coordinator_status.cpp
  std::string pipeline_problem(const pipeline_spec& pipeline, steady_time now) const;
  std::string lane_problem(const std::string& node, const lane_report& lane, steady_time now) const;
  struct status_writer;

  core_config config_;
  node_ref self_;
  cluster_state state_;
  std::optional<term_id> term_;
  failure_detector nodes_;
  std::uint64_t stale_reports_ = 0;
  std::optional<steady_time> last_step_;
  std::map<node_ref, refusal> refusals_;
  std::optional<in_flight> in_flight_;
  steady_time append_after_{};
  std::deque<waiting_change> waiting_;
  actions owed_;

  std::map<std::string, std::int32_t> topic_sizes_;
  bool topics_known_ = false, topics_asked_ = false;
  std::string topics_error_;
  steady_time topics_next_{};

  std::map<partition_key, known_start> starts_;
  std::set<partition_key> resolved_early_; // starts asked for although nobody owns the partition yet
  std::set<std::string> starts_asked_;     // pipelines with a fetch under way
  std::map<std::string, steady_time> starts_next_;
  std::map<std::string, std::string> starts_error_;
  std::map<node_ref, steady_time> probed_;

  struct lane_trouble {
    generation_id generation;
    std::string what;
    steady_time told;
  };
  std::map<std::pair<std::string, std::string>, lane_trouble> troubles_; // node, pipeline -> the last one
};

} // namespace troupe
