#pragma once
// What the measuring programs share: opening a librdkafka client with the settings of docs/benchmarks.md, and reading a
// topic at explicit offsets. Failures end the program with one line on stderr: a measurement that half worked is worth
// nothing.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace troupe::bench {

using property = std::pair<std::string, std::string>;

struct client_destroyer {
  void operator()(rd_kafka_t* client) const;
};
struct topic_destroyer {
  void operator()(rd_kafka_topic_t* topic) const;
};
struct queue_destroyer {
  void operator()(rd_kafka_queue_t* queue) const;
};
using client_ptr = std::unique_ptr<rd_kafka_t, client_destroyer>;
using topic_ptr = std::unique_ptr<rd_kafka_topic_t, topic_destroyer>;
using queue_ptr = std::unique_ptr<rd_kafka_queue_t, queue_destroyer>;

/// Prints `what` on stderr and exits with 1.
[[noreturn]] void give_up(const std::string& what);

/// Idempotent producer with acks=all and the murmur2_random partitioner, as Troupe's; `more` is set last.
client_ptr open_producer(const std::string& bootstrap, int linger_ms, std::initializer_list<property> more = {});
/// Consumer that takes offsets as it is told and keeps more than a second of rows queued.
client_ptr open_consumer(const std::string& bootstrap, const std::string& group);
topic_ptr open_topic(rd_kafka_t* client, const std::string& name);
/// Number of partitions; ends the program when there is no such topic.
int partitions_of(rd_kafka_t* client, const std::string& name);
/// Starts reading every partition at its first (`from_end` false) or next offset.
void read_all(rd_kafka_t* consumer, const std::string& topic, bool from_end);

/// The constant-time random numbers of splitmix64: the same on every machine.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Steady clock in nanoseconds.
std::int64_t now_ns();

} // namespace troupe::bench
