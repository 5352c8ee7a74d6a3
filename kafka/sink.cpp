#include "kafka/sink.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/assert.hpp"
#include "kafka/handle.hpp"
#include "kafka/transaction.hpp"
#include "kafka/waker.hpp"

namespace troupe::kafka {
namespace {

using target = produce_record::target;

// What a broker counts besides key, value and headers: the batch's head, the record's and the lengths of some headers.
constexpr std::size_t record_overhead = 1024;
constexpr std::size_t batch_limit = 1024; // records handed to the client in one call

void* to_opaque(std::uint64_t token) {
  static_assert(sizeof(void*) >= sizeof(token));
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(token));
}

// An empty key or value is not the same as none: the client tells them apart by the pointer.
void* data_of(std::string_view text) { return const_cast<char*>(text.data() != nullptr ? text.data() : ""); }

/// The broker's clock is not ours, and a record may wait a while: near the bounds is outside.
constexpr std::int64_t clock_margin_ms = 60'000;

bool is_outside(std::int64_t distance_ms, std::int64_t bound_ms) {
  return distance_ms > bound_ms - std::min(clock_margin_ms, bound_ms / 2);
}

std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/// The record's timestamp, or -1 (now) where the topic would refuse it, and the whole lane with it.
std::int64_t timestamp_for(const topic_limits& limits, std::int64_t timestamp_ms, std::int64_t now_ms) {
  if (timestamp_ms < 0) return -1;
  const auto age = now_ms - timestamp_ms;
  return is_outside(age, limits.timestamp_before_max_ms) || is_outside(-age, limits.timestamp_after_max_ms)
             ? -1
             : timestamp_ms;
}

bool is_plain(const produce_record& record) { return record.headers.empty() && record.timestamp_ms < 0; }

// While the broker works on a partition's request, librdkafka's thread turns in a busy loop as long as more waits in
// the partition's queue, and takes from the broker on the same machine the time that it waits for. So when the broker
// is slower than the lane, records wait with the lane, and go in waves: a wave fills the requests of the next round.
// docs/decisions/0009-records-in-waves.md has the whole story.
class wave_gate {
public:
  /// Records that may be handed over now.
  [[nodiscard]] std::size_t room() const { return open_ ? wave_max - waiting_ : 0; }
  void handed_over(std::size_t records) {
    waiting_ += records;
    if (waiting_ >= wave_max) open_ = false;
  }
  void delivered(std::size_t records) {
    TROUPE_ASSERT(records <= waiting_);
    waiting_ -= records;
    if (waiting_ <= wave_rest) open_ = true;
  }

private:
  static constexpr std::size_t wave_max = 40960;  ///< records at the client and not delivered, at most
  static constexpr std::size_t wave_rest = 30720; ///< of a full wave, when the next one may start
  std::size_t waiting_ = 0;
  bool open_ = true;
};

class rd_sink final : public row_sink {
public:
  rd_sink(shared_handle client, std::shared_ptr<waker> wake, const sink_settings& settings, bool transactions)
      : transactions_(transactions)
      , wake_(std::move(wake))
      , client_(std::move(client))
      , limits_{settings.output, settings.dead_letter} {
    topics_[0].reset(rd_kafka_topic_new(client_.get(), settings.output_topic.c_str(), nullptr));
    if (!settings.dead_letter_topic.empty())
      topics_[1].reset(rd_kafka_topic_new(client_.get(), settings.dead_letter_topic.c_str(), nullptr));
    queue_.reset(rd_kafka_queue_get_main(client_.get()));
    wake_on(queue_.get(), *wake_);
  }

  ~rd_sink() override {
    silence(queue_.get());
    wake_->set(nullptr);
  }

  void on_ready(wake_fn wake) override {
    wake_->set(std::move(wake));
    wake_->call(); // for what came before
  }

  std::size_t produce(std::span<const produce_record> records) override;
  void poll(std::vector<delivery>& deliveries) override;

  std::int32_t partition_count(target to) override { return limits_[index(to)].partitions; }
  std::size_t record_bytes_max(target to) override {
    const auto bytes = limits_[index(to)].max_message_bytes;
    return bytes > 2 * record_overhead ? bytes - record_overhead : bytes / 2;
  }
  bool needs_key(target to) override { return limits_[index(to)].compacted; }

private:
  static std::size_t index(target to) { return to == target::output ? 0 : 1; }
  rd_kafka_topic_t* topic(target to) const {
    TROUPE_ASSERT(topics_[index(to)] != nullptr);
    return topics_[index(to)].get();
  }
  std::size_t produce_plain(std::span<const produce_record> records);
  rd_kafka_resp_err_t produce_one(const produce_record& record, std::int64_t now_ms);
  void refused(const produce_record& record, rd_kafka_resp_err_t code);
  std::string why_lost(const rd_kafka_message_t& message);
  std::string why_given_up(rd_kafka_resp_err_t code, const std::string& doing);

