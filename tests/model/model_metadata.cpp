// Names, positive class and golden rows that a model file carries.
#include <boost/test/unit_test.hpp>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

result<std::shared_ptr<const loaded_model>> load_with(onnx::ModelProto model, const std::string& key,
                                                      const std::string& value) {
  for (int i = 0; i < model.metadata_props_size(); ++i)
    if (model.metadata_props(i).key() == key) model.mutable_metadata_props()->DeleteSubrange(i, 1);
  add_metadata(model, key, value);
  return load_onnx(model.SerializeAsString());
}

std::string refusal(const onnx::ModelProto& model, const std::string& key, const std::string& value) {
  const auto loaded = load_with(model, key, value);
  BOOST_REQUIRE_MESSAGE(!loaded.has_value(), value);
  return loaded.error().message;
}

void check_contains(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, "'" << part << "' is not in: " << text);
}

onnx::ModelProto unnamed() {
  onnx::ModelProto model = regressor();
  model.clear_metadata_props();
  return model;
}

const std::vector<std::string> abc{"a", "b", "c"};

} // namespace

BOOST_AUTO_TEST_SUITE(model_metadata)

BOOST_AUTO_TEST_CASE(features__no_metadata__unnamed) {
  const auto loaded = load_onnx(unnamed().SerializeAsString());
  BOOST_REQUIRE(loaded.has_value());
  BOOST_TEST((*loaded)->features.empty());
  BOOST_TEST((*loaded)->graph->number_columns() == 3u);
}

BOOST_AUTO_TEST_CASE(features__each_form__read) {
  const std::pair<const char*, const char*> forms[] = {
      {"feature_names", "a,b,c"},
      {"feature_names", R"([ "a" , "\u0062", "c" ])"},
      {"troupe.signature",
       R"({"version":3,"features":[{"name":"a","type":"float"},{"name":"b"},{"required":true,"name":"c"}]})"},
  };
  for (const auto& [key, value] : forms) {
    const auto loaded = load_with(unnamed(), key, value);
    BOOST_REQUIRE_MESSAGE(loaded.has_value(), value);
    BOOST_TEST((*loaded)->feature_names() == abc, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(features__wrong_metadata__refused_by_key) {
  check_contains(refusal(unnamed(), "feature_names", "a,b"), "names 2 features, but the model takes 3");
  check_contains(refusal(unnamed(), "feature_names", "a,b,a"), "'a' twice");
  check_contains(refusal(unnamed(), "feature_names", "a,,b"), "empty");
  check_contains(refusal(unnamed(), "feature_names", "[\"a\",\"b\",3]"), "entry 2 is not a string");
  check_contains(refusal(unnamed(), "feature_names", "[\"a\","), "feature_names can't be read");
  check_contains(refusal(unnamed(), "feature_names", "a,b,\xff"), "UTF-8");
  check_contains(refusal(unnamed(), "troupe.signature", "not json"), "troupe.signature can't be read");
  check_contains(refusal(unnamed(), "troupe.signature", "[1]"), "troupe.signature can't be read");
  check_contains(refusal(unnamed(), "troupe.signature", R"({"features":[{"name":"a"},{"nom":"b"},{"name":"c"}]})"),
                 "features[1] has no name");
  check_contains(refusal(unnamed(), "troupe.signature", R"({"features":["a","b","c"]})"),
                 "features[0] is '\"a\"', expected an object");
  onnx::ModelProto twice = regressor();
  add_metadata(twice, "troupe.signature", "{}");
  const auto loaded = load_onnx(twice.SerializeAsString());
  BOOST_REQUIRE(!loaded.has_value());
  check_contains(loaded.error().message, "twice");
}

// Each member with what it can't be. Before, some of these were read as if the member were not there.
BOOST_AUTO_TEST_CASE(signature__member_of_a_wrong_type__refused_with_path_and_both) {
  const std::string types = "one of number, double, integer, boolean, string";
  const std::string shape = "a list of positive integers, 1000000 cells at most";
  const std::string missing = "returnInvalid, asIs, or asValue with a missingValueReplacement";
  const std::string invalid = "returnInvalid, asIs, asMissing, or asValue with an invalidValueReplacement";
  const std::string range = "[smallest, largest], two numbers";
  const struct {
    std::string member, value, expected;
  } cases[] = {
      {"name", "7", "a string"},
      {"name", "[\"a\"]", "a string"},
      {"name", "null", "a string"},
      {"type", "3", types},
      {"type", "\"text\"", types},
      {"type", "[\"number\"]", types},
      {"shape", "8", shape},
      {"shape", "\"8\"", shape},
      {"shape", "{\"rows\":8}", shape},
      {"shape", "[8,0]", shape},
      {"shape", "[2.5]", shape},
      {"shape", "[\"8\"]", shape},
      {"shape", "[1000,1001]", shape},
      {"required", "\"no\"", "true or false"},
      {"required", "0", "true or false"},
      {"required", "null", "true or false"},
      {"missingValueTreatment", "1", missing},
      {"missingValueTreatment", "true", missing},
      {"missingValueTreatment", "\"drop\"", missing},
      {"missingValueTreatment", "\"asMean\"", missing}, // without a replacement
      {"missingValueReplacement", "[0]", "a number or a string"},
      {"missingValueReplacement", "true", "a number or a string"},
      {"invalidValueTreatment", "{}", invalid},
      {"invalidValueTreatment", "\"asMode\"", invalid},
      {"invalidValueTreatment", "\"asValue\"", invalid},
      {"invalidValueReplacement", "null", "a number or a string"}, // though nothing asks for it
      {"categories", "\"oslo\"", "a list of strings"},
      {"categories", "{\"oslo\":1}", "a list of strings"},
      {"range", "\"18 to 80\"", range},
      {"range", "{\"low\":1}", range},
      {"range", "[]", range},
      {"range", "[1]", range},
      {"range", "[1,2,3]", range},
      {"range", "[\"1\",\"2\"]", range},
      {"range", "[1,null]", range},
      {"range", "[2,1]", range},
  };
  for (const auto& [member, value, expected] : cases) {
    const std::string name = member == "name" ? "" : R"("name":"b",)";
    const std::string feature = "{" + name + "\"" + member + "\":" + value + "}";
    check_contains(
        refusal(unnamed(), "troupe.signature", R"({"features":[{"name":"a"},)" + feature + R"(,{"name":"c"}]})"),
        "the metadata troupe.signature: features[1]." + member + " is '" + value + "', expected " + expected);
  }
  check_contains(refusal(unnamed(), "troupe.signature", R"({"features":[{"name":"a","categories":["x",2]}]})"),
                 "features[0].categories[1] is '2', expected a string");
  for (const char* features : {R"({"a":{}})", "3", "\"a,b,c\"", "null"})
    check_contains(refusal(unnamed(), "troupe.signature", std::string{"{\"features\":"} + features + "}"),
                   std::string{"features is '"} + features + "', expected a list of objects");
  for (const char* positive : {"[1]", "{}", "true", "null"})
    check_contains(refusal(classifier({1, 2}, {0}, {3, 7}, "LOGISTIC"), "troupe.signature",
                           std::string{"{\"positive_class\":"} + positive + "}"),
                   std::string{"positive_class is '"} + positive + "', expected a class: a string or a number");
}

BOOST_AUTO_TEST_CASE(golden__member_of_a_wrong_type__refused_with_path_and_both) {
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":{"a":1},"expected":[]})"),
                 "rows is '{\"a\":1}', expected a list of objects");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{}],"expected":16})"),
                 "expected is '16', expected a list of results");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{},{}],"expected":[[16],[[1]]]})"),
                 "expected[1] is '[1]', expected a number, or a list of numbers");
}

