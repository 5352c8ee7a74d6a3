#include "data_path.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>

#include "kafka/handle.hpp"

using namespace troupe;
using namespace troupe::kafka;
using kind = source_event::kind;

BOOST_FIXTURE_TEST_SUITE(data_source, broker_fixture)

BOOST_AUTO_TEST_CASE(source__explicit_offsets__starts_exactly_there) {
  fill("in", 0, 100);
  fill("in", 1, 50);
  auto from = source();
  const std::vector<partition_start> starts{{7, {"in", 0}, 40}, {3, {"in", 1}, 0}};
  from->assign(starts);
  std::map<std::uint32_t, std::vector<std::int64_t>> offsets;
  for (const auto& row : read(*from, 110)) {
    BOOST_TEST(*row.value == std::to_string(row.offset));
    BOOST_TEST(!row.key.has_value());
    BOOST_TEST(row.headers.empty());
    offsets[row.slot].push_back(row.offset);
  }
  BOOST_TEST(offsets[7].size() == 60u);
  BOOST_TEST(offsets[7].front() == 40);
  BOOST_TEST(offsets[3].size() == 50u);
  BOOST_TEST(offsets[3].front() == 0);
  for (const auto& [slot, seen] : offsets) BOOST_TEST(std::is_sorted(seen.begin(), seen.end()));
}

BOOST_AUTO_TEST_CASE(source__all_read__tells_the_end_and_its_offset) {
  fill("in", 2, 10);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 2}, 0}});
  const auto end = wait_for(*from, kind::end_of_partition);
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(end->slot == 0u);
  BOOST_TEST(end->offset == 10);
  BOOST_TEST(from->end_offset(0) == 10);
  BOOST_TEST(from->end_offset(99) == -1);
}

BOOST_AUTO_TEST_CASE(drain__limits__hands_out_no_more_and_keeps_the_rest) {
  fill("in", 0, 100);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  keeper visitor(*from);
  BOOST_TEST(eventually([&] { return from->drain(7, 1 << 20, visitor) == 7; }));
  BOOST_TEST(visitor.rows.size() == 7u);
  BOOST_TEST(eventually([&] { return from->drain(50, 3, visitor) > 0; })); // values have one or two bytes
  BOOST_TEST(visitor.rows.size() <= 10u);
  BOOST_TEST(visitor.rows.size() >= 9u);
  while (visitor.rows.size() < 100 && eventually([&] { return from->drain(1000, 1 << 20, visitor) > 0; })) {
  }
  for (std::size_t i = 0; i < visitor.rows.size(); ++i)
    BOOST_TEST(visitor.rows[i].offset == static_cast<std::int64_t>(i));
}

BOOST_AUTO_TEST_CASE(source__rows_arrive_later__wakes) {
  auto from = source();
  std::atomic<int> wakes{0};
  from->on_ready([&] { ++wakes; });
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  BOOST_REQUIRE(wait_for(*from, kind::end_of_partition).has_value());
  wakes = 0;
  fill("in", 0, 1);
  BOOST_TEST(eventually([&] { return wakes > 0; }));
  BOOST_TEST(read(*from, 1).size() == 1u);
}

BOOST_AUTO_TEST_CASE(unassign__in_mid_stream__no_row_of_it_follows) {
  fill("in", 0, 5000);
  fill("in", 1, 5000);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}, {1, {"in", 1}, 0}});
  keeper visitor(*from);
  BOOST_REQUIRE(eventually([&] { return from->drain(10, 1 << 20, visitor) > 0; })); // the rest of a chunk waits inside
  const auto gone = visitor.rows.front().slot, stays = 1 - gone;
  from->unassign(std::vector<std::uint32_t>{gone});
  std::size_t before = 0;
  for (const auto& row : visitor.rows) before += row.slot == stays;
  visitor.rows.clear();
  BOOST_TEST(eventually([&] {
    from->drain(1000, 1 << 20, visitor);
    return visitor.rows.size() >= 5000 - before;
  }));
  for (const auto& row : visitor.rows) BOOST_REQUIRE_EQUAL(row.slot, stays);
}

