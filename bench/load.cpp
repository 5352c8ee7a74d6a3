// Fills a topic with rows, fast, and the same ones for the same seed.
//
//   load --bootstrap H:P --topic dsp --rows N [--seed S] [--features K] [--rate R] [--partition P] [--no-key] [--first
//   I]
//
// Without --features: games rows, {"G1":0,...,"G10":1,"User_ID":"<uuid>"}, the key being the User_ID. With --features
// K:
// {"F1":0.12,...,"FK":0.98,"User_ID":"..."}, 20 KB at K=2000. Row i depends on the seed and i only; the last 12
// hexadecimal digits of its User_ID are i. Prints {"rows":N,"seconds":S,"rows_per_s":R}.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/client.hpp"

namespace troupe::bench {
namespace {

constexpr std::size_t batch_rows = 1'000;
constexpr std::size_t batch_bytes = 8u << 20;
constexpr int flush_limit_ms = 60'000;
constexpr unsigned games_features = 10;

struct load_options {
  std::string bootstrap, topic;
  std::uint64_t rows = 0, seed = 1, first = 0;
  unsigned features = 0;
  double rate = 0;
  int partition = -1;
  bool no_key = false;
};

std::string user_id(std::uint64_t seed, std::uint64_t index) {
  const auto noise = mix(seed * 0x5851f42d4c957f2dull + index);
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", noise >> 32, (noise >> 16) & 0xffff, (noise >> 4) & 0xfff,
                     noise & 0xfff, index);
}

void append_row(std::string& out, const load_options& options, std::uint64_t index, const std::string& id) {
  out += '{';
  const auto bits = mix(options.seed + index);
  if (options.features == 0)
    for (unsigned i = 0; i < games_features; ++i)
      fmt::format_to(std::back_inserter(out), "\"G{}\":{},", i + 1, (bits >> i) & 1);
  for (unsigned i = 0; i < options.features; ++i)
    fmt::format_to(std::back_inserter(out), "\"F{}\":0.{:02},", i + 1, mix(bits + i) % 100);
  out += "\"User_ID\":\"";
  out += id;
  out += "\"}";
}

class loader {
public:
  explicit loader(const load_options& given)
      : options(given)
      , producer(open_producer(given.bootstrap, 5))
      , topic(open_topic(producer.get(), given.topic)) {
    partitions_of(producer.get(), options.topic);
  }

  void run() {
    const auto start = now_ns();
    for (std::uint64_t done = 0; done < options.rows;) {
      const auto most =
          options.rate > 0 ? std::max<std::uint64_t>(1, static_cast<std::uint64_t>(options.rate / 200)) : batch_rows;
      const auto size = std::min<std::uint64_t>(most, options.rows - done);
      done += send(done, size);
      rd_kafka_poll(producer.get(), 0);
      if (options.rate > 0) {
        const auto due = start + static_cast<std::int64_t>(static_cast<double>(done) / options.rate * 1e9);
        if (const auto left = due - now_ns(); left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
      }
    }
    if (rd_kafka_flush(producer.get(), flush_limit_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
      give_up("not all rows could be produced");
    const double seconds = static_cast<double>(now_ns() - start) / 1e9;
    fmt::print("{{\"rows\":{},\"seconds\":{:.3f},\"rows_per_s\":{:.0f}}}\n", options.rows, seconds,
               static_cast<double>(options.rows) / seconds);
  }

private:
  // Sends up to `size` rows beginning with number `done`, fewer where they are large; returns how many.
  std::uint64_t send(std::uint64_t done, std::uint64_t size) {
    bytes.clear();
    ends.clear();
    ids.clear();
    while (ids.size() < size && bytes.size() < batch_bytes) {
      const auto index = options.first + done + ids.size();
      ids.push_back(user_id(options.seed, index));
      append_row(bytes, options, index, ids.back());
      ends.push_back(bytes.size());
    }
    messages.assign(ids.size(), rd_kafka_message_t{});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto begin = i == 0 ? 0 : ends[i - 1];
      messages[i].payload = bytes.data() + begin;
      messages[i].len = ends[i] - begin;
      messages[i].key = options.no_key ? nullptr : ids[i].data();
      messages[i].key_len = options.no_key ? 0 : ids[i].size();
    }
    const int taken = rd_kafka_produce_batch(topic.get(), options.partition, RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK,
                                             messages.data(), static_cast<int>(messages.size()));
    if (taken != static_cast<int>(messages.size()))
      give_up("produce_batch did not take all rows; is the partition one of the topic's?");
    return ids.size();
  }

  const load_options options;
  client_ptr producer;
  topic_ptr topic;
  std::string bytes;
  std::vector<std::size_t> ends;
  std::vector<std::string> ids;
  std::vector<rd_kafka_message_t> messages;
};

} // namespace
} // namespace troupe::bench

int main(int argc, char** argv) {
  troupe::bench::load_options options;
  CLI::App app("Fills a topic with rows.");
  app.add_option("--bootstrap", options.bootstrap)->required();
  app.add_option("--topic", options.topic)->required();
  app.add_option("--rows", options.rows)->required();
  app.add_option("--seed", options.seed);
  app.add_option("--first", options.first, "Number of the first row");
  app.add_option("--features", options.features, "0: games rows");
  app.add_option("--rate", options.rate, "Rows a second; 0: as fast as possible");
  app.add_option("--partition", options.partition, "Default: by the key");
  app.add_flag("--no-key", options.no_key);
  CLI11_PARSE(app, argc, argv);
  troupe::bench::loader(options).run();
}
