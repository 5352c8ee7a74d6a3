#pragma once
// Writes the control topic: control_writer of cluster/ports.hpp over a transactional producer. INTERNAL to kafka/;
// others use make_control_writer (kafka/control_ports.hpp).
//
// One thread at a time calls it, and it blocks, each call for its limit plus a moment (100 ms) to put a lost client
// away.
//
//   closed --open ok--> open --append ok, or refused and aborted--> open
//                       open --fenced | timeout | can't be aborted | a request was sent twice--> closed (the client is
//                       thrown away)
//
// After a loss nothing is tried again with the same producer: a late commit of it must not meet a later transaction.
// The next open() fences it, which also aborts what it left behind.

#include <memory>
#include <string>
#include <vector>

#include "cluster/ports.hpp"
#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_control_writer final : public control_writer {
public:
  kafka_control_writer(kafka_properties user, const std::string& cluster);
  result<void> open(milliseconds limit) override;
  result<std::int64_t> append(std::span<const log_write> records, milliseconds limit) override;
  result<void> commit_offsets(const std::string& group, std::span<const committed_offset> offsets,
                              milliseconds limit) override;

private:
  /// What became of the records of one append(); index as in its span.
  struct receipt {
    std::vector<std::int64_t> offsets;
    std::size_t reported = 0;
    rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
  };

  void learn_leader(const deadline& until);
  /// Begins, fills, commits; what could not be filled is aborted.
  template <class Fill> result<void> in_transaction(const deadline& until, Fill fill);
  result<void> begin();
  result<void> produce(std::span<const log_write> records);
  result<void> deliver(const deadline& until);
  result<void> send_offsets(const std::string& group, std::span<const committed_offset> offsets, const deadline& until);
  result<void> commit(const deadline& until);
  /// `cause` once the transaction is aborted; when it can't be, the writer is lost.
  error abort(error cause, const deadline& until);
  /// Throws the client away. Returns `cause`, errc::fenced if that is why.
  error lose(error cause);
  bool fenced() const;
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self);

  const kafka_properties user_;
  const std::string topic_, id_;
  receipt receipt_;
  std::shared_ptr<contact> requests_; ///< of the client
  handle_ptr client_;                 ///< null: closed
};

} // namespace troupe::kafka
