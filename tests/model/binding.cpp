// Names, types and shapes of features against the inputs of a graph.
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "model/binding.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

using names = std::vector<std::string>;

// Inputs a [N,2] floats, b [N,1] strings, c [N,1] int64, joined as far as they can be; only the inputs matter here.
onnx::ModelProto three_inputs() {
  onnx::ModelProto model = empty_model();
  add_input(model, "a", 2);
  add_input(model, "b", 1, onnx::TensorProto::STRING);
  add_input(model, "c", 1, onnx::TensorProto::INT64);
  add_node(model, "Identity", {"a"}, {"Y"}, "");
  add_output(model, "Y");
  return model;
}

onnx::ModelProto matrix(int width, int type = onnx::TensorProto::FLOAT) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", width, type);
  if (type == onnx::TensorProto::STRING)
    add_strings(add_node(model, "OneHotEncoder", {"X"}, {"Y"}), "cats_strings", {"a"});
  else
    add_node(model, "Identity", {"X"}, {"Y"}, "");
  add_output(model, "Y");
  return model;
}

onnx::ModelProto image() {
  onnx::ModelProto model = empty_model();
  add_input(model, "pixels", 1);
  auto* shape = model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->add_dim()->set_dim_value(2);
  shape->add_dim()->set_dim_value(3);
  add_node(model, "Identity", {"pixels"}, {"Y"}, "");
  add_output(model, "Y");
  return model;
}

onnx::ModelProto with_signature(onnx::ModelProto model, const std::string& features) {
  add_metadata(model, "troupe.signature", "{\"features\":[" + features + "]}");
  return model;
}

