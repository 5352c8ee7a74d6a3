// What `troupe model show FILE` prints, as text and as JSON.
#include <boost/test/unit_test.hpp>

#include <string>

#include <rapidjson/document.h>

#include "cli/model_text.hpp"
#include "model/evaluator.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model::testing;

namespace {

constexpr std::size_t file_bytes = 4711;

std::shared_ptr<const model::loaded_model> load(const onnx::ModelProto& model) {
  const auto loaded = model::load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  return *loaded;
}

// A text feature and a number, both with all that a signature can say; classes 3 and 7, of which 3 is positive.
onnx::ModelProto full() {
  onnx::ModelProto model = empty_model();
  add_input(model, "city", 1, onnx::TensorProto::STRING);
  add_input(model, "age", 1);
  auto& encoder = add_node(model, "OneHotEncoder", {"city"}, {"three"});
  add_strings(encoder, "cats_strings", {"oslo", "rome"});
  auto& flat = add_node(model, "Flatten", {"three"}, {"two"}, "");
  add_int(flat, "axis", 1);
  auto& concat = add_node(model, "Concat", {"two", "age"}, {"all"}, "");
  add_int(concat, "axis", 1);
  auto& linear = add_node(model, "LinearClassifier", {"all"}, {"label", "scores"});
  add_floats(linear, "coefficients", {1, 2, 3});
  add_floats(linear, "intercepts", {0});
  add_ints(linear, "classlabels_ints", {3, 7});
  add_text(linear, "post_transform", "LOGISTIC");
  add_output(model, "label");
  add_output(model, "scores");
  add_metadata(model, "troupe.signature", R"({"positive_class":3,"features":[
    {"name":"city","type":"string","missingValueTreatment":"asValue","missingValueReplacement":"rome",
     "invalidValueTreatment":"asMissing","categories":["rome","oslo"]},
    {"name":"age","missingValueTreatment":"asMean","missingValueReplacement":41.5,
     "invalidValueTreatment":"asValue","invalidValueReplacement":-1,"range":[18,80.5]}]})");
  add_metadata(model, "troupe.golden", R"({"rows":[{"city":"none","age":0}],"expected":[[0.73105858,0.26894142]]})");
  return model;
}

void check_contains(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, "'" << part << "' is not in: " << text);
}

rapidjson::Document json_of(const model::loaded_model& model) {
  rapidjson::Document json;
  json.Parse(cli::model_json(model, file_bytes).c_str());
  BOOST_REQUIRE(!json.HasParseError());
  return json;
}

} // namespace

BOOST_AUTO_TEST_SUITE(model_text)

BOOST_AUTO_TEST_CASE(text__full_signature__all_of_it) {
  const std::string text = cli::model_text(*load(full()), file_bytes);
  for (const char* part :
       {"model      'test', a binary classifier", "size       4711 bytes", "city", "asValue rome", "asMissing",
        "oslo, rome", "age", "asValue 41.5", "asValue -1", "18 to 80.5", "classes    3, 7", "positive   3",
        "operators  Concat, Flatten, LinearClassifier, OneHotEncoder", "rows at once", "LinearClassifier", "3 -> 3",
        "golden     1 rows reproduced"})
    check_contains(text, part);
}

