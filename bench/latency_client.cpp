// An outside client that measures how long a row takes through Kafka and whoever works between two topics: from before
// produce() of the source row to after consume() of the outcome. One process, two threads, one steady clock.
//
//   latency_client --bootstrap H:P --source dsp --target preds [--rate 500] [--seconds 60] [--warmup 5] [--dump FILE]
//
// The sequence number travels in the User_ID ("lat-<run>-<number>", also the key), so rows of an earlier run don't
// count. Prints {"n":..,"sent":..,"p50_ms":..,"p90_ms":..,"p99_ms":..,"p999_ms":..,"max_ms":..,"longest_gap_ms":..}:
// the warm-up is left out; a row that never came back makes n smaller than sent. --dump writes "sent_ns received_ns"
// for each row.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/client.hpp"

namespace troupe::bench {
namespace {

constexpr std::int64_t patience_ns = 10'000'000'000; // for the last rows
constexpr int wait_ms = 50;

struct client_options {
  std::string bootstrap, source, target, dump;
  double rate = 500, seconds = 60, warmup = 5;
};

struct row_times {
  std::int64_t sent_ns = 0, received_ns = 0;
};

class latency_client {
public:
  explicit latency_client(const client_options& given)
      : options(given)
      , run_id(fmt::format("lat-{:x}-", mix(static_cast<std::uint64_t>(now_ns()))))
      , times(static_cast<std::size_t>(given.rate * (given.seconds + given.warmup))) {}

  void run() {
    auto consumer = open_consumer(options.bootstrap, "bench.latency");
    read_all(consumer.get(), options.target, true);
    const queue_ptr queue(rd_kafka_queue_get_consumer(consumer.get()));
    // The first fetch sets up the connection; rows must not wait for that.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::thread sender([this] { send(); });
    receive(queue.get());
    sender.join();
    report();
  }

private:
  void send() {
    auto producer = open_producer(options.bootstrap, 0);
    auto topic = open_topic(producer.get(), options.source);
    partitions_of(producer.get(), options.source);
    const auto start = now_ns();
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto due = start + static_cast<std::int64_t>(static_cast<double>(i) / options.rate * 1e9);
      if (const auto left = due - now_ns(); left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
      const auto id = run_id + std::to_string(i);
      const auto bits = mix(i);
      std::string row = "{";
      for (int g = 0; g < 10; ++g) row += fmt::format("\"G{}\":{},", g + 1, (bits >> g) & 1);
      row += fmt::format("\"User_ID\":\"{}\"}}", id);
      // The receiver reads it only after the row went through Kafka, which orders the two.
      std::atomic_ref(times[i].sent_ns).store(now_ns());
      if (rd_kafka_produce(topic.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, row.data(), row.size(), id.data(),
                           id.size(), nullptr) != 0)
        give_up(fmt::format("producing failed: {}", rd_kafka_err2str(rd_kafka_last_error())));
      rd_kafka_poll(producer.get(), 0);
    }
    rd_kafka_flush(producer.get(), 10'000);
    sent_all_ns = now_ns();
  }

  void receive(rd_kafka_queue_t* queue) {
    std::size_t seen = 0;
    while (seen < times.size()) {
      const auto done = sent_all_ns.load();
      if (done != 0 && now_ns() - done > patience_ns) return;
      rd_kafka_message_t* message = nullptr;
      if (rd_kafka_consume_batch_queue(queue, wait_ms, &message, 1) != 1) continue;
      const auto now = now_ns();
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        seen += note({static_cast<const char*>(message->payload), message->len}, now);
      rd_kafka_message_destroy(message);
    }
  }

  bool note(std::string_view value, std::int64_t now) {
    const auto at = value.find(run_id);
    if (at == value.npos) return false;
    const auto digits = value.substr(at + run_id.size());
    const auto index = std::strtoull(std::string(digits.substr(0, digits.find('"'))).c_str(), nullptr, 10);
    if (index >= times.size() || times[index].received_ns != 0) return false;
    times[index].received_ns = now;
    return true;
  }

  void report() {
    const auto first = static_cast<std::size_t>(options.rate * options.warmup);
    std::vector<std::int64_t> taken, arrivals;
    for (std::size_t i = first; i < times.size(); ++i)
      if (times[i].received_ns != 0) {
        taken.push_back(times[i].received_ns - times[i].sent_ns);
        arrivals.push_back(times[i].received_ns);
      }
    std::sort(taken.begin(), taken.end());
    std::sort(arrivals.begin(), arrivals.end());
    std::int64_t gap = 0;
    for (std::size_t i = 1; i < arrivals.size(); ++i) gap = std::max(gap, arrivals[i] - arrivals[i - 1]);
    const auto at = [&](double share) {
      if (taken.empty()) return -1.0;
      const auto last = taken.size() - 1;
      return static_cast<double>(
                 taken[std::min(last, static_cast<std::size_t>(share * static_cast<double>(taken.size())))]) /
             1e6;
    };
    fmt::print("{{\"n\":{},\"sent\":{},\"p50_ms\":{:.3f},\"p90_ms\":{:.3f},\"p99_ms\":{:.3f},\"p999_ms\":{:.3f},"
               "\"max_ms\":{:.3f},\"longest_gap_ms\":{:.3f}}}\n",
               taken.size(), times.size() - first, at(0.5), at(0.9), at(0.99), at(0.999), at(1.0),
               static_cast<double>(gap) / 1e6);
    if (!options.dump.empty()) {
      std::ofstream file(options.dump);
      for (const auto& row : times) file << row.sent_ns << ' ' << row.received_ns << '\n';
    }
  }

  const client_options options;
  const std::string run_id;
  std::vector<row_times> times;
  std::atomic<std::int64_t> sent_all_ns{0};
};

} // namespace
} // namespace troupe::bench

int main(int argc, char** argv) {
  troupe::bench::client_options options;
  CLI::App app("Measures the time of a row from before produce to after consume of its outcome.");
  app.add_option("--bootstrap", options.bootstrap)->required();
  app.add_option("--source", options.source)->required();
  app.add_option("--target", options.target)->required();
  app.add_option("--rate", options.rate, "Rows a second")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup, "Seconds before the measured ones")->check(CLI::NonNegativeNumber);
  app.add_option("--dump", options.dump, "File for the times of every row");
  CLI11_PARSE(app, argc, argv);
  troupe::bench::latency_client(options).run();
}