BOOST_AUTO_TEST_CASE(assign__again_at_an_earlier_offset__starts_exactly_there_each_time) {
  fill("in", 0, 3000);
  auto from = source();
  for (std::uint32_t round = 0; round < 20; ++round) {
    const std::int64_t start = (round * 137) % 2000;
    from->assign(std::vector<partition_start>{{round, {"in", 0}, start}});
    const auto rows = read(*from, 1 + round * 31);
    for (std::size_t i = 0; i < rows.size(); ++i)
      BOOST_REQUIRE_EQUAL(rows[i].offset, start + static_cast<std::int64_t>(i));
    from->unassign(std::vector<std::uint32_t>{round});
  }
}

BOOST_AUTO_TEST_CASE(assign__while_a_neighbour_flows__does_not_pause_it) {
  for (int p = 0; p < 4; ++p) fill("in", p, 1000);
  auto from = source();
  std::set<std::pair<std::uint32_t, std::int64_t>> seen;
  for (std::uint32_t p = 0; p < 4; ++p) {
    from->assign(std::vector<partition_start>{{p, {"in", static_cast<std::int32_t>(p)}, 0}});
    for (const auto& row : read(*from, 500)) BOOST_TEST(seen.emplace(row.slot, row.offset).second);
  }
  for (const auto& row : read(*from, 2000)) BOOST_TEST(seen.emplace(row.slot, row.offset).second);
  BOOST_TEST(seen.size() == 4000u);
}

BOOST_AUTO_TEST_CASE(source__offset_out_of_range__stops_the_partition_and_says_why) {
  fill("in", 0, 10);
  auto from = source();
  from->assign(std::vector<partition_start>{{5, {"in", 0}, 5000}});
  const auto event = wait_for(*from, kind::partition_error);
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->slot == 5u);
  BOOST_TEST(event->message.find("in/0") != std::string::npos);
  fill("in", 0, 1);
  keeper visitor(*from);
  BOOST_TEST(from->drain(10, 1 << 20, visitor) == 0u);
}

BOOST_AUTO_TEST_CASE(source__topic_not_there__is_a_partition_error) {
  broker->set_topic_error("in",
                          RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART); // the embedded broker would make an unknown one
  auto from = source("g", {{"topic.metadata.propagation.max.ms", "0"}});
  from->assign(std::vector<partition_start>{{1, {"in", 0}, 0}});
  const auto event = wait_for(*from, kind::partition_error);
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->slot == 1u);
}

