// Every kind of row that reliability demands, each with its exact code. The parser under test knows the features x and
// y and records every other field.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <ostream>
#include <random>
#include <string>

#include "model/row_parser.hpp"
#include "tests/model/row_outcome.hpp"

namespace bdata = boost::unit_test::data;
using namespace troupe::model;
namespace testing = troupe::model::testing;
using namespace std::string_literals;
using parser_under_test = troupe::model::row_parser;

namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

struct fixture {
  row_limits limits{1u << 20, 32, 100'000};
  std::vector<known_name> names{{"x", 0, -1}, {"y", 1, -1}};
  double got[2] = {-1, -1};
  row_fault fault;
  std::vector<std::string> carried;

  rejection parse(std::string_view row) {
    parser_under_test parser{testing::wanted(names, true), limits};
    return parse_with(parser, row);
  }
  rejection parse_with(parser_under_test& parser, std::string_view row) {
    // A copy of the exact size, so that AddressSanitizer sees a read beyond it.
    const std::vector<char> exact(row.begin(), row.end());
    const rejection code = parser.parse({exact.data(), exact.size()}, {got, nullptr});
    fault = parser.fault();
    carried.clear();
    if (code == rejection::none)
      for (const row_field& f : parser.fields())
        carried.push_back(std::string{row.substr(f.key_begin, f.key_end - f.key_begin)} + "=" +
                          std::string{row.substr(f.value_begin, f.value_end - f.value_begin)});
    return code;
  }
  static std::string with_x(std::string_view value) { return "{\"x\":" + std::string{value} + ",\"y\":2}"; }
};

struct row_case {
  const char* name;
  std::string row;
  rejection code;
};
std::ostream& operator<<(std::ostream& out, const row_case& c) { return out << c.name; }

using enum rejection;

const std::vector<row_case> cases{
    {"no_bytes", "", empty_value},
    {"white_space", " \t\r\n ", empty_value},
    {"bom", "\xEF\xBB\xBF{\"x\":1,\"y\":2}", invalid_json},
    {"bom_only", "\xEF\xBB\xBF", invalid_json},
    {"utf16_bom", "\xFF\xFE{\0\"\0"s, invalid_utf8},
    {"array", "[1,2]", not_an_object},
    {"array_of_objects", "[{\"x\":1,\"y\":2}]", not_an_object},
    {"empty_array", "[]", not_an_object},
    {"number", "12", not_an_object},
    {"string", "\"x\"", not_an_object},
    {"null", "null", not_an_object},
    {"true", "true", not_an_object},
    {"false", "false", not_an_object},
    {"bare_word", "hello", invalid_json},
    {"empty_object", "{}", missing_feature},
    {"trailing_text", "{\"x\":1,\"y\":2}x", invalid_json},
    {"trailing_text_empty", "{}x", invalid_json},
    {"two_objects", "{\"x\":1,\"y\":2}{\"x\":1,\"y\":2}", invalid_json},
    {"two_lines", "{\"x\":1,\"y\":2}\n{\"x\":1,\"y\":2}", invalid_json},
    {"trailing_nul", "{\"x\":1,\"y\":2}\0"s, invalid_json},
    {"trailing_nul_text", "{\"x\":1,\"y\":2}\0garbage"s, invalid_json},
    {"nul_inside", "{\"x\":1,\0\"y\":2}"s, invalid_json},
    {"nul_only", "\0"s, invalid_json},
    {"nul_in_string", "{\"x\":1,\"y\":2,\"s\":\"a\0b\"}"s, invalid_json},
    {"trailing_comma", "{\"x\":1,\"y\":2,}", invalid_json},
    {"missing_comma", "{\"x\":1 \"y\":2}", invalid_json},
    {"missing_colon", "{\"x\" 1,\"y\":2}", invalid_json},
    {"single_quotes", "{'x':1,'y':2}", invalid_json},
    {"bare_key", "{x:1,y:2}", invalid_json},
    {"comment", "{\"x\":1,/* c */\"y\":2}", invalid_json},
    {"control_character", "{\"x\":1,\"y\":2,\"s\":\"a\nb\"}", invalid_json},
    {"bad_escape", "{\"x\":1,\"y\":2,\"s\":\"\\q\"}", invalid_json},
    {"bad_unicode_escape", "{\"x\":1,\"y\":2,\"s\":\"\\u12g4\"}", invalid_json},
    {"mixed_brackets", "{\"x\":1,\"y\":2,\"s\":[}]", invalid_json},
    {"lone_continuation", "{\"x\":1,\"y\":2,\"s\":\"\x80\"}", invalid_utf8},
    {"overlong_nul", "{\"x\":1,\"y\":2,\"s\":\"\xC0\x80\"}", invalid_utf8},
    {"overlong_slash", "{\"x\":1,\"y\":2,\"s\":\"\xE0\x80\xAF\"}", invalid_utf8},
    {"raw_surrogate", "{\"x\":1,\"y\":2,\"s\":\"\xED\xA0\x80\"}", invalid_utf8},
    {"fe_ff", "{\"x\":1,\"y\":2,\"s\":\"\xFF\xFE\"}", invalid_utf8},
    {"above_unicode", "{\"x\":1,\"y\":2,\"s\":\"\xF4\x90\x80\x80\"}", invalid_utf8},
    {"cut_character", "{\"x\":1,\"y\":2,\"s\":\"\xE2\x82\"}", invalid_utf8},
    {"utf8_in_key", "{\"x\":1,\"y\":2,\"\xC3\":1}", invalid_utf8},
    {"utf8_outside_string", "{\"x\":1,\"y\":2}\x80", invalid_utf8},
    {"lone_high_surrogate", "{\"x\":1,\"y\":2,\"s\":\"\\ud800\"}", invalid_utf8},
    {"lone_low_surrogate", "{\"x\":1,\"y\":2,\"s\":\"\\udc00\"}", invalid_utf8},
    {"lone_low_surrogate_key", "{\"x\":1,\"y\":2,\"\\udc00\":1}", invalid_utf8},
    {"nested_low_surrogate", "{\"x\":1,\"y\":2,\"s\":[{\"k\":\"a\\udfff\"}]}", invalid_utf8},
    {"two_high_surrogates", "{\"x\":1,\"y\":2,\"s\":\"\\ud800\\ud800\"}", invalid_utf8},
    {"nan", fixture::with_x("NaN"), invalid_json},
    {"nan_small", fixture::with_x("nan"), invalid_json},
    {"infinity", fixture::with_x("Infinity"), invalid_json},
    {"minus_infinity", fixture::with_x("-Infinity"), invalid_json},
    {"inf", fixture::with_x("inf"), invalid_json},
    {"leading_zero", fixture::with_x("01"), invalid_json},
    {"plus", fixture::with_x("+1"), invalid_json},
    {"leading_point", fixture::with_x(".5"), invalid_json},
    {"trailing_point", fixture::with_x("1."), invalid_json},
    {"empty_exponent", fixture::with_x("1e"), invalid_json},
    {"hexadecimal", fixture::with_x("0x1F"), invalid_json},
    {"minus_only", fixture::with_x("-"), invalid_json},
    {"two_minus", fixture::with_x("--1"), invalid_json},
    {"underscore", fixture::with_x("1_000"), invalid_json},
    {"too_big", fixture::with_x("1e400"), number_out_of_range},
    {"too_big_negative", fixture::with_x("-1e400"), number_out_of_range},
    {"too_small", fixture::with_x("1e-400"), number_out_of_range},
    {"absurd_exponent", fixture::with_x("1e99999999999"), number_out_of_range},
    {"absurd_negative_exponent", fixture::with_x("1e-99999999999"), number_out_of_range},
    {"400_digits", fixture::with_x(repeat("9", 400)), number_out_of_range},
    {"beyond_float", fixture::with_x("1e39"), number_out_of_range},
    {"beyond_float_negative", fixture::with_x("-1e39"), number_out_of_range},
    {"too_big_elsewhere", "{\"x\":1,\"y\":2,\"z\":1e400}", number_out_of_range},
    {"rapidjson_table_overflow", fixture::with_x("0.00000000000000001e-2147483639"), number_out_of_range},
    {"rapidjson_table_overflow_elsewhere", "{\"x\":1,\"y\":2,\"z\":[0.00000000000000001e-2147483639]}", none},
    {"rapidjson_330_zeros", fixture::with_x("0." + repeat("0", 330) + "1"), number_out_of_range},
    {"rapidjson_400_zeros", fixture::with_x("0." + repeat("0", 400) + "1"), number_out_of_range},
    {"rapidjson_400_zeros_elsewhere", "{\"x\":1,\"y\":2,\"z\":0." + repeat("0", 400) + "1}", none},
    {"400_zeros", fixture::with_x("0." + repeat("0", 400)), none},
    {"depth_32", "{\"x\":1,\"y\":2,\"z\":" + repeat("[", 31) + repeat("]", 31) + "}", none},
    {"depth_33", "{\"x\":1,\"y\":2,\"z\":" + repeat("[", 32) + repeat("]", 32) + "}", too_deep},
    {"depth_33_objects", repeat("{\"a\":", 33) + "1" + repeat("}", 33), too_deep},
    {"depth_1000", repeat("[", 1000), too_deep},
    {"depth_100000", repeat("[", 100'000), too_deep},
    {"depth_100000_objects", repeat("{\"a\":", 100'000), too_deep},
    {"depth_1000000", repeat("[", 1'000'000), too_deep},
    {"duplicate_feature", "{\"x\":1,\"y\":2,\"x\":1}", duplicate_key},
    {"duplicate_other", "{\"a\":1,\"x\":1,\"a\":1,\"y\":2}", duplicate_key},
    {"duplicate_escaped", "{\"a\":1,\"x\":1,\"\\u0061\":1,\"y\":2}", duplicate_key},
    {"duplicate_feature_escaped", "{\"x\":1,\"\\u0078\":1,\"y\":2}", duplicate_key},
    {"duplicate_empty", "{\"\":1,\"x\":1,\"\":1,\"y\":2}", duplicate_key},
    {"duplicate_nested_is_fine", "{\"x\":1,\"y\":2,\"z\":{\"a\":1,\"a\":2}}", none},
    {"nul_differs", "{\"x\":1,\"y\":2,\"a\\u0000\":1,\"a\":2}", none},
    {"missing_y", "{\"x\":1}", missing_feature},
    {"other_case", "{\"X\":1,\"y\":2}", missing_feature},
    {"nul_in_key", "{\"x\\u0000\":1,\"y\":2}", missing_feature},
    {"nested_does_not_count", "{\"x\":1,\"z\":{\"y\":2}}", missing_feature},
    {"null_feature", fixture::with_x("null"), null_feature},
    {"string_feature", fixture::with_x("\"abc\""), wrong_type},
    {"numeric_string", fixture::with_x("\"1.5\""), wrong_type},
    {"boolean_feature", fixture::with_x("true"), wrong_type},
    {"array_feature", fixture::with_x("[1]"), wrong_type},
    {"object_feature", fixture::with_x("{\"x\":1}"), wrong_type},
    {"broken_text_wins", "{\"x\":null,\"y\":2", invalid_json},
    {"duplicate_wins", "{\"x\":null,\"y\":2,\"y\":2}", duplicate_key},
    {"extra_fields", "{\"a\":[1,{\"b\":null}],\"x\":1,\"c\":\"d\",\"y\":2}", none},
    {"spaces", " { \"x\" : 1 ,\t\"y\"\r\n: 2 } \n", none},
    {"other_order", "{\"y\":2,\"x\":1}", none},
    {"escaped_feature_name", "{\"\\u0078\":1,\"\\u0079\":2}", none},
    {"surrogate_pair", "{\"x\":1,\"y\":2,\"s\":\"\\ud83d\\ude00\"}", none},
    {"unicode", "{\"x\":1,\"y\":2,\"\xC3\xA9\":\"\xE2\x82\xAC \xF0\x9F\x98\x80 \xEE\x80\x80 \xED\x9F\xBF\"}", none},
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(row_parser, fixture)

BOOST_DATA_TEST_CASE(parse__row_of_the_catalogue__has_its_code, bdata::make(cases)) {
  BOOST_TEST(parse(sample.row) == sample.code);
  if (sample.code == none) return;
  BOOST_TEST(fault.code == sample.code);
  BOOST_TEST(!fault.sentence.empty());
  BOOST_TEST(fault.sentence.size() <= 300u);
  for (const char c : fault.sentence) BOOST_TEST((c >= 0x20 && c < 0x7F));
}

BOOST_DATA_TEST_CASE(parse__warm_parser__gives_the_same_code, bdata::make(cases)) {
  parser_under_test parser{testing::wanted(names, true), limits};
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(parse_with(parser, "{\"x\":3,\"y\":4,\"id\":\"a\"}") == none);
    BOOST_TEST(parse_with(parser, sample.row) == sample.code);
  }
}

BOOST_DATA_TEST_CASE(parse__row_of_the_catalogue__same_by_both_ways, bdata::make(cases)) {
  testing::both_ways parsers{names, true, limits};
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(parsers.compare(sample.row) == sample.code);
    BOOST_TEST(parsers.compare("{\"x\":3,\"y\":4,\"id\":\"a\"}") == none);
  }
}

struct number_case {
  const char* text;
  double value;
};
std::ostream& operator<<(std::ostream& out, const number_case& c) { return out << c.text; }

BOOST_DATA_TEST_CASE(parse__number__is_the_nearest_float,
                     bdata::make(std::vector<number_case>{
                         {"0", 0},
                         {"-0", -0.0},
                         {"-0.0", -0.0},
                         {"7", 7},
                         {"-7", -7},
                         {"0.1", 0.1},
                         {"1e5", 1e5},
                         {"1E+5", 1e5},
                         {"1e-5", 1e-5},
                         {"0e400", 0},
                         {"9007199254740993", 9007199254740993.0},
                         {"9223372036854775808", 9223372036854775808.0},
                         {"18446744073709551616", 18446744073709551616.0},
                         {"340282346638528859811704183484516925440", 3.4028234663852886e38},
                         {"5e-324", 0},
                         {"1e-45", 1e-45},
                         {"123456.789", 123456.789},
                         {"-1.5e-3", -1.5e-3}})) {
  if (std::string_view{sample.text} == "0e400") {
    // RapidJSON counts exponents, not values. Refusing a zero that nobody writes so is harmless.
    BOOST_TEST(parse(with_x(sample.text)) == number_out_of_range);
    return;
  }
  BOOST_TEST(parse(with_x(sample.text)) == none);
  BOOST_TEST(static_cast<float>(got[0]) == static_cast<float>(sample.value));
  BOOST_TEST(std::signbit(got[0]) == std::signbit(sample.value));
  BOOST_TEST(got[1] == 2.0);
}

BOOST_AUTO_TEST_CASE(parse__features_in_any_order__bound_by_name) {
  BOOST_TEST(parse("{\"y\":5,\"id\":1,\"x\":4}") == none);
  BOOST_TEST(got[0] == 4.0);
  BOOST_TEST(got[1] == 5.0);
}

BOOST_AUTO_TEST_CASE(parse__order_changes_between_rows__guess_does_not_matter) {
  parser_under_test parser{testing::wanted(names, true), limits};
  std::mt19937 random{1};
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::string> fields{"\"x\":" + std::to_string(i), "\"y\":" + std::to_string(i + 1), "\"a\":1",
                                    "\"b\":2", "\"c\":3"};
    std::shuffle(fields.begin(), fields.end(), random);
    const std::string row =
        "{" + fields[0] + "," + fields[1] + "," + fields[2] + "," + fields[3] + "," + fields[4] + "}";
    BOOST_REQUIRE(parse_with(parser, row) == none);
    BOOST_REQUIRE(got[0] == i);
    BOOST_REQUIRE(got[1] == i + 1);
    BOOST_REQUIRE(carried.size() == 3u);
  }
}

BOOST_AUTO_TEST_CASE(parse__always_new_names__stays_right_and_bounded) {
  parser_under_test parser{testing::wanted(names, true), limits};
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "\"n" + std::to_string(i) + "\"";
    BOOST_REQUIRE(parse_with(parser, "{" + name + ":0,\"x\":1,\"y\":2}") == none);
    BOOST_REQUIRE(carried.at(0) == name + "=0");
    BOOST_REQUIRE(parse_with(parser, "{" + name + ":0,\"x\":1," + name + ":0,\"y\":2}") == duplicate_key);
  }
}

BOOST_AUTO_TEST_CASE(parse__other_fields__bytes_as_they_came) {
  BOOST_TEST(parse("{\"a\" : [1, {\"b\":\"]\\\"\"}] "
                   ",\"x\":1,\"\\u0062\":\"\\u00e9\\n\",\"y\":2,\"n\":-1.50e+2,\"z\":null , \"t\": true}") == none);
  const std::vector<std::string> expected{"\"a\"=[1, {\"b\":\"]\\\"\"}]", "\"\\u0062\"=\"\\u00e9\\n\"",
                                          "\"n\"=-1.50e+2", "\"z\"=null", "\"t\"=true"};
  BOOST_TEST(carried == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(parse__good_row_cut_at_every_byte__invalid_json) {
  const std::string row =
      "{\"x\":1.5e3,\"id\":\"4be94cd4-21e7\",\"o\":{\"a\":[true,null,\"\\u00e9\"]},\"s\":\"\xE2\x82\xAC\",\"y\":-2}";
  parser_under_test parser{testing::wanted(names, true), limits};
  BOOST_TEST(parse_with(parser, row) == none);
  for (std::size_t size = 1; size < row.size(); ++size)
    BOOST_TEST(parse_with(parser, row.substr(0, size)) == invalid_json, "cut at " << size);
}

BOOST_AUTO_TEST_CASE(parse__every_byte_replaced__never_crashes) {
  const std::string row = "{\"x\":1.5e3,\"id\":\"\\ud83d\\ude00\xE2\x82\xAC\",\"o\":{\"a\":[true,null]},\"y\":-2}";
  parser_under_test parser{testing::wanted(names, true), limits};
  std::size_t good = 0;
  for (std::size_t at = 0; at < row.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string other = row;
      other[at] = static_cast<char>(byte);
      if (parse_with(parser, other) == none) ++good;
    }
  BOOST_TEST(good >= row.size());
}

BOOST_AUTO_TEST_CASE(parse__random_pieces__never_crashes) {
  const char* pieces[] = {"{", "}",    "[",  "]",    "\"x\"", "\"y\"", "\"a\"", ":", ",",    "1",
                          "-", "e400", ".5", "null", "tru",   "\\u",   "\"",    " ", "\x80", "1e5"};
  std::mt19937 random{42};
  parser_under_test parser{testing::wanted(names, true), limits};
  for (int i = 0; i < 30'000; ++i) {
    std::string row = random() % 2 ? "{" : "";
    for (std::size_t k = random() % 20; k > 0; --k) row += pieces[random() % std::size(pieces)];
    const rejection code = parse_with(parser, row);
    BOOST_REQUIRE(static_cast<std::size_t>(code) < rejection_count);
  }
}

BOOST_AUTO_TEST_CASE(parse__row_at_its_limit__accepted_and_one_more_is_not) {
  limits.row_bytes = 30;
  const std::string row = "{\"x\":1,\"y\":2}";
  BOOST_TEST(parse(row + std::string(30 - row.size(), ' ')) == none);
  BOOST_TEST(parse(row + std::string(31 - row.size(), ' ')) == row_too_large);
}

BOOST_AUTO_TEST_CASE(parse__ten_megabytes__too_large_or_read_where_allowed) {
  const std::string row = "{\"x\":1,\"y\":2,\"s\":\"" + std::string(10u << 20, 'a') + "\"}";
  BOOST_TEST(parse(row) == row_too_large);
  limits.row_bytes = 16u << 20;
  BOOST_TEST(parse(row) == none);
  BOOST_TEST(carried.at(0).size() == (10u << 20) + 6);
}

BOOST_AUTO_TEST_CASE(parse__five_million_elements__carried_where_allowed) {
  limits.row_bytes = 16u << 20;
  const std::string array = "[" + repeat("1,", 4'999'999) + "1]";
  BOOST_TEST(parse("{\"x\":1,\"y\":2,\"a\":" + array + "}") == none);
  BOOST_TEST((carried.at(0) == "\"a\"=" + array));
}

BOOST_AUTO_TEST_CASE(parse__megabyte_key__carried) {
  limits.row_bytes = 2u << 20;
  const std::string key = "\"" + std::string(1u << 20, 'k') + "\"";
  BOOST_TEST(parse("{" + key + ":1,\"x\":1,\"y\":2}") == none);
  BOOST_TEST((carried.at(0) == key + "=1"));
}

BOOST_AUTO_TEST_CASE(parse__200000_keys__too_many_fields) {
  limits.row_bytes = 16u << 20;
  std::string row = "{\"x\":1,\"y\":2";
  for (int i = 0; i < 200'000; ++i) row += ",\"k" + std::to_string(i) + "\":0";
  BOOST_TEST(parse(row + "}") == too_many_fields);
  limits.fields = 200'002;
  BOOST_TEST(parse(row + "}") == none);
  BOOST_TEST(parse(row + ",\"k0\":0}") == too_many_fields);
  limits.fields = 200'003;
  BOOST_TEST(parse(row + ",\"k0\":0}") == duplicate_key);
}

BOOST_AUTO_TEST_CASE(parse__members_of_nested_objects__count_as_fields) {
  limits.fields = 4;
  BOOST_TEST(parse("{\"x\":1,\"y\":2,\"o\":{\"a\":1}}") == none);
  BOOST_TEST(parse("{\"x\":1,\"y\":2,\"o\":{\"a\":1,\"b\":2}}") == too_many_fields);
}

BOOST_AUTO_TEST_CASE(parse__fault__names_feature_and_reason) {
  parse("{\"x\":1}");
  BOOST_TEST(fault.feature == "y");
  BOOST_TEST(fault.sentence == "the row has no field 'y', which the model needs");
  parse("{\"x\":\"1\",\"y\":true}");
  BOOST_TEST(fault.feature == "x");
  BOOST_TEST(fault.sentence == "feature 'x' is a string, not a number");
  parse("{\"x\":1,\"y\":1e400}");
  BOOST_TEST(fault.feature == "y");
  parse("{\"x\":1,\"a\\u000d\\u001b\":1,\"a\\u000d\\u001b\":2}");
  BOOST_TEST(fault.feature == "");
  BOOST_TEST(fault.sentence == "the field 'a\\x0d\\x1b' is there twice");
  parse("{\"x\":1,");
  BOOST_TEST(fault.sentence.find("At byte 7 of 7") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
