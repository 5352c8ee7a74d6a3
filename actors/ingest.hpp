#pragma once
// The INGEST actor: one lane of a pipeline on this node, for one generation. Owns its source and sink; reads rows,
// batches them, dispatches the batches to scorers, restores the order, produces predictions and dead letters, commits.
// At least once: a commit follows the durable outcomes. Exactly once: outcomes and offsets are one transaction. What is
// decided is decided in cluster/ (dispatch, offset_ledger, lane, freeze_guard).
//
// Runs on CAF's scheduler and never blocks: the ports wake it (wake_atom), at most one wake waiting at a time, and it
// takes what is there while scorers have credit and the bounds allow. It quits with an error when a port is lost, a
// record could not be delivered, or it finds that it was frozen; its partitions are then nobody's until they are
// granted to another generation.
//
// Files: ingest.cpp (reading, dispatching, the behaviour), ingest_control.cpp (partitions, reports), ingest_commit.cpp
// (commits and transactions), ingest_batch (rows of a batch), ingest_produce (outcomes to records).

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/ingest_batch.hpp"
#include "actors/ingest_produce.hpp"
#include "actors/interfaces.hpp"
#include "actors/lane_metrics.hpp"
#include "cluster/dispatch.hpp"
#include "cluster/lane.hpp"

namespace troupe {

struct ingest_config {
  std::string pipeline;
  generation_id generation;
  incarnation_id incarnation; ///< of this node
  std::string model;          ///< registered name: "games" of games@2
  std::string node;           ///< this node's name
  std::uint32_t lane = 0;     ///< number of the lane on this node

  /// Of predictions: troupe.{model,source,sha256,node,lane,txn}; others are left out
  std::vector<std::string> headers{"troupe.model"};
  /// Predictions keep the row's timestamp; else they get the time of producing
  bool source_timestamp = true;
  /// A dead-letter topic is configured; else bad rows are counted and passed over
  bool has_dead_letters = true;
  bool context_headers = true;   ///< dead letters carry __connect.errors.* and __troupe.errors.*
  bool tolerate_bad_rows = true; ///< false (errors.tolerance none): the first one stops the lane

  std::uint32_t batch_rows_max = 500;
  std::uint32_t batch_bytes_max = 256 * 1024;   ///< a single larger row is a batch of its own
  std::chrono::microseconds queue_delay_max{0}; ///< how long a row may wait for others to fill the batch
  std::uint32_t row_bytes_max = 1u << 20;       ///< a longer value is a dead letter ROW_TOO_LARGE
  std::uint64_t uncommitted_rows_max = 100'000; ///< rows read and not yet committed: the most that a crash repeats
  dispatch_limits dispatch;                     ///< windows of the scorers; rows and bytes read and not yet produced

  bool fail_on_data_loss = true; ///< a partition that can't be read on stops; else the lane ends, to be granted anew

  milliseconds commit_interval{100};
  milliseconds commit_retry{200};     ///< pause after a commit that failed
  milliseconds removal_timeout{5000}; ///< a longer gap between two messages: this lane was frozen
  /// What the freeze guard looks at: a clock that goes on while the machine is suspended; empty: the actor's clock
  std::function<mono_time()> guard_clock;
  /// A revoked partition's rows that are not produced by then are left to the next owner
  milliseconds drain_limit{500};
  milliseconds report_interval{250};
  /// Rows that were read for a version that scorers have not got, for so long: they are scored by the one in force
  milliseconds version_limit{5000};
  /// Transactions that are not open by then are a problem, and partitions go elsewhere
  milliseconds opening_limit{10'000};
  std::shared_ptr<lane_metrics> metrics; ///< shared by the generations of a lane; may be null
};

/// Lets at most one wake wait in the mailbox, however many threads ask for one.
struct wake_gate {
  std::atomic<bool> waiting{false};
};

struct known_scorer {
  scorer_key key;
  scorer_actor handle;
};
/// A batch on its way to being durable, for the `producing` histogram.
struct produced_batch {
  batch_seq seq;
  model_version version;
  std::size_t rows;
  mono_time scored_at;
};

struct ingest_state {
  static constexpr const char* name = "ingest";
  ~ingest_state();

  ingest_config cfg;
  lane_owner_actor owner;
  std::shared_ptr<wake_gate> gate = std::make_shared<wake_gate>();
  lane_ports ports;