  const bool transactions_;
  std::shared_ptr<waker> wake_; // outlives the client's threads
  shared_handle client_;        // let go after the members below
  topic_ptr topics_[2];
  topic_limits limits_[2];
  queue_ptr queue_;
  std::vector<rd_kafka_message_t> batch_;
  std::vector<delivery> refused_; // what produce() could not even start
  std::size_t refused_count_ = 0;
  wave_gate gate_;
  bool full_ = false;        // produce() left something behind: poll() owes a wake
  std::string why_given_up_; // all that waited, at once
};

void append(std::vector<delivery>& deliveries, std::uint64_t token, bool ok, std::string message = {}) {
  if (!deliveries.empty()) {
    auto& last = deliveries.back();
    if (last.token == token && last.ok == ok && last.message == message) {
      ++last.count;
      return;
    }
  }
  deliveries.push_back({token, 1, ok, std::move(message)});
}

std::size_t rd_sink::produce(std::span<const produce_record> all) {
  const auto records = all.first(std::min(all.size(), gate_.room()));
  std::size_t taken = 0;
  const auto refused_before = refused_count_;
  const auto now_ms = wall_clock_ms();
  while (taken < records.size()) {
    const auto& first = records[taken];
    if (is_plain(first)) {
      auto end = taken + 1;
      while (end < records.size() && end - taken < batch_limit && records[end].to == first.to && is_plain(records[end]))
        ++end;
      const auto run = produce_plain(records.subspan(taken, end - taken));
      taken += run;
      if (taken < end) break;
    } else {
      const auto code = produce_one(first, now_ms);
      if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR) refused(first, code);
      ++taken;
    }
  }
  gate_.handed_over(taken - (refused_count_ - refused_before));
  full_ = taken < all.size();
  if (!refused_.empty()) wake_->call();
  return taken;
}

std::size_t rd_sink::produce_plain(std::span<const produce_record> records) {
  batch_.assign(records.size(), {});
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    auto& message = batch_[i];
    message.partition = record.partition; // -1 is RD_KAFKA_PARTITION_UA: the partitioner is asked
    if (record.key) {
      message.key = data_of(*record.key);
      message.key_len = record.key->size();
    }
    if (!record.null_value) {
      message.payload = data_of(record.value);
      message.len = record.value.size();
    }
    message._private = to_opaque(record.token);
  }
  const auto accepted = rd_kafka_produce_batch(topic(records.front().to), RD_KAFKA_PARTITION_UA,
                                               RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, batch_.data(),
                                               static_cast<int>(batch_.size()));
  if (static_cast<std::size_t>(accepted) == records.size()) return records.size();
  // Once full the client refuses the rest of the batch too, so a first refusal for that reason is the end of what it
  // took.
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (batch_[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL) return i;
    if (batch_[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) refused(records[i], batch_[i].err);
  }
  return records.size();
}

rd_kafka_resp_err_t rd_sink::produce_one(const produce_record& record, std::int64_t now_ms) {
  rd_kafka_vu_t fields[8];
  std::size_t count = 0;
  const auto field = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    fields[count].vtype = type;
    return fields[count++];
  };
  field(RD_KAFKA_VTYPE_RKT).u.rkt = topic(record.to);
  field(RD_KAFKA_VTYPE_PARTITION).u.i32 = record.partition;
  field(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  field(RD_KAFKA_VTYPE_OPAQUE).u.ptr = to_opaque(record.token);
  if (const auto timestamp = timestamp_for(limits_[index(record.to)], record.timestamp_ms, now_ms); timestamp >= 0)
    field(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = timestamp;
  if (record.key) field(RD_KAFKA_VTYPE_KEY).u.mem = {data_of(*record.key), record.key->size()};
  if (!record.null_value) field(RD_KAFKA_VTYPE_VALUE).u.mem = {data_of(record.value), record.value.size()};
  std::unique_ptr<rd_kafka_headers_t, c_deleter<rd_kafka_headers_destroy>> headers;
  if (!record.headers.empty()) {
    headers.reset(rd_kafka_headers_new(record.headers.size()));
    for (const auto& [name, value] : record.headers)
      rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                          value ? data_of(*value) : nullptr, value ? static_cast<ssize_t>(value->size()) : 0);
    field(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
  }
  const error_ptr failure(rd_kafka_produceva(client_.get(), fields, count));
  if (failure) return rd_kafka_error_code(failure.get());
  headers.release(); // the client took them
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_sink::refused(const produce_record& record, rd_kafka_resp_err_t code) {
  ++refused_count_;
  append(refused_, record.token, false,
         make_error(code, fmt::format("can't produce to topic \"{}\"", rd_kafka_topic_name(topic(record.to)))).message);
}

std::string rd_sink::why_lost(const rd_kafka_message_t& message) {
  const auto doing = fmt::format("can't produce to {}/{}", rd_kafka_topic_name(message.rkt), message.partition);
  if (message.err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && message.err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    return make_error(message.err, doing).message;
  if (why_given_up_.empty()) why_given_up_ = why_given_up(message.err, doing);
  return why_given_up_;
}

// The records say only that the client has given them up. Why, it tells on a question: a fatal error; or a transaction
// that has failed, which no other may follow before it is aborted.
std::string rd_sink::why_given_up(rd_kafka_resp_err_t code, const std::string& doing) {
  std::array<char, 256> text{};
  if (const auto fatal = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
      fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
    return make_error(fatal, doing, text.data()).message;
  const error_ptr reason(transactions_ ? rd_kafka_begin_transaction(client_.get()) : nullptr);
  const bool failed = reason && rd_kafka_error_txn_requires_abort(reason.get()) != 0;
  return (failed ? make_error(reason.get(), doing) : make_error(code, doing)).message;
}

void rd_sink::poll(std::vector<delivery>& deliveries) {
  const auto before = deliveries.size();
  std::move(refused_.begin(), refused_.end(), std::back_inserter(deliveries));
  refused_.clear();
  while (const event_ptr event{rd_kafka_queue_poll(queue_.get(), 0)}) {
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
      // Its consequences come as deliveries that are not ok; a lost broker is retried in silence.
      if (rd_kafka_event_error_is_fatal(event.get()) != 0)
        spdlog::error("kafka: {}", make_error(rd_kafka_event_error(event.get()), "the producer is lost",
                                              rd_kafka_event_error_string(event.get()))
                                       .message);
      continue;
    }
    if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_DR) continue;
    while (const auto* message = rd_kafka_event_message_next(event.get())) {
      gate_.delivered(1);
      const auto token = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(message->_private));
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        append(deliveries, token, true);
      else
        append(deliveries, token, false, why_lost(*message));
    }
  }
  if (full_ && deliveries.size() > before) {
    full_ = false;
    wake_->call();
  }
}

// The client cuts its batches by batch.size, whatever the topic takes; the broker refuses a whole batch that is too
// large.
std::string batch_size(const kafka_properties& user, std::size_t smallest) {
  std::size_t wanted = 1000000;
  if (const auto found = user.find("batch.size"); found != user.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), wanted);
  return std::to_string(std::min(wanted, smallest));
}

