#pragma once
// The ADMIN actor: the door for people. It answers questions, takes model files in chunks, and forwards changes to the
// coordinator, the same change with the same id again and again until it is in the control topic, was refused, or the
// time is up. The verbs and their JSON are in docs/protocol.md.

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "cluster/membership.hpp"

namespace troupe {

struct admin_config {
  std::size_t model_bytes_max = 256u << 20;
  std::size_t uploads_max = 4;
  milliseconds upload_idle{60'000};  ///< an upload that is not continued is forgotten
  milliseconds change_limit{15'000}; ///< how long a change is repeated
  milliseconds change_retry{300};
  std::uint64_t seed = 0; ///< of change and upload ids
};

struct admin_state {
  static constexpr const char* name = "admin";
  struct upload {
    std::string name;
    std::string alias; ///< that moves to the version once every node is ready; empty: champion
    std::vector<std::string> features;
    std::size_t bytes = 0;
    std::shared_ptr<std::vector<char>> content;
    steady_time touched{};
  };
  struct pending_change {
    caf::typed_response_promise<admin_reply> reply;
    change_request change;
    steady_time give_up{};
  };
  admin_config cfg;
  node_actor node;
  librarian_actor librarian;
  std::map<std::string, upload> uploads;         ///< by id
  std::map<std::string, pending_change> changes; ///< by id
  std::mt19937_64 random;
};

admin_actor::behavior_type admin(admin_actor::stateful_pointer<admin_state> self, admin_config cfg, node_actor node,
                                 librarian_actor librarian);

} // namespace troupe
