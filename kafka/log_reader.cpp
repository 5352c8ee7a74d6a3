#include "kafka/log_reader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace troupe::kafka {
namespace {

// Bounds the time and memory of one poll(); the rest comes with the wake that poll() gives itself.
constexpr std::size_t records_per_poll_max = 10'000;
// A broker that has just started can deny a topic that it will know a moment later.
constexpr auto missing_for_good_after = std::chrono::seconds(2);
// How long after that a fetch that was under way may still be answered.
constexpr auto last_answer_max = std::chrono::seconds(1);
// librdkafka 2.0.2 never ends a consumer whose topic was deleted: its broker thread stays. Such a one is left behind.
constexpr milliseconds close_limit{1000};
constexpr auto cluster_check_every = std::chrono::seconds(1);
// Longer than the client itself pauses before it asks again for what it may not read.
constexpr auto denied_pause = std::chrono::seconds(2);

} // namespace

result<std::unique_ptr<log_reader>> make_log_reader(const kafka_properties& user, const std::string& topic,
                                                    log_start from, milliseconds fetch_wait) {
  return kafka_log_reader::open(user, topic, from, fetch_wait);
}

result<std::unique_ptr<log_reader>> kafka_log_reader::open(const kafka_properties& user, const std::string& topic,
                                                           log_start from, milliseconds fetch_wait) {
  std::unique_ptr<kafka_log_reader> reader(new kafka_log_reader(topic, from));
  if (auto started = reader->start(user, fetch_wait); !started) return tl::make_unexpected(started.error());
  return reader;
}

result<void> kafka_log_reader::start(const kafka_properties& user, milliseconds fetch_wait) {
  const kafka_properties fixed = {
      {"group.id", "troupe.log-reader"}, // never joined: librdkafka wants one for a consumer that is assigned by hand
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "true"},
      {"isolation.level", "read_committed"},
      {"auto.offset.reset", "error"},
      {"allow.auto.create.topics", "false"},
      {"check.crcs", "true"},
      {"fetch.min.bytes", "1"},
      {"fetch.wait.max.ms", std::to_string(fetch_wait.count())},
      {"fetch.error.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "1000"},          // a log that is back should be read at once
      {"topic.metadata.propagation.max.ms", "5000"}, // how long a topic may be unknown at the start
      {"queued.max.messages.kbytes", "16384"},
  };
  contact_->leaders_only = true; // another broker's answers say nothing about this log
  const auto adjust = [this](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this); // called only inside poll(), so not after the reader
    rd_kafka_conf_set_error_cb(conf, on_error);
  };
  auto client = open_client(role::consumer, user, fixed, 0, adjust, contact_);
  if (!client) return tl::make_unexpected(client.error());
  client_ = std::move(*client);
  client_.get_deleter().limit = close_limit;
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  // Offset 0, not "the beginning": asking for that is one more request, which costs 500 ms while the leader is unknown.
  return assign(first_offset());
}

std::int64_t kafka_log_reader::first_offset() const {
  return from_.tail_records < 0 ? 0 : RD_KAFKA_OFFSET_TAIL(from_.tail_records);
}

result<void> kafka_log_reader::assign(std::int64_t offset) {
  auto list = make_partition_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), 0)->offset = offset;
  if (const auto code = rd_kafka_assign(client_.get(), list.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return tl::make_unexpected(make_error(code, fmt::format("can't read topic \"{}\"", topic_)));
  return {};
}

kafka_log_reader::~kafka_log_reader() {
  if (queue_)
    rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr); // takes the queue's lock: no callback runs after it
}

void kafka_log_reader::on_ready(wake_fn wake) {
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  wake_ = std::move(wake);
  rd_kafka_queue_cb_event_enable(
      queue_.get(), [](rd_kafka_t*, void* self) { static_cast<kafka_log_reader*>(self)->wake_(); }, this);
  wake_(); // the queue calls only when it stops being empty, and it may hold something already
}

void kafka_log_reader::poll(std::vector<log_record>& records) {
  std::size_t taken = 0;
  for (; taken < records_per_poll_max; ++taken) {
    const message_ptr message(rd_kafka_consumer_poll(client_.get(), 0));
    if (!message) break;
    if (!lost_) take(*message, records);
  }
  if (taken == records_per_poll_max && wake_) wake_();
  ask_again();
  check_cluster();
}

