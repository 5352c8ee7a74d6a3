#pragma once
// The vocabulary of identities. Each is a type of its own (base/named_type.hpp), so that none is taken for another.

#include <cstdint>
#include <string>

#include "base/named_type.hpp"

namespace troupe {

/// Number of a coordinator's reign: the control-topic offset of its claim. Grows with every new coordinator. -1: none
/// yet.
using term_id = named_type<std::int64_t, struct term_tag>;
/// One start of a node under its name; a node that rejoins takes a new one. Random, never 0 for a real node.
using incarnation_id = named_type<std::uint64_t, struct incarnation_tag>;
/// One life of a lane's producer inside an incarnation; a replaced producer is a new generation that owns nothing.
using generation_id = named_type<std::uint32_t, struct generation_tag>;
/// Offset of a record in the control topic. Also the epoch of what it decided: later decisions have larger ones.
using control_offset = named_type<std::int64_t, struct control_offset_tag>;
/// Number of a batch inside one lane, in the order the rows were read.
using batch_seq = named_type<std::uint64_t, struct batch_tag>;
/// Version of a registered model: games@2.
using model_version = named_type<std::uint32_t, struct model_version_tag>;

struct topic_partition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const topic_partition&) const = default;
};
/// "dsp/3"
std::string to_string(const topic_partition& where);

/// Who a node is, during one start.
struct node_ref {
  std::string name;
  incarnation_id incarnation;
  auto operator<=>(const node_ref&) const = default;
};

} // namespace troupe
