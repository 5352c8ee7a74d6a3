#include "kafka/model_store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/assert.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/topic_catalog.hpp"

namespace troupe::kafka {

/// What the delivery reports of one put() said.
struct upload {
  std::int64_t first_offset = -1; ///< of chunk 0
  std::size_t delivered = 0;
  rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
};

namespace {

constexpr milliseconds poll_limit{200};    // also how often the call looks whether it has to stop
constexpr milliseconds look_limit{10'000}; // of the question whether the topic exists, which can't be interrupted
constexpr milliseconds close_limit{1000};

std::size_t chunks_of(std::uint64_t bytes) {
  return static_cast<std::size_t>((bytes + kafka_model_store::chunk_bytes - 1) / kafka_model_store::chunk_bytes);
}

/// Where chunk `index` lies in a content of `bytes`: {from, length}. REQUIRES: index < chunks_of(bytes).
std::pair<std::size_t, std::size_t> extent(std::size_t index, std::size_t bytes) {
  const auto from = index * kafka_model_store::chunk_bytes;
  return {from, std::min(kafka_model_store::chunk_bytes, bytes - from)};
}

auto stopped(const std::string& doing) { return fail(errc::unavailable, doing + ": the node stops"); }

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& state = *static_cast<upload*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    state.failure = message->err;
    return;
  }
  ++state.delivered;
  if (message->_private != nullptr) // only chunk 0 has it
    state.first_offset = message->offset;
}

/// Puts chunks together as they come, in any order.
class assembly {
public:
  explicit assembly(const blob_location& where)
      : prefix_(where.sha256 + "/")
      , content_(static_cast<std::size_t>(where.bytes))
      , have_(where.chunks) {}

  void take(const rd_kafka_message_t& message) {
    const std::string_view key(static_cast<const char*>(message.key), message.key_len);
    if (message.payload == nullptr || !key.starts_with(prefix_)) return;
    std::size_t index = 0;
    const auto digits = key.substr(prefix_.size());
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (code != std::errc() || end != digits.data() + digits.size() || index >= have_.size() || have_[index]) return;
    const auto [from, length] = extent(index, content_.size());
    if (message.len != length) return;
    std::memcpy(content_.data() + from, message.payload, length);
    have_[index] = true;
    ++count_;
  }
  bool complete() const { return count_ == have_.size(); }
  std::size_t count() const { return count_; }
  std::vector<char> release() { return std::move(content_); }

private:
  const std::string prefix_;
  std::vector<char> content_;
  std::vector<bool> have_;
  std::size_t count_ = 0;
};

} // namespace

std::unique_ptr<model_store> make_model_store(const kafka_properties& user, const std::string& cluster,
                                              std::size_t content_bytes_max, milliseconds fetch_wait, stop_flag stop) {
  return std::make_unique<kafka_model_store>(user, models_topic(cluster), content_bytes_max, fetch_wait,
                                             std::move(stop));
}

