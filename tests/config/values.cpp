// What a right config means: every option, every spelling, every default.
#include "support.hpp"

#include <thread>

using namespace test_config;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(values)

BOOST_AUTO_TEST_CASE(load__minimal_config__has_every_default) {
  auto c = loaded(parts{});
  BOOST_CHECK_EQUAL(c.cluster.name, "games");
  BOOST_CHECK(c.cluster.heartbeat_interval_ms == 250ms);
  BOOST_CHECK(c.cluster.removal_timeout_ms == 2s);
  BOOST_CHECK(c.cluster.lease_interval_ms == 500ms);
  BOOST_CHECK(c.cluster.lease_timeout_ms == 2s);
  BOOST_CHECK(c.cluster.kafka_loss_timeout_ms == 5s);
  BOOST_CHECK_EQUAL(c.cluster.replication_factor, 1);
  BOOST_REQUIRE_EQUAL(c.pipelines.size(), 1u);
  const auto& p = c.pipelines[0];
  BOOST_TEST(p.subscribe == std::vector<std::string>{"dsp"}, boost::test_tools::per_element());
  BOOST_CHECK(p.starting.at == cfg::starting_offsets::kind::latest);
  BOOST_CHECK(p.starting.values.empty());
  BOOST_CHECK(p.fail_on_data_loss);
  BOOST_CHECK_EQUAL(p.group_id, "troupe.games.games");
  BOOST_CHECK_EQUAL(p.model, "games");
  BOOST_CHECK_EQUAL(p.model_alias, "champion");
  BOOST_CHECK(p.features.empty());
  BOOST_CHECK_EQUAL(p.topic, "preds");
  BOOST_CHECK(!p.output.carry.has_value());
  BOOST_CHECK(p.output.prediction.empty());
  BOOST_TEST(p.output.headers == std::vector<std::string>{"troupe.model"}, boost::test_tools::per_element());
  BOOST_CHECK(p.output.timestamp == cfg::output_config::timestamp_from::source);
  BOOST_CHECK(p.errors.tolerance == cfg::errors_config::tolerance_kind::all);
  BOOST_CHECK_EQUAL(p.errors.dead_letter_topic, "");
  BOOST_CHECK(p.errors.context_headers);
  BOOST_CHECK_EQUAL(p.delivery, "at_least_once");
  BOOST_CHECK(p.commit_interval_ms == 100ms);
  BOOST_CHECK_EQUAL(p.max_batch_size, 512u);
  BOOST_CHECK(p.max_queue_delay_us == 0us);
  BOOST_CHECK_EQUAL(p.max_inflight_rows, 65536u);
  BOOST_CHECK_EQUAL(p.max_inflight_bytes, 64u << 20);
  BOOST_CHECK_EQUAL(p.max_uncommitted_rows, 200000u);
  BOOST_CHECK_EQUAL(p.max_row_bytes, 1u << 20);
  BOOST_CHECK_EQUAL(p.max_nesting_depth, 32u);
  BOOST_CHECK_EQUAL(c.node.listen_host, "127.0.0.1");
  BOOST_CHECK_EQUAL(c.node.listen_port, 4800);
  BOOST_CHECK_EQUAL(c.node.http_host, "127.0.0.1");
  BOOST_CHECK_EQUAL(c.node.http_port, 8080);
  BOOST_CHECK(c.node.http_enabled);
  BOOST_CHECK_EQUAL(c.node.scorers, std::max(2u, std::thread::hardware_concurrency()) - 1);
  BOOST_CHECK(c.node.has_role("ingest") && c.node.has_role("scorer") && c.node.has_role("coordinator"));
  BOOST_CHECK(!c.node.tls.enabled());
  BOOST_CHECK_EQUAL(c.node.log_level, "info");
  BOOST_CHECK_EQUAL(c.node.log_format, "text");
  BOOST_CHECK_EQUAL(c.node.name, "");
  BOOST_CHECK_EQUAL(c.fingerprint.size(), 32u);
}

