#include "data_path.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <span>

#include <librdkafka/rdkafka.h>

using namespace troupe;
using namespace troupe::kafka;
using target = produce_record::target;

namespace {

constexpr std::size_t wave = 40960;      // records that a sink takes before any is delivered
constexpr std::size_t wave_rest = 30720; // of them not delivered, when it takes the next

std::vector<produce_record> numbered(std::vector<std::string>& values, int count, std::int32_t partition) {
  values.clear();
  for (int i = 0; i < count; ++i) values.push_back(std::to_string(i));
  std::vector<produce_record> records(values.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].value = values[i];
    records[i].partition = partition;
    records[i].token = i / 10;
  }
  return records;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(data_sink, broker_fixture)

BOOST_AUTO_TEST_CASE(produce__mixed_kinds_of_records__order_is_kept_and_everything_comes_back) {
  std::vector<std::string> values;
  auto records = numbered(values, 300, 1);
  const std::vector<header_view> headers{{"troupe.model", "games@2"}, {"empty", ""}, {"null", std::nullopt}};
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].key = i % 2 ? std::optional<std::string_view>("k") : std::nullopt;
    if (i % 3 == 1) records[i].headers = headers;
    if (i % 5 == 2) records[i].timestamp_ms = 1600000000000 + static_cast<std::int64_t>(i);
  }
  auto to = sink("out");
  BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
  BOOST_REQUIRE(delivered(*to, records.size()));

  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 1}, 0}});
  const auto rows = read(*from, records.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    BOOST_TEST(*rows[i].value == values[i]);
    BOOST_TEST(rows[i].key.has_value() == (i % 2 == 1));
    if (i % 3 == 1) {
      BOOST_REQUIRE_EQUAL(rows[i].headers.size(), 3u);
      BOOST_TEST(rows[i].headers[0].first == "troupe.model");
      BOOST_TEST(*rows[i].headers[0].second == "games@2");
      BOOST_TEST(rows[i].headers[1].second->empty());
      BOOST_TEST(!rows[i].headers[2].second.has_value());
    } else {
      BOOST_TEST(rows[i].headers.empty());
    }
    if (i % 5 == 2)
      BOOST_TEST(rows[i].timestamp_ms == 1600000000000 + static_cast<std::int64_t>(i));
    else
      BOOST_TEST(rows[i].timestamp_ms > 1600000000000 + 1000000);
  }
}

BOOST_AUTO_TEST_CASE(produce__null_and_empty__stay_apart) {
  std::vector<produce_record> records(4);
  for (auto& record : records) record.partition = 0;
  records[0].null_value = true;
  records[1].key = "";
  records[2].null_value = true;
  records[2].timestamp_ms = 1;
  records[3].key = "";
  records[3].timestamp_ms = 1;
  auto to = sink("out");
  BOOST_REQUIRE_EQUAL(to->produce(records), 4u);
  BOOST_REQUIRE(delivered(*to, 4));
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 0}, 0}});
  const auto rows = read(*from, 4);
  for (const std::size_t i : {0u, 2u}) {
    BOOST_TEST(!rows[i].value.has_value());
    BOOST_TEST(!rows[i].key.has_value());
    BOOST_TEST((rows[i + 1].value == ""));
    BOOST_TEST((rows[i + 1].key == ""));
  }
}

BOOST_AUTO_TEST_CASE(produce__timestamp_the_topic_would_refuse__gets_the_time_of_producing) {
  constexpr std::int64_t hour = 3'600'000;
  const auto now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  topic_limits limits;
  limits.partitions = 4;
  limits.timestamp_before_max_ms = 2 * hour;
  limits.timestamp_after_max_ms = hour;
  auto made = make_sink({properties(), "out", "", limits, {}});
  BOOST_REQUIRE(made.has_value());
  std::vector<produce_record> records(4);
  for (auto& record : records) record.partition = 3;
  records[0].timestamp_ms = now - hour;
  records[1].timestamp_ms = now - 3 * hour;
  records[2].timestamp_ms = now + hour / 2;
  records[3].timestamp_ms = now + 2 * hour;
  BOOST_REQUIRE_EQUAL((*made)->produce(records), 4u);
  BOOST_REQUIRE(delivered(**made, 4));
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 3}, 0}});
  const auto rows = read(*from, 4);
  BOOST_TEST(rows[0].timestamp_ms == now - hour);
  BOOST_TEST(std::abs(rows[1].timestamp_ms - now) < hour / 2);
  BOOST_TEST(rows[2].timestamp_ms == now + hour / 2);
  BOOST_TEST(std::abs(rows[3].timestamp_ms - now) < hour / 2);
}

