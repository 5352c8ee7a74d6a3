#pragma once
// Which offsets of a lane's partitions may be committed. Used by the ingest actor; pure: no clock, no CAF, no Kafka.
//
// The ledger knows batches, not rows: a batch has *runs* (a partition and the last offset of it) and a counter of rows
// whose outcome is not durable yet. The watermark of a partition moves only over the unbroken row of durable batches,
// so a committed offset never passes a row without a durable outcome (I2), and the cost a row is a subtraction a batch.
//
//   read(batch) --> durable(batch, n) until none is left --> watermark --> begin_commit() --> commit_done(token)
//
// It runs over delivered records: end_of_partition() moves the watermark past transaction markers and compacted offsets
// that no record stands for. Beside each offset goes the model version in force there and where it began, as the
// metadata string of the committed offset (make_metadata). A new owner of the partition gets it with its grant and goes
// on with it, so that `since` outlives its owners. It says nothing about the offsets behind the committed one, which
// are what a crash repeats (docs/decisions/0010).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cluster/freeze_guard.hpp"
#include "cluster/ids.hpp"
#include "cluster/ports.hpp"

namespace troupe {

/// What a commit says about the model: the version in force ("games@2") and the partition's offset where it began.
struct offset_metadata {
  std::string version;
  std::int64_t since = -1;
  bool operator==(const offset_metadata&) const = default;
};
/// {"version":"games@2","since":12345}
std::string make_metadata(const offset_metadata& metadata);
/// Only what make_metadata writes; anything else (another program committed) is nothing.
std::optional<offset_metadata> parse_metadata(const std::string& text);

/// Rows of one partition inside a batch: offsets first..last, some of which may not exist. No rows at all where last <
/// first: then it says that the next record is at last + 1 or later.
struct offset_run {
  std::uint32_t slot = 0;
  std::int64_t first = 0, last = -1;
  std::uint32_t rows = 0; ///< that exist
};

class offset_ledger {
public:
  struct commit_plan {
    std::uint64_t token = 0;
    std::vector<partition_commit> offsets;
  };

  /// `model` is the name in "games@2"; an offset that does not move is committed again every `recommit`, since Kafka
  /// forgets.
  offset_ledger(std::string model, std::chrono::milliseconds recommit = std::chrono::hours{1})
      : model_(std::move(model))
      , recommit_(recommit) {}

  /// Reading of `slot` starts at `offset`, which the group has as committed already. REQUIRES: the slot is new.
  void grant(std::uint32_t slot, std::int64_t offset, const std::string& metadata, mono_time now);
  /// Forgets the slot. Rows of it that are still on their way are no longer anybody's business.
  void release(std::uint32_t slot);

  /// A batch was read and stamped with `version`. REQUIRES: seqs grow; `runs` are of granted slots, in reading order.
  void read(batch_seq seq, model_version version, std::span<const offset_run> runs, std::uint32_t rows);
  /// Batches from `seq` on are scored by another version than they were read for.
  void restamp(batch_seq seq, model_version version);
  /// Everything before `offset` was read: it may be committed once all that is durable.
  void end_of_partition(std::uint32_t slot, std::int64_t offset);
  /// `count` rows of the batch have a durable outcome. REQUIRES: never more in all than the batch has rows.
  void durable(batch_seq seq, std::uint32_t count);

  /// Gives up what was read of `slot` from `offset` on: it will be read again, by this lane or another. The rows still
  /// count as outstanding in their batches until durable() is told about them.
  void abandon(std::uint32_t slot, std::int64_t offset);
  /// Gives up everything read from `batch` on, but for its first `rows` rows, which `runs` describe.
  void cut(batch_seq batch, std::span<const offset_run> runs, std::uint32_t rows);

  /// Offsets that moved since their last commit, or are due again. Nothing while a commit is in flight, or if none is
  /// due.
  std::optional<commit_plan> begin_commit(mono_time now);
  /// The commit is over; the offsets of the slots in `refused` were not committed, and are due again at once.
  void commit_done(std::uint64_t token, std::span<const std::uint32_t> refused = {});
  /// The offsets of that commit are due again at once.
  void commit_failed(std::uint64_t token);

  /// Nobody can commit this slot any more (its topic is gone): it is left out of commits, settled once it is drained,
  /// and its rows count no longer as uncommitted. They are repeated if the partition is ever read again.
  void give_up(std::uint32_t slot);

  /// Everything read of the slot is durable / and committed.
  [[nodiscard]] bool drained(std::uint32_t slot) const;
  [[nodiscard]] bool settled(std::uint32_t slot) const;
  [[nodiscard]] bool commit_in_flight() const { return inflight_.has_value(); }
  /// True if begin_commit() would move some offset.
  [[nodiscard]] bool moved() const;

  /// Next offset to read; next offset to commit; last acknowledged commit (-1 before the first). REQUIRES: the slot is
  /// granted.
  [[nodiscard]] std::int64_t position(std::uint32_t slot) const { return slots_.at(slot).position; }
  [[nodiscard]] std::int64_t watermark(std::uint32_t slot) const { return slots_.at(slot).watermark; }
  [[nodiscard]] std::int64_t committed(std::uint32_t slot) const { return slots_.at(slot).acknowledged; }
  /// Rows read and not yet covered by an acknowledged commit: the most that a crash now would repeat.
  [[nodiscard]] std::uint64_t uncommitted_rows() const { return rows_open_ + rows_waiting_; }
  /// Batches below this number are durable.
  [[nodiscard]] std::uint64_t durable_below() const { return durable_below_; }

private:
  struct slot_state {
    std::int64_t position = 0, watermark = 0;
    std::int64_t committed = 0;     ///< what the group has, as far as we know
    std::int64_t acknowledged = -1; ///< the same, of our own commits only
    std::string metadata;
    std::optional<offset_metadata> version;
    mono_time committed_at{};
    std::uint64_t rows_waiting = 0; ///< below the watermark, and not committed
    bool given_up = false;
  };
  struct entry {
    std::uint64_t seq = 0;
    model_version version;
    std::uint32_t rows = 0, outstanding = 0;
    std::vector<offset_run> runs;
  };
  struct slot_commit {
    std::uint32_t slot = 0;
    std::int64_t offset = 0;
    std::uint64_t rows = 0;
  };
  struct inflight_commit {
    std::uint64_t token = 0;
    mono_time at{};
    std::vector<slot_commit> offsets;
  };

  entry* find(batch_seq seq);
  void advance();
  void pass(const offset_run& run, model_version version);
  void reset_positions();
  void forget_waiting(slot_state& slot, std::uint64_t rows);

  std::string model_;
  std::chrono::milliseconds recommit_;
  std::map<std::uint32_t, slot_state> slots_;
  std::deque<entry> entries_;
  std::optional<inflight_commit> inflight_;
  std::uint64_t last_token_ = 0;
  std::uint64_t rows_open_ = 0;    ///< of entries_
  std::uint64_t rows_waiting_ = 0; ///< sum over the slots
  std::uint64_t durable_below_ = 0;
};

} // namespace troupe
