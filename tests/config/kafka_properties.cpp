// The allow-list of librdkafka's properties.
#include "config/kafka_properties.hpp"
#include "support.hpp"

#include <set>

using namespace test_config;

BOOST_AUTO_TEST_SUITE(kafka_properties)

BOOST_AUTO_TEST_CASE(allowed__common_ones__pass_as_strings) {
  auto c = loaded(
      with_kafka(R"("client.id":"t","broker.address.family":"v4","linger.ms":5,"queued.max.messages.kbytes":65536,
    "fetch.wait.max.ms":"10","socket.timeout.ms":10000,"request.timeout.ms":30000,"compression.type":"lz4",
    "socket.keepalive.enable":true,"debug":"broker, fetch","topic.metadata.refresh.interval.ms":-1)"));
  BOOST_CHECK_EQUAL(c.kafka.at("linger.ms"), "5");
  BOOST_CHECK_EQUAL(c.kafka.at("fetch.wait.max.ms"), "10");
  BOOST_CHECK_EQUAL(c.kafka.at("socket.keepalive.enable"), "true");
  BOOST_CHECK_EQUAL(c.kafka.at("topic.metadata.refresh.interval.ms"), "-1");
  BOOST_CHECK_EQUAL(c.kafka.size(), 12u);
}

BOOST_AUTO_TEST_CASE(dangerous__are_refused_by_name) {
  for (const char* name : {"plugin.library.paths", "ssl.engine.location", "ssl.providers", "sasl.kerberos.kinit.cmd",
                           "sasl.oauthbearer.token.endpoint.url", "test.mock.num.brokers", "enable.auto.commit",
                           "isolation.level", "transactional.id", "group.instance.id", "group.id", "acks",
                           "enable.idempotence", "enable.ssl.certificate.verification", "interceptors", "opaque",
                           "message.timeout.ms", "delivery.timeout.ms", "message.max.bytes"})
    for (const char* value : {"\"x\"", "1", "true", "\"\""}) {
      auto message = refusal(with_kafka("\"" + std::string(name) + "\":" + value));
      BOOST_CHECK_MESSAGE(message.rfind("c.json: kafka." + std::string(name) + ": is refused: ", 0) == 0, message);
      BOOST_CHECK_EQUAL(lines(message), 1u);
    }
}

BOOST_AUTO_TEST_CASE(debug__contexts_that_write_secrets__are_refused) {
  for (const char* value : {"all", "security", "conf", "broker,all", "", "broker,", "protocol", "plugin"})
    BOOST_CHECK(contains(refusal(with_kafka("\"debug\":\"" + std::string(value) + "\"")), "kafka.debug: "));
}

BOOST_AUTO_TEST_CASE(unknown__names_the_nearest) {
  check_only_line(refusal(with_kafka(R"("lingerms":5)")), "kafka.lingerms: unknown property; did you mean linger.ms?");
  BOOST_CHECK(contains(refusal(with_kafka(R"("Client.ID":"x")")), "did you mean client.id?"));
  BOOST_CHECK(
      contains(refusal(with_kafka(R"("sasl.jaas.config":"com.sun.security.auth.module.JndiLoginModule required;")")),
               "kafka.sasl.jaas.config: "));
  BOOST_CHECK(contains(refusal(with_kafka(R"("":"x")")), "kafka.: "));
}

BOOST_AUTO_TEST_CASE(values__out_of_bounds__are_refused) {
  struct {
    const char* member;
    const char* says;
  } cases[] = {
      {R"("linger.ms":-1)", "must be a number from 0 to 900000"},
      {R"("linger.ms":"5ms")", "\"5ms\" is not allowed"},
      {R"("linger.ms":true)", "true is not allowed"},
      {R"("socket.timeout.ms":9)", "must be an integer from 10 to 300000"},
      {R"("socket.timeout.ms":10.5)", "10.5 is not allowed"},
      {R"("socket.timeout.ms":" 10")", "is not allowed"},
      {R"("socket.timeout.ms":"")", "is not allowed"},
      {R"("socket.keepalive.enable":1)", "must be true or false"},
      {R"("compression.type":"brotli")", "must be one of none, gzip, snappy, lz4, zstd"},
      {R"("broker.address.family":"v5")", "must be one of any, v4, v6"},
      {R"("security.protocol":"tls")", "must be one of plaintext, ssl, sasl_plaintext, sasl_ssl"},
      {R"("client.id":"")", "a string that is not empty"},
      {R"("request.timeout.ms":null)", "null is not allowed"},
  };
  for (const auto& one : cases)
    BOOST_CHECK_MESSAGE(contains(refusal(with_kafka(one.member)), one.says),
                        one.member << ": " << refusal(with_kafka(one.member)));
}

BOOST_AUTO_TEST_CASE(security__halves__are_refused) {
  BOOST_CHECK(contains(refusal(with_kafka(R"("security.protocol":"sasl_ssl")")), "kafka.sasl.mechanism: is required"));
  BOOST_CHECK(contains(refusal(with_kafka(R"("security.protocol":"SASL_SSL","sasl.mechanism":"PLAIN")")),
                       "kafka.sasl.password: is required"));
  BOOST_CHECK(contains(refusal(with_kafka(R"("sasl.password":"hunter2")")), "has no effect without security.protocol"));
  BOOST_CHECK(
      contains(refusal(with_kafka(R"("ssl.ca.location":"ca.pem")")), "has no effect without security.protocol"));
  BOOST_CHECK(contains(refusal(with_kafka(R"("security.protocol":"sasl_ssl","sasl.mechanism":"GSSAPI")")),
                       "must be one of PLAIN"));
  BOOST_CHECK(contains(refusal(with_kafka(R"("security.protocol":"sasl_ssl","sasl.mechanism":"OAUTHBEARER")")),
                       "must be one of PLAIN"));
  BOOST_CHECK(
      contains(refusal(with_kafka(R"("security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.mechanisms":"PLAIN",
    "sasl.username":"u","sasl.password":"p")")),
               "is another name"));
  BOOST_CHECK(load(with_kafka(R"("security.protocol":"sasl_ssl","sasl.mechanism":"SCRAM-SHA-512","sasl.username":"u",
    "sasl.password":"p","ssl.ca.location":"ca.pem")"))
                  .has_value());
  BOOST_CHECK(load(with_kafka(R"("security.protocol":"ssl","ssl.ca.pem":"x")")).has_value());
}

BOOST_AUTO_TEST_CASE(table__has_no_name_twice) {
  std::set<std::string_view> names;
  for (const auto& property : cfg::allowed_properties()) {
    BOOST_CHECK_MESSAGE(names.insert(property.name).second, property.name);
    BOOST_CHECK(property.description.size() > 5 && property.description.back() == '.');
  }
  for (const auto& property : cfg::refused_properties())
    BOOST_CHECK_MESSAGE(names.insert(property.name).second, property.name);
}

BOOST_AUTO_TEST_SUITE_END()
