// What the schema and the checks behind it refuse, and the sentences they say.
#include "support.hpp"

using namespace test_config;

BOOST_AUTO_TEST_SUITE(checks)

BOOST_AUTO_TEST_CASE(unknown_option__names_the_nearest) {
  check_only_line(refusal(with_pipeline(R"("comit.interval.ms":5)")),
                  "pipelines[0].comit.interval.ms: unknown option; did you mean commit.interval.ms?");
  struct {
    parts from;
    const char* says;
  } cases[] = {
      {with_pipeline(R"("commitIntervalMs":5)"), "did you mean commit.interval.ms?"},
      {with_pipeline(R"("maxBatchSize":5)"), "did you mean max_batch_size?"},
      {with_pipeline(R"("starting_offsets":"latest")"), "did you mean startingOffsets?"},
      {with_pipeline(R"("tpoic":"x")"), "did you mean topic?"},
      {with_pipeline(R"("errors":{"errors.tolerence":"all"})"),
       "pipelines[0].errors.errors.tolerence: unknown option; did you mean errors.tolerance?"},
      {with_pipeline(R"("output":{"cary":[]})"), "pipelines[0].output.cary: unknown option; did you mean carry?"},
      {with_pipeline(R"("scorers":5)"), "it belongs in node"},
      {with_pipeline(R"("certificate":"x")"), "it belongs in node.tls"},
      {with_node(R"("delivery":"x")"), "it belongs in pipelines[]"},
      {with_pipeline(R"("subscribePattern":"x.*")"), "pipelines[0].subscribePattern: unknown option"},
      {with_node(R"("tls":{"cert":"x"})"), "node.tls.cert: unknown option; did you mean certificate?"},
      {with_cluster(R"("heartbeat_interval":250)"), "did you mean heartbeat_interval_ms?"},
      {with_cluster(R"("qqqqqq":1)"), "known here: name, heartbeat_interval_ms"},
      {with_cluster(R"("":1)"), "unknown option"},
  };
  for (const auto& one : cases) {
    auto message = refusal(one.from);
    BOOST_CHECK_MESSAGE(contains(message, one.says), message);
    BOOST_CHECK_EQUAL(lines(message), 1u);
  }
  BOOST_CHECK(
      contains(refusal_of_text(R"({"clusters":{}})"), "c.json: clusters: unknown option; did you mean cluster?"));
  BOOST_CHECK(contains(refusal_of_text(R"({"include":"other.json"})"), "c.json: include: unknown option"));
}