BOOST_AUTO_TEST_CASE(source__may_not_read_for_a_moment__says_both_and_misses_nothing) {
  fill("in", 0, 10);
  auto from = source();
  from->assign(std::vector<partition_start>{{3, {"in", 0}, 0}});
  read(*from, 10);
  broker->inject_errors(1, std::vector<int>{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  fill("in", 0, 10, 10);
  keeper visitor(*from);
  std::vector<source_event> events;
  const auto first = [&](kind what) {
    return std::find_if(events.begin(), events.end(), [&](const source_event& event) { return event.what == what; });
  };
  const auto came = [&](kind what) { return first(what) != events.end(); };
  BOOST_REQUIRE(eventually([&] {
    from->drain(100, 1 << 20, visitor);
    from->poll(events);
    return came(kind::denied) && came(kind::allowed) && visitor.rows.size() >= 10;
  }));
  BOOST_TEST(!came(kind::partition_error));
  const auto why = first(kind::denied)->message;
  BOOST_TEST(why.find("in/0") != std::string::npos, why);
  BOOST_REQUIRE_EQUAL(visitor.rows.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) BOOST_TEST(visitor.rows[i].offset == static_cast<std::int64_t>(10 + i));
}

// A broker that has just started says so of every topic.
BOOST_AUTO_TEST_CASE(source__topic_not_there_for_a_moment__goes_on) {
  fill("in", 0, 10);
  auto from = source("g", {{"topic.metadata.propagation.max.ms", "0"}});
  broker->set_topic_error("in", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  from->assign(std::vector<partition_start>{{1, {"in", 0}, 0}});
  keeper visitor(*from);
  std::vector<source_event> events;
  const auto is_error = [](const source_event& event) { return event.what == kind::partition_error; };
  BOOST_TEST(!eventually(
      [&] {
        from->drain(100, 1 << 20, visitor);
        from->poll(events);
        return std::any_of(events.begin(), events.end(), is_error);
      },
      std::chrono::seconds(2))); // it is told every second
  BOOST_TEST(visitor.rows.empty());
  broker->set_topic_error("in", 0);
  BOOST_TEST(read(*from, 10).size() == 10u);
}

// Codes that librdkafka passes on and asks again by itself, from the same offset.
BOOST_AUTO_TEST_CASE(source__broker_has_troubles_of_its_own__goes_on) {
  fill("in", 0, 100);
  const std::vector<int> errors{RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR_UNKNOWN, 74, 75};
  broker->inject_errors(1, errors);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  const auto rows = read(*from, 100);
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_REQUIRE_EQUAL(rows[i].offset, static_cast<std::int64_t>(i));
}

// What the group's offset store has for a partition: offset and metadata.
static std::pair<std::int64_t, std::string> committed(const kafka_properties& properties, const std::string& group) {
  auto client = open_client(role::consumer, properties, {{"group.id", group}});
  BOOST_REQUIRE(client.has_value());
  auto list = make_partition_list(1);
  rd_kafka_topic_partition_list_add(list.get(), "in", 0);
  BOOST_REQUIRE(rd_kafka_committed(client->get(), list.get(), 20000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto& entry = list->elems[0];
  return {entry.offset, std::string(static_cast<const char*>(entry.metadata), entry.metadata_size)};
}

BOOST_AUTO_TEST_CASE(commit__offset_and_metadata__are_what_the_group_has_afterwards) {
  fill("in", 0, 10);
  auto from = source("scorers");
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  read(*from, 10);
  from->commit(std::vector<partition_commit>{{0, 6, R"({"version":2,"since":4})"}}, 0xfedcba9876543210u);
  const auto event = wait_for(*from, kind::committed);
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->token == 0xfedcba9876543210u);
  const auto [offset, metadata] = committed(properties(), "scorers");
  BOOST_TEST(offset == 6);
  BOOST_TEST(metadata == R"({"version":2,"since":4})");
}

// A lane that gives a partition up stops reading it first, and commits what was still under way afterwards.
BOOST_AUTO_TEST_CASE(commit__partition_was_taken_away__is_committed_all_the_same) {
  fill("in", 0, 10);
  auto from = source("leavers");
  from->assign(std::vector<partition_start>{{7, {"in", 0}, 0}});
  read(*from, 10);
  from->unassign(std::vector<std::uint32_t>{7});
  from->commit(std::vector<partition_commit>{{7, 10, ""}}, 5);
  BOOST_TEST(wait_for(*from, kind::committed)->token == 5u);
  BOOST_TEST(committed(properties(), "leavers").first == 10);
}

BOOST_AUTO_TEST_CASE(commit__broker_refuses__fails_with_its_token) {
  fill("in", 0, 1);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  read(*from, 1);
  const std::vector<int> refusals{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED};
  broker->inject_errors(8, refusals);
  from->commit(std::vector<partition_commit>{{0, 1, ""}}, 42);
  const auto event = wait_for(*from, kind::commit_failed);
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->token == 42u);
  BOOST_TEST(!event->message.empty());
  from->commit(std::vector<partition_commit>{{0, 1, ""}}, 43);
  BOOST_TEST(wait_for(*from, kind::committed)->token == 43u);
}

// The client says of both that they failed; the broker has committed one of them.
BOOST_AUTO_TEST_CASE(commit__one_partition_is_not_there__the_other_is_committed) {
  fill("in", 0, 10);
  auto from = source("half");
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}, {1, {"in", 99}, 0}});
  from->commit(std::vector<partition_commit>{{0, 10, ""}, {1, 3, ""}}, 7);
  const auto event = wait_for(*from, kind::committed);
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->token == 7u);
  BOOST_REQUIRE_EQUAL(event->refused.size(), 1u);
  BOOST_TEST(event->refused[0].slot == 1u);
  BOOST_TEST(event->refused[0].for_good);
  BOOST_TEST(event->refused[0].message.find("in/99") != std::string::npos);
  BOOST_TEST(committed(properties(), "half").first == 10);
  from->commit(std::vector<partition_commit>{{1, 3, ""}}, 8);
  const auto alone = wait_for(*from, kind::commit_failed);
  BOOST_REQUIRE(alone.has_value());
  BOOST_REQUIRE_EQUAL(alone->refused.size(), 1u);
}

