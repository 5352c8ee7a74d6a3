#include <boost/test/unit_test.hpp>

#include "model/json_text.hpp"
#include "model/text.hpp"

using namespace troupe::model;

namespace {
std::string at(std::string_view json, std::string_view pointer) {
  const auto path = parse_pointer(pointer);
  BOOST_REQUIRE(path.has_value());
  return std::string{walk(json, path->data(), path->data() + path->size()).value_or("nowhere")};
}
} // namespace

BOOST_AUTO_TEST_SUITE(json_text)

BOOST_AUTO_TEST_CASE(walk__pointers__lead_to_raw_bytes) {
  const std::string_view json = R"({ "a" : {"b":[10, {"c":"x\"]}"} , -1.50]}, "e~f":1,"g/h":2, "":3, )"
                                R"("\u006b":{"\ud83d\ude00":4}, "d":{"b":1,"b":2}})";
  BOOST_TEST(at(json, "/a/b/0") == "10");
  BOOST_TEST(at(json, "/a/b/1/c") == R"("x\"]}")");
  BOOST_TEST(at(json, "/a/b/2") == "-1.50");
  BOOST_TEST(at(json, "/a/b/3") == "nowhere");
  BOOST_TEST(at(json, "/a/b/01") == "nowhere");
  BOOST_TEST(at(json, "/a/b/-") == "nowhere");
  BOOST_TEST(at(json, "/a/b/0/x") == "nowhere");
  BOOST_TEST(at(json, "/e~0f") == "1");
  BOOST_TEST(at(json, "/g~1h") == "2");
  BOOST_TEST(at(json, "/k/\xF0\x9F\x98\x80") == "4");
  BOOST_TEST(at(json, "/d/b") == "1");
  BOOST_TEST(at(json, "/a") == R"({"b":[10, {"c":"x\"]}"} , -1.50]})");
  BOOST_TEST(at("{}", "/a") == "nowhere");
  BOOST_TEST(at("[]", "/0") == "nowhere");
}

BOOST_AUTO_TEST_CASE(parse_pointer__malformed__refused) {
  for (const char* text : {"", "a", "/", "/a~", "/a~2"}) BOOST_TEST(!parse_pointer(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(elements__array__all_values) {
  BOOST_TEST(elements("[]").empty());
  BOOST_TEST(elements("{}").empty());
  const auto all = elements(R"([1, "a,b" ,{"c":[2]},null])");
  BOOST_TEST(all.size() == 4u);
  BOOST_TEST(all.at(1) == R"("a,b")");
  BOOST_TEST(all.at(2) == R"({"c":[2]})");
}

BOOST_AUTO_TEST_CASE(string_value__escapes__resolved) {
  BOOST_TEST(string_value(R"("a\n\t\"\\\/\u00e9\u20ac\ud83d\ude00")").value() ==
             "a\n\t\"\\/\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  BOOST_TEST(!string_value("1").has_value());
}

BOOST_AUTO_TEST_CASE(quoted__hostile_name__printable_and_short) {
  BOOST_TEST(quoted("G1") == "'G1'");
  BOOST_TEST(quoted("a\r\n\x1b\xff") == "'a\\x0d\\x0a\\x1b\\xff'");
  BOOST_TEST(quoted(std::string(300, 'x')).size() == 69u);
}

BOOST_AUTO_TEST_CASE(append_json_string__control_characters__escaped) {
  std::string out;
  append_json_string(out, "a\"b\\c\n\xC3\xA9");
  BOOST_TEST(out == "\"a\\\"b\\\\c\\u000a\xC3\xA9\"");
}

// Bytes of a character that is cut off or overlong are no UTF-8; a good one right behind them is shown.
BOOST_AUTO_TEST_CASE(printable__texts_of_strangers__no_controls_and_no_broken_bytes) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"a b~", "a b~"},
      {"gr\xC3\xBCn \xE2\x82\xAC \xF0\x9F\x98\x80", "gr\xC3\xBCn \xE2\x82\xAC \xF0\x9F\x98\x80"},
      {"\t\r\n\x1B[31m\x7F", R"(\x09\x0d\x0a\x1b[31m\x7f)"},
      {std::string{'a', '\0', 'b'}, R"(a\x00b)"},
      {"\xC2\x80\xC2\x9F\xC2\xA0", "\\xc2\\x80\\xc2\\x9f\xC2\xA0"},
      {"\xE2\x80\x8E\xE2\x80\xA8\xE2\x80\xAE\xE2\x81\xA9", R"(\xe2\x80\x8e\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa9)"},
      {"\xE2\x82", R"(\xe2\x82)"},
      {"\xE2\x82x", R"(\xe2\x82x)"},
      {"\xC0\x80\xFF", R"(\xc0\x80\xff)"},
      {"\xE2\xC3\xBC", "\\xe2\xC3\xBC"},
  };
  for (const auto& [text, shown] : cases) BOOST_TEST(printable(text) == shown);
}

BOOST_AUTO_TEST_SUITE_END()