BOOST_AUTO_TEST_CASE(load__node_section_absent__has_its_defaults) {
  auto c = cfg::load_text(R"({"cluster":{"name":"a"},"kafka":{"bootstrap.servers":"k:9092"},
    "pipelines":[{"name":"p","subscribe":["x"],"model":"m","topic":"y"}]})",
                          "c.json");
  BOOST_REQUIRE_MESSAGE(c.has_value(), c.error().message);
  BOOST_CHECK_EQUAL(c->node.listen_port, 4800);
}

BOOST_AUTO_TEST_CASE(load__every_option_given__arrives) {
  parts from;
  from.cluster = R"("name":"a.b-c_9","heartbeat_interval_ms":100,"removal_timeout_ms":900,"lease_interval_ms":200,
    "lease_timeout_ms":700,"kafka_loss_timeout_ms":3000,"replication_factor":3)";
  from.kafka =
      R"("bootstrap.servers":"k1:9092,k2:9092","linger.ms":0.5,"socket.nagle.disable":true,"client.rack":"r1")";
  from.pipeline = R"x("name":"p","subscribe":["x","y"],"startingOffsets":{"x":{"0":23,"1":-1},"y":{"7":-2}},
    "failOnDataLoss":false,"group.id":"g","model":"models:/games@challenger","features":["G1","G2"],"topic":"out",
    "output":{"carry":["/user/id","t"],"prediction":{"p":"probability(yes)","l":"label","m":"model"},
      "headers":["troupe.source","troupe.model","troupe.node","troupe.lane","troupe.sha256"],"timestamp":"now"},
    "errors":{"tolerance":"none","deadletterqueue.topic.name":"dlq","deadletterqueue.context.headers.enable":false},
    "delivery":"at_least_once","commit.interval.ms":50,"max_batch_size":64,"max_queue_delay_us":250,
    "max_inflight_rows":1000,"max_inflight_bytes":17179869184,"max_uncommitted_rows":5000,
    "max_row_bytes":8388608,"max_nesting_depth":8)x";
  from.node = R"("name":"n1","listen":"[::1]:0","advertise":"host-1.example:4801","http":null,"scorers":4,
    "roles":["scorer"],"index":255,"tls":{"certificate":"c.pem","key":"k.pem","ca":"ca.pem","passphrase":"x"},
    "log":{"level":"trace","format":"json"})";
  auto c = loaded(from);
  BOOST_CHECK(c.cluster.heartbeat_interval_ms == 100ms && c.cluster.removal_timeout_ms == 900ms);
  BOOST_CHECK(c.cluster.lease_interval_ms == 200ms && c.cluster.lease_timeout_ms == 700ms);
  BOOST_CHECK(c.cluster.kafka_loss_timeout_ms == 3s);
  BOOST_CHECK_EQUAL(c.cluster.replication_factor, 3);
  BOOST_CHECK_EQUAL(c.kafka.at("bootstrap.servers"), "k1:9092,k2:9092");
  BOOST_CHECK_EQUAL(c.kafka.at("linger.ms"), "0.5");
  BOOST_CHECK_EQUAL(c.kafka.at("socket.nagle.disable"), "true");
  const auto& p = c.pipelines.at(0);
  BOOST_CHECK(p.starting.at == cfg::starting_offsets::kind::explicit_offsets);
  BOOST_CHECK_EQUAL(p.starting.values.at("x").at(0), 23);
  BOOST_CHECK_EQUAL(p.starting.values.at("x").at(1), -1);
  BOOST_CHECK_EQUAL(p.starting.values.at("y").at(7), -2);
  BOOST_CHECK(!p.fail_on_data_loss);
  BOOST_CHECK_EQUAL(p.group_id, "g");
  BOOST_CHECK_EQUAL(p.model, "games");
  BOOST_CHECK_EQUAL(p.model_alias, "challenger");
  BOOST_CHECK_EQUAL(p.features.size(), 2u);
  BOOST_CHECK_EQUAL(p.output.carry->at(0), "/user/id");
  BOOST_REQUIRE_EQUAL(p.output.prediction.size(), 3u);
  BOOST_CHECK_EQUAL(p.output.prediction[0].first, "p");
  BOOST_CHECK_EQUAL(p.output.prediction[0].second, "probability(yes)");
  BOOST_CHECK_EQUAL(p.output.prediction[2].first, "m");
  BOOST_CHECK_EQUAL(p.output.headers.at(0), "troupe.source");
  BOOST_CHECK(p.output.timestamp == cfg::output_config::timestamp_from::now);
  BOOST_CHECK(p.errors.tolerance == cfg::errors_config::tolerance_kind::none);
  BOOST_CHECK_EQUAL(p.errors.dead_letter_topic, "dlq");
  BOOST_CHECK(!p.errors.context_headers);
  BOOST_CHECK(p.commit_interval_ms == 50ms && p.max_queue_delay_us == 250us);
  BOOST_CHECK_EQUAL(p.max_batch_size, 64u);
  BOOST_CHECK_EQUAL(p.max_inflight_rows, 1000u);
  BOOST_CHECK_EQUAL(p.max_inflight_bytes, 17179869184u);
  BOOST_CHECK_EQUAL(p.max_uncommitted_rows, 5000u);
  BOOST_CHECK_EQUAL(p.max_row_bytes, 8388608u);
  BOOST_CHECK_EQUAL(p.max_nesting_depth, 8u);
  BOOST_CHECK_EQUAL(c.node.name, "n1");
  BOOST_CHECK_EQUAL(c.node.listen_host, "::1");
  BOOST_CHECK_EQUAL(c.node.listen_port, 0);
  BOOST_CHECK_EQUAL(c.node.advertise, "host-1.example:4801");
  BOOST_CHECK(!c.node.http_enabled);
  BOOST_CHECK_EQUAL(c.node.scorers, 4u);
  BOOST_CHECK(c.node.has_role("scorer") && !c.node.has_role("ingest"));
  BOOST_CHECK_EQUAL(c.node.index, 255u);
  BOOST_CHECK(c.node.tls.enabled());
  BOOST_CHECK_EQUAL(c.node.tls.passphrase, "x");
  BOOST_CHECK_EQUAL(c.node.log_level, "trace");
  BOOST_CHECK_EQUAL(c.node.log_format, "json");
}

