#pragma once
// The fold of the control topic: what has been decided. The same fold runs in every node actor (which obeys it) and in
// the coordinator (which decides the next thing from it), so that nobody can mean something else by the same log. A
// plain value; one owner, no locks, no clock.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/control_records.hpp"
#include "cluster/ids.hpp"
#include "cluster/ports.hpp"

namespace troupe {

/// A node that has been admitted and not removed.
struct member {
  node_ref node;
  std::string address;
  std::vector<std::string> roles;
  std::uint32_t scorers = 0;
  control_offset joined; ///< offset of its join: orders members by age
  bool has_role(std::string_view role) const;
};

struct partition_key {
  std::string pipeline;
  topic_partition where;
  auto operator<=>(const partition_key&) const = default;
};

struct partition_state {
  partition_record::state_kind state = partition_record::state_kind::granted;
  node_ref node;
  generation_id generation;
  std::int64_t offset = 0;
  std::string metadata, reason;
  control_offset at; ///< the record's offset
};

using model_key = std::pair<std::string, model_version>;
struct model_state {
  model_record record;
  control_offset at;
};

using alias_key = std::pair<std::string, std::string>; ///< model, alias
struct alias_state {
  model_version version, previous;
  control_offset decided; ///< a rollout that was staged before this does not move it any more
  control_offset at;
};

struct pipeline_state {
  bool running = true;
  std::string reason, where;
  control_offset at;
};

struct removed_member {
  node_ref node;
  std::string reason;
  control_offset at;
};

struct change_state {
  std::string message, body;
  control_offset at;
};

/// What a record changed; `at` is its offset, which is also the epoch of the decision.
namespace news {
struct cluster_named {
  cluster_record record;
};
struct new_claim {
  term_id term;
  node_ref node;
  std::string address;
};
struct member_joined {
  member who;
};
/// Also sent, before member_joined, for the old incarnation when a name comes back under another one.
struct member_removed {
  node_ref node;
  std::string reason;
  control_offset at;
};
struct granted {
  partition_key which;
  partition_state how;
};
struct revoked {
  partition_key which;
  partition_state how;
};
struct model_changed {
  model_record model;
  control_offset at;
};
struct alias_changed {
  std::string model, alias;
  model_version version, previous;
  control_offset at;
};
struct pipeline_changed {
  std::string name;
  pipeline_state how;
};
} // namespace news

using cluster_event =
    std::variant<news::cluster_named, news::new_claim, news::member_joined, news::member_removed, news::granted,
                 news::revoked, news::model_changed, news::alias_changed, news::pipeline_changed>;

class cluster_state {
public:
  /// Folds one record. Offsets must grow; an offset that was applied already is ignored (a reader may repeat itself).
  std::vector<cluster_event> apply(const log_record& record);
  /// Everything below `position` has been applied (markers leave offsets without a record).
  void advance_to(std::int64_t position);

  /// Offset after the last one applied: what goes into node_report::applied.
  control_offset applied() const { return applied_; }
  term_id term() const { return term_; } ///< -1: nobody ever claimed
  const std::optional<claim_record>& coordinator() const { return claim_; }
  const std::optional<cluster_record>& cluster() const { return cluster_; }

  const std::map<std::string, member>& members() const { return members_; }
  const std::map<std::string, removed_member>& removed() const { return removed_; }
  const std::map<partition_key, partition_state>& partitions() const { return partitions_; }
  const std::map<model_key, model_state>& models() const { return models_; }
  const std::map<alias_key, alias_state>& aliases() const { return aliases_; }
  const std::map<std::string, pipeline_state>& pipelines() const { return pipelines_; }
  const std::map<std::string, change_state>& changes() const { return changes_; }

  /// A member under this very incarnation.
  bool is_member(const node_ref& node) const;
  /// This incarnation was a member and is no more; it must come back as another one.
  bool was_removed(const node_ref& node) const;
  const member* find_member(const std::string& name) const;
  const model_state* find_model(const std::string& name, model_version version) const;
  const alias_state* find_alias(const std::string& model, const std::string& alias) const;
  bool pipeline_running(const std::string& name) const;
  /// Members by age, oldest first; with a role if one is given.
  std::vector<const member*> members_by_age(std::string_view role = {}) const;

  /// What was not obeyed, and why it is worth a warning.
  struct counters {
    std::uint64_t stale = 0;      ///< written under a term that was over: a coordinator that did not know it was fenced
    std::uint64_t unknown = 0;    ///< keys of a newer version
    std::uint64_t unreadable = 0; ///< see last_error()
  };
  const counters& ignored() const { return ignored_; }
  const std::string& last_error() const { return last_error_; }

private:
  struct folder;
  void forget(const std::string& key);

  control_offset applied_{0};
  term_id term_{-1};
  std::optional<claim_record> claim_;
  std::optional<cluster_record> cluster_;
  std::map<std::string, member> members_;
  std::map<std::string, removed_member> removed_;
  std::set<node_ref> gone_;
  std::map<partition_key, partition_state> partitions_;
  std::map<model_key, model_state> models_;
  std::map<alias_key, alias_state> aliases_;
  std::map<std::string, pipeline_state> pipelines_;
  std::map<std::string, change_state> changes_;
  counters ignored_;
  std::string last_error_;
};

} // namespace troupe