void kafka_log_reader::take(const rd_kafka_message_t& message, std::vector<log_record>& records) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
    return take_failure(message);
  missing_since_.reset();
  denied_.clear();
  if (restarted_) {
    restarted_ = false;
    if (positioned_ && message.offset < position_)
      return lose(
          fmt::format("topic \"{}\" is shorter than what was read of it before: it goes on at {}, read up to {}; it "
                      "was deleted and made again, or its broker lost data",
                      topic_, message.offset, position_));
  }
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    advance(message.offset);
    caught_up_ = true;
    return;
  }
  if (positioned_ && message.offset < position_) return; // a fetch from before an assign() can still arrive
  log_record record;
  record.offset = message.offset;
  record.timestamp_ms = rd_kafka_message_timestamp(&message, nullptr);
  if (message.key != nullptr) record.key.assign(static_cast<const char*>(message.key), message.key_len);
  if (message.payload != nullptr) record.value.emplace(static_cast<const char*>(message.payload), message.len);
  records.push_back(std::move(record));
  advance(message.offset + 1);
}

void kafka_log_reader::take_failure(const rd_kafka_message_t& message) {
  const char* detail = rd_kafka_message_errstr(&message);
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    return out_of_range(detail ? detail : "");
  on_error(nullptr, message.err, detail ? detail : "", this);
}

// A topic that is gone is told here, not by a message without a record; so is a broker that can't be reached.
void kafka_log_reader::on_error(rd_kafka_t*, int code, const char* reason, void* self) {
  auto& reader = *static_cast<kafka_log_reader*>(self);
  if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    return reader.note_denial(static_cast<rd_kafka_resp_err_t>(code));
  if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) return; // of a group that is never joined
  switch (kind_of(static_cast<rd_kafka_resp_err_t>(code))) {
  case errc::not_found:
    if (!reader.missing_since_) reader.missing_since_ = clock::now();
    return;
  case errc::unavailable:
  case errc::timeout: // librdkafka goes on trying; since_last_contact() tells whether that helps
    return;
  default:
    spdlog::warn("reading topic \"{}\": {}", reader.topic_, printable(reason));
  }
}

void kafka_log_reader::note_denial(rd_kafka_resp_err_t code) {
  const auto now = clock::now();
  if (denied_.empty()) {
    denied_ = make_error(code, fmt::format("can't read topic {}", topic_)).message;
    denied_since_ = now;
    spdlog::error("{}", denied_);
  }
  next_ask_ = now + denied_pause;
}

// The client goes on asking by itself, but where nothing new has come it would not say that it gets an answer again.
// Starting over makes it tell of the end.
void kafka_log_reader::ask_again() {
  const auto now = clock::now();
  if (denied_.empty() || now < next_ask_) return;
  next_ask_ = now + denied_pause;
  if (auto again = assign(positioned_ ? position_ : first_offset()); !again) lose(again.error().message);
}

milliseconds kafka_log_reader::since_last_contact() const {
  if (denied_.empty()) return contact_->age();
  return std::chrono::duration_cast<milliseconds>(clock::now() - denied_since_);
}

void kafka_log_reader::out_of_range(std::string_view detail) {
  if (from_.tail_records < 0 && positioned_)
    return lose(
        fmt::format("topic \"{}\" no longer has offset {}, where reading had got to: it was deleted and made again, "
                    "or records were deleted from it [{}]",
                    topic_, position_, printable(detail)));
  // The tail expired while nobody read (a frozen process), there are fewer records than it asks for, or offset 0 is
  // gone.
  restarted_ = true;
  if (auto again = assign(RD_KAFKA_OFFSET_BEGINNING); !again) lose(again.error().message);
}

void kafka_log_reader::advance(std::int64_t next) {
  positioned_ = true;
  position_ = std::max(position_, next);
}

void kafka_log_reader::check_cluster() {
  const auto now = clock::now();
  if (now < next_cluster_check_) return;
  next_cluster_check_ = now + cluster_check_every;
  char* id = rd_kafka_clusterid(client_.get(), 0); // what the last metadata said, no request
  if (id == nullptr) return;
  if (cluster_id_.empty())
    cluster_id_ = id;
  else if (cluster_id_ != id)
    lose(fmt::format("the Kafka cluster at this address has changed from {} to {}; the one that was read is gone",
                     cluster_id_, printable(id)));
  rd_kafka_mem_free(client_.get(), id);
}

void kafka_log_reader::lose(std::string what) {
  if (!lost_) lost_ = error{errc::conflict, std::move(what)};
}

std::optional<error> kafka_log_reader::lost() const {
  if (lost_) return lost_;
  // No fetch goes to a topic that is gone, so answers since then mean that it is back; but not the last answer to what
  // had been asked before.
  const auto missing_for = clock::now() - missing_since_.value_or(clock::now());
  if (missing_for > missing_for_good_after && contact_->age() + last_answer_max >= missing_for)
    return error{errc::not_found, fmt::format("topic \"{}\" does not exist (any more)", topic_)};
  return std::nullopt;
}

} // namespace troupe::kafka
