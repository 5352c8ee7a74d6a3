// Values of rows into the cells of features: types, ranges, categories, pointers, arrays, and what happens to a value
// that is not as it should be. Each row goes both ways through the parser.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/binding.hpp"
#include "tests/model/row_outcome.hpp"

using namespace troupe::model;
using troupe::model::testing::both_ways;

namespace {

const row_limits limits{1u << 20, 32, 10'000};
const double nan = std::numeric_limits<double>::quiet_NaN();

feature_spec feature(const std::string& name, feature_type type, std::vector<std::int64_t> dims = {}) {
  feature_spec spec;
  spec.name = name;
  spec.type = type;
  spec.dims = std::move(dims);
  return spec;
}

feature_spec number(const std::string& name) { return feature(name, feature_type::number); }
feature_spec text(const std::string& name) { return feature(name, feature_type::text); }

feature_spec missing(feature_spec spec, treatment how) {
  spec.on_missing = how;
  spec.missing_number = how == treatment::replace ? -7 : nan;
  spec.missing_text = how == treatment::replace ? "nobody" : "";
  return spec;
}

feature_spec invalid(feature_spec spec, treatment how) {
  spec.on_invalid = spec.on_wrong_type = how;
  spec.invalid_number = -8;
  spec.invalid_text = "odd";
  return spec;
}

feature_spec between(feature_spec spec, double low, double high) {
  spec.low = low;
  spec.high = high;
  return spec;
}

wanted_fields wanted_of(const std::vector<feature_spec>& specs, bool record_unknown = false) {
  std::vector<feature_slot> slots;
  std::size_t numbers = 0, texts = 0;
  for (const feature_spec& spec : specs) {
    std::size_t& column = spec.type == feature_type::text ? texts : numbers;
    slots.push_back({spec, column});
    column += spec.width();
  }
  auto wanted = wanted_features(std::move(slots), "the test");
  BOOST_REQUIRE_MESSAGE(wanted.has_value(), (wanted ? "" : wanted.error().message));
  wanted->record_unknown = record_unknown;
  return *wanted;
}

// Rows through a parser, and what became of them.
class reader {
public:
  explicit reader(const std::vector<feature_spec>& specs)
      : reader(wanted_of(specs)) {}

  rejection read(const std::string& row) {
    row_ = row;
    numbers.assign(numbers.size(), -1);
    texts.assign(texts.size(), "-");
    const rejection code = parser_.parse(row_, {numbers.data(), texts.data()});
    BOOST_TEST(both_.compare(row_) == code);
    return code;
  }
  // The only number, or text, of a good row.
  double number_in(const std::string& row) {
    BOOST_TEST(read(row) == rejection::none, row << ": " << parser_.fault().sentence);
    return numbers.at(0);
  }
  std::string text_in(const std::string& row) {
    BOOST_TEST(read(row) == rejection::none, row << ": " << parser_.fault().sentence);
    return std::string{texts.at(0)};
  }
  const row_fault& fault() const { return parser_.fault(); }
  std::uint64_t count(std::size_t feature, oddity what) {
    return parser_.features().counts().at(feature)[static_cast<std::size_t>(what)];
  }
  std::uint64_t flat_rows() const { return parser_.flat_rows(); }

  std::vector<double> numbers;
  std::vector<std::string_view> texts;

private:
  explicit reader(const wanted_fields& wanted)
      : parser_(wanted, limits)
      , both_(wanted, limits) {
    for (const feature_slot& slot : wanted.features)
      if (slot.spec.type == feature_type::text)
        texts.emplace_back();
      else
        numbers.resize(numbers.size() + slot.spec.width());
  }

  row_parser parser_;
  both_ways both_;
  std::string row_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(features)

BOOST_AUTO_TEST_CASE(missing_and_null__by_treatment) {
  for (const feature_spec& spec :
       {number("x"), feature("x", feature_type::integer), feature("x", feature_type::boolean)}) {
    reader strict{{spec}};
    BOOST_TEST(strict.read("{}") == rejection::missing_feature);
    BOOST_TEST(strict.fault().feature == "x");
    BOOST_TEST(strict.read(R"({"x":null})") == rejection::null_feature);
    reader replaced{{missing(spec, treatment::replace)}};
    BOOST_TEST(replaced.number_in("{}") == -7);
    BOOST_TEST(replaced.number_in(R"({"x":null})") == -7);
    BOOST_TEST(replaced.number_in(R"({"x":1})") == 1);
    BOOST_TEST(replaced.count(0, oddity::missing) == 1u);
    BOOST_TEST(replaced.count(0, oddity::null) == 1u);
  }
  reader as_is{{missing(number("x"), treatment::as_is)}};
  BOOST_TEST(std::isnan(as_is.number_in("{}")));
  BOOST_TEST(std::isnan(as_is.number_in(R"({"x":null})")));
}

BOOST_AUTO_TEST_CASE(missing_and_null_text__by_treatment) {
  reader strict{{text("x")}};
  BOOST_TEST(strict.read("{}") == rejection::missing_feature);
  BOOST_TEST(strict.read(R"({"x":null})") == rejection::null_feature);
  reader as_is{{missing(text("x"), treatment::as_is)}};
  BOOST_TEST(as_is.text_in("{}") == "");
  BOOST_TEST(as_is.text_in(R"({"x":null})") == "");
  reader replaced{{missing(text("x"), treatment::replace)}};
  BOOST_TEST(replaced.text_in("{}") == "nobody");
  BOOST_TEST(replaced.text_in(R"({"x":null})") == "nobody");
}

// What each type takes of each kind of value, and as what.
BOOST_AUTO_TEST_CASE(types__take_what_they_hold) {
  using enum rejection;
  struct row {
    const char* value;
    rejection number, real, integer, boolean, text;
  };
  for (const row& r : {row{"1", none, none, none, none, wrong_type}, row{"0", none, none, none, none, wrong_type},
                       row{"-1.0", none, none, none, wrong_type, wrong_type},
                       row{"1.5", none, none, wrong_type, wrong_type, wrong_type},
                       row{"1e3", none, none, none, wrong_type, wrong_type},
                       row{"15e-1", none, none, wrong_type, wrong_type, wrong_type},
                       row{"9007199254740992", none, none, none, wrong_type, wrong_type},
                       row{"9007199254740994", none, none, wrong_type, wrong_type, wrong_type},
                       row{"1e39", number_out_of_range, none, wrong_type, wrong_type, wrong_type},
                       row{"-1e39", number_out_of_range, none, wrong_type, wrong_type, wrong_type},
                       row{"true", wrong_type, wrong_type, wrong_type, none, wrong_type},
                       row{"false", wrong_type, wrong_type, wrong_type, none, wrong_type},
                       row{"\"1\"", wrong_type, wrong_type, wrong_type, wrong_type, none},
                       row{"\"true\"", wrong_type, wrong_type, wrong_type, wrong_type, none},
                       row{"[1]", wrong_type, wrong_type, wrong_type, wrong_type, wrong_type},
                       row{"[]", wrong_type, wrong_type, wrong_type, wrong_type, wrong_type},
                       row{"{}", wrong_type, wrong_type, wrong_type, wrong_type, wrong_type}}) {
    const std::string whole = std::string{R"({"x":)"} + r.value + "}";
    BOOST_TEST(reader({number("x")}).read(whole) == r.number, whole);
    BOOST_TEST(reader({feature("x", feature_type::real)}).read(whole) == r.real, whole);
    BOOST_TEST(reader({feature("x", feature_type::integer)}).read(whole) == r.integer, whole);
    BOOST_TEST(reader({feature("x", feature_type::boolean)}).read(whole) == r.boolean, whole);
    BOOST_TEST(reader({text("x")}).read(whole) == r.text, whole);
  }
  reader boolean{{feature("x", feature_type::boolean)}};
  BOOST_TEST(boolean.number_in(R"({"x":true})") == 1);
  BOOST_TEST(boolean.number_in(R"({"x":false})") == 0);
  BOOST_TEST(reader({feature("x", feature_type::integer)}).number_in(R"({"x":-1.2e1})") == -12);
}

BOOST_AUTO_TEST_CASE(wrong_type__by_treatment) {
  const std::string row = R"({"x":"1"})";
  BOOST_TEST(reader({invalid(number("x"), treatment::reject)}).read(row) == rejection::wrong_type);
  reader replaced{{invalid(number("x"), treatment::replace)}};
  BOOST_TEST(replaced.number_in(row) == -8);
  BOOST_TEST(replaced.number_in(R"({"x":1e39})") == -8);
  BOOST_TEST(replaced.count(0, oddity::wrong_type) == 2u);
  BOOST_TEST(reader({missing(invalid(number("x"), treatment::as_missing), treatment::replace)}).number_in(row) == -7);
  // Missing is not allowed, so what is treated as missing isn't either.
  BOOST_TEST(reader({invalid(number("x"), treatment::as_missing)}).read(row) == rejection::wrong_type);
  BOOST_TEST(reader({invalid(text("x"), treatment::replace)}).text_in(R"({"x":1})") == "odd");
  BOOST_TEST(reader({missing(invalid(text("x"), treatment::as_missing), treatment::replace)}).text_in(R"({"x":[1]})") ==
             "nobody");
}

BOOST_AUTO_TEST_CASE(range__by_treatment) {
  const feature_spec spec = between(number("x"), -1, 2.5);
  for (const char* inside : {"-1", "2.5", "0", "2.4999999"})
    BOOST_TEST(reader({invalid(spec, treatment::reject)}).read(std::string{R"({"x":)"} + inside + "}") ==
               rejection::none);
  for (const char* outside : {"-1.0001", "2.6", "-3e5"}) {
    const std::string row = std::string{R"({"x":)"} + outside + "}";
    BOOST_TEST(reader({invalid(spec, treatment::reject)}).read(row) == rejection::outside_range);
    reader as_is{{spec}};
    BOOST_TEST(as_is.number_in(row) == std::stod(outside));
    BOOST_TEST(as_is.count(0, oddity::out_of_range) == 1u);
    BOOST_TEST(reader({invalid(spec, treatment::replace)}).number_in(row) == -8);
    BOOST_TEST(reader({missing(invalid(spec, treatment::as_missing), treatment::replace)}).number_in(row) == -7);
    BOOST_TEST(std::isnan(reader({missing(invalid(spec, treatment::as_missing), treatment::as_is)}).number_in(row)));
    BOOST_TEST(reader({invalid(spec, treatment::as_missing)}).read(row) == rejection::outside_range);
  }
}

BOOST_AUTO_TEST_CASE(categories__by_treatment) {
  feature_spec spec = text("x");
  spec.categories = {"", "a\"b", "blue", "\xC3\xA9t\xC3\xA9"};
  reader strict{{invalid(spec, treatment::reject)}};
  BOOST_TEST(strict.text_in(R"({"x":"blue"})") == "blue");
  BOOST_TEST(strict.text_in(R"({"x":""})") == "");
  BOOST_TEST(strict.text_in(R"({"x":"a\"b"})") == "a\"b");
  BOOST_TEST(strict.text_in("{\"x\":\"\xC3\xA9t\\u00e9\"}") == "\xC3\xA9t\xC3\xA9");
  BOOST_TEST(strict.read(R"({"x":"Blue"})") == rejection::unknown_category);
  BOOST_TEST(strict.fault().sentence.find("'Blue'") != std::string::npos);
  reader as_is{{spec}};
  BOOST_TEST(as_is.text_in(R"({"x":"red"})") == "red");
  BOOST_TEST(as_is.count(0, oddity::unknown_category) == 1u);
  BOOST_TEST(reader({invalid(spec, treatment::replace)}).text_in(R"({"x":"red"})") == "odd");
  BOOST_TEST(reader({missing(invalid(spec, treatment::as_missing), treatment::as_is)}).text_in(R"({"x":"red"})") == "");
}

BOOST_AUTO_TEST_CASE(texts__escapes_and_characters) {
  reader r{{text("x")}};
  BOOST_TEST(r.text_in(R"({"x":"plain"})") == "plain");
  BOOST_TEST(r.text_in(R"({"x":"\"\\\/\b\f\n\r\t"})") == "\"\\/\b\f\n\r\t");
  BOOST_TEST(r.text_in(R"({"x":"\u20ac"})") == "\xE2\x82\xAC");
  BOOST_TEST(r.text_in("{\"x\":\"\xE2\x82\xAC\"}") == "\xE2\x82\xAC");
  BOOST_TEST(r.text_in(R"({"x":"\ud83d\ude00!"})") == "\xF0\x9F\x98\x80!");
  BOOST_TEST(r.text_in(R"({"x":"a\u0000b"})") == std::string("a\0b", 3));
  BOOST_TEST(r.text_in("{\"x\":\"" + std::string(5000, 'y') + "\"}") == std::string(5000, 'y'));
  BOOST_TEST(r.read(R"({"x":"\ud83d"})") == rejection::invalid_utf8);
  BOOST_TEST(r.read(R"({"x":"\ude00"})") == rejection::invalid_utf8);
  BOOST_TEST(r.read("{\"x\":\"\xFF\"}") == rejection::invalid_utf8);
  BOOST_TEST(r.read("{\"x\":\"a\nb\"}") == rejection::invalid_json);
}

// Texts with escapes are not in the row as they are: those of earlier rows of a batch must stay.
BOOST_AUTO_TEST_CASE(texts__of_a_batch__live_until_it_is_over) {
  row_parser parser{wanted_of({text("x")}), limits};
  std::vector<std::string> rows;
  for (int i = 0; i < 100; ++i) rows.push_back("{\"x\":\"\\n" + std::to_string(i) + "\"}");
  std::vector<std::string_view> texts(rows.size());
  parser.forget_texts();
  for (std::size_t i = 0; i < rows.size(); ++i)
    BOOST_REQUIRE(parser.parse(rows[i], {nullptr, &texts[i]}) == rejection::none);
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_TEST(texts[i] == "\n" + std::to_string(i));
}

BOOST_AUTO_TEST_CASE(pointers__lead_into_objects_and_arrays) {
  reader r{{number("/user/age"), text("/user/name"), number("/list/1/x"), number("/a~1b/~0"), number("top")}};
  const std::string row =
      R"({"user":{"name":"Ann \"A\"","age":41,"more":[1,2]},"list":[0,{"x":2.5}],"a/b":{"~":3},"top":4})";
  BOOST_TEST(r.read(row) == rejection::none);
  BOOST_TEST(r.numbers == (std::vector<double>{41, 2.5, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST(r.texts[0] == "Ann \"A\"");
  // Names with escapes are the same names.
  BOOST_TEST(r.read(R"({"us\u0065r":{"n\u0061me":"B","age":1},"list":[0,{"x":2}],"a\/b":{"~":3},"top":4})") ==
             rejection::none);
  BOOST_TEST(r.texts[0] == "B");
  BOOST_TEST(r.read(R"({"user":{"name":"B"},"list":[0,{"x":2}],"a/b":{"~":3},"top":4})") == rejection::missing_feature);
  BOOST_TEST(r.fault().feature == "/user/age");
  BOOST_TEST(r.read(R"({"user":7,"list":[0,{"x":2}],"a/b":{"~":3},"top":4})") == rejection::missing_feature);
  BOOST_TEST(r.read(R"({"user":{"name":"B","age":null},"list":[0,{"x":2}],"a/b":{"~":3},"top":4})") ==
             rejection::null_feature);
  BOOST_TEST(r.read(R"({"user":{"name":3,"age":3},"list":[0,{"x":2}],"a/b":{"~":3},"top":4})") ==
             rejection::wrong_type);
  BOOST_TEST(r.read(R"({"user":{"name":"B","age":3},"list":[{"x":2}],"a/b":{"~":3},"top":4})") ==
             rejection::missing_feature);
  BOOST_TEST(r.read(R"({"list":[0,{"x":2}],"a/b":{"~":3},"top":4})") == rejection::missing_feature);
}

BOOST_AUTO_TEST_CASE(pointers__that_lead_nowhere__are_missing_values) {
  reader r{{missing(number("/a/b"), treatment::replace), missing(text("/a/c"), treatment::replace), number("x")}};
  for (const char* row : {R"({"x":1})", R"({"x":1,"a":null})", R"({"x":1,"a":{}})", R"({"x":1,"a":[1]})"}) {
    BOOST_TEST(r.read(row) == rejection::none, row);
    BOOST_TEST(r.numbers[0] == -7);
    BOOST_TEST(r.texts[0] == "nobody");
  }
  BOOST_TEST(r.count(0, oddity::missing) == 4u);
  BOOST_TEST(r.read(R"({"x":1,"a":{"b":null,"c":"y"}})") == rejection::none);
  BOOST_TEST(r.count(0, oddity::null) == 1u);
  BOOST_TEST(r.texts[0] == "y");
  // Rows without the field go the quick way.
  BOOST_TEST(r.flat_rows() == 1u);
}

BOOST_AUTO_TEST_CASE(field_that_is_a_feature_and_has_one_inside__gives_both) {
  reader r{{feature("a", feature_type::number, {3}), number("/a/1")}};
  BOOST_TEST(r.read(R"({"a":[5,6,7]})") == rejection::none);
  BOOST_TEST(r.numbers == (std::vector<double>{5, 6, 7, 6}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(arrays__flat_or_nested__fill_the_cells) {
  reader r{{feature("p", feature_type::number, {2, 3}), number("x")}};
  for (const char* array : {"[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", " [ 1 ,\t2, 3,4 ,5,\n6 ] ", "[[1,2],[3,4],[5,6]]",
                            "[1e0,2.0,3,0.4e1,50E-1,6]"}) {
    BOOST_TEST(r.read(std::string{R"({"id":"a","p":)"} + array + R"(,"x":7})") == rejection::none, array);
    BOOST_TEST(r.numbers == (std::vector<double>{1, 2, 3, 4, 5, 6, 7}), boost::test_tools::per_element());
  }
  for (const char* array :
       {"[]", "[1,2,3,4,5]", "[1,2,3,4,5,6,7]", "[1,2,3,4,5,\"6\"]", "[1,2,3,4,5,null]", "1", "{}", "[1,2,3,4,5,true]",
        "[1,2,3,4,5,{\"a\":6}]", "[1,2,3,4,5,1e39]", "\"[1,2,3,4,5,6]\"", "[\"a]b\",1,2,3,4,5]"}) {
    BOOST_TEST(r.read(std::string{R"({"p":)"} + array + R"(,"x":7})") == rejection::wrong_type, array);
    BOOST_TEST(r.fault().feature == "p");
  }
  for (const char* array : {"[1,2,3,4,5,]", "[1 2,3,4,5,6]", "[1,2,3,4,5,6", "[,1]", "[01,2,3,4,5,6]"})
    BOOST_TEST(r.read(std::string{R"({"p":)"} + array + R"(,"x":7})") == rejection::invalid_json, array);
  BOOST_TEST(r.read(R"({"p":null,"x":7})") == rejection::null_feature);
}

BOOST_AUTO_TEST_CASE(arrays__of_each_type__and_treatments) {
  reader integers{{feature("p", feature_type::integer, {2})}};
  BOOST_TEST(integers.read(R"({"p":[1,-2e1]})") == rejection::none);
  BOOST_TEST(integers.read(R"({"p":[1,1.5]})") == rejection::wrong_type);
  reader booleans{{feature("p", feature_type::boolean, {3})}};
  BOOST_TEST(booleans.read(R"({"p":[true,false,1]})") == rejection::none);
  BOOST_TEST(booleans.numbers == (std::vector<double>{1, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(booleans.read(R"({"p":[true,false,2]})") == rejection::wrong_type);
  reader replaced{{missing(feature("p", feature_type::number, {2}), treatment::replace)}};
  BOOST_TEST(replaced.read("{}") == rejection::none);
  BOOST_TEST(replaced.numbers == (std::vector<double>{-7, -7}), boost::test_tools::per_element());
  reader odd{{invalid(feature("p", feature_type::number, {2}), treatment::replace)}};
  BOOST_TEST(odd.read(R"({"p":[1,"x"]})") == rejection::none);
  BOOST_TEST(odd.numbers == (std::vector<double>{-8, -8}), boost::test_tools::per_element());
  reader ranged{{between(feature("p", feature_type::number, {2}), 0, 16)}};
  BOOST_TEST(ranged.read(R"({"p":[0,16]})") == rejection::none);
  BOOST_TEST(ranged.read(R"({"p":[17,-1]})") == rejection::none);
  BOOST_TEST(ranged.numbers == (std::vector<double>{17, -1}), boost::test_tools::per_element());
  BOOST_TEST(ranged.count(0, oddity::out_of_range) == 1u);
  BOOST_TEST(reader({invalid(between(feature("p", feature_type::number, {2}), 0, 16), treatment::reject)})
                 .read(R"({"p":[17,1]})") == rejection::outside_range);
}

BOOST_AUTO_TEST_CASE(image_row__goes_the_quick_way) {
  reader r{{feature("pixels", feature_type::number, {1, 28, 28})}};
  std::string row = R"({"id":"img-1","pixels":[)";
  for (int i = 0; i < 784; ++i) row += (i > 0 ? "," : "") + std::to_string(i % 256);
  BOOST_TEST(r.read(row + "]}") == rejection::none);
  BOOST_TEST(r.numbers[783] == 783 % 256);
  BOOST_TEST(r.flat_rows() == 1u);
}

BOOST_AUTO_TEST_CASE(counts__of_rejected_rows__are_not_kept) {
  reader r{{missing(number("x"), treatment::as_is), number("y")}};
  BOOST_TEST(r.read("{}") == rejection::missing_feature);
  BOOST_TEST(r.read(R"({"x":null,"y":"1"})") == rejection::wrong_type);
  BOOST_TEST(r.count(0, oddity::missing) + r.count(0, oddity::null) == 0u);
  BOOST_TEST(r.read(R"({"y":1})") == rejection::none);
  BOOST_TEST(r.count(0, oddity::missing) == 1u);
}

namespace {

// Rows of features of every type and treatment; mostly good ones.
class mixed_rows {
public:
  explicit mixed_rows(unsigned seed)
      : random_(seed) {}

  static std::vector<feature_spec> specs() {
    feature_spec colour = invalid(missing(text("colour"), treatment::as_is), treatment::as_missing);
    colour.categories = {"blue", "deep \xC3\xA9", "red"};
    return {missing(number("n"), treatment::as_is),
            invalid(between(number("ranged"), -10, 10), treatment::replace),
            feature("real", feature_type::real),
            missing(feature("count", feature_type::integer), treatment::replace),
            invalid(feature("flag", feature_type::boolean), treatment::replace),
            std::move(colour),
            text("word"),
            missing(feature("pixels", feature_type::number, {2, 2}), treatment::replace),
            missing(number("/user/age"), treatment::replace),
            missing(text("/user/name"), treatment::replace)};
  }

  std::string row() {
    plain_ = below(3) != 0;
    std::vector<std::string> fields;
    const auto add = [&](const char* name, const std::string& value) {
      if (below(25) != 0)
        fields.push_back(std::string{"\""} + name + "\":" + (!plain_ && below(40) == 0 ? odd() : value));
    };
    add("n", digits());
    add("ranged", digits());
    add("real", !plain_ && below(9) == 0 ? "1e300" : digits());
    add("count", std::to_string(below(5000)));
    add("flag", below(2) == 0 ? "true" : "0");
    add("colour", string());
    add("word", string());
    add("pixels", !plain_ && below(5) == 0 ? "[[1,2],[3,4.5]]" : "[1,2," + digits() + "," + digits() + "]");
    if (!plain_ && below(2) == 0) fields.push_back(R"("user":{"age":)" + digits() + R"(,"name":)" + string() + "}");
    if (!plain_ && below(3) == 0) fields.push_back("\"other" + std::to_string(below(9)) + "\":" + odd());
    if (below(3) == 0) std::shuffle(fields.begin(), fields.end(), random_);
    std::string all = "{";
    for (std::size_t i = 0; i < fields.size(); ++i) all += (i > 0 ? "," : "") + fields[i];
    return all + (below(60) == 0 ? "" : "}");
  }

private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  template <std::size_t n> std::string one_of(const char* const (&texts)[n]) { return texts[below(n)]; }
  std::string digits() {
    if (!plain_ && below(12) == 0)
      return one_of({"1e2", "-0", "1e39", "0.30000000000000004", "9007199254740993", "1E-400", "01"});
    return (below(3) == 0 ? "-" : "") + std::to_string(below(20)) +
           (below(2) == 0 ? "." + std::to_string(below(99)) : "");
  }
  std::string string() {
    if (plain_) return one_of({R"("red")", R"("blue")"});
    return one_of({R"("red")", R"("blue")", "\"deep \xC3\xA9\"", R"("deep \u00e9")", R"("green")", R"("")", R"("\n")",
                   "\"\xE2\x82\xAC\"", R"("it's [a] {b}: c")"});
  }
  std::string odd() {
    return one_of({"null", "true", "\"text\"", "[]", "[1,2]", "{}", "7", "-1.5", "[1,2,3,4]", "{\"age\":1}", "nul"});
  }

  std::mt19937 random_;
  bool plain_ = true; // of the row being made
};

} // namespace

BOOST_AUTO_TEST_CASE(random_rows_of_mixed_types__same_by_both_ways) {
  for (const bool record_unknown : {false, true}) {
    mixed_rows rows{record_unknown ? 21u : 22u};
    both_ways parsers{wanted_of(mixed_rows::specs(), record_unknown), limits};
    std::map<rejection, std::size_t> seen;
    for (int i = 0; i < 20'000; ++i) {
      const std::string row = rows.row();
      ++seen[parsers.compare(row)];
      if (i % 200 == 0)
        for (std::size_t size = 0; size < row.size(); ++size) parsers.compare(row.substr(0, size));
    }
    // It says little unless both ways are taken often, and each code is met.
    BOOST_TEST(parsers.flat_rows() >= 1'000u);
    BOOST_TEST(seen[rejection::none] >= 5'000u);
    for (const rejection code : {rejection::missing_feature, rejection::null_feature, rejection::wrong_type,
                                 rejection::number_out_of_range, rejection::invalid_json})
      BOOST_TEST(seen[code] >= 20u, to_string(code) << ": " << seen[code]);
    BOOST_TEST_MESSAGE(seen[rejection::none] << " good rows, " << parsers.flat_rows() << " by the quick way");
  }
}

BOOST_AUTO_TEST_SUITE_END()
