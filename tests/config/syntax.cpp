// Texts that are no JSON, or JSON that no config should be.
#include "support.hpp"

using namespace test_config;

BOOST_AUTO_TEST_SUITE(syntax)

BOOST_AUTO_TEST_CASE(parse__comments__are_allowed) {
  parts from;
  auto text = "// first\n/* second\n */" + from.text() + "// last";
  auto c = cfg::load_text(text, "c.json");
  BOOST_CHECK_MESSAGE(c.has_value(), c.error().message);
  BOOST_CHECK(cfg::load_text("\xEF\xBB\xBF" + from.text(), "c.json").has_value());
}

BOOST_AUTO_TEST_CASE(parse__broken_text__says_line_column_and_reason) {
  struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"", "c.json:1:1: the text is empty"},
      {"   // only a comment", "the text is empty"},
      {"{\n  \"a\": 1,\n}", "c.json:3:1: a name in double quotes is expected here (a trailing comma is not allowed)"},
      {"{\"a\":[1,2,]}", "c.json:1:11: a value is expected here (a trailing comma is not allowed)"},
      {"{\"a\" 1}", "a ':' is expected"},
      {"{\"a\":1 \"b\":2}", "a ',' or '}' is expected"},
      {"{\"a\":[1 2]}", "a ',' or ']' is expected"},
      {"{} {}", "text follows after the end"},
      {"{a:1}", "a name in double quotes"},
      {"{'a':1}", "a name in double quotes"},
      {"{\"a\":NaN}", "a value is expected"},
      {"{\"a\":+1}", "a value is expected"},
      {"{\"a\":\"\x80\"}", "c.json:1:"},
      {"{\"a\":\"\\ud800\"}", "c.json:1:"},
      {"{\"a\":\"x\ny\"}", "c.json:1:"},
      {"{\"a\":", "c.json:1:"},
      {"{\"a\":\"\\u0000\"}", "a string holds the character \\u0000"},
      {"{\"a\\u0000\":1}", "a name holds the character \\u0000"},
      {"/* never closed", "c.json:1:"},
      {"[]", "an object (text in braces) is expected"},
      {"3", "an object (text in braces) is expected"},
      {"null", "an object (text in braces) is expected"},
      {"\"x\"", "an object (text in braces) is expected"},
  };
  for (const auto& one : cases) {
    auto message = refusal_of_text(one.text);
    BOOST_CHECK_MESSAGE(contains(message, one.says), message << " -- for " << one.text);
    BOOST_CHECK_EQUAL(lines(message), 1u);
  }
}

BOOST_AUTO_TEST_CASE(parse__nul_byte__is_refused_with_its_place) {
  auto message = refusal_of_text(std::string("{\n\"a\":1\0}", 9));
  BOOST_CHECK_EQUAL(message, "c.json:2:6: a NUL byte; this is not a text file");
}

BOOST_AUTO_TEST_CASE(parse__duplicate_names__are_all_reported) {
  auto message = refusal_of_text("{\"cluster\":{\"name\":\"a\",\n\"name\":\"b\"},\n\"kafka\":{},\n\"kafka\":{}}");
  BOOST_CHECK_EQUAL(lines(message), 2u);
  BOOST_CHECK(contains(message, "c.json:2:1: \"name\" stands twice"));
  BOOST_CHECK(contains(message, "c.json:4:1: \"kafka\" stands twice"));
  BOOST_CHECK(contains(refusal_of_text(R"({"a":1,"\u0061":2})"), "\"a\" stands twice"));
}

BOOST_AUTO_TEST_CASE(parse__numbers_that_crash_rapidjson__are_errors) {
  for (std::string number :
       {std::string("0.00000000000000001e-2147483639"), "0." + std::string(330, '0') + "1",
        "0." + std::string(400, '0') + "1", std::string("1e999999999"), std::string("-1e400"), std::string(5000, '9'),
        std::string("18446744073709551615"), std::string("9223372036854775808"), std::string("1e-400"),
        std::string("512.0"), std::string("-0"), std::string("5.5")}) {
    auto message = refusal(with_pipeline("\"max_batch_size\":" + number));
    BOOST_CHECK_MESSAGE(contains(message, "max_batch_size") || contains(message, "a number is out of range"), message);
  }
}

BOOST_AUTO_TEST_CASE(parse__deep_nesting__is_refused) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string text = "{\"cluster\":";
    for (int i = 0; i < 150'000; ++i) text += open;
    BOOST_CHECK(contains(refusal_of_text(text), "more than 32 levels of nesting"));
  }
}

BOOST_AUTO_TEST_CASE(load__text_above_the_cap__is_refused) {
  BOOST_CHECK_EQUAL(refusal_of_text(std::string((1 << 20) + 1, ' ')), "c.json is larger than 1024 KiB");
}

BOOST_AUTO_TEST_CASE(load__truncated_anywhere__is_refused) {
  auto text = with_node(R"("listen":"127.0.0.1:4800","roles":["ingest"],"tls":{})").text();
  for (std::size_t length = 0; length < text.size(); ++length)
    BOOST_CHECK(!cfg::load_text(text.substr(0, length), "c.json").has_value());
}

BOOST_AUTO_TEST_CASE(load__any_byte_replaced__never_crashes) {
  auto text = with_pipeline(
                  R"x("startingOffsets":{"dsp":{"0":1}},"output":{"prediction":{"a":"score(1)"}},"max_batch_size":7)x")
                  .text();
  for (std::size_t i = 0; i < text.size(); ++i)
    for (char c : {'"', '{', ']', ',', '-', '\\', '$', '\xff'}) {
      auto changed = text;
      changed[i] = c;
      auto result = cfg::load_text(changed, "c.json");
      BOOST_CHECK(result.has_value() || !result.error().message.empty());
    }
}

BOOST_AUTO_TEST_CASE(load__huge_hostile_values__are_refused) {
  std::string many, topics, keys, offsets;
  for (int i = 0; i < 60'000; ++i) {
    many += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
    topics += i ? ",\"\"" : "\"\"";
    keys += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":{}";
  }
  BOOST_CHECK(contains(refusal(with_kafka(many)), "more"));
  BOOST_CHECK(contains(refusal(with_pipeline(many)), "more"));
  BOOST_CHECK(contains(refusal(with_pipeline("\"features\":[" + topics + "]")), "more"));
  BOOST_CHECK(contains(refusal(with_pipeline("\"startingOffsets\":{" + keys + "}")), "more"));
  BOOST_CHECK(contains(refusal(with_node("\"roles\":[" + topics + "]")),
                       "an array of 60000 elements is not allowed; at most 3"));
  std::string longest(900'000, 'a');
  BOOST_CHECK(contains(refusal(with_pipeline("\"group.id\":\"" + longest + "\"")),
                       "a string of 900000 characters is not allowed"));
  BOOST_CHECK(contains(refusal(with_pipeline("\"" + longest + "\":1")), "unknown option"));
  BOOST_CHECK(contains(refusal(with_kafka("\"" + longest + "\":1")), "is not a property"));
  BOOST_CHECK(contains(refusal(with_node("\"listen\":\"" + longest + "\"")), "node.listen"));
  BOOST_CHECK(contains(refusal(with_pipeline("\"startingOffsets\":\"" + longest + "\"")), "startingOffsets"));
  for (const auto& from : {with_kafka(many), with_pipeline("\"" + longest + "\":1")})
    BOOST_CHECK_LT(refusal(from).size(), 20'000u);
}

BOOST_AUTO_TEST_SUITE_END()
