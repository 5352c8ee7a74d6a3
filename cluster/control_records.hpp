#pragma once
// What is written in the control topic, as values: one struct a kind of record, its key, and its JSON form there and
// back.
//
// The topic is compacted by key, so a record is always the whole truth about its key, never a difference. Every record
// but `cluster` and `claim` carries the term of the coordinator that wrote it; the fold (cluster/cluster_state.hpp)
// ignores one whose term is older than the latest claim. 64-bit random numbers (incarnations) travel as 16 hex digits,
// since many JSON tools read numbers as doubles. Pure; any thread. docs/protocol.md mirrors it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "cluster/ids.hpp"
#include "cluster/ports.hpp"

namespace troupe {

/// key `cluster`: the first record ever. Written again only when a cluster whose members are all gone starts with
/// another config: then the fingerprint is the new one, the id stays.
struct cluster_record {
  std::string cluster_id;  ///< random, hex
  std::string fingerprint; ///< of the cluster-wide config
  std::uint32_t protocol = 0;
  term_id term{}; ///< who founded the cluster, or changed its config; one that was deposed meanwhile is ignored
};

/// key `claim`: a new coordinator; the record's offset is its term.
struct claim_record {
  node_ref node;
  std::string address;
};

/// key `member/<node>`.
struct member_record {
  node_ref node;
  std::string address;
  std::vector<std::string> roles;
  std::uint32_t scorers = 0;
  bool joined = true; ///< else removed
  std::string reason;
  term_id term;
};

/// key `partition/<pipeline>/<topic>/<partition>`.
struct partition_record {
  std::string pipeline;
  topic_partition where;
  enum class state_kind : std::uint8_t { granted, revoked } state = state_kind::granted;
  node_ref node; ///< the owner; of a revoked one: who has to let go
  generation_id generation;
  std::int64_t offset = 0; ///< where the owner started
  std::string metadata;    ///< of the committed offset at that time
  std::string reason;      ///< for people: why this node has it, or why it was taken away
  term_id term;
};

/// key `model/<name>/<version>`: the manifest; the content is in the models topic.
struct model_record {
  std::string name;
  model_version version;
  blob_location where;
  std::vector<std::string> features; ///< in the model's order
  enum class state_kind : std::uint8_t { staged, ready, failed } state = state_kind::staged;
  std::string message;         ///< why it failed
  std::string activate;        ///< while staged: the alias to move here once every node is ready ("": none)
  std::int64_t created_ms = 0; ///< Unix time of the registration, for people
  term_id term;
};

/// key `alias/<model>/<alias>`.
struct alias_record {
  std::string model, alias;
  model_version version, previous; ///< previous: 0 if it is the first
  /// Offset of the decision that this carries out: the staging record, where a rollout moves the alias; -1: this
  /// record's own.
  control_offset decided{-1};
  term_id term;
};

/// key `pipeline/<name>`; a pipeline without a record runs.
struct pipeline_record {
  std::string name;
  bool running = true;
  std::string reason, where;
  term_id term;
};

/// key `change/<id>`: how a change ended, so that the same request again gets the same answer.
struct change_record {
  std::string id;
  std::string message;
  std::string body; ///< JSON result
  term_id term;
};

using control_record = std::variant<cluster_record, claim_record, member_record, partition_record, model_record,
                                    alias_record, pipeline_record, change_record>;

/// The record as it is written.
log_write to_log(const control_record& record);
/// A tombstone for a record's key, for what need not be kept.
log_write tombstone(std::string key);

std::string key_of(const control_record& record);

/// Reads a record back. nullopt: a key that this version does not know (a newer one wrote it). Errors (errc::invalid)
/// name the key and the field. REQUIRES: value is present (a tombstone has nothing to read).
result<std::optional<control_record>> read_record(std::string_view key, std::string_view value);

/// What the coordinator beats into the lease topic; its key there is `lease`.
struct lease_record {
  term_id term;
  node_ref node;
  bool resigned = false;
  bool claiming = false; ///< not a lease: this candidate is opening the control writer now, others give it time
};
std::string to_json(const lease_record& lease);
result<lease_record> read_lease(std::string_view value);

/// [a-z0-9][a-z0-9_.-]{0,63}: names of models, aliases and nodes.
bool is_name(std::string_view text);

const char* to_string(partition_record::state_kind state);
const char* to_string(model_record::state_kind state);
/// 16 hex digits.
std::string to_string(incarnation_id incarnation);
/// "a#1f" : name and the last four hex digits of the incarnation, for people.
std::string to_string(const node_ref& node);

} // namespace troupe