BOOST_AUTO_TEST_CASE(subscribe__comma_list__is_split_and_trimmed) {
  parts from;
  from.pipeline = R"("name":"p","subscribe":" a , b,c ","model":"m","topic":"o")";
  auto c = loaded(from);
  BOOST_TEST(c.pipelines[0].subscribe == (std::vector<std::string>{"a", "b", "c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(starting_offsets__spellings__mean_the_same) {
  using kind = cfg::starting_offsets::kind;
  BOOST_CHECK(loaded(with_pipeline(R"("startingOffsets":"earliest")")).pipelines[0].starting.at == kind::earliest);
  auto object = loaded(with_pipeline(R"("startingOffsets":{"dsp":{"0":23,"1":-1}})"));
  auto text = loaded(with_pipeline(R"("startingOffsets":" {\"dsp\":{\"0\":23,\"1\":-1}}")"));
  BOOST_CHECK(object.pipelines[0].starting.values == text.pipelines[0].starting.values);
  BOOST_CHECK_EQUAL(object.fingerprint, text.fingerprint);
  auto times = loaded(with_pipeline(R"("startingOffsetsByTimestamp":{"dsp":{"0":1700000000000}})"));
  BOOST_CHECK(times.pipelines[0].starting.at == kind::timestamp);
  BOOST_CHECK_EQUAL(times.pipelines[0].starting.values.at("dsp").at(0), 1700000000000);
}

BOOST_AUTO_TEST_CASE(model__spellings__give_name_and_alias) {
  for (auto [text, name, alias] :
       {std::tuple("games", "games", "champion"), std::tuple("games@champion", "games", "champion"),
        std::tuple("models:/games@blue", "games", "blue"), std::tuple("models:/games", "games", "champion")}) {
    parts from;
    from.pipeline = R"("name":"p","subscribe":"a","topic":"o","model":")" + std::string(text) + "\"";
    auto c = loaded(from);
    BOOST_CHECK_EQUAL(c.pipelines[0].model, name);
    BOOST_CHECK_EQUAL(c.pipelines[0].model_alias, alias);
  }
}

BOOST_AUTO_TEST_CASE(errors__long_names_of_connect__are_the_same_options) {
  auto c = loaded(with_pipeline(R"("errors":{"errors.tolerance":"none","errors.deadletterqueue.topic.name":"dlq",
    "errors.deadletterqueue.context.headers.enable":false})"));
  BOOST_CHECK(c.pipelines[0].errors.tolerance == cfg::errors_config::tolerance_kind::none);
  BOOST_CHECK_EQUAL(c.pipelines[0].errors.dead_letter_topic, "dlq");
  BOOST_CHECK(!c.pipelines[0].errors.context_headers);
}

BOOST_AUTO_TEST_CASE(max_offsets_per_trigger__is_another_name_for_max_inflight_rows) {
  BOOST_CHECK_EQUAL(loaded(with_pipeline(R"("maxOffsetsPerTrigger":2000)")).pipelines[0].max_inflight_rows, 2000u);
}

BOOST_AUTO_TEST_CASE(prediction__a_name__leaves_the_choice_to_the_model) {
  auto c = loaded(with_pipeline(R"("output":{"prediction":"score","carry":[]})"));
  BOOST_REQUIRE_EQUAL(c.pipelines[0].output.prediction.size(), 1u);
  BOOST_CHECK_EQUAL(c.pipelines[0].output.prediction[0].first, "score");
  BOOST_CHECK_EQUAL(c.pipelines[0].output.prediction[0].second, "");
  BOOST_CHECK(c.pipelines[0].output.carry.has_value() && c.pipelines[0].output.carry->empty());
}

BOOST_AUTO_TEST_CASE(node_name__given_as_option__wins) {
  parts from = with_node(R"("name":"from-file")");
  auto options = options_of(from);
  options.node_name = "from-flag";
  auto c = cfg::load_text(from.text(), "c.json", options);
  BOOST_REQUIRE(c.has_value());
  BOOST_CHECK_EQUAL(c->node.name, "from-flag");
  options.node_name = "Not A Name";
  auto bad = cfg::load_text(from.text(), "c.json", options);
  BOOST_REQUIRE(!bad.has_value());
  BOOST_CHECK(contains(bad.error().message, "node.name: \"Not A Name\" is not allowed"));
}

BOOST_AUTO_TEST_CASE(load__several_pipelines__keeps_their_order) {
  auto c = cfg::load_text(R"({"cluster":{"name":"a"},"kafka":{"bootstrap.servers":"k:9092"},"pipelines":[
    {"name":"one","subscribe":"x","model":"m","topic":"y"},{"name":"two","subscribe":"y","model":"m@b","topic":"z"}]})",
                          "c");
  BOOST_REQUIRE_MESSAGE(c.has_value(), c.error().message);
  BOOST_CHECK_EQUAL(c->pipelines.at(0).name, "one");
  BOOST_CHECK_EQUAL(c->pipelines.at(1).group_id, "troupe.a.two");
}

BOOST_AUTO_TEST_CASE(example__of_the_repository__loads) {
  auto c = cfg::load_file(TROUPE_SOURCE_DIR "/examples/cluster.json");
  BOOST_REQUIRE_MESSAGE(c.has_value(), c.error().message);
  BOOST_CHECK_EQUAL(c->pipelines.at(0).errors.dead_letter_topic, "dsp.dlq");
  BOOST_CHECK_EQUAL(c->pipelines.at(0).output.carry->at(0), "User_ID");
  BOOST_CHECK_EQUAL(cfg::summary(*c), "cluster games, 1 pipeline (games), fingerprint " + c->fingerprint);
}

BOOST_AUTO_TEST_SUITE_END()