std::shared_ptr<const loaded_model> load(const onnx::ModelProto& proto) {
  const auto loaded = load_onnx(proto.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  return *loaded;
}

std::string refusal(const onnx::ModelProto& proto) {
  const auto loaded = load_onnx(proto.SerializeAsString());
  BOOST_REQUIRE(!loaded.has_value());
  return loaded.error().message;
}

std::vector<feature_spec> named(const onnx::ModelProto& proto, const names& given) {
  const auto features = features_of_names(*load(proto)->graph, given, "the test");
  BOOST_REQUIRE_MESSAGE(features.has_value(), (features ? "" : features.error().message));
  return *features;
}

std::string names_refused(const onnx::ModelProto& proto, const names& given) {
  const auto features = features_of_names(*load(proto)->graph, given, "the test");
  BOOST_REQUIRE(!features.has_value());
  return features.error().message;
}

std::string wanted_refused(const names& given) {
  std::vector<feature_slot> slots;
  for (const std::string& name : given) {
    slots.emplace_back();
    slots.back().spec.name = name;
  }
  const auto wanted = wanted_features(std::move(slots), "the test");
  return wanted ? "" : wanted.error().message;
}

void check_contains(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, '\'' << part << "' is not in: " << text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(binding)

BOOST_AUTO_TEST_CASE(inputs__name_their_features) {
  const auto model = load(three_inputs());
  BOOST_REQUIRE(model->features.size() == 3u);
  BOOST_TEST(model->feature_names() == (names{"a", "b", "c"}), boost::test_tools::per_element());
  BOOST_TEST(model->features[0].width() == 2u);
  BOOST_TEST((model->features[1].type == feature_type::text));
  BOOST_TEST((model->features[2].type == feature_type::integer));
  const auto slots = place_features(*model->graph, model->features);
  BOOST_TEST(slots[0].column == 0u); // numbers
  BOOST_TEST(slots[1].column == 0u); // texts
  BOOST_TEST(slots[2].column == 2u);
  // The name of a matrix says nothing about its columns, that of an image says what it is.
  BOOST_TEST(load(matrix(3))->features.empty());
  BOOST_TEST(load(image())->features.at(0).name == "pixels");
  BOOST_TEST(load(image())->features.at(0).width() == 6u);
}

BOOST_AUTO_TEST_CASE(names__for_columns_or_for_inputs) {
  const auto columns = named(three_inputs(), {"p", "q", "r", "s"});
  BOOST_TEST(columns.size() == 4u);
  BOOST_TEST((columns[1].type == feature_type::number));
  BOOST_TEST((columns[2].type == feature_type::text));
  BOOST_TEST((columns[3].type == feature_type::integer));
  const auto inputs = named(three_inputs(), {"p", "q", "r"});
  BOOST_TEST(inputs.size() == 3u);
  BOOST_TEST(inputs[0].width() == 2u);
  BOOST_TEST(named(matrix(3), {"p"}).at(0).width() == 3u);
  BOOST_TEST(named(image(), {"p"}).at(0).dims == (std::vector<std::int64_t>{1, 2, 3}),
             boost::test_tools::per_element());
  check_contains(names_refused(three_inputs(), {"p", "q"}), "the test names 2 features, but the model takes 4");
  check_contains(names_refused(three_inputs(), {"p", "q", "r", "s", "t"}), "5 features");
  check_contains(names_refused(matrix(3), {}), "0 features");
}

BOOST_AUTO_TEST_CASE(natural_types__follow_the_input) {
  using type = onnx::TensorProto;
  BOOST_TEST((named(matrix(1, type::FLOAT), {"p"})[0].type == feature_type::number));
  BOOST_TEST((named(matrix(1, type::DOUBLE), {"p"})[0].type == feature_type::real));
  BOOST_TEST((named(matrix(1, type::INT32), {"p"})[0].type == feature_type::integer));
  BOOST_TEST((named(matrix(1, type::BOOL), {"p"})[0].type == feature_type::boolean));
}

BOOST_AUTO_TEST_CASE(signature__gives_types_and_shapes) {
  const auto model = load(with_signature(
      three_inputs(), R"({"name":"p"},{"name":"q","type":"integer"},{"name":"r","type":"string"},{"name":"s"})"));
  BOOST_TEST(model->feature_names() == (names{"p", "q", "r", "s"}), boost::test_tools::per_element());
  BOOST_TEST((model->features[0].type == feature_type::number));
  BOOST_TEST((model->features[1].type == feature_type::integer));
  BOOST_TEST((model->features[3].type == feature_type::integer));
  const auto shaped = load(with_signature(matrix(5), R"({"name":"v","shape":[2,2]},{"name":"w"})"));
  BOOST_TEST(shaped->features[0].width() == 4u);
  BOOST_TEST(place_features(*shaped->graph, shaped->features)[1].column == 4u);
  // A double for a float input has to fit into a float, and the other way round it has not.
  BOOST_TEST(
      (load(with_signature(matrix(1), R"({"name":"v","type":"double"})"))->features[0].type == feature_type::number));
  BOOST_TEST((
      load(with_signature(matrix(1, onnx::TensorProto::DOUBLE), R"({"name":"v","type":"number"})"))->features[0].type ==
      feature_type::real));
  BOOST_TEST(
      (load(with_signature(matrix(1), R"({"name":"v","type":"boolean"})"))->features[0].type == feature_type::boolean));
}

BOOST_AUTO_TEST_CASE(signature__that_does_not_fit__refused) {
  const auto refused = [](const onnx::ModelProto& proto, const std::string& features) {
    return refusal(with_signature(proto, features));
  };
  check_contains(refused(matrix(3), R"({"name":"a"})"), "names 1 features, but the model takes 3");
  check_contains(refused(three_inputs(), R"({"name":"a"},{"name":"v","shape":[2]},{"name":"c"})"),
                 "gives the feature 'v' 2 columns, the input 'a' has 1 left");
  check_contains(refused(three_inputs(), R"({"name":"a"},{"name":"b"},{"name":"c","type":"number"},{"name":"d"})"),
                 "the feature 'c' is number, but the input 'b' takes string");
  check_contains(refused(matrix(1), R"({"name":"a","type":"string"})"), "is string, but the input 'X' takes float");
  check_contains(refused(matrix(1, onnx::TensorProto::INT64), R"({"name":"a","type":"number"})"), "takes int64");
  check_contains(refused(matrix(1, onnx::TensorProto::BOOL), R"({"name":"a","type":"integer"})"), "takes bool");
  check_contains(refused(matrix(2, onnx::TensorProto::STRING), R"({"name":"a","shape":[2]})"), "array of strings");
  check_contains(refused(matrix(1, onnx::TensorProto::INT64), R"({"name":"a","missingValueTreatment":"asIs"})"),
                 "give a missingValueReplacement");
  check_contains(refused(matrix(1, onnx::TensorProto::INT64), R"({"name":"a","missingValueReplacement":0.5})"),
                 "its replacement is 0.5");
}

BOOST_AUTO_TEST_CASE(replacements__that_the_cell_can_not_hold__refused) {
  const auto refused = [](int type, const std::string& rest) {
    return refusal(with_signature(matrix(1, type), R"({"name":"a",)" + rest + "}"));
  };
  using type = onnx::TensorProto;
  check_contains(refused(type::FLOAT, R"("missingValueReplacement":1e39)"), "its replacement is 1e+39");
  check_contains(refused(type::FLOAT, R"("invalidValueTreatment":"asValue","invalidValueReplacement":-1e39)"),
                 "its replacement is -1e+39");
  check_contains(refused(type::BOOL, R"("missingValueReplacement":2)"), "its replacement is 2");
  check_contains(refused(type::INT64, R"("missingValueReplacement":1e300)"), "its replacement is 1e+300");
  check_contains(refused(type::FLOAT, R"("missingValueReplacement":"x")"), "its replacement is a string");
  check_contains(refused(type::STRING, R"("missingValueReplacement":3)"), "its replacement is a number");
  load(with_signature(matrix(1, type::DOUBLE), R"({"name":"a","missingValueReplacement":1e39})"));
}

BOOST_AUTO_TEST_CASE(wanted_features__names_and_pointers__checked) {
  BOOST_TEST(wanted_refused({"a", "/a/b", "/a/c", "b"}).empty());
  check_contains(wanted_refused({""}), "empty or not UTF-8");
  check_contains(wanted_refused({"a\xFF"}), "empty or not UTF-8");
  check_contains(wanted_refused({"a", "b", "a"}), "names the feature 'a' twice");
  check_contains(wanted_refused({"a", "/a"}), "twice");
  BOOST_TEST(!wanted_refused({"/a~2"}).empty());
  BOOST_TEST(!wanted_refused({"/"}).empty());
}

BOOST_AUTO_TEST_SUITE_END()
