#include "kafka/control_writer.hpp"

#include <array>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/topic_catalog.hpp"
#include "kafka/transaction.hpp"

namespace troupe::kafka {
namespace {

constexpr milliseconds close_limit{100};

bool means_fenced(rd_kafka_resp_err_t code) { return kind_of(code) == errc::fenced; }

void* as_opaque(std::size_t index) { return reinterpret_cast<void*>(index); }
std::size_t as_index(void* opaque) { return reinterpret_cast<std::size_t>(opaque); }

} // namespace

std::unique_ptr<control_writer> make_control_writer(const kafka_properties& user, const std::string& cluster) {
  return std::make_unique<kafka_control_writer>(user, cluster);
}

kafka_control_writer::kafka_control_writer(kafka_properties user, const std::string& cluster)
    : user_(std::move(user))
    , topic_(control_topic(cluster))
    , id_("troupe." + cluster + ".coordinator") {}

result<void> kafka_control_writer::open(milliseconds limit) {
  const deadline until(limit);
  client_.reset();
  if (auto exists = require_topic(user_, topic_, until.left()); !exists) return exists;
  auto fixed = transactional_properties(id_);
  fixed.merge(kafka_properties{{"linger.ms", "0"}, {"retry.backoff.ms", "20"}, {"reconnect.backoff.max.ms", "1000"}});
  requests_ = std::make_shared<contact>();
  requests_->counts_transactions = true;
  const auto adjust = [this](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  };
  auto client = open_client(role::producer, user_, fixed, 0, adjust, requests_);
  if (!client) return tl::make_unexpected(client.error());
  client->get_deleter().limit = close_limit;
  client_ = std::move(*client);
  for (;;) {
    const error_ptr failure(rd_kafka_init_transactions(client_.get(), until.left_ms()));
    if (!failure) {
      learn_leader(until);
      return {};
    }
    if (rd_kafka_error_is_retriable(failure.get()) && !until.passed()) continue;
    return tl::make_unexpected(
        lose(make_error(failure.get(), fmt::format("can't take over writing topic \"{}\"", topic_))));
  }
}

void kafka_control_writer::learn_leader(const deadline& until) {
  // Else the first append finds out about its topic only at the next round of a timer of 1 s.
  const topic_ptr topic(rd_kafka_topic_new(client_.get(), topic_.c_str(), nullptr));
  const struct rd_kafka_metadata* metadata = nullptr;
  if (topic &&
      rd_kafka_metadata(client_.get(), 0, topic.get(), &metadata, until.left_ms()) == RD_KAFKA_RESP_ERR_NO_ERROR)
    rd_kafka_metadata_destroy(metadata);
}

result<std::int64_t> kafka_control_writer::append(std::span<const log_write> records, milliseconds limit) {
  TROUPE_ASSERT(!records.empty());
  const deadline until(limit);
  receipt_ = {std::vector<std::int64_t>(records.size(), -1), 0, RD_KAFKA_RESP_ERR_NO_ERROR};
  auto done = in_transaction(until, [&] { return produce(records).and_then([&] { return deliver(until); }); });
  if (!done) return tl::make_unexpected(done.error());
  // Nobody else can write in between, so any offset tells the first. The broker gives none for a batch that it
  // recognises as a repetition of an older one.
  for (std::size_t i = 0; i < records.size(); ++i)
    if (receipt_.offsets[i] >= 0) return receipt_.offsets[i] - static_cast<std::int64_t>(i);
  return tl::make_unexpected(
      lose({errc::timeout, fmt::format("topic \"{}\" was written, but the broker did not say at which "
                                       "offset; read it to find out",
                                       topic_)}));
}

result<void> kafka_control_writer::commit_offsets(const std::string& group, std::span<const committed_offset> offsets,
                                                  milliseconds limit) {
  TROUPE_ASSERT(!offsets.empty());
  const deadline until(limit);
  return in_transaction(until, [&] { return send_offsets(group, offsets, until); });
}

template <class Fill> result<void> kafka_control_writer::in_transaction(const deadline& until, Fill fill) {
  if (!client_) return fail(errc::fenced, fmt::format("the writer of topic \"{}\" is not open; open it first", topic_));
  const int ends_before = requests_->end_requests, offsets_before = requests_->offset_requests;
  auto done = begin();
  if (!done) return done;
  if (done = fill(); !done)
    return client_ ? tl::make_unexpected(abort(done.error(), until)) : tl::make_unexpected(done.error());
  if (done = commit(until); !done) return done;
  // A copy that is still on its way could end the next transaction before it is whole (as in kafka/transaction.hpp).
  if (requests_->end_requests - ends_before > 1 || requests_->offset_requests - offsets_before > 1) client_.reset();
  return {};
}

result<void> kafka_control_writer::begin() {
  const error_ptr failure(rd_kafka_begin_transaction(client_.get()));
  if (!failure) return {};
  return tl::make_unexpected(
      lose(make_error(failure.get(), fmt::format("can't begin a transaction on topic \"{}\"", topic_))));
}

result<void> kafka_control_writer::produce(std::span<const log_write> records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& key = records[i].key;
    const std::string_view text =
        records[i].value ? std::string_view(*records[i].value) : std::string_view(); // null: tombstone
    const auto code = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(text.data()), text.size()), RD_KAFKA_V_OPAQUE(as_opaque(i)), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return tl::make_unexpected(
          make_error(code, fmt::format("can't write record \"{}\" to topic \"{}\"", printable(key), topic_)));
  }
  return {};
}