BOOST_AUTO_TEST_CASE(source__broker_down_and_up__says_both_and_goes_on_without_a_gap) {
  fill("in", 0, 100);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  read(*from, 100);
  broker->set_down();
  const auto lost = wait_for(*from, kind::disconnected);
  BOOST_REQUIRE(lost.has_value());
  BOOST_TEST(!lost->message.empty());
  broker->set_up();
  BOOST_TEST(wait_for(*from, kind::connected).has_value());
  fill("in", 0, 100, 100);
  const auto rows = read(*from, 100);
  BOOST_REQUIRE(!rows.empty());
  BOOST_TEST(rows.front().offset == 100);
  BOOST_TEST(rows.back().offset == 199);
}

BOOST_AUTO_TEST_CASE(source__fetch_errors__are_retried_and_nothing_is_lost_or_twice) {
  fill("in", 0, 2000);
  const std::vector<int> errors{RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
                                RD_KAFKA_RESP_ERR__TRANSPORT};
  broker->inject_errors(1, errors);
  auto from = source();
  from->assign(std::vector<partition_start>{{0, {"in", 0}, 0}});
  const auto rows = read(*from, 2000);
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_REQUIRE_EQUAL(rows[i].offset, static_cast<std::int64_t>(i));
}

BOOST_AUTO_TEST_CASE(source__unreachable_broker__opens_says_so_and_closes) {
  auto made = make_source({{{"bootstrap.servers", "127.0.0.1:1"}}, "g", false});
  BOOST_REQUIRE(made.has_value());
  BOOST_TEST(wait_for(**made, kind::disconnected).has_value());
}

BOOST_AUTO_TEST_CASE(source__bad_properties__are_refused_by_name) {
  const auto refusal = [](const std::string& name, const std::string& value) {
    auto made = make_source({{{"bootstrap.servers", "127.0.0.1:1"}, {name, value}}, "g", false});
    BOOST_REQUIRE(!made.has_value());
    BOOST_TEST(made.error().message.find(name) != std::string::npos);
    return made.error().code;
  };
  BOOST_TEST((refusal("bootstrap.severs", "x") == errc::invalid));
  BOOST_TEST((refusal("fetch.wait.max.ms", "soon") == errc::invalid));
  BOOST_TEST((refusal("plugin.library.paths", "/tmp/evil") == errc::invalid));
  BOOST_TEST((refusal("test.mock.num.brokers", "3") == errc::invalid));
}

BOOST_AUTO_TEST_CASE(printable__control_characters__are_escaped) {
  BOOST_TEST(printable("a\r\nb\x1b[31m\tc\x01") == "a\\r\\nb\\x1b[31m\\tc\\x01");
}

BOOST_AUTO_TEST_SUITE_END()
