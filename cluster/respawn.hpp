#pragma once
// When the lane of a pipeline that ended may open again. Used by the node actor; pure: no clock, no CAF, no Kafka.
//
// A lane that dies of one record (the broker will never take its prediction) dies of it again, and each time it repeats
// what it had produced after the last commit. So the pause doubles with every death, and starts over only once the
// offsets that were in the lane's hands when it died are committed: by then it has got past whatever killed it.

#include <chrono>
#include <cstdint>
#include <map>
#include <span>

#include "cluster/report.hpp"

namespace troupe {

class respawn_guard {
public:
  static constexpr std::chrono::milliseconds pause_first{100}, pause_max{5'000};

  /// A lane has ended, or could not be opened; `holding` is what it held last. Returns the pause before the next one.
  std::chrono::milliseconds died(std::span<const held_partition> holding);
  /// Somebody starts at `offset`, which is committed. `here`: a lane of this node.
  void granted(const topic_partition& where, std::int64_t offset, bool here);
  /// What the living lane holds now.
  void alive(std::span<const held_partition> holding);

private:
  std::chrono::milliseconds pause_{0};
  std::map<topic_partition, std::int64_t> died_at_; ///< partition -> offset behind what was read and not committed
};

} // namespace troupe