BOOST_AUTO_TEST_CASE(delivery__runs_of_a_token__come_merged) {
  std::vector<std::string> values;
  const auto records = numbered(values, 1000, 2);
  auto to = sink("out", {{"linger.ms", "20"}});
  BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
  std::vector<delivery> deliveries;
  std::map<std::uint64_t, std::uint32_t> counts;
  std::size_t done = 0, entries = 0;
  BOOST_REQUIRE(eventually([&] {
    deliveries.clear();
    to->poll(deliveries);
    entries += deliveries.size();
    for (const auto& one : deliveries) {
      BOOST_TEST(one.ok);
      counts[one.token] += one.count;
      done += one.count;
    }
    return done == records.size();
  }));
  BOOST_TEST(counts.size() == 100u);
  BOOST_TEST(entries < 300u);
  for (const auto& [token, count] : counts) BOOST_TEST(count == 10u);
}

BOOST_AUTO_TEST_CASE(produce__queue_full__takes_the_front_and_wakes_when_there_is_room) {
  std::vector<std::string> values;
  auto records = numbered(values, 500, 0);
  for (const bool with_headers : {false, true}) {
    const std::vector<header_view> headers{{"a", "b"}};
    for (auto& record : records)
      record.headers = with_headers ? std::span<const header_view>(headers) : std::span<const header_view>();
    auto to = sink("out", {{"queue.buffering.max.messages", "60"}});
    std::atomic<int> wakes{0};
    to->on_ready([&] { ++wakes; });
    std::span<const produce_record> rest(records);
    std::vector<delivery> deliveries;
    std::size_t done = 0;
    const auto first = to->produce(rest);
    BOOST_TEST(first == 60u);
    rest = rest.subspan(first);
    BOOST_REQUIRE(eventually([&] {
      if (wakes.exchange(0) == 0) return false;
      deliveries.clear();
      to->poll(deliveries);
      for (const auto& one : deliveries) done += one.count;
      rest = rest.subspan(to->produce(rest));
      return done == records.size();
    }));
    BOOST_TEST(rest.empty());
  }
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 0}, 0}});
  const auto rows = read(*from, 1000);
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_REQUIRE_EQUAL(*rows[i].value, values[i % 500]);
}

BOOST_AUTO_TEST_CASE(produce__transient_errors_of_the_broker__are_retried_without_loss_or_disorder) {
  const std::vector<int> errors{RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT};
  broker->inject_errors(0, errors);
  std::vector<std::string> values;
  const auto records = numbered(values, 2000, 3);
  auto to = sink("out", {{"retry.backoff.ms", "10"}, {"batch.num.messages", "100"}});
  BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
  BOOST_REQUIRE(delivered(*to, records.size()));
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 3}, 0}});
  const auto rows = read(*from, records.size());
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_REQUIRE_EQUAL(*rows[i].value, values[i]);
}

