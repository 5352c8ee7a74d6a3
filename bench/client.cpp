#include "bench/client.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

namespace troupe::bench {
namespace {

constexpr int metadata_limit_ms = 10'000;
constexpr std::int64_t topic_limit_ns = 5'000'000'000;

client_ptr open_client(rd_kafka_type_t type, std::initializer_list<property> first,
                       std::initializer_list<property> more) {
  auto* conf = rd_kafka_conf_new();
  std::array<char, 512> why{};
  for (const auto& list : {first, more})
    for (const auto& [name, value] : list)
      if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
        give_up(why.data());
  auto* client = rd_kafka_new(type, conf, why.data(), why.size());
  if (client == nullptr) give_up(fmt::format("can't open a Kafka client: {}", why.data()));
  return client_ptr(client);
}

} // namespace

void client_destroyer::operator()(rd_kafka_t* client) const {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
void topic_destroyer::operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
void queue_destroyer::operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }

void give_up(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

client_ptr open_producer(const std::string& bootstrap, int linger_ms, std::initializer_list<property> more) {
  return open_client(RD_KAFKA_PRODUCER,
                     {{"bootstrap.servers", bootstrap},
                      {"enable.idempotence", "true"},
                      {"acks", "all"},
                      {"linger.ms", std::to_string(linger_ms)},
                      {"partitioner", "murmur2_random"},
                      {"socket.nagle.disable", "true"},
                      {"queue.buffering.max.messages", "1000000"},
                      {"queue.buffering.max.kbytes", "524288"},
                      {"batch.num.messages", "10000"}},
                     more);
}

client_ptr open_consumer(const std::string& bootstrap, const std::string& group) {
  auto client = open_client(RD_KAFKA_CONSUMER,
                            {{"bootstrap.servers", bootstrap},
                             {"group.id", group},
                             {"enable.auto.commit", "false"},
                             {"enable.auto.offset.store", "false"},
                             {"auto.offset.reset", "error"},
                             {"check.crcs", "true"},
                             {"socket.nagle.disable", "true"},
                             {"allow.auto.create.topics", "false"},
                             {"queued.min.messages", "2000000"},
                             {"queued.max.messages.kbytes", "262144"}},
                            {});
  rd_kafka_poll_set_consumer(client.get());
  return client;
}

topic_ptr open_topic(rd_kafka_t* client, const std::string& name) {
  auto* topic = rd_kafka_topic_new(client, name.c_str(), nullptr);
  if (topic == nullptr) give_up(fmt::format("topic {}: {}", name, rd_kafka_err2str(rd_kafka_last_error())));
  return topic_ptr(topic);
}

int partitions_of(rd_kafka_t* client, const std::string& name) {
  const auto topic = open_topic(client, name);
  const auto deadline = now_ns() + topic_limit_ns;
  for (;;) {
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(client, 0, topic.get(), &metadata, metadata_limit_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(fmt::format("metadata of {}: {}", name, rd_kafka_err2str(error)));
    const int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (count > 0) return count;
    // A topic that was created a moment ago may not have its leaders yet.
    if (now_ns() > deadline) give_up(fmt::format("topic {} is not there; create it first", name));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void read_all(rd_kafka_t* consumer, const std::string& topic, bool from_end) {
  const int count = partitions_of(consumer, topic);
  auto* list = rd_kafka_topic_partition_list_new(count);
  for (int partition = 0; partition < count; ++partition) {
    std::int64_t low = 0, high = 0;
    const auto error =
        rd_kafka_query_watermark_offsets(consumer, topic.c_str(), partition, &low, &high, metadata_limit_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      give_up(fmt::format("offsets of {}/{}: {}", topic, partition, rd_kafka_err2str(error)));
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = from_end ? high : low;
  }
  const auto error = rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(fmt::format("can't read {}: {}", topic, rd_kafka_err2str(error)));
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

} // namespace troupe::bench
