#pragma once
// Who can be told what: one alias an actor (or a role), a line above each message. What crosses the wire is in
// cluster/messages.hpp; the structs here stay inside a process (they may hold handles and pointers) and are marked
// unsafe for the wire at the bottom, so that sending one to another node fails at once.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/replies_to.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "base/result.hpp"
#include "cluster/coordinator_core.hpp"
#include "cluster/messages.hpp"
#include "cluster/ports.hpp"
#include "model/loaded_model.hpp"
#include "model/scoring.hpp"

namespace troupe {

/// INTERNAL: a port has something to poll (sent from Kafka's threads), or it is time to look around.
using wake_atom = caf::atom_constant<caf::atom("wake")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

// ---- scorer
// -----------------------------------------------------------------------------------------------------------

/// From now on score this version of the pipeline's model with this plan.
struct use_plan {
  std::string pipeline;
  model_version version;
  std::shared_ptr<const model::scoring_plan> plan;
};
/// This version will not be asked for again.
struct drop_plan {
  std::string pipeline;
  model_version version;
};
/// Send a scorer_offer to this node actor of another node.
struct introduce;

/// The SCORER: detached, one thread; answers batches in the order they come. Knows plans, nothing else.
using scorer_actor = caf::typed_actor<
    // rows -> outcomes, or not_ready
    caf::replies_to<score_batch>::with<scored_batch>, caf::reacts_to<use_plan>, caf::reacts_to<drop_plan>,
    caf::reacts_to<introduce>>;

// ---- ingest (a lane)
// --------------------------------------------------------------------------------------------------

/// A scorer of the whole cluster: node, its incarnation, index there.
struct scorer_key {
  node_ref node;
  std::uint32_t index = 0;
  auto operator<=>(const scorer_key&) const = default;
};
struct scorer_up {
  scorer_key key;
  scorer_actor handle;
  bool local = false;
};
/// It is gone, or not to be trusted now: its batches go elsewhere.
struct scorer_down {
  scorer_key key;
};

/// Read this partition from `offset` on. `epoch` is the offset of the control record that says so.
struct lane_grant {
  topic_partition where;
  std::int64_t offset = 0;
  std::string metadata;
  control_offset epoch;
};
/// Drain, commit, release it; the next lane_state no longer holds it.
struct lane_revoke {
  topic_partition where;
  control_offset epoch;
};
/// Stamp batches read from now on with this version.
struct lane_version {
  model_version version;
  std::string sha256{}; ///< of the model's content, hex
};
/// Stop reading all partitions (the pipeline was stopped by an operator or a bad row), or read on.
struct lane_pause {
  bool paused = true;
  control_offset epoch{-1};
};

/// The INGEST actor: owns source partitions; reads, batches, dispatches, restores order, produces, commits.
/// It quits, with an error, when its ports are lost or it finds that it was frozen: a generation ends with its actor.
using ingest_actor = caf::typed_actor<
    // outcomes of a batch, from any scorer
    caf::reacts_to<scored_batch>, caf::reacts_to<scorer_up>, caf::reacts_to<scorer_down>, caf::reacts_to<lane_grant>,
    caf::reacts_to<lane_revoke>, caf::reacts_to<lane_version>, caf::reacts_to<lane_pause>,
    // INTERNAL: source or sink can be polled
    caf::reacts_to<wake_atom>,
    // INTERNAL: every 50 ms: freeze guard, commits, report
    caf::reacts_to<tick_atom>>;

/// Counters of a lane since it started, for status; metrics have the same and more.
struct lane_counters {
  std::uint64_t rows_read = 0, rows_produced = 0, rows_rejected = 0, batches = 0, redispatched = 0;
  std::uint64_t rows_to_local = 0, rows_to_remote = 0; ///< by where they were scored
  std::uint64_t rows_inflight = 0, rows_uncommitted = 0, bytes_inflight = 0;
  std::vector<std::pair<std::string, std::uint64_t>> rejected_by_code;
};
/// What a lane tells its node: at once when what it holds or its problem changed, and every 250 ms.
struct lane_state {
  lane_report report;
  lane_counters counters;
  control_offset seen{-1}; ///< largest epoch of a lane_grant, lane_revoke or lane_pause it has processed
};

/// Role: who hears from lanes (the node actor).
using lane_owner_actor = caf::typed_actor<caf::reacts_to<lane_state>>;

// ---- clerk: blocking Kafka calls of the coordinator
// --------------------------------------------------------------------

/// Open the control writer (fences the last coordinator) and append the claim; answered with the claim's offset.
struct clerk_claim {
  std::string key, value;
};
/// Append to the control topic in one transaction; answered with the first offset.
struct clerk_append {
  std::vector<log_write> records;
};
/// Where do these partitions start: committed offset, or resolved from startingOffsets and committed before it is
/// answered.
struct clerk_starts {
  std::string pipeline;
  std::vector<action::start_query> where;
};
using found_starts = std::vector<partition_start_found>;
/// How many partitions do the pipelines' source topics have.
struct clerk_topics {
  std::vector<std::string> names;
};

/// The CLERK: detached; the coordinator's hand in Kafka. Answers are values: a failed one carries the error.
using clerk_actor = caf::typed_actor<caf::replies_to<clerk_claim>::with<result<std::int64_t>>,
                                     caf::replies_to<clerk_append>::with<result<std::int64_t>>,
                                     caf::replies_to<clerk_starts>::with<result<found_starts>>,
                                     caf::replies_to<clerk_topics>::with<result<std::vector<topic_info>>>>;

// ---- librarian: contents of models
// -------------------------------------------------------------------------------------

using loaded_model_ptr = std::shared_ptr<const model::loaded_model>;
/// Prove these bytes a model.
struct librarian_prove {
  std::shared_ptr<const std::vector<char>> content;
};
/// Put these bytes, which have been proved, into the models topic.
struct librarian_put {
  std::shared_ptr<const std::vector<char>> content;
};
/// Get, check, load.
struct librarian_load {
  blob_location where;
};

/// The LIBRARIAN: detached; moves models between Kafka and memory, which may take seconds.
using librarian_actor = caf::typed_actor<caf::replies_to<librarian_prove>::with<result<loaded_model_ptr>>,
                                         caf::replies_to<librarian_put>::with<result<blob_location>>,
                                         caf::replies_to<librarian_load>::with<result<loaded_model_ptr>>>;

// ---- coordinator
// -------------------------------------------------------------------------------------------------------

/// Control records, in order, as the node's reader got them; `position`: everything below it has been sent.
struct control_news {
  std::shared_ptr<const std::vector<log_record>> records;
  std::int64_t position = -1;
  bool caught_up = false;
};
/// A peer's port refused a connection: nobody is there.
struct peer_refused {
  node_ref node;
};
/// What came on the lease topic, and how long ago Kafka last answered. Sent every 50 ms, also when nothing came.
struct lease_news {
  std::vector<log_record> records;
  bool caught_up = false;
  milliseconds since_contact{0};
};
/// Stop ruling, for good, and say so in the lease topic; answered when done.
using resign_atom = caf::atom_constant<caf::atom("resign")>;
/// Answered with the cluster's status as JSON; fails where this coordinator does not rule.
using cluster_view_atom = caf::atom_constant<caf::atom("clustview")>;

/// The COORDINATOR: on every node with that role; one of them rules. Decides through cluster/coordinator_core.hpp.
using coordinator_actor =
    caf::typed_actor<caf::reacts_to<heartbeat>, caf::replies_to<change_request>::with<change_reply>,
                     caf::reacts_to<control_news>, caf::reacts_to<lease_news>, caf::reacts_to<peer_refused>,
                     caf::replies_to<cluster_view_atom>::with<std::string>, caf::replies_to<resign_atom>::with<bool>,
                     // INTERNAL: every 50 ms
                     caf::reacts_to<tick_atom>>;

// ---- dialer: TCP connections with a deadline
// ----------------------------------------------------------------------------

/// Connect to host:port and shake hands; answered with the door of the node there. `until`: how long the caller waits.
struct dial {
  std::string address;
  steady_time until = steady_time::max();
};
/// Is anybody listening there? Answered without saying a word to whoever does. `until`: how long the caller waits.
struct probe {
  std::string address;
  steady_time until = steady_time::max();
};
/// Refused: all addresses of the name refuse.
enum class probe_answer { open, refused, silent };

/// The DIALER: detached; CAF's own connect would block for minutes on a host that is gone.
struct dialed;
using dialer_actor = caf::typed_actor<caf::replies_to<dial>::with<dialed>, caf::replies_to<probe>::with<probe_answer>>;

// ---- node and admin
// ----------------------------------------------------------------------------------------------------

/// Role: the door of a node, the one actor that is published on its port.
using door_actor = caf::typed_actor<caf::replies_to<peer_hello>::with<peer_hello>, caf::reacts_to<scorer_offer>,
                                    caf::reacts_to<heartbeat>, caf::replies_to<change_request>::with<change_reply>,
                                    caf::replies_to<admin_request>::with<admin_reply>>;

struct introduce {
  door_actor peer;
  node_ref self;
};
/// `door` is null where it failed: then `refused` says whether the port was closed, `why` the rest.
struct dialed {
  door_actor door;
  bool refused = false;
  std::string why;
};

/// Local: send this change to whoever coordinates now. Answered with a failed reply where nobody does, or it can't be
/// reached.
struct forward_change {
  change_request change;
};
/// Local: would this model, under this name, fit every pipeline that uses the name? Answered with why not; empty: it
/// does.
struct fit_check {
  std::string name;
  std::vector<std::string> features;
  loaded_model_ptr model;
};
/// Local: what this node knows by itself, as JSON; part of the status.
using local_view_atom = caf::atom_constant<caf::atom("localview")>;
/// Local: hand everything over and quit (SIGTERM).
using leave_atom = caf::atom_constant<caf::atom("leave")>;

/// The NODE actor: one per process; spawns the others, obeys the control topic, keeps the models, reports to the
/// coordinator.
using node_actor = caf::typed_actor<
    // the door
    caf::replies_to<peer_hello>::with<peer_hello>, caf::reacts_to<scorer_offer>, caf::reacts_to<heartbeat>,
    caf::replies_to<change_request>::with<change_reply>, caf::replies_to<admin_request>::with<admin_reply>,
    // from this process
    caf::reacts_to<lane_state>, caf::replies_to<forward_change>::with<change_reply>,
    caf::replies_to<local_view_atom>::with<std::string>, caf::replies_to<fit_check>::with<std::string>,
    caf::reacts_to<leave_atom>,
    // INTERNAL: control or lease log has news; every 50 ms
    caf::reacts_to<wake_atom>, caf::reacts_to<tick_atom>>;

struct retry_change {
  std::string change_id;
};

/// The ADMIN actor: the door for people. Answers status, forwards changes to the coordinator and repeats them until
/// they hold.
using admin_actor = caf::typed_actor<caf::replies_to<admin_request>::with<admin_reply>,
                                     // INTERNAL: time to send a change again
                                     caf::reacts_to<retry_change>>;

} // namespace troupe

