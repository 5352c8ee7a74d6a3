// show, schema, fingerprint, and the pages made from the schema.
#include "config/convert.hpp"
#include "support.hpp"

#include <fstream>
#include <set>
#include <sstream>

using namespace test_config;

namespace {

/// "pipelines[].output.carry" for every option of the schema that is no other name of one.
void collect(const cfg::json::value& from, const std::string& path, std::set<std::string>& names) {
  const auto& node = cfg::resolved(from);
  if (const auto* items = cfg::json::find(node, "items"); items != nullptr && path == "pipelines")
    return collect(*items, "pipelines[]", names);
  const auto* properties = cfg::json::find(node, "properties");
  if (properties == nullptr || path == "kafka") {
    names.insert(path);
    return;
  }
  for (const auto& property : properties->GetObject())
    if (cfg::json::find(property.value, "x-alias-of") == nullptr)
      collect(property.value, cfg::json::member_path(path, cfg::json::string_of(property.name)), names);
}

/// Those of them that a document has.
void collect_present(const cfg::json::value& from, const cfg::json::value& in, const std::string& path,
                     std::set<std::string>& names) {
  const auto& node = cfg::resolved(from);
  if (path == "pipelines") return collect_present(*cfg::json::find(node, "items"), in[0], "pipelines[]", names);
  const auto* properties = cfg::json::find(node, "properties");
  if (properties == nullptr || path == "kafka") {
    names.insert(path);
    return;
  }
  for (const auto& property : properties->GetObject())
    if (const auto* member = cfg::json::find(in, cfg::json::string_of(property.name)))
      collect_present(property.value, *member, cfg::json::member_path(path, cfg::json::string_of(property.name)),
                      names);
}

parts unusual() {
  parts from;
  from.cluster =
      R"("name":"c","heartbeat_interval_ms":100,"removal_timeout_ms":1900,"lease_interval_ms":400,
    "lease_timeout_ms":1900,"kafka_loss_timeout_ms":4000,"replication_factor":3)";
  from.kafka = R"("bootstrap.servers":"k:1","security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"u",
    "sasl.password":"hunter2","ssl.key.password":"hunter3","ssl.ca.pem":"hunter4","ssl.key.pem":"hunter5",
    "ssl.certificate.pem":"hunter6","ssl.keystore.password":"hunter7")";
  from.pipeline =
      R"x("name":"p","subscribe":"a,b","startingOffsets":{"a":{"10":1,"9":2}},"failOnDataLoss":false,"group.id":"g",
    "model":"m@x","features":["f"],"topic":"t",
    "output":{"carry":["c"],"prediction":{"z":"label","a":"score(0)"},"headers":[],"timestamp":"now"},
    "errors":{"tolerance":"none","deadletterqueue.topic.name":"d","deadletterqueue.context.headers.enable":false},
    "commit.interval.ms":7,"max_batch_size":8,"max_queue_delay_us":9,"max_inflight_rows":10,"max_inflight_bytes":70000,
    "max_uncommitted_rows":12,"max_row_bytes":13,"max_nesting_depth":14)x";
  from.node =
      R"("name":"n","listen":"[::1]:1","advertise":"[::1]:2","http":null,"scorers":3,"roles":["scorer"],"index":4,
    "tls":{"certificate":"c","key":"k","ca":"a","passphrase":"hunter8"},"log":{"level":"warn","format":"json"})";
  return from;
}

} // namespace

BOOST_AUTO_TEST_SUITE(showing)

