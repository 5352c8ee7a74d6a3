#pragma once
// Transactions of a lane over librdkafka: row_transaction of cluster/ports.hpp. INTERNAL to kafka/; others use
// make_transactional_sink and make_lane_fencer.
//
// The calls of librdkafka block, and one of them ignores its limit while the group's coordinator is away, so they have
// a thread of their own. It shares the client with the sink; a call that hangs keeps both alive behind the lane's back,
// and does no harm there: the next generation has fenced its producer.
//
// A call whose outcome is not known is made again, never followed by an abort. librdkafka does the same inside of a
// call: when a connection breaks it sends EndTxn or the offsets again, and a copy that is still on its way could end
// the next transaction, or put its offsets back (KIP-890). So once one of these requests was sent twice for one
// transaction the producer is not used again. Anything that is not retriable, and any commit that takes longer than the
// broker keeps a transaction open, is the end of the producer (`lost`), too: the committed offset tells its successor
// what became of the last transaction.

#include <memory>
#include <string>

#include "cluster/ports.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

using shared_handle = std::shared_ptr<rd_kafka_t>;

/// What all transactional producers have in common: lanes, fencers, the writer of the control topic.
kafka_properties transactional_properties(const std::string& transactional_id);

struct transaction_settings {
  std::string transactional_id, group_id;
  std::string some_topic;               ///< a source: the way to the group's coordinator is tried out with it
  std::shared_ptr<const contact> watch; ///< of the client
};

/// Begins to open at once. errc::internal: too many threads of earlier ones hang, the process has to end. REQUIRES: the
/// client was opened with transactional_properties().
result<std::unique_ptr<row_transaction>> make_transaction(shared_handle client, const transaction_settings& settings);

} // namespace troupe::kafka
