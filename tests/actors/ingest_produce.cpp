// What the ingest actor produces: predictions with their headers, dead letters, and what a bad row may do to a lane.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tests/actors/ingest_fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(ingest_produce, lane_fixture)

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

BOOST_AUTO_TEST_CASE(headers__sha256__names_the_content_of_the_version_that_scored) {
  icfg.headers = {"troupe.source", "troupe.sha256", "troupe.model"};
  start();
  send(ingest_, lane_version{model_version{1}, "c0de"});
  add_scorer();
  grant(0);
  append(0, 5);
  advance(100ms);
  send(ingest_, lane_version{model_version{2}, "beef"});
  append(0, 5);
  advance(100ms);
  std::map<std::string, std::string> digests;
  for (const auto& record : kafka.all("preds"))
    digests[record.header("troupe.model").value()] += record.header("troupe.sha256").value() + " ";
  BOOST_CHECK_EQUAL(digests["games@1"], "c0de c0de c0de c0de c0de ");
  BOOST_CHECK_EQUAL(digests["games@2"], "beef beef beef beef beef ");
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
  BOOST_REQUIRE_EQUAL(last().report.holding.size(), 1u);
  BOOST_CHECK_EQUAL(last().report.holding[0].position, 10); // told at the end, not with the next report
  BOOST_CHECK_EQUAL(committed(0), -1);
}

BOOST_AUTO_TEST_CASE(bad_rows__every_kind__one_dead_letter_with_all_headers) {
  icfg.row_bytes_max = 100;
  start();
  add_scorer();
  grant(1);
  using model::rejection;
  for (auto code = 4; code <= static_cast<int>(rejection::internal); ++code) {
    if (static_cast<rejection>(code) == rejection::output_too_large) continue;
    kafka.append("dsp", 1,
                 {.key = "k",
                  .value = fmt::format("bad:{}:G1", code),
                  .timestamp_ms = 5,
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
      {"__connect.errors.topic", "dsp"},
      {"__connect.errors.partition", "1"},
      {"__connect.errors.offset", std::to_string(static_cast<int>(rejection::missing_feature) - 4)},
      {"__connect.errors.connector.name", "games"},
      {"__connect.errors.task.id", "0"},
      {"__connect.errors.stage", "BIND"},
      {"__connect.errors.class.name", "troupe.ingest"},
      {"__connect.errors.exception.class.name", "troupe.MISSING_FEATURE"},
      {"__connect.errors.exception.message", "a sentence"},
      {"__troupe.errors.code", "MISSING_FEATURE"},
      {"__troupe.errors.model", "games"},
      {"__troupe.errors.version", "1"},
      {"__troupe.errors.feature", "G1"},
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

BOOST_AUTO_TEST_CASE(output__compacted__row_without_a_key_is_a_dead_letter) {
  start();
  add_scorer();
  lane->output_compacted = true;
  grant(0);
  append(0, 1);
  kafka.append("dsp", 0, {.key = std::nullopt, .value = "keyless"});
  kafka.append("dsp", 0, {.key = "", .value = "empty key"});
  advance(200ms);
  auto dead = kafka.all("dsp.dlq");
  BOOST_REQUIRE_EQUAL(dead.size(), 1u);
  BOOST_CHECK_EQUAL(dead[0].header("__troupe.errors.code").value(), "UNACCEPTABLE_RECORD");
  BOOST_CHECK_EQUAL(dead[0].header("__connect.errors.stage").value(), "PRODUCE");
  BOOST_CHECK_EQUAL(dead[0].value.value(), "keyless");
  BOOST_CHECK_EQUAL(kafka.all("preds").size(), 2u);
  BOOST_CHECK_EQUAL(committed(0), 3);
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

BOOST_AUTO_TEST_SUITE_END()
