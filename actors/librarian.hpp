#pragma once
// Moves models between the models topic and memory. Detached: reading, checking and loading a large model takes
// seconds.

#include <memory>

#include "actors/interfaces.hpp"

namespace troupe {

struct librarian_state {
  static constexpr const char* name = "librarian";
  std::unique_ptr<model_store> store;
};

librarian_actor::behavior_type librarian(librarian_actor::stateful_pointer<librarian_state> self,
                                         std::shared_ptr<std::unique_ptr<model_store>> store);

/// Hex sha256 of a model's bytes: its name in the models topic.
std::string content_digest(std::span<const char> content);

} // namespace troupe
