// --set, ${NAME}, ${file:PATH} and files.
#include "support.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

using namespace test_config;
namespace fs = std::filesystem;

namespace {

/// A folder of its own for each case.
struct folder {
  fs::path path;
  folder() {
    std::string name = (fs::temp_directory_path() / "troupe-config-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~folder() { fs::remove_all(path); }
  std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) const {
    auto full = (path / name).string();
    std::ofstream(full, std::ios::binary) << content;
    ::chmod(full.c_str(), mode);
    return full;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(options)

BOOST_AUTO_TEST_CASE(set__places__are_found) {
  auto c = loaded(
      with_sets({"cluster.name=other", "pipelines.0.topic=x", "pipelines.0.commit.interval.ms=7", "kafka.linger.ms=2",
                 "kafka.bootstrap.servers=k:1", "node.scorers=4", "node.log.level=debug", "node.http=null",
                 "pipelines.0.errors.deadletterqueue.topic.name=d", "pipelines.0.subscribe=[\"a\",\"b\"]",
                 "pipelines.0.output.carry.0=f", "pipelines.0.startingOffsets.a.0=5",
                 "pipelines.0.output.prediction.p=label", "node.roles.0=scorer"}));
  BOOST_CHECK_EQUAL(c.cluster.name, "other");
  const auto& p = c.pipelines[0];
  BOOST_CHECK_EQUAL(p.topic, "x");
  BOOST_CHECK_EQUAL(p.commit_interval_ms.count(), 7);
  BOOST_CHECK_EQUAL(c.kafka.at("linger.ms"), "2");
  BOOST_CHECK_EQUAL(c.kafka.at("bootstrap.servers"), "k:1");
  BOOST_CHECK_EQUAL(c.node.scorers, 4u);
  BOOST_CHECK_EQUAL(c.node.log_level, "debug");
  BOOST_CHECK(!c.node.http_enabled);
  BOOST_CHECK_EQUAL(p.errors.dead_letter_topic, "d");
  BOOST_CHECK_EQUAL(p.subscribe.size(), 2u);
  BOOST_CHECK_EQUAL(p.output.carry->at(0), "f");
  BOOST_CHECK_EQUAL(p.starting.values.at("a").at(0), 5);
  BOOST_CHECK_EQUAL(p.output.prediction.at(0).second, "label");
  BOOST_CHECK(c.node.roles == std::vector<std::string>{"scorer"});
}

BOOST_AUTO_TEST_CASE(set__later__wins_and_appends) {
  BOOST_CHECK_EQUAL(loaded(with_sets({"node.scorers=4", "node.scorers=5"})).node.scorers, 5u);
  auto c =
      loaded(with_sets({R"(pipelines.1={"name":"q","subscribe":"s","model":"m","topic":"t"})", "pipelines.1.topic=u"}));
  BOOST_CHECK_EQUAL(c.pipelines.at(1).topic, "u");
}

BOOST_AUTO_TEST_CASE(set__text_that_looks_like_json__stays_text_where_only_text_fits) {
  auto c = loaded(with_sets({"cluster.name=42", "pipelines.0.topic=true", "pipelines.0.model=\"games\""}));
  BOOST_CHECK_EQUAL(c.cluster.name, "42");
  BOOST_CHECK_EQUAL(c.pipelines[0].topic, "true");
  BOOST_CHECK_EQUAL(c.pipelines[0].model, "games");
}

BOOST_AUTO_TEST_CASE(set__wrong__says_which) {
  struct {
    const char* set;
    const char* says;
  } cases[] = {
      {"", "must be NAME=VALUE"},
      {"node.scorers", "--set node.scorers: must be NAME=VALUE"},
      {"=5", "must be NAME=VALUE"},
      {".a=5", "must be NAME=VALUE"},
      {"a.=5", "must be NAME=VALUE"},
      {"node.scorrers=5", "node.scorrers: unknown option; did you mean scorers?"},
      {"nodes.scorers=5", "unknown option"},
      {"pipelines.0.comit.interval.ms=5",
       "pipelines[0].comit.interval.ms: unknown option; did you mean commit.interval.ms?"},
      {"pipelines.x.topic=5", "--set pipelines.x.topic: pipelines is an array; name an element by its number"},
      {"pipelines.2.topic=5", "pipelines has 1 elements; the next is 1"},
      {"pipelines.-1.topic=5", "name an element by its number"},
      {"pipelines.99999999999999999999.topic=5", "name an element by its number"},
      {"cluster.name.x=5", "cluster.name is not a section"},
      {"cluster=5", "cluster: a number is not allowed"},
      {"node.scorers=many", "node.scorers: \"many\" is not allowed"},
      {"kafka.plugin.library.paths=x", "kafka.plugin.library.paths: is refused"},
      {"kafka.sasl.password=hunter2", "kafka.sasl.password is a secret, and a command line can be read by others"},
      {"node.tls.passphrase=hunter2", "is a secret"},
      {"node.listen=0.0.0.0:1", "node.listen: 0.0.0.0 can be reached"},
  };
  for (const auto& one : cases) {
    auto message = refusal(with_sets({one.set}));
    BOOST_CHECK_MESSAGE(contains(message, one.says), message << " -- expected " << one.says);
    BOOST_CHECK_MESSAGE(lines(message) == 1, message);
    BOOST_CHECK(!contains(message, "hunter2"));
  }
  BOOST_CHECK(contains(refusal(with_sets({std::string(100'000, 'a') + "=1"})), "must be NAME=VALUE"));
  std::string deep = "node";
  for (int i = 0; i < 200; ++i) deep += ".a";
  BOOST_CHECK(contains(refusal(with_sets({deep + "=1"})), "must be NAME=VALUE"));
}

BOOST_AUTO_TEST_CASE(set__secret_from_the_environment__is_allowed) {
  parts from = with_kafka(R"("security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"u")");
  from.sets = {"kafka.sasl.password=${PW}"};
  from.environment = {{"PW", "hunter2"}};
  BOOST_CHECK_EQUAL(loaded(from).kafka.at("sasl.password"), "hunter2");
}

BOOST_AUTO_TEST_CASE(expand__variables__are_replaced_once_and_stay_one_value) {
  parts from;
  from.kafka = R"("bootstrap.servers":"${HOST}:${PORT}","client.id":"$${HOST} $ $x {}","client.rack":"${EVIL}")";
  from.environment = {{"HOST", "k"}, {"PORT", "9092"}, {"EVIL", "\", \"plugin.library.paths\": \"${HOST}"}};
  auto c = loaded(from);
  BOOST_CHECK_EQUAL(c.kafka.at("bootstrap.servers"), "k:9092");
  BOOST_CHECK_EQUAL(c.kafka.at("client.id"), "${HOST} $ $x {}");
  BOOST_CHECK_EQUAL(c.kafka.at("client.rack"), "\", \"plugin.library.paths\": \"${HOST}");
  BOOST_CHECK_EQUAL(c.kafka.size(), 3u);
}

BOOST_AUTO_TEST_CASE(expand__in_other_places__works_too) {
  parts from;
  from.pipeline = R"("name":"${P}","subscribe":"${T}","model":"m","topic":"o","output":{"carry":["${P}"]})";
  from.environment = {{"P", "p"}, {"T", "a,b"}};
  auto c = loaded(from);
  BOOST_CHECK_EQUAL(c.pipelines[0].name, "p");
  BOOST_CHECK_EQUAL(c.pipelines[0].subscribe.at(1), "b");
  BOOST_CHECK_EQUAL(c.pipelines[0].output.carry->at(0), "p");
  BOOST_CHECK(contains(refusal(with_kafka(R"("${P}":"x")")), "kafka.${P}: "));
}

BOOST_AUTO_TEST_CASE(expand__missing_variables__are_all_named) {
  parts from;
  from.kafka = R"("bootstrap.servers":"${HOST}","client.id":"${ID}","client.rack":"${","client.id2":"${}")";
  auto message = refusal(from);
  BOOST_CHECK(contains(message, "kafka.bootstrap.servers: the environment has no variable HOST"));
  BOOST_CHECK(contains(message, "kafka.client.id: the environment has no variable ID"));
  BOOST_CHECK(contains(message, "kafka.client.rack: a ${ without its }"));
  BOOST_CHECK(contains(message, "kafka.client.id2: the environment has no variable without a name"));
  BOOST_CHECK_EQUAL(lines(message), 4u);
}

BOOST_AUTO_TEST_CASE(expand__wrong_value_from_a_variable__is_not_shown) {
  parts from = with_node(R"("name":"${SECRET}","listen":"${SECRET}")");
  from.pipeline = R"("name":"p","subscribe":"${SECRET}","model":"m","topic":"t")";
  from.environment = {{"SECRET", "Hunter 2!"}};
  auto message = refusal(from);
  BOOST_CHECK(!contains(message, "unter"));
  BOOST_CHECK(contains(message, "node.name: the value of \"${SECRET}\" is not allowed"));
  BOOST_CHECK(contains(message, "pipelines[0].subscribe[0]: the value of \"${SECRET}\" is not allowed"));
  BOOST_CHECK(contains(message, "node.listen: the value of \"${SECRET}\" is not allowed"));
}

BOOST_AUTO_TEST_CASE(expand__bytes_that_are_no_text__are_refused) {
  for (std::string value : {std::string("\xff\xfe"), std::string("a\0b", 3), std::string("\xed\xa0\x80")}) {
    parts from = with_kafka(R"("client.id":"${X}")");
    from.environment = {{"X", value}};
    check_only_line(refusal(from), "kafka.client.id: the variable X is not UTF-8 text");
  }
}

BOOST_AUTO_TEST_CASE(expand__process_environment__is_the_default) {
  ::setenv("TROUPE_TEST_RACK", "r7", 1);
  auto c = cfg::load_text(with_kafka(R"("client.rack":"${TROUPE_TEST_RACK}")").text(), "c.json");
  BOOST_REQUIRE(c.has_value());
  BOOST_CHECK_EQUAL(c->kafka.at("client.rack"), "r7");
}

BOOST_AUTO_TEST_CASE(expand__files__lose_their_last_line_end_only) {
  folder in;
  const std::string protocol =
      R"("security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"${file:)";
  for (auto [content, value] : {std::pair("hunter2\n", "hunter2"), std::pair("hunter2\r\n", "hunter2"),
                                std::pair("a\nb\n\n", "a\nb\n"), std::pair("${HOME}", "${HOME}")}) {
    auto file = in.file("pw", content);
    BOOST_CHECK_EQUAL(loaded(with_kafka(protocol + file + "}\"")).kafka.at("sasl.password"), value);
  }
}

BOOST_AUTO_TEST_CASE(expand__files_that_are_wrong__are_refused) {
  folder in;
  const std::string protocol =
      R"("security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"${file:)";
  auto open_to_all = refusal(with_kafka(protocol + in.file("pw", "hunter2\n", 0644) + "}\""));
  BOOST_CHECK_MESSAGE(contains(open_to_all, "holds a secret and every user may read it; chmod o-r"), open_to_all);
  BOOST_CHECK(!contains(open_to_all, "hunter2"));
  BOOST_CHECK(load(with_kafka(R"("client.id":"${file:)" + in.file("id", "x", 0644) + "}\"")).has_value());
  BOOST_CHECK(
      contains(refusal(with_kafka(protocol + in.path.string() + "/none}\"")), "/none can't be read: No such file"));
  BOOST_CHECK(contains(refusal(with_kafka(protocol + in.path.string() + "}\"")), "is not a regular file"));
  BOOST_CHECK(contains(refusal(with_kafka(protocol + "/dev/zero}\"")), "is not a regular file"));
  BOOST_CHECK(contains(refusal(with_kafka(protocol + "}\"")), "can't be read"));
  BOOST_CHECK(
      contains(refusal(with_kafka(protocol + in.file("big", std::string(65537, 'x')) + "}\"")), "larger than 64 KiB"));
  BOOST_CHECK(
      contains(refusal(with_kafka(protocol + in.file("nul", std::string("a\0b", 3)) + "}\"")), "is not UTF-8 text"));
}

BOOST_AUTO_TEST_CASE(load_file__right_and_wrong_files) {
  folder in;
  BOOST_CHECK(cfg::load_file(in.file("c.json", parts{}.text())).has_value());
  fs::create_symlink("c.json", in.path / "link.json");
  BOOST_CHECK(cfg::load_file((in.path / "link.json").string()).has_value());
  auto missing = cfg::load_file((in.path / "none.json").string());
  BOOST_CHECK(!missing && missing.error().code == troupe::errc::not_found);
  auto big = cfg::load_file(in.file("big.json", std::string(10 << 20, ' ')));
  BOOST_CHECK(!big && contains(big.error().message, "is larger than 1024 KiB"));
  auto directory = cfg::load_file(in.path.string());
  BOOST_CHECK(!directory && contains(directory.error().message, "is not a regular file"));
  ::mkfifo((in.path / "pipe").c_str(), 0600);
  auto pipe = cfg::load_file((in.path / "pipe").string());
  BOOST_CHECK(!pipe && contains(pipe.error().message, "is not a regular file"));
  fs::create_symlink("loop", in.path / "loop");
  BOOST_CHECK(!cfg::load_file((in.path / "loop").string()));
  BOOST_CHECK(!cfg::load_file(""));
}

BOOST_AUTO_TEST_CASE(load_file__secret_in_a_file_for_all__is_refused) {
  folder in;
  auto text =
      with_kafka(
          R"("security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"hunter2")")
          .text();
  auto refused = cfg::load_file(in.file("c.json", text, 0644));
  BOOST_REQUIRE(!refused.has_value());
  BOOST_CHECK(contains(refused.error().message,
                       "kafka.sasl.password: the secret itself stands in a file that every user may read"));
  BOOST_CHECK(!contains(refused.error().message, "hunter2"));
  BOOST_CHECK(cfg::load_file(in.file("d.json", text, 0640)).has_value());
  BOOST_CHECK(cfg::load_file(in.file("e.json", parts{}.text(), 0644)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
