#pragma once
// Everything that crosses the wire between nodes, and between `troupe` commands and a node. docs/protocol.md mirrors
// it.
//
// A struct travels under its C++ name: renaming one, or changing its members, is a break of the protocol and needs a
// new `protocol_version`. Never in here: floating point (CAF's wire form loses NaNs), actor handles (a handle learned
// second-hand is routed through the one who told it). Sequences of bytes are vector<char> or string: only those are
// copied in one piece.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <caf/atom.hpp>
#include <caf/type_id.hpp>

#include "cluster/ids.hpp"
#include "cluster/report.hpp"
#include "cluster/row_block.hpp"

namespace troupe {

/// Both sides of a hello must have the same one.
inline constexpr std::uint16_t protocol_version = 1;

/// First message on a connection, from the node that dialled; answered with the same of the other side.
struct peer_hello {
  std::uint16_t protocol = protocol_version;
  std::string cluster, fingerprint;
  node_ref node;
  std::string address;
  std::string refusal; ///< in the answer: why not (another cluster, config or protocol); empty: welcome
};

/// A scorer introduces itself to the node actor of a peer; the sender of the message is the scorer.
struct scorer_offer {
  node_ref node;
  std::uint32_t index = 0;
};

/// Rows to be scored with one model version. Answered to the sender with a scored_batch of the same seq and attempt.
struct score_batch {
  batch_seq seq;
  std::uint32_t attempt = 0; ///< 0 for the first try; a late answer to an older attempt is dropped
  std::string pipeline;
  model_version version;
  row_block_ptr rows;
};

struct scored_batch {
  enum class status_kind : std::uint8_t { scored, not_ready } status = status_kind::scored;
  batch_seq seq;
  std::uint32_t attempt = 0;
  std::uint64_t scoring_ns = 0; ///< parse to encode, of the whole batch
  outcome_block_ptr outcomes;   ///< one a row; null where not_ready: the scorer has not got that model version (yet)
};

/// To the coordinator's node, every cluster.heartbeat_interval_ms and when something changed.
struct heartbeat {
  node_report report;
};

/// A change that a person wants; forwarded by the admin actor to the coordinator. Safe to repeat with the same id.
struct change_request {
  std::string change_id;
  std::string kind; ///< register_model, set_alias, resume_pipeline, remove_node; or the question `status`
  std::string body; ///< JSON, see docs/protocol.md
};
/// Sent when the change is in the control topic, or refused.
struct change_reply {
  bool ok = false;
  bool try_again = false; ///< not refused: nobody could take it now; the same change may be sent again
  std::string message;    ///< why not; or what was done
  control_offset offset;  ///< done at a node once its report's `applied` is past this
  std::string body;       ///< JSON result, for example {"version":2}
};

/// The door for people: a command to the node that was dialled. Verbs are listed in docs/protocol.md.
struct admin_request {
  std::string verb;       ///< status, model.begin, model.chunk, model.commit, model.alias, pipeline.resume
  std::string body;       ///< JSON
  std::vector<char> blob; ///< at most 256 KiB of a file
};
struct admin_reply {
  bool ok = false;
  std::string body; ///< JSON where ok, else a sentence
};

template <class I> typename I::result_type inspect(I& f, peer_hello& x) {
  return f(x.protocol, x.cluster, x.fingerprint, x.node, x.address, x.refusal);
}
template <class I> typename I::result_type inspect(I& f, scorer_offer& x) { return f(x.node, x.index); }
template <class I> typename I::result_type inspect(I& f, score_batch& x) {
  return f(x.seq, x.attempt, x.pipeline, x.version, x.rows);
}
template <class I> typename I::result_type inspect(I& f, scored_batch& x) {
  return f(x.status, x.seq, x.attempt, x.scoring_ns, x.outcomes);
}
template <class I> typename I::result_type inspect(I& f, heartbeat& x) { return f(x.report); }
template <class I> typename I::result_type inspect(I& f, change_request& x) { return f(x.change_id, x.kind, x.body); }
template <class I> typename I::result_type inspect(I& f, change_reply& x) {
  return f(x.ok, x.try_again, x.message, x.offset, x.body);
}
template <class I> typename I::result_type inspect(I& f, admin_request& x) { return f(x.verb, x.body, x.blob); }
template <class I> typename I::result_type inspect(I& f, admin_reply& x) { return f(x.ok, x.body); }

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe, first_custom_type_id)
CAF_ADD_TYPE_ID(troupe, (troupe::peer_hello))
CAF_ADD_TYPE_ID(troupe, (troupe::scorer_offer))
CAF_ADD_TYPE_ID(troupe, (troupe::score_batch))
CAF_ADD_TYPE_ID(troupe, (troupe::scored_batch))
CAF_ADD_TYPE_ID(troupe, (troupe::heartbeat))
CAF_ADD_TYPE_ID(troupe, (troupe::change_request))
CAF_ADD_TYPE_ID(troupe, (troupe::change_reply))
CAF_ADD_TYPE_ID(troupe, (troupe::admin_request))
CAF_ADD_TYPE_ID(troupe, (troupe::admin_reply))
CAF_END_TYPE_ID_BLOCK(troupe)