result<void> kafka_control_writer::deliver(const deadline& until) {
  // Flushing first and committing then is also the faster order.
  rd_kafka_flush(client_.get(), until.left_ms());
  // The client has given the transaction up, and its records with it: commit() is told why, and aborts.
  if (receipt_.failure == RD_KAFKA_RESP_ERR__PURGE_QUEUE) return {};
  if (receipt_.failure != RD_KAFKA_RESP_ERR_NO_ERROR)
    return tl::make_unexpected(make_error(receipt_.failure, fmt::format("can't write to topic \"{}\"", topic_)));
  if (receipt_.reported < receipt_.offsets.size())
    return tl::make_unexpected(
        lose({errc::timeout, fmt::format("topic \"{}\" took none or not all of the records within the "
                                         "limit; the writer has to be opened again",
                                         topic_)}));
  return {};
}

result<void> kafka_control_writer::commit(const deadline& until) {
  for (;;) {
    const error_ptr failure(rd_kafka_commit_transaction(client_.get(), until.left_ms()));
    if (!failure) return {};
    auto cause = make_error(failure.get(), fmt::format("can't commit to topic \"{}\"", topic_));
    if (rd_kafka_error_txn_requires_abort(failure.get())) return tl::make_unexpected(abort(std::move(cause), until));
    if (rd_kafka_error_is_retriable(failure.get()) && !until.passed())
      continue; // the same call again: an abort now could undo what is committed already
    if (rd_kafka_error_is_retriable(failure.get())) cause.code = errc::timeout;
    return tl::make_unexpected(lose(std::move(cause)));
  }
}

result<void> kafka_control_writer::send_offsets(const std::string& group, std::span<const committed_offset> offsets,
                                                const deadline& until) {
  const group_metadata_ptr consumers(rd_kafka_consumer_group_metadata_new(group.c_str()));
  auto list = make_partition_list(offsets.size());
  for (const auto& one : offsets) add_commit(client_.get(), list.get(), one.where, one.offset.value(), one.metadata);
  for (;;) {
    const error_ptr failure(
        rd_kafka_send_offsets_to_transaction(client_.get(), list.get(), consumers.get(), until.left_ms()));
    if (!failure) return {};
    if (rd_kafka_error_is_retriable(failure.get()) && !until.passed()) continue;
    return tl::make_unexpected(
        make_error(failure.get(), fmt::format("can't commit offsets of group \"{}\"", printable(group))));
  }
}

error kafka_control_writer::abort(error cause, const deadline& until) {
  if (fenced() || cause.code == errc::fenced) return lose(std::move(cause));
  for (;;) {
    const error_ptr failure(rd_kafka_abort_transaction(client_.get(), until.left_ms()));
    if (!failure) break;
    if (rd_kafka_error_is_retriable(failure.get()) && !until.passed()) continue;
    return lose(std::move(cause));
  }
  // It did not happen, and that is certain now.
  if (cause.code == errc::timeout) cause.code = errc::unavailable;
  return cause;
}

error kafka_control_writer::lose(error cause) {
  if (fenced()) cause.code = errc::fenced;
  client_.reset();
  if (cause.code == errc::fenced)
    cause.message += fmt::format("; a newer writer has taken over \"{}\", or the broker gave up on this one", id_);
  return cause;
}

bool kafka_control_writer::fenced() const {
  std::array<char, 256> why{};
  return client_ && means_fenced(rd_kafka_fatal_error(client_.get(), why.data(), why.size()));
}

void kafka_control_writer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto& receipt = static_cast<kafka_control_writer*>(self)->receipt_;
  ++receipt.reported;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
    receipt.failure = message->err;
  else if (const auto index = as_index(message->_private); index < receipt.offsets.size())
    receipt.offsets[index] = message->offset;
}

} // namespace troupe::kafka