  freeze_guard guard{milliseconds{0}};
  dispatcher dispatch{dispatch_limits{}};
  offset_ledger ledger{""};
  lane_table table;
  batch_builder builder;
  std::optional<record_maker> maker;

  model_version version;                     ///< 0: none yet, nothing is read
  std::shared_ptr<const std::string> digest; ///< of that version's content, hex
  mono_time filling_since{};                 ///< first row of the open batch
  bool delay_armed = false;
  std::deque<lane_batch> batches;      ///< read and not yet produced, oldest first
  std::deque<produced_batch> produced; ///< and produced, not yet durable
  std::map<scorer_number, known_scorer> scorers;
  scorer_number next_scorer = 0;

  std::map<std::uint32_t, mono_time> draining_since; ///< slot -> when it was revoked
  /// Slot -> offset from which its rows are left to the next owner
  std::map<std::uint32_t, std::int64_t> abandoned;

  mono_time opening_since{};
  bool opened = true;   ///< false: the transactions are not open yet, the lane is to be granted nothing
  bool closing = false; ///< the transaction takes no further batch: it is committed once all its records are delivered
  std::uint64_t transaction = 0; ///< number of the open one
  std::uint64_t undelivered = 0; ///< records with the sink

  control_offset seen{-1}; ///< largest epoch of a grant or revoke so far
  bool ended = false, paused = false;
  std::string stopped_by_row; ///< the sentence about the row that stopped the lane
  std::string disconnected, commit_problem;
  std::map<std::uint32_t, std::string> denied; ///< slot -> why it may not be read at the moment
  mono_time next_commit{}, commit_after{}, next_report{};
  bool report_now = true;

  lane_counters counters;
  std::array<std::uint64_t, model::rejection_count> rejected{};
  std::uint64_t redispatched_seen = 0, late_seen = 0, stale_seen = 0; ///< what metrics have been told

  std::vector<source_event> events;                  ///< scratch
  std::vector<delivery> deliveries;                  ///< scratch
  std::vector<transaction_event> transaction_events; ///< scratch
};

using ingest_pointer = ingest_actor::stateful_pointer<ingest_state>;

/// @param owner hears lane_state at once when holdings or problems change, and every report_interval.
ingest_actor::behavior_type ingest(ingest_pointer self, ingest_config cfg, lane_owner_actor owner, lane_ports ports);

// ---- between the ingest files only --------------------------------------------------------------------------------

namespace ingest_detail {

/// The lane is over: nothing is read, produced or committed any more.
void end(ingest_pointer self, const std::string& why);
/// Queues the open batch, if it has rows.
void seal(ingest_pointer self);
/// Sends a wake to the actor itself, unless one is waiting.
void wake_self(ingest_pointer self);

/// Hands out rows of finished batches to the sink, in order, as far as it takes them.
void produce_finished(ingest_pointer self);

/// The owner hears at once how far this lane has followed the log.
void note_epoch(ingest_state& state, control_offset epoch);
void grant(ingest_pointer self, const partition_grant& grant);
void revoke(ingest_pointer self, const lane_revoke& order);
/// Reads on after a stop; where a bad row stopped the lane, from that row on.
void resume(ingest_pointer self);
void take_source_events(ingest_pointer self);
void take_deliveries(ingest_pointer self);
/// Leaves rows of partitions that drain for too long to their next owner.
void abandon_overdue(ingest_pointer self);
/// Scores batches by the version in force whose own version nobody keeps any more.
void restamp_refused(ingest_pointer self);
/// Lets go of partitions that are drained and committed.
void release_settled(ingest_pointer self);
void report_if_due(ingest_pointer self);

/// May a batch begin to be produced? With exactly_once not between two transactions: it belongs to one as a whole.
bool may_begin_batch(const ingest_state& state);
void commit_if_due(ingest_pointer self);
/// A commit of the source is over.
void take_commit(ingest_pointer self, const source_event& event);
void take_transaction_events(ingest_pointer self);
/// A bad row, number `row` of the oldest batch, is not tolerated: the lane stops exactly there.
void stop_at_row(ingest_pointer self, std::size_t row, const row_rejection& why);

} // namespace ingest_detail

} // namespace troupe
