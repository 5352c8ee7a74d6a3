// The ingest actor on CAF's test scheduler, with Kafka in memory and scorers that answer when the test says so.
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include "actors/ingest.hpp"
#include "tests/support/fake_ports.hpp"
#include "tests/support/fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

/// A scorer that predicts `<value>@<version>`; a row `bad:<number>:<feature>` is rejected with that code.
struct scorer_desk {
  struct waiting { score_batch batch; ingest_actor from; };
  bool automatic = true;                        ///< answers at once
  bool ready = true;                            ///< has every model version; else answers not_ready
  std::deque<waiting> batches;
  std::uint64_t seen = 0, rows_seen = 0;

  static scored_batch score(const score_batch& batch) {
    auto outcomes = std::make_shared<model::outcome_block>();
    std::uint32_t begin = 0;
    for (auto end : batch.rows->ends) {
      std::string value{batch.rows->bytes.data() + begin, end - begin};
      begin = end;
      std::string text = value + "@" + std::to_string(batch.version.value);
      char code = 0;
      if (value.starts_with("bad:")) {
        auto colon = value.find(':', 4);
        code = static_cast<char>(std::stoi(value.substr(4, colon - 4)));
        text = value.substr(colon + 1) + std::string(1, '\0') + "a sentence";
      }
      outcomes->bytes.insert(outcomes->bytes.end(), text.begin(), text.end());
      outcomes->ends.push_back(static_cast<std::uint32_t>(outcomes->bytes.size()));
      outcomes->codes.push_back(code);
    }
    scored_batch reply;
    reply.seq = batch.seq;
    reply.attempt = batch.attempt;
    reply.outcomes.block = std::move(outcomes);
    return reply;
  }
  scored_batch answer_to(const score_batch& batch) const {
    if (ready) return score(batch);
    scored_batch reply;
    reply.status = scored_batch::status_kind::not_ready;
    reply.seq = batch.seq;
    reply.attempt = batch.attempt;
    return reply;
  }
  /// Answers the batch at this place of the queue.
  void answer(std::size_t place = 0) {
    auto one = std::move(batches.at(place));
    batches.erase(batches.begin() + static_cast<std::ptrdiff_t>(place));
    caf::anon_send(one.from, answer_to(one.batch));
  }
};

scorer_actor::behavior_type fake_scorer(scorer_actor::pointer self, std::shared_ptr<scorer_desk> desk) {
  return {
    [=](const score_batch& batch) -> caf::result<scored_batch> {
      ++desk->seen;
      desk->rows_seen += batch.rows->ends.size();
      if (desk->automatic) return desk->answer_to(batch);
      desk->batches.push_back({batch, caf::actor_cast<ingest_actor>(self->current_sender())});
      auto promise = self->make_response_promise<scored_batch>(); // takes the sender along
      return promise; // never used: the test answers
    },
    [](const use_plan&) {},
    [](const drop_plan&) {},
    [](const introduce&) {},
  };
}

lane_owner_actor::behavior_type fake_owner(lane_owner_actor::pointer, std::shared_ptr<std::vector<lane_state>> told) {
  return {[=](const lane_state& state) { told->push_back(state); }};
}

struct lane_fixture : actor_fixture {
  fake_kafka kafka;
  std::shared_ptr<fake_lane> lane;
  std::shared_ptr<std::vector<lane_state>> told = std::make_shared<std::vector<lane_state>>();
  std::vector<std::shared_ptr<scorer_desk>> desks;
  ingest_actor ingest_;
  ingest_config icfg;
  std::int64_t first_offset = 0;                ///< rows before it were somebody else's
  bool down = false;
  std::string reason;

  lane_fixture() {
    kafka.create("dsp", 4);
    kafka.create("preds", 4);
    kafka.create("dsp.dlq", 4);
    icfg.pipeline = "games";
    icfg.model = "games";
    icfg.node = "a";
    icfg.headers = {"troupe.model", "troupe.source"};
    icfg.batch_rows_max = 10;
  }
  ~lane_fixture() { ingest_ = nullptr; }

