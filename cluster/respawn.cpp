#include "cluster/respawn.hpp"

#include <algorithm>

namespace troupe {

std::chrono::milliseconds respawn_guard::died(std::span<const held_partition> holding) {
  for (const auto& held : holding) {
    if (held.committed >= held.position) continue;
    auto& at = died_at_[held.where];
    at = std::max(at, held.position);
  }
  return pause_ = std::clamp(pause_ * 2, pause_first, pause_max);
}

void respawn_guard::granted(const topic_partition& where, std::int64_t offset, bool here) {
  auto at = died_at_.find(where);
  if (at != died_at_.end() && (!here || offset >= at->second)) died_at_.erase(at);
}

void respawn_guard::alive(std::span<const held_partition> holding) {
  bool works = false; // one that only holds something may fail at its first record
  for (const auto& held : holding) {
    if (held.committed < 0) continue;
    works = true;
    auto at = died_at_.find(held.where);
    if (at != died_at_.end() && held.committed >= at->second) died_at_.erase(at);
  }
  if (works && died_at_.empty()) pause_ = std::chrono::milliseconds{0};
}

} // namespace troupe
