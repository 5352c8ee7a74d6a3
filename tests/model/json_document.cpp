// JSON and UBJSON as trees of values: both spellings, strictness and bounds.
#include <boost/test/unit_test.hpp>

#include <cmath>

#include "model/json_document.hpp"

using namespace troupe::model;
using namespace std::string_literals;

namespace {

json_value json(std::string_view text, document_limits limits = {}) {
  auto parsed = parse_json(text, limits);
  BOOST_REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().message));
  return std::move(*parsed);
}

json_value ubjson(std::string_view bytes, document_limits limits = {}) {
  auto parsed = parse_ubjson(bytes, limits);
  BOOST_REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().message));
  return std::move(*parsed);
}

std::string refusal(const troupe::result<json_value>& parsed) { return parsed ? "parsed" : parsed.error().message; }

void check_refused(const troupe::result<json_value>& parsed, const std::string& part) {
  BOOST_TEST(refusal(parsed).find(part) != std::string::npos, refusal(parsed) << " has no '" << part << "'");
}

} // namespace

BOOST_AUTO_TEST_SUITE(json_document)

BOOST_AUTO_TEST_CASE(parse_json__values__kept) {
  const json_value value = json(R"({"a":[1,-2.5e1,3],"b":"t\u00e4xt","c":{"d":[{},true]},"e":[]})");
  BOOST_TEST(value.find("a")->numbers == (std::vector<double>{1, -25, 3}), boost::test_tools::per_element());
  BOOST_TEST(value.find("b")->text == "t\xC3\xA4xt");
  BOOST_TEST(value.find("c")->find("d")->items.size() == 2u);
  BOOST_TEST(value.find("e")->is_numbers());
  BOOST_TEST(value.find("f") == nullptr);
  BOOST_TEST(json("[1e-999]").numbers[0] == 0);
}

BOOST_AUTO_TEST_CASE(parse_json__ignored_keys__checked_but_not_kept) {
  document_limits limits;
  limits.ignored = [](std::string_view key) { return key == "x"; };
  const json_value value = json(R"({"x":[[1,"a"],{"b":2}],"y":1,"x":"t"})", limits);
  BOOST_TEST(value.keys.size() == 1u);
  BOOST_TEST(value.find("y")->number == 1);
  check_refused(parse_json(R"({"x":[1,})", limits), "broken at byte");
}

BOOST_AUTO_TEST_CASE(parse_json__broken__refused) {
  check_refused(parse_json("", {}), "broken at byte 0");
  check_refused(parse_json("[1,2", {}), "broken");
  check_refused(parse_json("[1] 2", {}), "broken");
  check_refused(parse_json("[NaN]", {}), "broken");
  check_refused(parse_json("[1e999]", {}), "broken");
  check_refused(parse_json("[1,\"a\"]", {}), "mixes numbers");
  check_refused(parse_json("[\"a\",1]", {}), "mixes numbers");
  check_refused(parse_json(R"({"a":1,"a":2})", {}), "key twice");
  check_refused(parse_json("[\"\xFF\"]", {}), "broken");
}

BOOST_AUTO_TEST_CASE(parse_json__bounds__kept) {
  check_refused(parse_json(std::string(1'000'000, '['), {}), "nested too deeply");
  for (const std::string& file : {"[[],[],[],[],[],[],[],[],[],[],[]]"s, "[1,2,3,4" + std::string(200, ',') + "]",
                                  "{\"a\":\"" + std::string(2000, 'b') + "\"}"}) {
    memory_budget memory{file[1] == '1' ? 48u : 2000u};
    document_limits limits;
    limits.memory = &memory;
    check_refused(parse_json(file, limits), "of the JSON: one more value would take 1 MiB of memory where 0 of the 0");
  }
}

BOOST_AUTO_TEST_CASE(parse_ubjson__values__kept) {
  const json_value value = ubjson("{U\x01"
                                  "a[$l#U\x02\0\0\0\x07\xFF\xFF\xFF\xFF"
                                  "i\x01"
                                  "bSU\x02hi"
                                  "U\x01"
                                  "c[d\x3F\x80\0\0"
                                  "D\x40\0\0\0\0\0\0\0"
                                  "]"
                                  "U\x01"
                                  "d{#U\x01U\x01"
                                  "eT"
                                  "U\x01"
                                  "fZ}"s);
  BOOST_TEST(value.find("a")->numbers == (std::vector<double>{7, -1}), boost::test_tools::per_element());
  BOOST_TEST(value.find("b")->text == "hi");
  BOOST_TEST(value.find("c")->numbers == (std::vector<double>{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(value.find("d")->find("e")->flag);
  BOOST_TEST((value.find("f")->what == json_value::kind::null));
}

BOOST_AUTO_TEST_CASE(parse_ubjson__broken__refused) {
  check_refused(parse_ubjson("", {}), "truncated");
  check_refused(parse_ubjson("[", {}), "truncated");
  check_refused(parse_ubjson("[]x", {}), "behind its end");
  check_refused(parse_ubjson("{U\x09"
                             "abc",
                             {}),
                "no proper key");
  check_refused(parse_ubjson("[Hx", {}), "unknown type");
  check_refused(parse_ubjson("[$d#l\x7F\xFF\xFF\xFF", {}), "truncated");
  check_refused(parse_ubjson("[#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", {}), "truncated");
  check_refused(parse_ubjson("[$Z#l\x7F\xFF\xFF\xFF", {}), "no number");
  check_refused(parse_ubjson("[$d\x01", {}), "no count");
  check_refused(parse_ubjson("[#i\xFF", {}), "no proper count");
  check_refused(parse_ubjson(std::string(1'000'000, '['), {}), "nested too deeply");
}

BOOST_AUTO_TEST_SUITE_END()
