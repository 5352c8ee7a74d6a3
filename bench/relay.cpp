// The bare librdkafka relay that Troupe is measured against: one process, one thread that reads a topic and produces
// each value unchanged. It does less than Troupe on purpose: no parsing, no scoring, and it commits what it has handed
// to the producer without waiting for deliveries. So a ratio against it understates Troupe, never flatters it.
//
//   relay --bootstrap H:P --source dsp --target out [--headers none|model] [--value-only] [--timestamp source|now]
//         [--max N] [--linger MS] [--group G] [--from-end] [--transactional-id ID] [--interval MS]
//
// With --transactional-id what it produces and the offsets are one transaction every --interval: flush, offsets and
// commit in turn with reading, all in the one thread.
//
// Prints {"rows":N,"seconds":S,"rows_per_s":R} on stdout at the end (--max rows, SIGTERM or SIGINT).

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/client.hpp"

namespace troupe::bench {
namespace {

constexpr std::size_t drain_rows = 1'000;
constexpr int wait_ms = 100;
constexpr int flush_limit_ms = 30'000;

std::atomic<bool> stopping{false};

struct relay_options {
  std::string bootstrap, source, target, headers = "none", timestamp = "source", group = "bench.relay";
  std::string transactional_id;
  bool value_only = false, from_end = false;
  std::uint64_t max = 0;
  int linger_ms = 1, interval_ms = 100;
};

class relay {
public:
  explicit relay(const relay_options& given)
      : options(given)
      , producer(open(given))
      , consumer(open_consumer(given.bootstrap, given.group))
      , target(open_topic(producer.get(), given.target))
      , queue(rd_kafka_queue_get_consumer(consumer.get())) {
    partitions_of(producer.get(), options.target);
    positions.assign(static_cast<std::size_t>(partitions_of(consumer.get(), options.source)), -1);
    read_all(consumer.get(), options.source, options.from_end);
    if (!transactional()) return;
    check(rd_kafka_init_transactions(producer.get(), flush_limit_ms), "opening the transactions");
    check(rd_kafka_begin_transaction(producer.get()), "beginning a transaction");
  }