  void start(bool dead_letters = true) {
    icfg.has_dead_letters = dead_letters;
    auto [ports, hand] = kafka.open({"games", "group", "preds", dead_letters ? "dsp.dlq" : ""});
    lane = hand;
    lane->on_commit = [this](const fake_lane& at, const std::vector<partition_commit>& offsets) {
      for (const auto& offset : offsets) check_durable(at.assigned.at(offset.slot).where, offset.offset);
    };
    auto owner = spawn(fake_owner, told);
    ingest_ = spawn(ingest, icfg, owner, std::move(ports));
    actor_cast_watch();
    send(ingest_, lane_version{model_version{1}});
  }
  void actor_cast_watch() {
    caf::actor_cast<caf::abstract_actor*>(ingest_)->attach_functor([this](const caf::error& why) {
      down = true;
      reason = sys.render(why);
    });
  }
  scorer_key key_of(std::uint32_t index) { return {{"n" + std::to_string(index), incarnation_id{1}}, index}; }
  scorer_desk& add_scorer(bool local = true, bool automatic = true) {
    auto desk = desks.emplace_back(std::make_shared<scorer_desk>());
    desk->automatic = automatic;
    send(ingest_, scorer_up{key_of(static_cast<std::uint32_t>(desks.size() - 1)), spawn(fake_scorer, desk), local});
    return *desk;
  }
  void grant(std::int32_t partition, std::int64_t offset = 0, std::int64_t epoch = 1, std::string metadata = "") {
    send(ingest_, lane_grant{{"dsp", partition}, offset, std::move(metadata), control_offset{epoch}});
  }
  void append(std::int32_t partition, int rows, const std::string& prefix = "r") {
    for (int i = 0; i < rows; ++i) {
      auto next = kafka.log("dsp", partition).end;
      fake_record record;
      record.key = fmt::format("k{}", partition);
      record.value = fmt::format("{}{}", prefix, next);
      record.timestamp_ms = 1000 + next;
      kafka.append("dsp", partition, record);
    }
  }
  std::int64_t committed(std::int32_t partition) {
    auto offset = kafka.committed("group", {"dsp", partition});
    return offset ? *offset->offset : -1;
  }
  std::string metadata(std::int32_t partition) { return kafka.committed("group", {"dsp", partition}).value().metadata; }
  const lane_state& last() { return told->back(); }

  /// Sources ("dsp/0/17") that have a durable outcome.
  std::set<std::string> durable_sources() {
    std::set<std::string> found;
    for (const auto& record : kafka.all("preds")) found.insert(record.header("troupe.source").value());
    for (const auto& record : kafka.all("dsp.dlq"))
      found.insert(fmt::format("{}/{}/{}", *record.header("__connect.errors.topic"),
                               *record.header("__connect.errors.partition"),
                               *record.header("__connect.errors.offset")));
    return found;
  }
  /// I2. Returns the first row before `end` without a durable outcome.
  std::string undurable(const topic_partition& where, std::int64_t end) {
    auto durable = durable_sources();
    for (const auto& record : kafka.log(where.topic, where.partition).records) {
      auto source = fmt::format("{}/{}/{}", where.topic, where.partition, record.offset);
      if (record.offset >= first_offset && record.offset < end && !durable.contains(source)) return source;
    }
    return "";
  }
  void check_durable(const topic_partition& where, std::int64_t end) {
    if (!icfg.has_dead_letters) return;
    auto row = undurable(where, end);
    if (!row.empty()) BOOST_ERROR("committed " << end << " of " << to_string(where) << " ahead of " << row);
  }
  /// Offsets of the predictions of a source partition, in the order they stand in the output partitions.
  std::vector<std::int64_t> predicted(std::int32_t partition) {
    std::vector<std::int64_t> offsets;
    auto head = fmt::format("dsp/{}/", partition);
    for (const auto& record : kafka.all("preds")) {
      auto source = record.header("troupe.source").value();
      if (source.starts_with(head)) offsets.push_back(std::stoll(source.substr(head.size())));
    }
    return offsets;
  }
  static std::vector<std::int64_t> range(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> all;
    for (auto i = from; i < to; ++i) all.push_back(i);
    return all;
  }
};

#define CHECK_RANGE(actual, from, to)                                                                                  \
  do {                                                                                                                 \
    auto actual_ = (actual);                                                                                           \
    auto wanted_ = lane_fixture::range(from, to);                                                                      \
    BOOST_CHECK_EQUAL_COLLECTIONS(actual_.begin(), actual_.end(), wanted_.begin(), wanted_.end());                     \
  } while (false)

} // namespace

BOOST_FIXTURE_TEST_SUITE(ingest, lane_fixture)

BOOST_AUTO_TEST_CASE(rows__one_scorer__predicted_in_order_with_key_timestamp_headers) {
  start();
  add_scorer();
  grant(0);
  append(0, 25);
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, 25);
  auto record = kafka.all("preds").at(7);
  BOOST_CHECK_EQUAL(record.key.value(), "k0");
  BOOST_CHECK_EQUAL(record.value.value(), "r7@1");
  BOOST_CHECK_EQUAL(record.timestamp_ms, 1007);
  BOOST_CHECK_EQUAL(record.header("troupe.model").value(), "games@1");
  BOOST_CHECK_EQUAL(record.header("troupe.source").value(), "dsp/0/7");
  BOOST_CHECK_EQUAL(committed(0), 25);
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@1","since":0})");
}