std::string sha256_of(std::span<const char> content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  TROUPE_ASSERT(EVP_Digest(content.data(), content.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

result<handle_ptr> kafka_model_store::open_producer(upload& state) const {
  const kafka_properties fixed = {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"message.max.bytes", std::to_string(chunk_bytes * 2)},
      {"queue.buffering.max.kbytes", "8192"}, // chunks are copied: this bounds the copies
      {"linger.ms", "0"},
      {"reconnect.backoff.max.ms", "1000"},
  };
  auto client = open_client(role::producer, user_, fixed, 0, [&](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, &state); // called only inside poll and flush, so not after put()
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  });
  if (client) client->get_deleter().limit = close_limit;
  return client;
}

result<blob_location> kafka_model_store::put(std::span<const char> content, const std::string& sha256,
                                             milliseconds limit) {
  const deadline until(limit);
  if (content.empty() || content.size() > content_bytes_max_)
    return fail(errc::invalid, fmt::format("a model of {} bytes can't be stored: it may have 1 to {}", content.size(),
                                           content_bytes_max_));
  if (const auto real = sha256_of(content); real != sha256)
    return fail(errc::invalid, fmt::format("the model's sha256 is {}, not {} as stated; it was damaged on the way",
                                           real, printable(sha256)));
  if (auto exists = require_topic(user_, topic_, std::min(until.left(), look_limit)); !exists)
    return tl::make_unexpected(exists.error());
  upload state;
  auto client = open_producer(state);
  if (!client) return tl::make_unexpected(client.error());
  const auto doing = fmt::format("can't write the model to topic \"{}\"", topic_);
  const auto count = chunks_of(content.size());
  for (std::size_t index = 0; index < count && state.failure == RD_KAFKA_RESP_ERR_NO_ERROR;) {
    const auto [from, length] = extent(index, content.size());
    const auto chunk = content.subspan(from, length);
    const auto key = fmt::format("{}/{}", sha256, index);
    const auto code =
        rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
                          RD_KAFKA_V_VALUE(const_cast<char*>(chunk.data()), chunk.size()),
                          RD_KAFKA_V_OPAQUE(index == 0 ? &state : nullptr), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      ++index;
    else if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      return tl::make_unexpected(make_error(code, doing));
    else if (until.passed())
      return fail(errc::timeout, doing + ": the limit of the call ran out; push it again");
    rd_kafka_poll(client->get(), code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? until.left_ms(poll_limit) : 0);
    if (told_to_stop()) return stopped(doing);
  }
  while (state.delivered < count && state.failure == RD_KAFKA_RESP_ERR_NO_ERROR && !until.passed()) {
    rd_kafka_flush(client->get(), until.left_ms(poll_limit));
    if (told_to_stop()) return stopped(doing);
  }
  if (state.failure != RD_KAFKA_RESP_ERR_NO_ERROR) return tl::make_unexpected(make_error(state.failure, doing));
  if (state.delivered < count)
    return fail(errc::timeout, fmt::format("{}: {} of {} chunks arrived within the limit of the call; push it again",
                                           doing, state.delivered, count));
  if (state.first_offset < 0)
    return fail(errc::unavailable, doing + ": the broker did not say at which offset; push it again");
  return blob_location{state.first_offset, static_cast<std::uint32_t>(count), content.size(), sha256};
}

result<handle_ptr> kafka_model_store::open_reader(std::int64_t first_offset) const {
  const kafka_properties fixed = {
      {"group.id", "troupe.model-reader"}, // never joined
      {"enable.auto.commit", "false"},
      {"enable.partition.eof", "true"},
      {"isolation.level", "read_committed"},
      {"auto.offset.reset", "error"},
      {"allow.auto.create.topics", "false"},
      {"check.crcs", "true"},
      {"fetch.wait.max.ms", std::to_string(fetch_wait_.count())},
      {"topic.metadata.propagation.max.ms", "5000"},
      {"queued.max.messages.kbytes", "16384"},
  };
  auto client = open_client(role::consumer, user_, fixed);
  if (!client) return client;
  client->get_deleter().limit = close_limit;
  rd_kafka_poll_set_consumer(client->get());
  auto list = make_partition_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), 0)->offset = first_offset;
  if (const auto code = rd_kafka_assign(client->get(), list.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return tl::make_unexpected(make_error(code, fmt::format("can't read topic \"{}\"", topic_)));
  return client;
}

result<std::vector<char>> kafka_model_store::get(const blob_location& where, milliseconds limit) {
  const deadline until(limit);
  if (where.first_offset < 0 || where.bytes == 0 || where.bytes > content_bytes_max_ ||
      where.chunks != chunks_of(where.bytes))
    return fail(errc::invalid,
                fmt::format("the place of model {} makes no sense: {} bytes in {} chunks at offset {} (at most {} "
                            "bytes are taken)",
                            printable(where.sha256), where.bytes, where.chunks, where.first_offset,
                            content_bytes_max_));
  auto client = open_reader(where.first_offset);
  if (!client) return tl::make_unexpected(client.error());
  assembly parts(where);
  const auto missing = [&](errc code, std::string_view why) {
    return fail(code, fmt::format("model {}: only {} of {} chunks are in topic \"{}\" from offset {} on: {}",
                                  where.sha256, parts.count(), where.chunks, topic_, where.first_offset, why));
  };
  while (!parts.complete()) {
    if (told_to_stop()) return stopped("can't read model " + where.sha256);
    const message_ptr message(rd_kafka_consumer_poll(client->get(), until.left_ms(poll_limit)));
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
      parts.take(*message);
    else if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
      return missing(errc::not_found, "push it again");
    else if (message && message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
      return missing(errc::not_found, "the topic no longer has that offset; push it again");
    else if (message && kind_of(message->err) == errc::not_found)
      return missing(errc::not_found, "the topic does not exist");
    else if (message && message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
      return tl::make_unexpected(make_error(message->err, fmt::format("can't read topic \"{}\"", topic_)));
    if (!parts.complete() && until.passed()) return missing(errc::timeout, "the limit of the call ran out; try again");
  }
  auto content = parts.release();
  if (const auto real = sha256_of(content); real != where.sha256)
    return fail(errc::conflict,
                fmt::format("the model in topic \"{}\" at offset {} has sha256 {} where {} was expected; push it "
                            "again",
                            topic_, where.first_offset, real, printable(where.sha256)));
  return content;
}

} // namespace troupe::kafka