BOOST_AUTO_TEST_CASE(wrong_value__says_place_value_and_what_is_allowed) {
  check_only_line(refusal(with_pipeline(R"("max_batch_size":0)")),
                  "pipelines[0].max_batch_size: 0 is not allowed; must be an integer from 1 to 65536 (rows)");
  struct {
    parts from;
    const char* says;
  } cases[] = {
      {with_pipeline(R"("max_batch_size":65537)"), "65537 is not allowed; must be an integer from 1 to 65536"},
      {with_pipeline(R"("max_batch_size":"512")"), "\"512\" is not allowed; must be an integer"},
      {with_pipeline(R"("max_batch_size":null)"), "null is not allowed"},
      {with_pipeline(R"("commit.interval.ms":"100ms")"),
       "\"100ms\" is not allowed; must be an integer from 1 to 60000 (ms)"},
      {with_pipeline(R"("commit.interval.ms":0.1)"), "0.1 is not allowed"},
      {with_pipeline(R"("max_row_bytes":8388609)"), "must be an integer from 1 to 8388608 (bytes)"},
      {with_pipeline(R"("failOnDataLoss":"true")"), "\"true\" is not allowed; must be true or false"},
      {with_pipeline(R"("startingOffsets":"newest")"),
       "\"newest\" is not allowed; must be \"earliest\", \"latest\" or an object"},
      {with_pipeline(R"("startingOffsets":"{\"dsp\":")"),
       "pipelines[0].startingOffsets: the string holds an object that can't be read"},
      {with_pipeline(R"("startingOffsets":{"dsp":{"0":-3}})"),
       "pipelines[0].startingOffsets.dsp.0: -3 is not allowed; must be an offset"},
      {with_pipeline(R"("startingOffsets":{"dsp":5})"), "pipelines[0].startingOffsets.dsp: 5 is not allowed"},
      {with_pipeline(R"("startingOffsets":{"dsp":{"x":5}})"), "pipelines[0].startingOffsets.dsp.x: is not a partition"},
      {with_pipeline(R"("startingOffsets":{"dsp":{"-1":5}})"), "is not a partition"},
      {with_pipeline(R"("startingOffsets":{"dsp":{"01":5}})"), "is not a partition"},
      {with_pipeline(R"("startingOffsets":{"dsp":{"2147483648":5}})"), "is not a partition"},
      {with_pipeline(R"("startingOffsets":{"dps":{"0":5}})"),
       "pipelines[0].startingOffsets.dps: is not among the topics of subscribe; did you mean dsp?"},
      {with_pipeline(R"("startingOffsets":"earliest","startingOffsetsByTimestamp":{"dsp":{"0":5}})"),
       "startingOffsets is given too; remove one"},
      {with_pipeline(R"("startingOffsetsByTimestamp":"yesterday")"), "must be an object such as"},
      {with_pipeline(R"("group.id":"")"), "\"\" is not allowed"},
      {with_pipeline(R"("features":["a",3])"),
       "pipelines[0].features[1]: 3 is not allowed; must be a string that is not empty"},
      {with_pipeline(R"("features":["a","b","a"])"), "pipelines[0].features[2]: a is named twice"},
      {with_pipeline(R"("output":{"carry":["a","a"]})"), "pipelines[0].output.carry[1]: a is named twice"},
      {with_pipeline(R"("output":{"carry":"a"})"),
       "pipelines[0].output.carry: \"a\" is not allowed; must be an array of field names"},
      {with_pipeline(R"("output":{"carry":["/a~2"]})"), "is not a JSON pointer"},
      {with_pipeline(R"("output":{"carry":["a"],"prediction":"a"})"), "\"a\" is also the name of a prediction"},
      {with_pipeline(R"("output":{"prediction":""})"),
       "pipelines[0].output.prediction: \"\" is not allowed; must be a name"},
      {with_pipeline(R"("output":{"prediction":{}})"), "pipelines[0].output.prediction: {} is not allowed"},
      {with_pipeline(R"("output":{"prediction":{"a":"proba"}})"),
       "pipelines[0].output.prediction.a: \"proba\" is not allowed; must be probability, probability(CLASS)"},
      {with_pipeline(R"x("output":{"prediction":{"a":"value(x)"}})x"), "\"value(x)\" is not allowed"},
      {with_pipeline(R"("output":{"headers":["troupe.row"]})"),
       "pipelines[0].output.headers[0]: \"troupe.row\" is not allowed; must be one of troupe.model, troupe.sha256, "
       "troupe.source"},
      {with_pipeline(R"("output":{"headers":["troupe.node","troupe.node"]})"), "none twice"},
      {with_pipeline(R"("output":{"timestamp":"never"})"), "must be one of source, now"},
      {with_pipeline(R"("output":[])"), "pipelines[0].output: an array is not allowed; must be an object"},
      {with_pipeline(R"("errors":{"tolerance":"some"})"), "must be one of none, all"},
      {with_pipeline(R"("errors":{"errors.tolerance":"some"})"),
       "pipelines[0].errors.errors.tolerance: \"some\" is not allowed"},
      {with_pipeline(R"("errors":{"tolerance":"all","errors.tolerance":"all"})"),
       "is another name for tolerance, which is given too"},
      {with_pipeline(R"("maxOffsetsPerTrigger":0)"), "pipelines[0].maxOffsetsPerTrigger: 0 is not allowed"},
      {with_pipeline(R"("maxOffsetsPerTrigger":5000,"max_inflight_rows":5000)"),
       "is another name for max_inflight_rows"},
      {with_pipeline(R"("delivery":"at_most_once")"),
       "\"at_most_once\" is not allowed; must be one of at_least_once, exactly_once"},
      {with_cluster(R"("replication_factor":0)"), "cluster.replication_factor: 0 is not allowed"},
      {with_node(R"("scorers":-1)"), "node.scorers: -1 is not allowed; must be an integer from 0 to 1024"},
      {with_node(R"("index":256)"), "node.index: 256 is not allowed; must be an integer from 0 to 255"},
      {with_node(R"("roles":[])"), "node.roles: [] is not allowed"},
      {with_node(R"("roles":["ingest","ingest"])"), "node.roles: [\"ingest\",\"ingest\"] is not allowed"},
      {with_node(R"("roles":["leader"])"),
       "node.roles[0]: \"leader\" is not allowed; must be one of ingest, scorer, coordinator"},
      {with_node(R"("name":"A")"), "node.name: \"A\" is not allowed"},
      {with_node(R"("log":{"level":"loud"})"),
       "node.log.level: \"loud\" is not allowed; must be one of trace, debug, info, warn, error"},
      {with_node(R"("http":false)"), "node.http: false is not allowed"},
      {with_node(R"("listen":null)"), "node.listen: null is not allowed"},
      {with_kafka(R"("linger.ms":[1])"), "kafka.linger.ms: [1] is not allowed"},
  };
  for (const auto& one : cases) {
    auto message = refusal(one.from);
    BOOST_CHECK_MESSAGE(contains(message, one.says), message << " -- expected " << one.says);
    BOOST_CHECK_MESSAGE(lines(message) == 1, message);
  }
}

BOOST_AUTO_TEST_CASE(names_and_topics__outside_their_alphabet__are_refused) {
  for (std::string name : {"", "A", "-a", "a b", "a/b", "ä", "a\\n"}) {
    parts from;
    from.cluster = "\"name\":\"" + name + "\"";
    BOOST_CHECK(contains(refusal(from), "cluster.name: "));
  }
  parts longest;
  longest.cluster = "\"name\":\"" + std::string(64, 'a') + "\"";
  BOOST_CHECK(load(longest).has_value());
  longest.cluster = "\"name\":\"" + std::string(65, 'a') + "\"";
  BOOST_CHECK(contains(refusal(longest), "cluster.name: "));
  for (std::string topic :
       {"", "a b", "a/b", ".", "..", "troupe.games.control", "troupe.games.lease", "troupe.games.models"}) {
    parts from;
    from.pipeline = R"("name":"p","subscribe":"dsp","model":"m","topic":")" + topic + "\"";
    BOOST_CHECK(contains(refusal(from), "pipelines[0].topic: "));
    from.pipeline = R"("name":"p","topic":"o","model":"m","subscribe":["x",")" + topic + "\"]";
    BOOST_CHECK(contains(refusal(from), "pipelines[0].subscribe[1]: "));
  }
  for (std::string subscribe : {"[]", "\"\"", "\"a,,b\"", "\"a,a\"", "[\"a\",\"a\"]", "3", "{}", "[3]", "null"}) {
    parts from;
    from.pipeline = R"("name":"p","topic":"o","model":"m","subscribe":)" + subscribe;
    BOOST_CHECK(contains(refusal(from), "pipelines[0].subscribe"));
  }
  // What a push would refuse can never be followed.
  const std::string full(64, 'g');
  const std::vector<std::string> wrong{"",
                                       "@",
                                       "games@",
                                       "@champion",
                                       "a b",
                                       "a@b@c",
                                       "models:/",
                                       "Games",
                                       "games@Champion",
                                       "_games",
                                       full + "s",
                                       "models:games/1",
                                       "games@" + full + "s"};
  for (const auto& model : wrong) {
    parts from;
    from.pipeline = R"("name":"p","topic":"o","subscribe":"x","model":")" + model + "\"";
    BOOST_CHECK(contains(refusal(from), "pipelines[0].model: "));
  }
  parts version;
  version.pipeline = R"("name":"p","topic":"o","subscribe":"x","model":"games@3")";
  check_only_line(refusal(version),
                  "pipelines[0].model: games@3 names a version; a pipeline follows an alias, such as games@champion");
}

