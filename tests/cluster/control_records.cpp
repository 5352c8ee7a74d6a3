#include "cluster/control_records.hpp"

#include <boost/test/unit_test.hpp>

#include "cluster/json_text.hpp"
#include "tests/cluster/core_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::vector<control_record> one_of_each() {
  using part = partition_record::state_kind;
  using model = model_record::state_kind;
  const term_id term{42};
  return {
      cluster_record{"c0ffee", "f1", 1},
      claim_record{ref("a", 0xfedcba9876543210), "127.0.0.1:4800"},
      member_record{ref("a", 7), "127.0.0.1:4800", {"ingest", "scorer"}, 2, true, "joined", term},
      member_record{ref("a", 7), "127.0.0.1:4800", {}, 0, false, "left", term},
      partition_record{"games",
                       {"dsp", 3},
                       part::granted,
                       ref("a", 7),
                       generation_id{4},
                       1234567,
                       R"({"version":2})",
                       "first owner",
                       term},
      partition_record{"games", {"dsp", 3}, part::revoked, ref("a", 7), generation_id{4}, 0, "", "for balance", term},
      model_record{"games",
                   model_version{2},
                   {10, 3, 700'000, std::string(64, 'a')},
                   {"G1", "G2"},
                   model::staged,
                   "",
                   "champion",
                   1700000000000,
                   term},
      model_record{
          "games", model_version{3}, {10, 3, 700, std::string(64, 'b')}, {}, model::failed, "node b: no", "", 5, term},
      alias_record{"games", "champion", model_version{2}, model_version{1}, control_offset{17}, term},
      pipeline_record{"games", false, "a bad row", "dsp/3/17", term},
      change_record{"abc-1", "done", R"({"version":2})", term},
  };
}

std::string error_of(const std::string& key, const std::string& value) {
  const auto read = read_record(key, value);
  return read ? "no error" : read.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(control_records)

BOOST_AUTO_TEST_CASE(record__written_and_read__is_the_same) {
  for (const auto& record : one_of_each()) {
    const auto written = to_log(record);
    BOOST_TEST_CONTEXT(written.key << " " << *written.value) {
      const auto read = read_record(written.key, *written.value);
      BOOST_REQUIRE(read.has_value());
      BOOST_REQUIRE(read->has_value());
      BOOST_TEST((*read)->index() == record.index());
      BOOST_TEST(*to_log(**read).value == *written.value);
    }
  }
}

BOOST_AUTO_TEST_CASE(record__keys__name_what_is_compacted) {
  const auto records = one_of_each();
  BOOST_TEST(key_of(records[0]) == "cluster");
  BOOST_TEST(key_of(records[1]) == "claim");
  BOOST_TEST(key_of(records[2]) == "member/a");
  BOOST_TEST(key_of(records[4]) == "partition/games/dsp/3");
  BOOST_TEST(key_of(records[6]) == "model/games/2");
  BOOST_TEST(key_of(records[8]) == "alias/games/champion");
  BOOST_TEST(key_of(records[9]) == "pipeline/games");
  BOOST_TEST(key_of(records[10]) == "change/abc-1");
}

BOOST_AUTO_TEST_CASE(record__incarnation_of_64_bits__survives) {
  const auto written = to_log(control_record{claim_record{ref("a", 0xfedcba9876543210), "x"}});
  const auto read = read_record(written.key, *written.value);
  BOOST_TEST(std::get<claim_record>(**read).node.incarnation.value == 0xfedcba9876543210u);
}

BOOST_AUTO_TEST_CASE(record__every_field_missing_or_of_wrong_type__error_names_key_and_field) {
  for (const auto& record : one_of_each()) {
    const auto written = to_log(record);
    const std::string& text = *written.value;
    // Cut at every byte: never read, never a crash.
    for (std::size_t n = 0; n < text.size(); ++n) {
      const auto read = read_record(written.key, std::string_view(text).substr(0, n));
      BOOST_TEST(!read.has_value());
      if (!read) BOOST_TEST(read.error().message.find(written.key) != std::string::npos);
    }
  }
  BOOST_TEST(error_of("claim", R"({"incarnation":"01","address":"x"})") ==
             "control record 'claim': field 'node' is missing");
  BOOST_TEST(error_of("claim", R"({"node":true,"incarnation":"01","address":"x"})") ==
             "control record 'claim': field 'node' is not a string");
  BOOST_TEST(error_of("claim", R"({"node":"a","incarnation":"xyz","address":"x"})") ==
             "control record 'claim': field 'incarnation' is not a hexadecimal number of 64 bits");
  BOOST_TEST(error_of("pipeline/p", R"({"name":"p","state":"idle","term":1})") ==
             "control record 'pipeline/p': field 'state' is 'idle', expected 'running' or 'stopped'");
  BOOST_TEST(error_of("pipeline/p", R"({"name":"p","state":"running","term":-1})").find("'term' is not an integer") !=
             std::string::npos);
  BOOST_TEST(error_of("pipeline/p", R"({"name":"q","state":"running","term":1})") ==
             "control record 'pipeline/p': its fields name 'pipeline/q'");
}

BOOST_AUTO_TEST_CASE(record__hostile_json__is_an_error) {
  for (const std::string text :
       {"", "null", "[]", "3", "\"x\"", "{} {}", R"({"term":0.00000000000000001e-2147483639})", "{\"name\":\"\xff\"}"})
    BOOST_TEST(!read_record("pipeline/p", text).has_value());
  BOOST_TEST(!read_record("pipeline/p", std::string(1'000'000, '[')).has_value());
}

BOOST_AUTO_TEST_CASE(record__unknown_key__is_not_an_error) {
  const auto read = read_record("quota/games", "whatever");
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(!read->has_value());
}

BOOST_AUTO_TEST_CASE(record__text_that_is_not_utf8__is_written_readable) {
  const auto written = to_log(control_record{pipeline_record{"p", false, "bad \xff\xc0\xaf byte", "", term_id{1}}});
  const auto read = read_record(written.key, *written.value);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(std::get<pipeline_record>(**read).reason == "bad ??? byte");
}

BOOST_AUTO_TEST_CASE(lease__written_and_read__is_the_same) {
  const auto read = read_lease(to_json({term_id{9}, ref("a", 3), true, true}));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((read->term == term_id{9}));
  BOOST_TEST((read->node == ref("a", 3)));
  BOOST_TEST(read->resigned);
  BOOST_TEST(read_lease("{}").error().message == "lease record: field 'term' is missing");
}

BOOST_AUTO_TEST_CASE(name__rule) {
  for (const auto* good :
       {"a", "games", "0", "a-b_c.d", "x23456789012345678901234567890123456789012345678901234567890123"})
    BOOST_TEST(is_name(good), good);
  for (const std::string bad : {"", "A", ".", "..", "../x", "a/b", "a b", "-a", "_a", "%2e", "a\n", "é"})
    BOOST_TEST(!is_name(bad), bad);
  BOOST_TEST(is_name(std::string(64, 'a')));
  BOOST_TEST(!is_name(std::string(65, 'a')));
}

BOOST_AUTO_TEST_CASE(json__is_object) {
  for (const auto* good : {"{}", R"({"a":[1,{"b":null}],"c":1e5})"}) BOOST_TEST(json::is_object(good), good);
  for (const auto* bad : {"", "[]", "1", "null", "{", "{}x", "{},{}", "{\"a\":}"})
    BOOST_TEST(!json::is_object(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