BOOST_AUTO_TEST_CASE(order__scorers_answer_out_of_order__kept) {
  start();
  auto& slow = add_scorer(true, false);
  auto& other = add_scorer(true, false);
  grant(2);
  append(2, 40);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(slow.batches.size() + other.batches.size(), 4u);
  other.answer(1);
  other.answer(0);
  advance(5ms);
  slow.answer(1);
  advance(300ms);
  BOOST_CHECK(predicted(2).empty());
  BOOST_CHECK_EQUAL(committed(2), -1);
  slow.answer(0);
  advance(200ms);
  CHECK_RANGE(predicted(2), 0, 40);
  BOOST_CHECK_EQUAL(committed(2), 40);
}

BOOST_AUTO_TEST_CASE(dispatch__local_saturated__remote_gets_batches) {
  start();
  auto& local = add_scorer(true, false);
  auto& remote = add_scorer(false, false);
  grant(0);
  append(0, 100);
  advance(5ms);
  BOOST_CHECK_EQUAL(local.batches.size(), 2u);
  BOOST_CHECK_EQUAL(remote.batches.size(), 4u);
  BOOST_CHECK_EQUAL(local.batches[0].batch.seq.value, 0u);
  advance(300ms);
  BOOST_CHECK_EQUAL(last().counters.rows_to_local, 20u);
  BOOST_CHECK_EQUAL(last().counters.rows_to_remote, 40u);
}

BOOST_AUTO_TEST_CASE(scorer__goes_down__batches_elsewhere_and_late_answer_dropped) {
  start();
  auto& first = add_scorer(true, false);
  grant(0);
  append(0, 20);
  advance(5ms);
  BOOST_REQUIRE_EQUAL(first.batches.size(), 2u);
  auto& second = add_scorer(true, false);
  send(ingest_, scorer_down{key_of(0)});
  advance(5ms);
  BOOST_REQUIRE_EQUAL(second.batches.size(), 2u);
  BOOST_CHECK_EQUAL(second.batches[0].batch.attempt, 1u);
  first.answer(0);
  first.answer(0);
  advance(200ms);
  BOOST_CHECK(predicted(0).empty());
  second.answer(0);
  second.answer(0);
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 20);
  BOOST_CHECK_EQUAL(last().counters.redispatched, 2u);
}

BOOST_AUTO_TEST_CASE(scorer__not_ready__benched_and_batch_tried_again) {
  start();
  auto& desk = add_scorer();
  desk.ready = false;
  grant(0);
  append(0, 5);
  advance(300ms);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK_LT(desk.seen, 10u);
  desk.ready = true;
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
}

BOOST_AUTO_TEST_CASE(revoke__rows_in_flight__drained_committed_released) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  grant(1);
  append(0, 10);
  advance(5ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(5ms);
  append(0, 10);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 2u);
  BOOST_CHECK_EQUAL(last().seen.value, 7);
  desk.answer();
  advance(1ms); // at once, not with the next tick
  BOOST_CHECK_EQUAL(committed(0), 10);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK(last().report.holding[0].where == (topic_partition{"dsp", 1}));
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(revoke__commit_fails__held_until_it_succeeds) {
  start();
  add_scorer();
  lane->fail_commits = true;
  grant(0);
  append(0, 10);
  advance(150ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(1s);
  BOOST_CHECK_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_NE(last().report.problem.find("can't be committed"), std::string::npos);
  lane->fail_commits = false;
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 10);
  BOOST_CHECK(last().report.holding.empty());
  BOOST_CHECK_EQUAL(last().report.problem, "");
}

BOOST_AUTO_TEST_CASE(revoke__scorer_takes_seconds__rows_are_left_to_the_next_owner) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  grant(1);
  append(0, 5);
  append(1, 5);
  advance(5ms);
  append(0, 10);
  advance(5ms);
  desk.answer(); // the first batch gets through: rows 0..4 of both
  advance(5ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{7}});
  advance(800ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(committed(0), static_cast<std::int64_t>(predicted(0).size()));
  auto left_at = committed(0);
  BOOST_CHECK_LT(left_at, 15);
  while (!desk.batches.empty()) {
    desk.answer();
    advance(5ms);
  }
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, left_at);
  grant(0, left_at, 9);
  desk.automatic = true;
  advance(500ms);
  CHECK_RANGE(predicted(0), 0, 15);
  CHECK_RANGE(predicted(1), 0, 5);
  BOOST_CHECK_EQUAL(last().counters.rows_uncommitted, 0u);
}

