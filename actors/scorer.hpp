#pragma once
// The SCORER: turns batches of raw rows into outcomes with the plans it was given. Detached in a node (a thread of its
// own, so that a heavy batch holds up nobody); any scheduler will do for a test. Blocks nobody and talks to nobody but
// the sender.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/interfaces.hpp"

namespace troupe {

/// Work done by the scorers of a process; written by them, read by the node actor for `troupe status`.
struct scorer_totals {
  std::atomic<std::uint64_t> rows{0}, batches{0}, busy_ns{0};
};

struct scorer_config {
  std::uint32_t index = 0;               ///< which of its node's scorers this one is
  std::function<std::uint64_t()> now_ns; ///< a steady clock, to measure scoring; empty: scoring_ns stays 0
  std::shared_ptr<scorer_totals> totals; ///< may be null
};

struct scorer_state {
  static constexpr const char* name = "scorer";
  scorer_config cfg;
  std::map<std::pair<std::string, model_version>, model::scoring_session> sessions;
  std::size_t bytes_last = 0; ///< size of the last answer: a guess at the next one's
};

scorer_actor::behavior_type scorer(scorer_actor::stateful_pointer<scorer_state> self, scorer_config cfg);

} // namespace troupe