BOOST_AUTO_TEST_CASE(required__missing__are_named_with_what_they_are) {
  auto message = refusal_of_text("{}");
  for (const char* name : {"cluster: is required", "kafka: is required", "pipelines: is required"})
    BOOST_CHECK_MESSAGE(contains(message, name), message);
  message = refusal_of_text(R"({"cluster":{},"kafka":{},"pipelines":[{}]})");
  for (const char* name : {"cluster.name: is required", "kafka.bootstrap.servers: is required: brokers",
                           "pipelines[0].name: is required", "pipelines[0].subscribe: is required",
                           "pipelines[0].model: is required: a registered model", "pipelines[0].topic: is required"})
    BOOST_CHECK_MESSAGE(contains(message, name), message);
  BOOST_CHECK_EQUAL(lines(message), 6u);
  BOOST_CHECK(contains(refusal_of_text(R"({"cluster":{"name":"a"},"kafka":{"bootstrap.servers":"k"},"pipelines":[]})"),
                       "pipelines: "));
}

BOOST_AUTO_TEST_CASE(several_errors__are_reported_together_a_line_each) {
  parts from;
  from.cluster = R"("name":"games","removal_timeout_ms":500)";
  from.kafka = R"("bootstrap.servers":"k:9092","plugin.library.paths":"/tmp/x.so","lingerms":5)";
  from.pipeline =
      R"("name":"games","subscribe":"dsp","model":"games","topic":"dsp","comit.interval.ms":1,"max_batch_size":0,
    "output":{"headers":["troupe.txn"]})";
  from.node = R"("listen":"0.0.0.0:4800","log":{"level":"loud"})";
  auto message = refusal(from);
  for (const char* part : {"cluster.removal_timeout_ms: 500", "kafka.plugin.library.paths: is refused",
                           "kafka.lingerms: ", "pipelines[0].topic: dsp is also a source",
                           "pipelines[0].comit.interval.ms: unknown option", "pipelines[0].max_batch_size: 0",
                           "pipelines[0].output.headers[0]: troupe.txn names a transaction",
                           "node.listen: 0.0.0.0 can be reached", "node.log.level: \"loud\""})
    BOOST_CHECK_MESSAGE(contains(message, std::string("c.json: ") + part), message << " -- expected " << part);
}