BOOST_AUTO_TEST_CASE(grant__offset_in_the_middle__starts_exactly_there) {
  start();
  add_scorer();
  append(3, 30);
  first_offset = 17;
  grant(3, 17, 1, R"({"version":"games@1","since":4})");
  advance(200ms);
  CHECK_RANGE(predicted(3), 17, 30);
  BOOST_CHECK_EQUAL(metadata(3), R"({"version":"games@1","since":4})");
}

BOOST_AUTO_TEST_CASE(version__switched__stamped_at_an_exact_offset_and_recorded) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  send(ingest_, lane_version{model_version{2}});
  advance(1ms);
  append(0, 10);
  advance(5ms);
  desk.answer();
  advance(200ms);
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@1","since":0})");
  desk.answer();
  advance(200ms);
  auto rows = kafka.all("preds");
  BOOST_REQUIRE_EQUAL(rows.size(), 20u);
  BOOST_CHECK_EQUAL(rows[9].value.value(), "r9@1");
  BOOST_CHECK_EQUAL(rows[10].value.value(), "r10@2");
  BOOST_CHECK_EQUAL(rows[10].header("troupe.model").value(), "games@2");
  BOOST_CHECK_EQUAL(metadata(0), R"({"version":"games@2","since":10})");
}

BOOST_AUTO_TEST_CASE(bounds__rows_in_flight__reading_stops_and_goes_on) {
  icfg.dispatch.rows_max = 15;
  start();
  auto& desk = add_scorer(true, false);
  add_scorer(true, false);
  grant(0);
  append(0, 100);
  advance(20ms);
  BOOST_CHECK_EQUAL(lane->rows_handed_out, 15u);
  desk.answer();
  advance(20ms);
  BOOST_CHECK_GT(lane->rows_handed_out, 15u);
  BOOST_CHECK_LE(lane->rows_handed_out, 25u);
}

BOOST_AUTO_TEST_CASE(bounds__bytes_in_flight__reading_stops) {
  icfg.dispatch.bytes_max = 1000;
  icfg.batch_bytes_max = 600;
  start();
  add_scorer(true, false);
  grant(0);
  append(0, 20, std::string(300, 'x'));
  advance(20ms);
  BOOST_CHECK_LE(lane->rows_handed_out, 5u);
  BOOST_CHECK_LE(told->back().counters.bytes_inflight, 1000u + 600u);
}

BOOST_AUTO_TEST_CASE(bounds__uncommitted_rows__never_more_than_the_cap) {
  icfg.uncommitted_rows_max = 30;
  start();
  add_scorer();
  lane->hold_commits = true;
  grant(0);
  append(0, 100);
  advance(500ms);
  BOOST_CHECK_EQUAL(lane->rows_handed_out, 30u);
  for (int i = 0; i < 20 && lane->rows_handed_out < 100; ++i) {
    lane->finish_commits();
    run();
    BOOST_CHECK_LE(static_cast<std::int64_t>(lane->rows_handed_out), std::max<std::int64_t>(committed(0), 0) + 30);
    advance(200ms);
  }
  lane->hold_commits = false;
  lane->finish_commits();
  advance(500ms);
  CHECK_RANGE(predicted(0), 0, 100);
  BOOST_CHECK_EQUAL(committed(0), 100);
}

BOOST_AUTO_TEST_CASE(large_row__larger_than_a_batch__alone_in_its_batch) {
  icfg.batch_bytes_max = 1000;
  start();
  auto& desk = add_scorer();
  grant(0);
  kafka.append("dsp", 0, {.value = std::string(5000, 'a')});
  append(0, 2);
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, 3);
  BOOST_CHECK_EQUAL(desk.seen, 2u);
}

BOOST_AUTO_TEST_CASE(queue_delay__few_rows__wait_for_others) {
  icfg.queue_delay_max = 20ms;
  start();
  auto& desk = add_scorer();
  grant(0);
  advance(10ms);
  append(0, 3);
  advance(10ms);
  BOOST_CHECK_EQUAL(desk.seen, 0u);
  append(0, 3);
  advance(15ms);
  BOOST_CHECK_EQUAL(desk.seen, 1u);
  BOOST_CHECK_EQUAL(desk.rows_seen, 6u);
  append(0, 10);
  advance(1ms); // full: no reason to wait
  BOOST_CHECK_EQUAL(desk.seen, 2u);
}

BOOST_AUTO_TEST_CASE(sink__full__goes_on_when_it_wakes) {
  start();
  add_scorer();
  lane->capacity = 3;
  lane->hold_deliveries = true;
  grant(0);
  append(0, 25);
  advance(50ms);
  BOOST_CHECK_EQUAL(lane->rows_produced, 3u);
  for (int i = 0; i < 30; ++i) {
    lane->deliver(1);
    run();
  }
  advance(200ms);
  CHECK_RANGE(predicted(0), 0, 25);
  BOOST_CHECK_EQUAL(committed(0), 25);
}