#define TROUPE_LOCAL_ONLY(name) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(name)
TROUPE_LOCAL_ONLY(troupe::use_plan)
TROUPE_LOCAL_ONLY(troupe::drop_plan)
TROUPE_LOCAL_ONLY(troupe::introduce)
TROUPE_LOCAL_ONLY(troupe::dial)
TROUPE_LOCAL_ONLY(troupe::probe)
TROUPE_LOCAL_ONLY(troupe::probe_answer)
TROUPE_LOCAL_ONLY(troupe::dialed)
TROUPE_LOCAL_ONLY(troupe::forward_change)
TROUPE_LOCAL_ONLY(troupe::retry_change)
TROUPE_LOCAL_ONLY(troupe::scorer_up)
TROUPE_LOCAL_ONLY(troupe::scorer_down)
TROUPE_LOCAL_ONLY(troupe::lane_grant)
TROUPE_LOCAL_ONLY(troupe::lane_revoke)
TROUPE_LOCAL_ONLY(troupe::lane_version)
TROUPE_LOCAL_ONLY(troupe::lane_pause)
TROUPE_LOCAL_ONLY(troupe::lane_state)
TROUPE_LOCAL_ONLY(troupe::clerk_claim)
TROUPE_LOCAL_ONLY(troupe::clerk_append)
TROUPE_LOCAL_ONLY(troupe::clerk_starts)
TROUPE_LOCAL_ONLY(troupe::clerk_topics)
TROUPE_LOCAL_ONLY(troupe::librarian_prove)
TROUPE_LOCAL_ONLY(troupe::librarian_put)
TROUPE_LOCAL_ONLY(troupe::fit_check)
TROUPE_LOCAL_ONLY(troupe::librarian_load)
TROUPE_LOCAL_ONLY(troupe::control_news)
TROUPE_LOCAL_ONLY(troupe::lease_news)
TROUPE_LOCAL_ONLY(troupe::peer_refused)
TROUPE_LOCAL_ONLY(troupe::result<std::int64_t>)
TROUPE_LOCAL_ONLY(troupe::result<troupe::found_starts>)
TROUPE_LOCAL_ONLY(troupe::result<std::vector<troupe::topic_info>>)
TROUPE_LOCAL_ONLY(troupe::result<troupe::blob_location>)
TROUPE_LOCAL_ONLY(troupe::result<troupe::loaded_model_ptr>)
#undef TROUPE_LOCAL_ONLY