BOOST_AUTO_TEST_CASE(sections_of_a_wrong_type__do_not_hide_other_errors) {
  auto message = refusal_of_text(R"({"cluster":3,"kafka":[],"pipelines":[4,{"name":"p"}],"node":"x"})");
  for (const char* part :
       {"cluster: a number is not allowed; must be an object", "kafka: an array is not allowed",
        "pipelines[0]: a number is not allowed", "pipelines[1].topic: is required", "node: a string is not allowed"})
    BOOST_CHECK_MESSAGE(contains(message, part), message);
  BOOST_CHECK(contains(refusal_of_text(R"({"cluster":{"name":"a"},"kafka":{"bootstrap.servers":"k"},"pipelines":{}})"),
                       "pipelines: {} is not allowed; must be an array"));
}

BOOST_AUTO_TEST_CASE(meaning__related_bounds__are_compared) {
  struct {
    parts from;
    const char* says;
  } cases[] = {
      {with_cluster(R"("removal_timeout_ms":999)"),
       "cluster.removal_timeout_ms: 999 is not allowed; must be at least 4 heartbeats, 1000 ms"},
      {with_cluster(R"("heartbeat_interval_ms":501)"), "cluster.removal_timeout_ms: 2000 is not allowed"},
      {with_cluster(R"("lease_timeout_ms":1499)"),
       "cluster.lease_timeout_ms: 1499 is not allowed; must be at least 3 lease intervals, 1500 ms"},
      {with_cluster(R"("kafka_loss_timeout_ms":999)"), "cluster.kafka_loss_timeout_ms: 999 is not allowed"},
      {with_pipeline(R"("max_inflight_rows":511)"),
       "pipelines[0].max_inflight_rows: 511 is not allowed; must be at least max_batch_size, 512"},
      {with_pipeline(R"("max_inflight_bytes":1048575)"),
       "pipelines[0].max_inflight_bytes: 1048575 is not allowed; must be at least max_row_bytes, 1048576"},
      {with_pipeline(R"("max_uncommitted_rows":65535)"),
       "pipelines[0].max_uncommitted_rows: 65535 is not allowed; must be at least max_inflight_rows, 65536"},
      {with_pipeline(R"("delivery":"exactly_once","commit.interval.ms":5001)"),
       "pipelines[0].commit.interval.ms: 5001 is not allowed; with exactly_once at most 5000 ms"},
      {with_pipeline(R"("output":{"headers":["troupe.model","troupe.txn"]})"),
       "pipelines[0].output.headers[1]: troupe.txn names a transaction, and only delivery exactly_once has them"},
      {with_pipeline(R"("errors":{"deadletterqueue.topic.name":"dsp"})"),
       "pipelines[0].errors.deadletterqueue.topic.name: dsp is also a source"},
      {with_pipeline(R"("errors":{"deadletterqueue.topic.name":"preds"})"), "preds is also the output topic"},
      {with_pipeline(R"("errors":{"errors.deadletterqueue.topic.name":"preds"})"), "preds is also the output topic"},
  };
  for (const auto& one : cases) {
    auto message = refusal(one.from);
    BOOST_CHECK_MESSAGE(contains(message, one.says), message << " -- expected " << one.says);
    BOOST_CHECK_EQUAL(lines(message), 1u);
  }
  BOOST_CHECK(load(with_cluster(R"("removal_timeout_ms":1000,"lease_timeout_ms":1500,"kafka_loss_timeout_ms":1000)"))
                  .has_value());
  BOOST_CHECK(load(with_pipeline(R"("max_inflight_rows":512,"max_uncommitted_rows":512,"max_inflight_bytes":1048576)"))
                  .has_value());
}