BOOST_AUTO_TEST_CASE(commit__deliveries_held__waits_for_the_unbroken_prefix) {
  start();
  add_scorer();
  lane->hold_deliveries = true;
  grant(0);
  append(0, 30);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), -1);
  lane->deliver(15);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 10);
  lane->deliver();
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 30);
}

BOOST_AUTO_TEST_CASE(commit__markers_at_the_end__passed) {
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  kafka.skip("dsp", 0, 3);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 8);
  kafka.skip("dsp", 0, 2);
  append(0, 1);
  advance(300ms);
  BOOST_CHECK_EQUAL(committed(0), 11);
}

BOOST_AUTO_TEST_CASE(commit__idle_for_an_hour__repeated) {
  icfg.report_interval = 1h;
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  advance(300ms);
  auto before = lane->commits.size();
  for (int i = 0; i < 3700; ++i) {
    sched.advance_time(1s);
    run();
  }
  BOOST_CHECK_EQUAL(lane->commits.size(), before + 1);
}

BOOST_AUTO_TEST_CASE(bad_rows__every_kind__one_dead_letter_with_all_headers) {
  icfg.row_bytes_max = 100;
  start();
  add_scorer();
  grant(1);
  using model::rejection;
  for (auto code = 4; code <= static_cast<int>(rejection::internal); ++code) {
    if (static_cast<rejection>(code) == rejection::output_too_large) continue;
    kafka.append("dsp", 1, {.key = "k", .value = fmt::format("bad:{}:G1", code), .timestamp_ms = 5,
                            .headers = {{"trace", "abc"}, {"nothing", std::nullopt}}});
  }
  kafka.append("dsp", 1, {.key = "k", .value = std::nullopt});
  kafka.append("dsp", 1, {.key = std::nullopt, .value = std::string(101, 'x'), .headers = {{"trace", "abc"}}});
  append(1, 1);
  advance(300ms);
  auto dead = kafka.all("dsp.dlq");
  BOOST_REQUIRE_EQUAL(dead.size(), 14u);
  std::set<std::string> codes;
  for (const auto& record : dead) codes.insert(record.header("__troupe.errors.code").value());
  BOOST_CHECK_EQUAL(codes.size(), dead.size());
  auto by_code = [&](rejection code) {
    return *std::find_if(dead.begin(), dead.end(), [&](auto& record) {
      return record.header("__troupe.errors.code") == std::string{to_string(code)};
    });
  };
  auto missing = by_code(rejection::missing_feature);
  BOOST_CHECK_EQUAL(missing.value.value(), fmt::format("bad:{}:G1", static_cast<int>(rejection::missing_feature)));
  BOOST_CHECK_EQUAL(missing.key.value(), "k");
  BOOST_CHECK_EQUAL(missing.timestamp_ms, 5);
  BOOST_CHECK_EQUAL(missing.header("trace").value(), "abc");
  BOOST_CHECK(missing.headers[1].first == "nothing" && !missing.headers[1].second);
  std::map<std::string, std::string> wanted{
    {"__connect.errors.topic", "dsp"}, {"__connect.errors.partition", "1"},
    {"__connect.errors.offset", std::to_string(static_cast<int>(rejection::missing_feature) - 4)},
    {"__connect.errors.connector.name", "games"}, {"__connect.errors.task.id", "0"}, {"__connect.errors.stage", "BIND"},
    {"__connect.errors.class.name", "troupe.ingest"},
    {"__connect.errors.exception.class.name", "troupe.MISSING_FEATURE"},
    {"__connect.errors.exception.message", "a sentence"}, {"__troupe.errors.code", "MISSING_FEATURE"},
    {"__troupe.errors.model", "games"}, {"__troupe.errors.version", "1"}, {"__troupe.errors.feature", "G1"},
    {"__troupe.errors.attempt", "0"}};
  for (const auto& [name, value] : wanted) BOOST_CHECK_EQUAL(missing.header(name).value_or("(none)"), value);
  auto tombstone = by_code(rejection::null_value);
  BOOST_CHECK(!tombstone.value);
  auto large = by_code(rejection::row_too_large);
  BOOST_CHECK_EQUAL(large.value.value(), std::string(101, 'x'));
  BOOST_CHECK(!large.key);
  BOOST_CHECK_EQUAL(kafka.log("dsp.dlq", 1).records.back().value.value(), large.value.value()); // source's partition
  BOOST_CHECK_EQUAL(committed(1), 15);
  BOOST_CHECK_EQUAL(kafka.all("preds").size(), 1u);
  BOOST_CHECK_EQUAL(last().counters.rows_rejected, 14u);
}