BOOST_AUTO_TEST_CASE(schema_and_structs__name_the_same_options) {
  std::set<std::string> known, consumed, shown;
  collect(cfg::schema_root(), "", known);
  auto doc = cfg::json::parse(unusual().text());
  cfg::problem_list problems;
  cfg::fill_defaults(*doc, cfg::schema_root(), doc->GetAllocator());
  cfg::to_config(*doc, {}, problems, &consumed);
  BOOST_TEST(known == consumed, boost::test_tools::per_element());
  // And back: whatever was given comes out again, but for the one that excludes another.
  auto back = cfg::json::parse(cfg::show(loaded(unusual())));
  BOOST_REQUIRE(back.has_value());
  collect_present(cfg::schema_root(), *back, "", shown);
  known.erase("pipelines[].startingOffsetsByTimestamp");
  BOOST_TEST(known == shown, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(schema__every_option__has_what_the_page_needs) {
  BOOST_CHECK_EQUAL(cfg::schema(), [] {
    std::ifstream file(TROUPE_SOURCE_DIR "/config/schema.json");
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }());
  auto page = cfg::configuration_markdown();
  std::istringstream rows(page);
  for (std::string row; std::getline(rows, row);) {
    if (row.rfind("| `", 0) != 0 || contains(row, "Another name") ||
        !(contains(row, " | cluster | ") || contains(row, " | node | ")))
      continue;
    BOOST_CHECK_MESSAGE(row.size() > 5 && row.substr(row.size() - 3) == ". |", "no sentence: " << row);
    BOOST_CHECK_MESSAGE(!contains(row, " |  | "), "an empty cell: " << row);
  }
}

BOOST_AUTO_TEST_CASE(show__loads_again_to_the_same) {
  for (const auto& from : {parts{}, unusual(), with_pipeline(R"("startingOffsetsByTimestamp":{"dsp":{"0":5}})"),
                           with_pipeline(R"("output":{"prediction":"x"},"startingOffsets":"earliest")"),
                           with_node(R"("http":"[::1]:0")")}) {
    auto first = loaded(from);
    auto text = cfg::show(first);
    auto second = cfg::load_text(text, "shown");
    BOOST_REQUIRE_MESSAGE(second.has_value(), second.error().message);
    BOOST_CHECK_EQUAL(cfg::show(*second), text);
    BOOST_CHECK_EQUAL(second->fingerprint, first.fingerprint);
    BOOST_CHECK(second->pipelines[0].output.prediction == first.pipelines[0].output.prediction);
  }
}

BOOST_AUTO_TEST_CASE(show__secrets__are_left_out) {
  auto text = cfg::show(loaded(unusual()));
  BOOST_CHECK(!contains(text, "hunter"));
  BOOST_CHECK(contains(text, R"("sasl.password": "<redacted>")"));
  BOOST_CHECK(contains(text, R"("passphrase": "<redacted>")"));
  BOOST_CHECK(contains(text, R"("sasl.username": "u")"));
}

BOOST_AUTO_TEST_CASE(errors__secrets__are_left_out) {
  for (const char* member :
       {R"("sasl.password":["hunter2"])", R"("ssl.key.password":{"a":"hunter2"})", R"("ssl.key.pem":[["hunter2"]])",
        R"("sasl.pasword":"hunter2")", R"("ssl.ca.pem":["hunter2"])", R"("sasl.oauthbearer.client.secret":"hunter2")"})
    BOOST_CHECK_MESSAGE(!contains(refusal(with_kafka(member)), "hunter2"), member);
  BOOST_CHECK(!contains(refusal(with_node(R"("tls":{"passphrase":["hunter2"]})")), "hunter2"));
  BOOST_CHECK(!contains(refusal(with_node(R"("tls":"hunter2")")), "hunter2"));
  parts from;
  auto text = from.text();
  text.replace(text.find("\"kafka\":{"), 9, "\"kafka\":[{\"sasl.password\":\"hunter2\"},{");
  text.replace(text.find("},\"pipelines\""), 1, "}]");
  BOOST_CHECK(!contains(refusal_of_text(text), "hunter2"));
}

BOOST_AUTO_TEST_CASE(fingerprint__covers_cluster_and_pipelines_only) {
  auto base = loaded(parts{}).fingerprint;
  BOOST_CHECK_EQUAL(loaded(with_kafka(R"("linger.ms":5)")).fingerprint, base);
  BOOST_CHECK_EQUAL(loaded(with_node(R"("name":"n","scorers":9,"http":null,"roles":["ingest"])")).fingerprint, base);
  BOOST_CHECK_EQUAL(loaded(with_pipeline(R"("max_batch_size":512)")).fingerprint, base);
  BOOST_CHECK_EQUAL(loaded(with_sets({"pipelines.0.model=models:/games@champion"})).fingerprint, base);
  BOOST_CHECK_EQUAL(loaded(with_sets({"pipelines.0.subscribe=[\"dsp\"]"})).fingerprint, base);
  BOOST_CHECK_EQUAL(loaded(with_sets({"pipelines.0.group.id=troupe.games.games"})).fingerprint, base);
  parts reordered;
  reordered.pipeline = R"("topic":"preds","model":"games","subscribe":"dsp","name":"games")";
  BOOST_CHECK_EQUAL(loaded(reordered).fingerprint, base);
  std::set<std::string> others{base};
  for (const char* set :
       {"cluster.name=b", "cluster.heartbeat_interval_ms=251", "pipelines.0.topic=p2", "pipelines.0.model=games@b",
        "pipelines.0.output.carry=[]", "pipelines.0.output.carry=[\"a\",\"b\"]",
        "pipelines.0.output.carry=[\"b\",\"a\"]", "pipelines.0.output.prediction={\"a\":\"label\",\"b\":\"value\"}",
        "pipelines.0.output.prediction={\"b\":\"value\",\"a\":\"label\"}", "pipelines.0.startingOffsets=earliest",
        "pipelines.0.startingOffsets={\"dsp\":{\"0\":5}}", "pipelines.0.startingOffsetsByTimestamp={\"dsp\":{\"0\":5}}",
        "pipelines.0.errors.tolerance=none"})
    BOOST_CHECK_MESSAGE(others.insert(loaded(with_sets({set})).fingerprint).second, set);
}

BOOST_AUTO_TEST_CASE(fingerprint__is_stable_between_builds) {
  // Nodes of different builds of one version meet in a cluster; a change here shuts out the older ones, so make it
  // knowingly.
  BOOST_CHECK_EQUAL(cfg::fingerprinted_json(loaded(parts{})).substr(0, 40),
                    R"({"cluster":{"heartbeat_interval_ms":250,)");
  BOOST_CHECK_EQUAL(loaded(parts{}).fingerprint, "fa4caa4e8e55bff78b474aaac41a8573");
}

BOOST_AUTO_TEST_CASE(configuration_page__is_up_to_date) {
  std::ifstream file(TROUPE_SOURCE_DIR "/docs/configuration.md");
  std::stringstream page;
  page << file.rdbuf();
  BOOST_CHECK_MESSAGE(page.str() == cfg::configuration_markdown(),
                      "docs/configuration.md is not what config/schema.json says; refresh it: "
                      "troupe config schema --markdown > docs/configuration.md");
}

BOOST_AUTO_TEST_SUITE_END()