BOOST_AUTO_TEST_CASE(meaning__two_pipelines__do_not_share_names_or_groups) {
  auto two = [](const std::string& first, const std::string& second) {
    return refusal_of_text(R"({"cluster":{"name":"a"},"kafka":{"bootstrap.servers":"k:9092"},)"
                           R"("pipelines":[{"subscribe":"x","model":"m","topic":"y",)" +
                           first + R"(},{"subscribe":"x","model":"m","topic":"z",)" + second + "}]}");
  };
  check_only_line(two(R"("name":"p")", R"("name":"p")"),
                  "pipelines[1].name: p is the name of pipelines[0] too; each needs its own");
  BOOST_CHECK(contains(two(R"("name":"p","group.id":"g")", R"("name":"q","group.id":"g")"),
                       "pipelines[1].group.id: g is the group of pipelines[0] too"));
  BOOST_CHECK(contains(two(R"("name":"p")", R"("name":"q","group.id":"troupe.a.p")"), "pipelines[1].group.id: "));
}

BOOST_AUTO_TEST_CASE(meaning__addresses__loopback_or_tls) {
  const std::string tls = R"("tls":{"certificate":"c","key":"k","ca":"a"})";
  for (std::string host : {"0.0.0.0", "10.0.0.1", "[::]", "example.org", "128.0.0.1", "[2001:db8::1]",
                           "localhost.example", "127.evil.example"}) {
    auto message = refusal(with_node("\"listen\":\"" + host + ":4800\""));
    BOOST_CHECK_MESSAGE(contains(message, "node.listen: ") && contains(message, "configure node.tls"), message);
    auto secured = load(with_node("\"advertise\":\"n:1\",\"listen\":\"" + host + ":4800\"," + tls));
    BOOST_CHECK_MESSAGE(secured.has_value(), secured.error().message);
    BOOST_CHECK(contains(refusal(with_node("\"http\":\"" + host + ":8080\"," + tls)), "node.http: "));
  }
  for (std::string host : {"127.0.0.1", "127.9.9.9", "[::1]", "localhost"})
    BOOST_CHECK(load(with_node("\"listen\":\"" + host + ":4800\",\"http\":\"" + host + ":0\"")).has_value());
  for (std::string bad :
       {"", "x", "4800", ":4800", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:80 ", "::1:4800", "[::1]", "[x]:1", "999.1.1.1:5", "127.1:5", "a b:5", "http://a:5", "-a:5"})
    for (std::string name : {"listen", "http"})
      BOOST_CHECK(contains(refusal(with_node("\"" + name + "\":\"" + bad + "\"")), "node." + name + ": "));
  BOOST_CHECK(contains(refusal(with_node("\"listen\":\"0.0.0.0:4800\"," + tls)),
                       "node.advertise: is required with listen on 0.0.0.0"));
  for (std::string bad : {"x", "0.0.0.0:1", "h:0", "[::]:5"})
    BOOST_CHECK(contains(refusal(with_node("\"advertise\":\"" + bad + "\"")), "node.advertise: "));
  BOOST_CHECK(contains(refusal(with_node(R"("listen":"127.0.0.1:5000","http":"127.0.0.1:5000")")),
                       "node.http: port 5000 is that of listen"));
}

BOOST_AUTO_TEST_CASE(meaning__tls__is_all_or_nothing) {
  auto message = refusal(with_node(R"("tls":{"certificate":"c"})"));
  BOOST_CHECK(contains(message, "node.tls.key: is missing") && contains(message, "node.tls.ca: is missing"));
  BOOST_CHECK(contains(refusal(with_node(R"("tls":{"passphrase":"hunter2"})")), "node.tls.certificate: is missing"));
  BOOST_CHECK(load(with_node(R"("tls":{})")).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