/// The client of a sink; with transactions if there is an id for them, and then `watch` is told of their requests.
result<shared_handle> open_producer(const sink_settings& settings, const std::string& transactional_id = {},
                                    std::shared_ptr<contact> watch = {}) {
  const auto& [user, output_topic, dead_letter_topic, output, dead_letter] = settings;
  TROUPE_ASSERT(!output_topic.empty() && output.partitions > 0);
  auto smallest = output.max_message_bytes, largest = output.max_message_bytes;
  if (!dead_letter_topic.empty()) {
    smallest = std::min(smallest, dead_letter.max_message_bytes);
    largest = std::max(largest, dead_letter.max_message_bytes);
  }
  kafka_properties properties{{"linger.ms", "0"},
                              {"queue.buffering.max.messages", "500000"},
                              {"queue.buffering.max.kbytes", "262144"},
                              {"reconnect.backoff.max.ms", "2000"}};
  if (!transactional_id.empty())
    properties["retry.backoff.ms"] = "20"; // a transaction waits for the last one's markers
  for (const auto& [name, value] : user) properties[name] = value;
  kafka_properties fixed{
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"max.in.flight.requests.per.connection", "1"}, // a broker serves a connection's requests one by one anyway
      {"partitioner", "murmur2_random"},
      {"message.max.bytes", std::to_string(std::clamp<std::size_t>(largest, 1000, 1000000000))},
      {"batch.size", batch_size(user, smallest)},
      {"log.connection.close", "false"}};
  if (transactional_id.empty()) {
    // No gaps: a record that went through after one that failed would overtake it, since the failed one is repeated
    // later. That does not cover a timeout, so there is none: rows wait for Kafka as long as it takes, within the
    // bounds.
    fixed["enable.gapless.guarantee"] = "true";
    fixed["message.timeout.ms"] = "0";
  } else {
    fixed.merge(transactional_properties(transactional_id)); // a record that fails takes its transaction along
  }
  auto client =
      open_client(role::producer, properties, fixed, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_DR, {}, std::move(watch));
  if (!client) return tl::make_unexpected(client.error());
  client->get_deleter().limit = lane_close_limit;
  return shared_handle(std::move(*client));
}

} // namespace

result<std::unique_ptr<row_sink>> make_sink(const sink_settings& settings) {
  auto client = open_producer(settings);
  if (!client) return tl::make_unexpected(client.error());
  return std::make_unique<rd_sink>(std::move(*client), std::make_shared<waker>(), settings, false);
}

result<transactional_sink> make_transactional_sink(const sink_settings& settings, const std::string& transactional_id,
                                                   const std::string& group_id, const std::string& source_topic) {
  TROUPE_ASSERT(!transactional_id.empty() && !group_id.empty());
  auto watch = std::make_shared<contact>();
  watch->counts_transactions = true;
  auto client = open_producer(settings, transactional_id, watch);
  if (!client) return tl::make_unexpected(client.error());
  transactional_sink made;
  made.sink = std::make_unique<rd_sink>(*client, std::make_shared<waker>(), settings, true);
  auto transaction = make_transaction(std::move(*client), {transactional_id, group_id, source_topic, std::move(watch)});
  if (!transaction) return tl::make_unexpected(transaction.error());
  made.transaction = std::move(*transaction);
  return made;
}

} // namespace troupe::kafka