BOOST_AUTO_TEST_CASE(json__full_signature__all_that_the_text_has) {
  const auto model = load(full());
  const auto json = json_of(*model);
  BOOST_TEST(json["name"].GetString() == "test");
  BOOST_TEST(json["task"].GetString() == "binary classifier");
  BOOST_TEST(json["bytes"].GetUint64() == file_bytes);
  BOOST_TEST(json["columns"].GetUint64() == 2u);
  const auto& city = json["features"][0];
  BOOST_TEST(city["type"].GetString() == "string");
  BOOST_TEST(city["missingValueReplacement"].GetString() == "rome");
  BOOST_TEST(city["invalidValueTreatment"].GetString() == "asMissing");
  BOOST_TEST(!city.HasMember("invalidValueReplacement"));
  BOOST_TEST(!city.HasMember("range"));
  BOOST_REQUIRE(city["categories"].Size() == 2u);
  BOOST_TEST(city["categories"][0].GetString() == "oslo");
  const auto& age = json["features"][1];
  BOOST_TEST(age["missingValueTreatment"].GetString() == "asValue");
  BOOST_TEST(age["missingValueReplacement"].GetDouble() == 41.5);
  BOOST_TEST(age["invalidValueReplacement"].GetDouble() == -1);
  BOOST_TEST(age["range"][0].GetDouble() == 18);
  BOOST_TEST(age["range"][1].GetDouble() == 80.5);
  BOOST_TEST(!age.HasMember("categories"));
  BOOST_TEST(json["classes"][1].GetString() == "7");
  BOOST_TEST(json["positive_class"].GetString() == "3");
  BOOST_TEST(json["operators"].Size() == 4u);
  const auto& plan = json["plan"];
  BOOST_TEST(plan["rows_at_once"].GetUint64() == model->graph->rows_at_once());
  BOOST_TEST(plan["bytes_a_thread"].GetUint64() == model->graph->scratch_bytes());
  BOOST_REQUIRE(plan["steps"].Size() == model->graph->steps().size());
  const auto& last = plan["steps"][plan["steps"].Size() - 1];
  BOOST_TEST(last["name"].GetString() == "LinearClassifier");
  BOOST_TEST(last["columns_in"].GetUint64() == 3u);
  BOOST_TEST(json["golden_rows"].GetUint64() == 1u);
  BOOST_TEST(json["golden_difference"].GetDouble() < 1e-6);
}

BOOST_AUTO_TEST_CASE(invalid__as_is_and_returned__told_apart) {
  onnx::ModelProto model = regressor();
  model.mutable_metadata_props(0)->set_value(
      R"({"features":[{"name":"a","invalidValueTreatment":"returnInvalid"},{"name":"b"},{"name":"c"}]})");
  const auto json = json_of(*load(model));
  BOOST_TEST(json["features"][0]["invalidValueTreatment"].GetString() == "returnInvalid");
  BOOST_TEST(json["features"][1]["invalidValueTreatment"].GetString() == "asIs");
  BOOST_TEST(json["values"].GetUint64() == 1u);
}

// CR LF ESC, a C1 control, and a character that turns the direction of writing, in every text that a file can bring.
BOOST_AUTO_TEST_CASE(text__controls_in_names_classes_and_categories__are_escaped) {
  const std::string evil = "x\r\n\x1B[2J\x07\xC2\x9B\xE2\x80\xAEy";
  const std::string in_json = "x\\r\\n\\u001b[2J\\u0007\xC2\x9B\xE2\x80\xAEy";
  const std::string shown = R"(x\x0d\x0a\x1b[2J\x07\xc2\x9b\xe2\x80\xaey)";
  onnx::ModelProto model = full();
  model.mutable_graph()->set_name(evil);
  auto& linear = *model.mutable_graph()->mutable_node(3);
  for (int i = 0; i < linear.attribute_size(); ++i)
    if (linear.attribute(i).name() == "classlabels_ints") linear.mutable_attribute()->DeleteSubrange(i, 1);
  add_strings(linear, "classlabels_strings", {evil, "gr\xC3\xBCn"});
  model.clear_metadata_props();
  add_metadata(model, "troupe.signature",
               R"({"positive_class":")" + in_json + R"(","features":[{"name":")" + in_json +
                   R"(","type":"string","missingValueReplacement":")" + in_json +
                   R"(","invalidValueTreatment":"asValue","invalidValueReplacement":")" + in_json +
                   R"(","categories":[")" + in_json + R"("]},{"name":"age"}]})");
  const auto loaded = load(model);
  const std::string text = cli::model_text(*loaded, file_bytes);
  for (const char byte : text) BOOST_TEST((static_cast<unsigned char>(byte) >= 0x20 || byte == '\n'));
  BOOST_TEST(text.find("\xC2\x9B") == std::string::npos);
  BOOST_TEST(text.find("\xE2\x80\xAE") == std::string::npos);
  std::size_t times = 0;
  for (std::size_t at = text.find(shown); at != std::string::npos; at = text.find(shown, at + 1)) ++times;
  BOOST_TEST(times == 7u); // model, feature, two replacements, category, class, positive class
  check_contains(text, "gr\xC3\xBCn");
  const auto json = json_of(*loaded);
  BOOST_TEST(json["features"][0]["name"].GetString() == evil);
  BOOST_TEST(json["positive_class"].GetString() == evil);
}

BOOST_AUTO_TEST_SUITE_END()