BOOST_AUTO_TEST_CASE(produce__permanent_error_of_the_broker__comes_as_not_ok) {
  const std::vector<int> errors{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
  broker->inject_errors(0, errors);
  std::vector<std::string> values;
  const auto records = numbered(values, 3, 0);
  auto to = sink("out", {{"linger.ms", "50"}});
  BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
  std::vector<delivery> deliveries;
  BOOST_REQUIRE(eventually([&] {
    to->poll(deliveries);
    return !deliveries.empty();
  }));
  BOOST_TEST(!deliveries.front().ok);
  BOOST_TEST(deliveries.front().message.find("out/0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(produce__what_the_client_refuses__is_taken_and_comes_as_not_ok) {
  const std::string large(5000, 'x');
  std::vector<produce_record> records(3);
  for (auto& record : records) record.partition = 0;
  records[0].value = "a";
  records[1].value = large;
  records[1].token = 9;
  records[2].value = "b";
  auto to = sink("out", {}, 4000);
  BOOST_TEST(to->record_bytes_max(target::output) < 4000u);
  BOOST_REQUIRE_EQUAL(to->produce(records), 3u);
  std::vector<delivery> deliveries;
  std::map<std::uint64_t, std::pair<int, int>> outcomes; // token -> good, bad
  BOOST_REQUIRE(eventually([&] {
    deliveries.clear();
    to->poll(deliveries);
    for (const auto& one : deliveries)
      (one.ok ? outcomes[one.token].first : outcomes[one.token].second) += static_cast<int>(one.count);
    return outcomes[0].first == 2 && outcomes[9].second == 1;
  }));
}

BOOST_AUTO_TEST_CASE(produce__batch_larger_than_the_topic_takes__is_cut_to_fit) {
  std::vector<std::string> values;
  auto records = numbered(values, 1000, 0);
  auto to = sink("out", {}, 4000);
  BOOST_REQUIRE_EQUAL(to->produce(records), 1000u);
  BOOST_TEST(delivered(*to, 1000));
}

BOOST_AUTO_TEST_CASE(partition__by_key__is_where_java_clients_put_it) {
  // Hashes from the tests of Kafka's Java client; a partition is (hash & 0x7fffffff) % partitions.
  const std::vector<std::pair<std::string, std::int32_t>> known{
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  std::vector<produce_record> records;
  for (const std::int64_t timestamp : {std::int64_t{-1}, std::int64_t{1700000000000}}) // both ways of producing
    for (const auto& [key, hash] : known) {
      produce_record record;
      record.key = key;
      record.value = key;
      record.timestamp_ms = timestamp;
      records.push_back(record);
    }
  auto to = sink("out");
  BOOST_REQUIRE_EQUAL(to->produce(records), records.size());
  BOOST_REQUIRE(delivered(*to, records.size()));
  auto from = source();
  std::vector<partition_start> starts;
  for (std::uint32_t p = 0; p < 4; ++p) starts.push_back({p, {"out", static_cast<std::int32_t>(p)}, 0});
  from->assign(starts);
  std::map<std::string, std::vector<std::uint32_t>> where;
  for (const auto& row : read(*from, records.size())) where[*row.key].push_back(row.slot);
  for (const auto& [key, hash] : known) {
    const auto expected = static_cast<std::uint32_t>((hash & 0x7fffffff) % 4);
    BOOST_TEST(where[key] == std::vector<std::uint32_t>({expected, expected}), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(produce__dead_letters__go_to_their_topic) {
  std::vector<produce_record> records(2);
  records[0].value = "good";
  records[0].partition = 0;
  records[1].value = "bad";
  records[1].partition = 0;
  records[1].to = target::dead_letter;
  auto to = sink("out");
  BOOST_TEST(to->partition_count(target::output) == 4);
  BOOST_TEST(to->partition_count(target::dead_letter) == 1);
  BOOST_REQUIRE_EQUAL(to->produce(records), 2u);
  BOOST_REQUIRE(delivered(*to, 2));
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"dead", 0}, 0}});
  BOOST_TEST(*read(*from, 1).front().value == "bad");
}

BOOST_AUTO_TEST_CASE(sink__broker_comes_back__delivers_what_waited) {
  auto to = sink("out", {{"retry.backoff.ms", "50"}});
  std::vector<std::string> values;
  const auto records = numbered(values, 20, 0);
  BOOST_REQUIRE_EQUAL(to->produce(records), 20u);
  BOOST_REQUIRE(delivered(*to, 20));
  broker->set_down();
  BOOST_REQUIRE_EQUAL(to->produce(records), 20u);
  broker->set_up();
  BOOST_TEST(delivered(*to, 20));
}

BOOST_AUTO_TEST_CASE(sink__destroyed_with_a_full_queue_and_no_broker__ends) {
  auto made = make_sink({{{"bootstrap.servers", "127.0.0.1:1"}}, "out", "", {4, 1000000}, {}});
  BOOST_REQUIRE(made.has_value());
  std::vector<std::string> values;
  const auto records = numbered(values, 50000, 0);
  BOOST_TEST((*made)->produce(records) == wave);
}

BOOST_AUTO_TEST_CASE(sink__wave_full__takes_more_once_most_of_it_is_delivered) {
  std::vector<std::string> values;
  const auto records = numbered(values, 50000, 1);
  auto to = sink("out");
  std::atomic<int> wakes{0};
  to->on_ready([&] { ++wakes; });
  BOOST_REQUIRE_EQUAL(to->produce(records), wave);
  auto rest = std::span(records).subspan(wave);
  // What is delivered counts once it was polled, so this holds however fast the broker is.
  BOOST_REQUIRE_EQUAL(to->produce(rest), 0u);

  std::vector<delivery> deliveries;
  std::size_t done = 0;
  BOOST_REQUIRE(eventually([&] {
    if (wakes.exchange(0) == 0) return false;
    deliveries.clear();
    to->poll(deliveries);
    for (const auto& one : deliveries) {
      BOOST_TEST(one.ok);
      done += one.count;
    }
    if (!rest.empty()) {
      const auto taken = to->produce(rest);
      BOOST_TEST(taken == (wave - done > wave_rest ? 0u : rest.size()));
      rest = rest.subspan(taken);
    }
    return done == records.size();
  }));
  BOOST_TEST(rest.empty());

  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"out", 1}, 0}});
  const auto rows = read(*from, records.size());
  BOOST_REQUIRE_EQUAL(rows.size(), records.size());
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_REQUIRE_EQUAL(*rows[i].value, values[i]);
}

BOOST_AUTO_TEST_CASE(lane_factory__limits__come_from_the_provider) {
  const auto factory = make_lane_factory({properties(), true}, [](const std::string& topic) -> result<topic_limits> {
    if (topic == "out") return topic_limits{4, 100000};
    return fail(errc::not_found, "topic \"" + topic + "\" does not exist");
  });
  auto ports = factory({"games", "troupe.games.games", "out", ""});
  BOOST_REQUIRE(ports.has_value());
  BOOST_TEST(ports->sink->partition_count(target::output) == 4);
  BOOST_TEST(ports->sink->record_bytes_max(target::output) <= 100000u);
  auto missing = factory({"games", "troupe.games.games", "out", "nowhere"});
  BOOST_REQUIRE(!missing.has_value());
  BOOST_TEST((missing.error().code == errc::not_found));
}

BOOST_AUTO_TEST_SUITE_END()
