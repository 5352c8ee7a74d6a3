#pragma once
// What the tests of the data path share: an embedded broker, a visitor that keeps copies, waiting for a condition.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "cluster/ports.hpp"
#include "kafka/embedded_broker.hpp"
#include "kafka/lane.hpp"
#include "kafka/sink.hpp"
#include "kafka/source.hpp"

namespace troupe::kafka {

struct kept_row {
  std::uint32_t slot = 0;
  std::int64_t offset = 0, timestamp_ms = 0;
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

/// Keeps copies of what it is handed.
class keeper final : public row_visitor {
public:
  explicit keeper(row_source& source)
      : source_(source) {}
  void row(const record_view& record) override {
    kept_row kept{record.slot, record.offset, record.timestamp_ms, std::nullopt, std::nullopt, {}};
    if (record.key) kept.key.emplace(*record.key);
    if (record.value) kept.value.emplace(*record.value);
    if (record.has_headers)
      for (const auto& [name, value] : source_.headers())
        kept.headers.emplace_back(name, value ? std::optional<std::string>(*value) : std::nullopt);
    rows.push_back(std::move(kept));
  }
  std::vector<kept_row> rows;

private:
  row_source& source_;
};

/// Calls `step` until it is true. The limit is for a broken run only; a good one ends as soon as it can.
inline bool eventually(const std::function<bool()>& step, std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!step()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct broker_fixture {
  broker_fixture() {
    auto started = embedded_broker::start({{{"in", 4}, {"out", 4}, {"dead", 1}}, {}, 1, 0});
    BOOST_REQUIRE(started.has_value());
    broker = std::move(*started);
  }

  kafka_properties properties(kafka_properties more = {}) const {
    more["bootstrap.servers"] = broker->bootstrap();
    return more;
  }
  std::unique_ptr<row_source> source(const std::string& group = "g", kafka_properties more = {}) const {
    auto made = make_source({properties(std::move(more)), group, true});
    BOOST_REQUIRE(made.has_value());
    return std::move(*made);
  }
  std::unique_ptr<row_sink> sink(const std::string& topic = "in", kafka_properties more = {},
                                 std::size_t max_bytes = 1000000) const {
    auto made = make_sink({properties(std::move(more)), topic, "dead", {4, max_bytes}, {1, max_bytes}});
    BOOST_REQUIRE(made.has_value());
    return std::move(*made);
  }

  /// Produces values "0", "1", ... to one partition and waits until they are durable.
  void fill(const std::string& topic, std::int32_t partition, int count, int first = 0) const {
    auto to = sink(topic);
    std::vector<std::string> values;
    std::vector<produce_record> records(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) values.push_back(std::to_string(first + i));
    for (std::size_t i = 0; i < records.size(); ++i) {
      records[i].partition = partition;
      records[i].value = values[i];
    }
    BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
    BOOST_REQUIRE(delivered(*to, records.size()));
  }

  /// Polls until `count` records are delivered; false if one is not ok.
  static bool delivered(row_sink& sink, std::size_t count) {
    std::vector<delivery> deliveries;
    std::size_t done = 0;
    bool good = true;
    return eventually([&] {
             deliveries.clear();
             sink.poll(deliveries);
             for (const auto& one : deliveries) {
               done += one.count;
               if (!one.ok) BOOST_TEST_MESSAGE(one.message);
               good = good && one.ok;
             }
             return done >= count;
           }) &&
           good;
  }

  /// Drains until `count` rows are there.
  static std::vector<kept_row> read(row_source& source, std::size_t count) {
    keeper visitor(source);
    eventually([&] {
      source.drain(count - visitor.rows.size(), 1 << 30, visitor);
      return visitor.rows.size() >= count;
    });
    BOOST_TEST(visitor.rows.size() == count);
    return std::move(visitor.rows);
  }

  /// Drains and polls until an event of the kind arrives, which is returned.
  static std::optional<source_event> wait_for(row_source& source, source_event::kind what) {
    keeper visitor(source);
    std::optional<source_event> found;
    std::vector<source_event> events;
    eventually([&] {
      source.drain(1000, 1 << 20, visitor);
      events.clear();
      source.poll(events);
      for (auto& event : events) {
        BOOST_TEST_MESSAGE("event " << static_cast<int>(event.what) << " " << event.message);
        if (!found && event.what == what) found = event;
      }
      return found.has_value();
    });
    return found;
  }

  std::unique_ptr<embedded_broker> broker;
};

} // namespace troupe::kafka