BOOST_AUTO_TEST_CASE(positive_class__named__chosen) {
  const onnx::ModelProto model = classifier({1, 2}, {0}, {3, 7}, "LOGISTIC");
  const auto first = load_with(model, "troupe.signature", R"({"positive_class":"3"})");
  BOOST_REQUIRE(first.has_value());
  BOOST_TEST((*first)->positive_class == 0u);
  const auto number = load_with(model, "troupe.signature", R"({"positive_class":7})");
  BOOST_REQUIRE(number.has_value());
  BOOST_TEST((*number)->positive_class == 1u);
  check_contains(refusal(model, "troupe.signature", R"({"positive_class":"5"})"), "positive class '5'");
  check_contains(refusal(classifier({1, 2, 3, 4, 5, 6}, {0, 0, 0}, {1, 2, 3}, "SOFTMAX"), "troupe.signature",
                         R"({"positive_class":"1"})"),
                 "3 classes");
}

BOOST_AUTO_TEST_CASE(golden__reproduced__loads) {
  BOOST_TEST(load_with(regressor(), "troupe.golden",
                       R"({"rows":[{"a":1,"b":1,"c":1},{"c":0,"b":0,"a":0.5}],"expected":[[16],[10.5]]})")
                 .has_value());
  BOOST_TEST(load_with(regressor(), "troupe.golden", R"({"rows":[{"a":1,"b":1,"c":1}],"expected":[16]})").has_value());
  const onnx::ModelProto model = classifier({0, 0}, {0}, {3, 7}, "LOGISTIC");
  BOOST_TEST(load_with(model, "troupe.golden", R"({"rows":[{"a":1,"b":1}],"expected":[[0.5,0.5]]})").has_value());
  BOOST_TEST(load_with(model, "troupe.golden", R"({"rows":[{"a":1,"b":1}],"expected":[0.5]})").has_value());
}

BOOST_AUTO_TEST_CASE(golden__differs__refused_with_row_and_both_values) {
  const std::string message = refusal(regressor(), "troupe.golden",
                                      R"({"rows":[{"a":1,"b":1,"c":1},{"a":0,"b":0,"c":0}],"expected":[[16],[10.1]]})");
  check_contains(message, "row 1 gives 10 where the file expects 10.1");
}

BOOST_AUTO_TEST_CASE(golden__malformed__refused) {
  check_contains(refusal(regressor(), "troupe.golden", "{"), "troupe.golden can't be read");
  check_contains(refusal(regressor(), "troupe.golden", "{}"), "0 rows");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{}],"expected":[]})"), "1 rows and 0 expected");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{"a":1,"b":1}],"expected":[[1]]})"),
                 "row 0: the row has no field 'c'");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[1],"expected":[[1]]})"),
                 "row 0: the row is JSON, but not an object");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{"a":1,"b":1,"c":1}],"expected":[["x"]]})"),
                 "expected[0] is '\"x\"', expected a number, or a list of numbers");
  check_contains(refusal(regressor(), "troupe.golden", R"({"rows":[{"a":1,"b":1,"c":1}],"expected":[[1,2]]})"),
                 "expects 2 values");
  check_contains(refusal(unnamed(), "troupe.golden", R"({"rows":[{"a":1,"b":1,"c":1}],"expected":[[16]]})"),
                 "does not name the features");
}

BOOST_AUTO_TEST_CASE(format__of_a_later_version__refused) {
  BOOST_TEST(load_with(regressor(), "troupe.format", "1").has_value());
  check_contains(refusal(regressor(), "troupe.format", "2"), "troupe.format are '2', this version reads 1");
}

BOOST_AUTO_TEST_SUITE_END()