  void run() {
    std::vector<rd_kafka_message_t*> rows(drain_rows);
    while (!stopping && (options.max == 0 || count < options.max)) {
      const auto taken = read(rows);
      if (taken != 0) {
        if (started_ns == 0) started_ns = now_ns();
        pass_on(rows.data(), taken);
      }
      rd_kafka_poll(producer.get(), 0);
      if (const auto now = now_ns(); now - committed_ns >= options.interval_ms * 1'000'000ll) {
        if (transactional())
          commit_transaction();
        else
          commit(true);
        committed_ns = now;
      }
    }
    if (transactional()) commit_transaction();
    if (rd_kafka_flush(producer.get(), flush_limit_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
      give_up("not all rows could be produced");
    const double seconds = started_ns == 0 ? 0 : static_cast<double>(now_ns() - started_ns) / 1e9;
    if (!transactional()) commit(false);
    fmt::print("{{\"rows\":{},\"seconds\":{:.3f},\"rows_per_s\":{:.0f}}}\n", count, seconds,
               seconds > 0 ? static_cast<double>(count) / seconds : 0.0);
  }

private:
  // Waiting for n rows waits for n or the whole timeout; waiting for one and draining the rest does not.
  std::size_t read(std::vector<rd_kafka_message_t*>& rows) {
    const auto first = rd_kafka_consume_batch_queue(queue.get(), wait_ms, rows.data(), 1);
    if (first <= 0) return 0;
    const auto more = rd_kafka_consume_batch_queue(queue.get(), 0, rows.data() + 1, rows.size() - 1);
    return 1 + static_cast<std::size_t>(more > 0 ? more : 0);
  }

  void pass_on(rd_kafka_message_t** rows, std::size_t size) {
    const bool whole_batch = options.headers == "none" && (options.value_only || options.timestamp == "now");
    for (std::size_t i = 0; i < size; ++i) {
      if (rows[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        give_up(fmt::format("reading failed: {}", rd_kafka_message_errstr(rows[i])));
      positions[static_cast<std::size_t>(rows[i]->partition)] = rows[i]->offset + 1;
    }
    if (whole_batch)
      produce_batch(rows, size);
    else
      for (std::size_t i = 0; i < size; ++i) produce_one(*rows[i]);
    for (std::size_t i = 0; i < size; ++i) rd_kafka_message_destroy(rows[i]);
    count += size;
  }

  void produce_batch(rd_kafka_message_t** rows, std::size_t size) {
    batch.assign(size, rd_kafka_message_t{});
    for (std::size_t i = 0; i < size; ++i) {
      batch[i].payload = rows[i]->payload;
      batch[i].len = rows[i]->len;
      batch[i].key = options.value_only ? nullptr : rows[i]->key;
      batch[i].key_len = options.value_only ? 0 : rows[i]->key_len;
    }
    // Nothing else uses this producer, so waiting for room inside the call is as good as anywhere.
    const int taken =
        rd_kafka_produce_batch(target.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK,
                               batch.data(), static_cast<int>(size));
    if (taken != static_cast<int>(size)) give_up("produce_batch did not take all rows");
  }

  void produce_one(const rd_kafka_message_t& row) {
    std::array<rd_kafka_vu_t, 6> with{};
    std::size_t used = 0;
    with[used].vtype = RD_KAFKA_VTYPE_RKT;
    with[used++].u.rkt = target.get();
    with[used].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    with[used++].u.i = RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK;
    with[used].vtype = RD_KAFKA_VTYPE_VALUE;
    with[used].u.mem.ptr = row.payload;
    with[used++].u.mem.size = row.len;
    if (!options.value_only) {
      with[used].vtype = RD_KAFKA_VTYPE_KEY;
      with[used].u.mem.ptr = row.key;
      with[used++].u.mem.size = row.key_len;
    }
    if (options.timestamp == "source") {
      with[used].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
      with[used++].u.i64 = rd_kafka_message_timestamp(&row, nullptr);
    }
    if (options.headers == "model") {
      with[used].vtype = RD_KAFKA_VTYPE_HEADER;
      with[used].u.header.name = "troupe.model";
      with[used].u.header.val = "games@2";
      with[used++].u.header.size = 7;
    }
    if (auto* error = rd_kafka_produceva(producer.get(), with.data(), used))
      give_up(fmt::format("producing failed: {}", rd_kafka_error_string(error)));
  }

  static client_ptr open(const relay_options& given) {
    if (given.transactional_id.empty()) return open_producer(given.bootstrap, given.linger_ms);
    return open_producer(given.bootstrap, given.linger_ms,
                         {{"transactional.id", given.transactional_id}, {"retry.backoff.ms", "20"}});
  }

  [[nodiscard]] bool transactional() const { return !options.transactional_id.empty(); }

  static void check(rd_kafka_error_t* error, const char* doing) {
    if (error) give_up(fmt::format("{}: {}", doing, rd_kafka_error_string(error)));
  }

  void commit_transaction() {
    if (count == committed_count) return;
    committed_count = count;
    if (rd_kafka_flush(producer.get(), flush_limit_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
      give_up("not all rows of a transaction could be produced");
    auto* list = reached();
    auto* group = rd_kafka_consumer_group_metadata_new(options.group.c_str());
    check(rd_kafka_send_offsets_to_transaction(producer.get(), list, group, flush_limit_ms), "adding offsets");
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    check(rd_kafka_commit_transaction(producer.get(), flush_limit_ms), "committing a transaction");
    check(rd_kafka_begin_transaction(producer.get()), "beginning a transaction");
  }

  [[nodiscard]] rd_kafka_topic_partition_list_t* reached() const {
    auto* list = rd_kafka_topic_partition_list_new(static_cast<int>(positions.size()));
    for (std::size_t i = 0; i < positions.size(); ++i)
      if (positions[i] >= 0)
        rd_kafka_topic_partition_list_add(list, options.source.c_str(), static_cast<std::int32_t>(i))->offset =
            positions[i];
    return list;
  }

  void commit(bool async) {
    auto* list = reached();
    if (list->cnt > 0) rd_kafka_commit(consumer.get(), list, async ? 1 : 0);
    rd_kafka_topic_partition_list_destroy(list);
  }

  const relay_options options;
  client_ptr producer, consumer;
  topic_ptr target;
  queue_ptr queue;
  std::vector<std::int64_t> positions;
  std::vector<rd_kafka_message_t> batch;
  std::uint64_t count = 0, committed_count = 0;
  std::int64_t started_ns = 0, committed_ns = 0;
};

} // namespace
} // namespace troupe::bench

int main(int argc, char** argv) {
  troupe::bench::relay_options options;
  CLI::App app("The bare librdkafka relay that Troupe is measured against.");
  app.add_option("--bootstrap", options.bootstrap)->required();
  app.add_option("--source", options.source)->required();
  app.add_option("--target", options.target)->required();
  app.add_option("--headers", options.headers)->check(CLI::IsMember({"none", "model"}));
  app.add_option("--timestamp", options.timestamp)->check(CLI::IsMember({"source", "now"}));
  app.add_flag("--value-only", options.value_only, "No key, no timestamp of the source, no headers");
  app.add_flag("--from-end", options.from_end);
  app.add_option("--max", options.max, "Stop after so many rows; 0: never");
  app.add_option("--linger", options.linger_ms);
  app.add_option("--group", options.group);
  app.add_option("--transactional-id", options.transactional_id, "Produce and commit in transactions");
  app.add_option("--interval", options.interval_ms, "Milliseconds between commits");
  CLI11_PARSE(app, argc, argv);
  if (options.value_only) options.timestamp = "now";
  const auto stop = [](int) { troupe::bench::stopping = true; };
  std::signal(SIGTERM, stop);
  std::signal(SIGINT, stop);
  troupe::bench::relay(options).run();
}
