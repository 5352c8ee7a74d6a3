#pragma once
// The partitions of a lane and their lives. Used by the ingest actor; pure: no clock, no CAF, no Kafka.
//
//            grant               revoke                drained
//   (none) --------> reading ------------> draining ------------> released
//                       |                   ^    ^
//                       | fail       revoke |    | grant (a newer one: read again from elsewhere)
//                       +-----> stopped ----+----+
//
// `reading`: its source hands out rows. `stopped`: it can't be read on (offset out of range, topic deleted, ...); it
// stays with the lane, and is a problem, until it is revoked or granted anew. `draining`: no more rows; what was read
// is being finished and committed. `released`: forgotten by the table; the next lane_state no longer holds it.
//
// Each grant gets a slot of its own, never used again, by which the source, the ledger and the rows know the partition.
// Grants and revokes carry an epoch; one that is older than what the table knows is ignored and counted (I6).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/ids.hpp"

namespace troupe {

enum class hold_state : std::uint8_t { reading, stopped, draining, released };
enum class hold_event : std::uint8_t { grant, revoke, fail, drained };
/// What becomes of a partition in `state` when `event` comes.
hold_state next(hold_state state, hold_event event);

struct partition_grant {
  topic_partition where;
  std::int64_t offset = 0;
  std::string metadata;
  control_offset epoch;
};

class lane_table {
public:
  struct partition {
    std::uint32_t slot = 0;
    topic_partition where;
    hold_state state = hold_state::reading;
    control_offset epoch;
    std::string problem;                  ///< why it is stopped
    std::optional<partition_grant> again; ///< to be granted as soon as it is released
  };
  /// What the caller has to do. start: read the new slot. drain: stop reading the slot, finish it. ignore: nothing.
  struct decision {
    enum class kind : std::uint8_t { ignore, start, drain } what = kind::ignore;
    std::uint32_t slot = 0;
  };

  decision grant(const partition_grant& grant);
  decision revoke(const topic_partition& where, control_offset epoch);
  /// The partition can't be read on; `problem` says why. False: it was not being read, or is unknown.
  bool fail(std::uint32_t slot, const std::string& problem);
  /// It is drained and committed: forgotten. What comes back is the grant that waited for it, to be given to grant().
  /// REQUIRES: the slot is draining.
  std::optional<partition_grant> drained(std::uint32_t slot);

  [[nodiscard]] const partition* find(std::uint32_t slot) const;
  /// Ordered by slot.
  [[nodiscard]] const std::map<std::uint32_t, partition>& held() const { return held_; }
  [[nodiscard]] bool any(hold_state state) const;
  /// One sentence a stopped partition, "" if there is none.
  [[nodiscard]] std::string problem() const;
  [[nodiscard]] std::uint64_t stale() const { return stale_; }

private:
  partition* find(const topic_partition& where);
  std::map<std::uint32_t, partition> held_;
  std::uint32_t next_slot_ = 0;
  std::uint64_t stale_ = 0;
};

} // namespace troupe
