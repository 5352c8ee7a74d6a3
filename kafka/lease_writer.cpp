#include "kafka/lease_writer.hpp"

#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "kafka/control_ports.hpp"

namespace troupe::kafka {
namespace {

constexpr auto waiting_max = "4";
constexpr auto worth_ms = "1500";
constexpr milliseconds close_limit{500};

} // namespace

result<std::unique_ptr<lease_writer>> make_lease_writer(const kafka_properties& user, const std::string& cluster) {
  return kafka_lease_writer::open(user, lease_topic(cluster));
}

result<std::unique_ptr<lease_writer>> kafka_lease_writer::open(const kafka_properties& user, std::string topic) {
  const kafka_properties fixed = {
      {"acks", "1"},
      {"enable.idempotence", "false"},
      {"linger.ms", "0"},
      {"message.timeout.ms", worth_ms},
      {"request.timeout.ms", worth_ms},
      {"queue.buffering.max.messages", waiting_max},
      {"max.in.flight.requests.per.connection", "1"}, // what is in a socket can't be dropped any more
      {"reconnect.backoff.max.ms", "1000"},
  };
  auto client = open_client(role::producer, user, fixed);
  if (!client) return tl::make_unexpected(client.error());
  client->get_deleter().limit = close_limit;
  return std::unique_ptr<lease_writer>(new kafka_lease_writer(std::move(topic), std::move(*client)));
}

kafka_lease_writer::~kafka_lease_writer() { rd_kafka_flush(client_.get(), static_cast<int>(close_limit.count())); }

void kafka_lease_writer::beat(std::string value) {
  rd_kafka_poll(client_.get(), 0); // takes what was delivered or given up out of the queue
  auto code = produce(value);
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_poll(client_.get(), 0);
    code = produce(value);
  }
  // Still full means that the purge is under way: this beat is lost, like those before it, and the next will find room.
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return;
  if (code != std::exchange(told_, code) && code != RD_KAFKA_RESP_ERR_NO_ERROR)
    spdlog::warn("{}", make_error(code, fmt::format("can't write a lease to topic \"{}\"", topic_)).message);
}

rd_kafka_resp_err_t kafka_lease_writer::produce(const std::string& value) {
  return rd_kafka_producev(client_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                           RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
}

} // namespace troupe::kafka