BOOST_AUTO_TEST_CASE(output__too_large_for_the_topic__dead_letter) {
  start();
  add_scorer();
  lane->output_bytes_max = 120;
  grant(0);
  append(0, 1, std::string(100, 'x'));
  append(0, 1);
  advance(200ms);
  auto dead = kafka.all("dsp.dlq");
  BOOST_REQUIRE_EQUAL(dead.size(), 1u);
  BOOST_CHECK_EQUAL(dead[0].header("__troupe.errors.code").value(), "OUTPUT_TOO_LARGE");
  BOOST_CHECK_EQUAL(dead[0].value.value().size(), 101u);
  CHECK_RANGE(predicted(0), 1, 2);
}

BOOST_AUTO_TEST_CASE(dead_letter__too_large_for_its_topic__cut_with_length_and_digest) {
  icfg.row_bytes_max = 100;
  start();
  add_scorer();
  lane->dead_letter_bytes_max = 2000;
  grant(0);
  kafka.append("dsp", 0, {.key = "k", .value = std::string(5000, 'x'), .headers = {{"trace", "abc"}}});
  kafka.append("dsp", 0,
               {.key = std::string(3000, 'k'), .value = "bad:4:", .headers = {{"big", std::string(3000, 'h')}}});
  advance(200ms);
  auto dead = kafka.all("dsp.dlq");
  BOOST_REQUIRE_EQUAL(dead.size(), 2u);
  if (dead[0].header("__connect.errors.offset") != "0") std::swap(dead[0], dead[1]);
  BOOST_CHECK_EQUAL(dead[0].header("__troupe.errors.original.length").value(), "5000");
  BOOST_CHECK_EQUAL(dead[0].header("__troupe.errors.original.sha256").value().size(), 64u);
  BOOST_CHECK_EQUAL(dead[0].header("trace").value(), "abc");
  BOOST_CHECK_GT(dead[0].value.value().size(), 500u);
  BOOST_CHECK_LT(dead[0].value.value().size(), 2000u);
  BOOST_CHECK(!dead[1].key);
  BOOST_CHECK(!dead[1].header("big"));
  BOOST_CHECK_EQUAL(dead[1].value.value(), "bad:4:");
  BOOST_CHECK_EQUAL(dead[1].header("__troupe.errors.original.headers").value(), "1");
  for (const auto& record : dead) {
    auto bytes = record.key.value_or("").size() + record.value.value_or("").size();
    for (const auto& [name, value] : record.headers) bytes += name.size() + value.value_or("").size();
    BOOST_CHECK_LE(bytes, 2000u);
  }
}

BOOST_AUTO_TEST_CASE(bad_row__no_dead_letter_topic__counted_and_passed) {
  start(false);
  add_scorer();
  grant(0);
  append(0, 1);
  kafka.append("dsp", 0, {.value = "bad:4:"});
  kafka.append("dsp", 0, {.value = std::nullopt});
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 1);
  BOOST_CHECK_EQUAL(committed(0), 3);
  BOOST_CHECK_EQUAL(last().counters.rows_rejected, 2u);
}

BOOST_AUTO_TEST_CASE(tolerance_none__bad_row__stops_exactly_there_and_resumes) {
  icfg.tolerate_bad_rows = false;
  start();
  add_scorer();
  grant(0);
  append(0, 13);
  kafka.append("dsp", 0, {.key = "k0", .value = "bad:10:G3"});
  append(0, 20);
  advance(500ms);
  CHECK_RANGE(predicted(0), 0, 13);
  BOOST_CHECK(kafka.all("dsp.dlq").empty());
  BOOST_CHECK_EQUAL(committed(0), 13);
  BOOST_CHECK(last().report.stopped_by_row);
  BOOST_CHECK_EQUAL(last().report.problem, "pipeline games stopped at dsp/0 offset 13: MISSING_FEATURE: a sentence");
  BOOST_CHECK_EQUAL(last().counters.rows_inflight, 0u);
  kafka.log("dsp", 0).records[13].value = "mended";
  send(ingest_, lane_pause{false});
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 34);
  BOOST_CHECK_EQUAL(last().report.problem, "");
  BOOST_CHECK_EQUAL(committed(0), 34);
}

BOOST_AUTO_TEST_CASE(tolerance_none__stopped__revoke_still_releases) {
  icfg.tolerate_bad_rows = false;
  start();
  add_scorer();
  grant(0);
  grant(1);
  append(0, 3);
  kafka.append("dsp", 0, {.value = "bad:10:G3"});
  append(1, 3);
  advance(300ms);
  send(ingest_, lane_revoke{{"dsp", 0}, control_offset{5}});
  advance(300ms);
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(committed(0), 3);
}

BOOST_AUTO_TEST_CASE(frozen__longer_than_the_removal_timeout__produces_nothing_and_ends) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  freeze(6s);
  desk.answer();
  run();
  BOOST_CHECK(down);
  BOOST_CHECK_NE(reason.find("stood still"), std::string::npos);
  BOOST_CHECK(predicted(0).empty());
  BOOST_CHECK(lane->closed);
}

BOOST_AUTO_TEST_CASE(frozen__shorter__goes_on) {
  start();
  auto& desk = add_scorer(true, false);
  grant(0);
  append(0, 10);
  advance(5ms);
  freeze(4s);
  desk.answer();
  run();
  BOOST_CHECK(!down);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(delivery__fails__lane_ends) {
  start();
  add_scorer();
  lane->hold_deliveries = true;
  grant(0);
  append(0, 10);
  advance(5ms);
  lane->deliver(3);
  lane->deliver(1, false);
  run();
  BOOST_CHECK(down);
  BOOST_CHECK_NE(reason.find("could not be written: scripted failure"), std::string::npos);
  BOOST_CHECK_EQUAL(committed(0), -1);
}

BOOST_AUTO_TEST_CASE(source__fatal__lane_ends) {
  start();
  lane->emit({source_event::kind::fatal, 0, -1, 0, "fenced"});
  run();
  BOOST_CHECK(down);
  BOOST_CHECK_NE(reason.find("fenced"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(partition__cannot_be_read_on__others_go_on) {
  start();
  add_scorer();
  grant(0);
  grant(1);
  run();
  lane->emit({source_event::kind::partition_error, 0, -1, 0, "offset 0 is out of range"});
  append(1, 5);
  advance(300ms);
  CHECK_RANGE(predicted(1), 0, 5);
  BOOST_CHECK_EQUAL(last().report.problem, "dsp/0 stopped: offset 0 is out of range");
  BOOST_CHECK_EQUAL(last().report.holding.size(), 2u);
}

BOOST_AUTO_TEST_CASE(pause__then_on__reads_on) {
  start();
  add_scorer();
  grant(0);
  append(0, 5);
  advance(50ms);
  send(ingest_, lane_pause{true});
  run();
  append(0, 5);
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
  send(ingest_, lane_pause{false});
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 10);
}

BOOST_AUTO_TEST_CASE(answer__wrong_number_of_outcomes__not_trusted) {
  start();
  auto& liar = add_scorer(true, false);
  grant(0);
  append(0, 5);
  advance(5ms);
  auto cut = liar.batches.at(0).batch;
  auto rows = std::make_shared<row_block>(*cut.rows);
  rows->ends.pop_back();
  cut.rows.block = rows;
  send(ingest_, scorer_desk::score(cut));
  advance(300ms);
  BOOST_CHECK(predicted(0).empty());
  liar.automatic = true;
  advance(300ms);
  BOOST_CHECK_EQUAL(last().counters.redispatched, 1u);
  while (!liar.batches.empty()) liar.answer();
  advance(300ms);
  CHECK_RANGE(predicted(0), 0, 5);
}

BOOST_AUTO_TEST_CASE(wakes__many__coalesced) {
  start();
  advance(10ms);
  for (int i = 0; i < 1000; ++i) lane->wake();
  std::size_t handled = 0;
  while (sched.try_run_once()) ++handled;
  BOOST_CHECK_LE(handled, 3u);
}

// ---- chance: everything at once, from a seed ----------------------------------------------------------------------

namespace {

struct chaos {
  lane_fixture& f;
  std::mt19937_64 random;
  std::map<std::int32_t, bool> held;
  std::int64_t epoch = -1;                      ///< of the last order that was sent
  std::uint32_t version = 1;

  bool one_in(unsigned n) { return random() % n == 0; }
  void act() {
    switch (random() % 12) {
    case 0: case 1: case 2: {
      auto partition = static_cast<std::int32_t>(random() % 4);
      for (auto n = random() % 30; n > 0; --n) {
        if (one_in(15)) f.kafka.append("dsp", partition, {.key = "k", .value = "bad:10:G1"});
        else if (one_in(30)) f.kafka.append("dsp", partition, {.key = "k", .value = std::nullopt});
        else f.append(partition, 1);
        if (one_in(20)) f.kafka.skip("dsp", partition, 2);
      }
      break;
    }
    case 3: case 4: case 5:
      if (auto& desk = *f.desks[random() % f.desks.size()]; !desk.batches.empty())
        desk.answer(random() % desk.batches.size());
      break;
    case 6: case 7: f.lane->deliver(random() % 20); break;
    case 8: f.lane->finish_commits(!one_in(4)); break;
    case 9: f.sched.advance_time(std::chrono::milliseconds{random() % 120}); break;
    case 10: move(static_cast<std::int32_t>(random() % 4)); break;
    case 11:
      if (one_in(3)) f.send(f.ingest_, lane_version{model_version{++version}});
      if (one_in(5)) {
        auto down = static_cast<std::uint32_t>(random() % f.desks.size());
        f.send(f.ingest_, scorer_down{f.key_of(down)});
        f.add_scorer(one_in(2), false);
      }
      f.lane->capacity = one_in(3) ? 5 : 1000;
      break;
    }
  }
  /// Takes a partition away, or, once it has been released, gives it back where it was committed.
  void move(std::int32_t partition) {
    if (held[partition]) {
      f.send(f.ingest_, lane_revoke{{"dsp", partition}, control_offset{++epoch}});
      held[partition] = false;
      return;
    }
    const auto& holding = f.last().report.holding;
    bool released = f.last().seen.value >= epoch && std::none_of(holding.begin(), holding.end(), [&](auto& h) {
                      return h.where.partition == partition;
                    });
    if (!released) return;
    f.grant(partition, std::max<std::int64_t>(0, f.committed(partition)), ++epoch,
            f.committed(partition) < 0 ? "" : f.metadata(partition));
    held[partition] = true;
  }
  void settle() {
    f.lane->hold_commits = f.lane->hold_deliveries = false;
    f.lane->capacity = 1000;
    f.lane->finish_commits();
    f.lane->deliver();
    for (auto& desk : f.desks) desk->automatic = true;
    for (int round = 0; round < 40; ++round) {
      for (auto& desk : f.desks)
        while (!desk->batches.empty()) desk->answer();
      f.advance(std::chrono::milliseconds{100});
      for (std::int32_t partition = 0; partition < 4; ++partition)
        if (!held[partition]) move(partition);
    }
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(chance__seeds__every_row_one_outcome_and_commits_never_ahead) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    lane_fixture f;
    f.icfg.uncommitted_rows_max = 200;
    f.icfg.dispatch.rows_max = 100;
    f.start();
    f.lane->hold_commits = f.lane->hold_deliveries = true;
    for (int i = 0; i < 3; ++i) f.add_scorer(i < 2, false);
    chaos world{f, std::mt19937_64{seed}, {}, -1, 1};
    f.run();
    for (std::int32_t p = 0; p < 4; ++p) world.move(p);
    for (int i = 0; i < 400; ++i) {
      world.act();
      for (auto steps = world.random() % 6; steps > 0; --steps) f.step(world.random);
      if (f.down) break;
    }
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_REQUIRE_MESSAGE(!f.down, f.reason);
      world.settle();
      std::size_t rows = 0;
      for (std::int32_t p = 0; p < 4; ++p) {
        rows += f.kafka.log("dsp", p).records.size();
        BOOST_CHECK_EQUAL(f.committed(p) < 0 ? 0 : f.committed(p), f.kafka.log("dsp", p).end);
        auto order = f.predicted(p);
        BOOST_CHECK(std::is_sorted(order.begin(), order.end()));
      }
      // The lane never died, so at-least-once is exactly once here.
      BOOST_CHECK_EQUAL(f.kafka.all("preds").size() + f.kafka.all("dsp.dlq").size(), rows);
      BOOST_CHECK_EQUAL(f.durable_sources().size(), rows);
      BOOST_CHECK_EQUAL(f.last().counters.rows_uncommitted, 0u);
    }
  }
}

// Breaks the rule on purpose: Kafka says that records are durable which it has lost. The check has to notice.
BOOST_AUTO_TEST_CASE(canary__deliveries_that_are_lies__commit_check_notices) {
  start();
  add_scorer();
  std::vector<std::string> violations;
  lane->on_commit = [&](const fake_lane& at, const std::vector<partition_commit>& offsets) {
    for (const auto& offset : offsets)
      if (auto row = undurable(at.assigned.at(offset.slot).where, offset.offset); !row.empty())
        violations.push_back(row);
  };
  grant(0);
  append(0, 10);
  advance(300ms);
  BOOST_CHECK(violations.empty());
  lane->lose_records = true;
  append(0, 1);
  advance(300ms);
  BOOST_REQUIRE_EQUAL(violations.size(), 1u);
  BOOST_CHECK_EQUAL(violations[0], "dsp/0/10");
}

BOOST_AUTO_TEST_SUITE_END()
