// Operators of ai.onnx.ml: what of a file they refuse, and what makes a whole model of them. Their numbers are in
// golden_ml.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "model/operators/lookup.hpp"
#include "model/operators/svm_kernel.hpp"
#include "model/scoring.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

using damage = std::function<void(onnx::NodeProto&)>;

onnx::ModelProto one_node(const std::string& type, int input = onnx::TensorProto::FLOAT, int columns = 3) {
  onnx::ModelProto model = empty_model();
  model.mutable_opset_import(1)->set_version(4);
  add_input(model, "X", columns, input);
  add_node(model, type, {"X"}, {"Y"});
  add_output(model, "Y");
  return model;
}

std::string refusal(onnx::ModelProto model, const damage& make) {
  make(*model.mutable_graph()->mutable_node(0));
  const auto loaded = load_onnx(model.SerializeAsString());
  if (loaded) return "(accepted)";
  return loaded.error().message;
}

void refused(const onnx::ModelProto& model, const damage& make, const std::string& part) {
  const std::string text = refusal(model, make);
  BOOST_TEST(text.find(part) != std::string::npos, '\'' << part << "' is not in: " << text);
  BOOST_TEST(text.find(model.graph().node(0).name()) != std::string::npos, text);
}

void add_float(onnx::NodeProto& node, const std::string& name, float value) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::FLOAT);
  attribute->set_f(value);
}

onnx::AttributeProto& attribute_of(onnx::NodeProto& node, const std::string& name) {
  for (auto& attribute : *node.mutable_attribute())
    if (attribute.name() == name) return attribute;
  BOOST_REQUIRE_MESSAGE(false, name);
  return *node.add_attribute();
}

// Two classes, three columns, two vectors each.
onnx::ModelProto svm_classifier() {
  onnx::ModelProto model = one_node("SVMClassifier");
  auto& node = *model.mutable_graph()->mutable_node(0);
  node.add_output("scores");
  add_output(model, "scores");
  add_text(node, "kernel_type", "RBF");
  add_floats(node, "kernel_params", {.5f, 0, 0});
  add_floats(node, "coefficients", {1, 2, -1, -2});
  add_floats(node, "support_vectors", std::vector<float>(12, 1));
  add_ints(node, "vectors_per_class", {2, 2});
  add_floats(node, "rho", {.5f});
  add_ints(node, "classlabels_ints", {0, 1});
  return model;
}

onnx::ModelProto svm_regressor() {
  onnx::ModelProto model = one_node("SVMRegressor");
  auto& node = *model.mutable_graph()->mutable_node(0);
  add_text(node, "kernel_type", "RBF");
  add_floats(node, "kernel_params", {.5f, 0, 0});
  add_floats(node, "coefficients", {1, 2});
  add_floats(node, "support_vectors", std::vector<float>(6, 1));
  add_int(node, "n_supports", 2);
  add_floats(node, "rho", {.5f});
  return model;
}

std::vector<std::string> scored(const onnx::ModelProto& proto, const std::vector<std::string>& rows) {
  const auto model = load_onnx(proto.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message));
  const auto plan = scoring_plan::make(*model, {});
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  std::string bytes;
  std::vector<std::uint32_t> ends;
  for (const std::string& row : rows) {
    bytes += row;
    ends.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
  outcome_block out;
  scoring_session session{*plan};
  session.score(bytes, ends, out);
  std::vector<std::string> results;
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < out.ends.size(); begin = out.ends[i++])
    results.push_back(out.codes[i] == 0 ? std::string(out.bytes.data() + begin, out.ends[i] - begin)
                                        : std::string{to_string(static_cast<rejection>(out.codes[i]))});
  return results;
}

} // namespace

BOOST_AUTO_TEST_SUITE(ml_operators)

BOOST_AUTO_TEST_CASE(svm_classifier__attributes__checked) {
  const auto bad = [](const damage& make, const std::string& part) { refused(svm_classifier(), make, part); };
  bad([](auto& n) { attribute_of(n, "kernel_type").set_s("COSINE"); }, "kernel_type is none of");
  bad([](auto& n) { attribute_of(n, "kernel_params").add_floats(1); }, "kernel_params has 4 entries");
  bad([](auto& n) { attribute_of(n, "kernel_params").set_floats(0, -1); }, "gamma, is -1");
  bad([](auto& n) { attribute_of(n, "kernel_params").set_floats(0, std::nanf("")); }, "kernel_params[0]");
  bad([](auto& n) { attribute_of(n, "coefficients").add_floats(1); }, "coefficients has 5 entries, expected 1 x 4");
  bad([](auto& n) { attribute_of(n, "coefficients").set_floats(1, std::nanf("")); }, "coefficients[1]");
  bad([](auto& n) { attribute_of(n, "support_vectors").add_floats(1); }, "support_vectors has 13 entries");
  bad([](auto& n) { attribute_of(n, "vectors_per_class").add_ints(1); }, "vectors_per_class has 3 entries");
  bad([](auto& n) { attribute_of(n, "vectors_per_class").set_ints(0, -2); }, "vectors_per_class has the entry -2");
  bad([](auto& n) { attribute_of(n, "vectors_per_class").set_ints(0, std::int64_t{1} << 62); },
      "vectors_per_class has the entry");
  bad([](auto& n) { attribute_of(n, "vectors_per_class").set_ints(0, 3); }, "support_vectors has 12 entries");
  bad([](auto& n) { attribute_of(n, "rho").add_floats(1); }, "rho has 2 entries for 1 pairs");
  bad([](auto& n) { add_floats(n, "prob_a", {1}); }, "prob_a has 1 entries, prob_b has 0");
  bad(
      [](auto& n) {
        add_floats(n, "prob_a", {1, 2});
        add_floats(n, "prob_b", {1, 2});
      },
      "for 1 pairs");
  bad([](auto& n) { add_text(n, "post_transform", "PROBIT"); }, "post_transform PROBIT");
  bad([](auto& n) { add_text(n, "post_transform", "RELU"); }, "post_transform is none of");
  bad([](auto& n) { attribute_of(n, "classlabels_ints").add_ints(1); }, "'1' is there twice");
  bad([](auto& n) { attribute_of(n, "classlabels_ints").mutable_ints()->RemoveLast(); }, "1 class labels");
  bad([](auto& n) { add_int(n, "gamma", 1); }, "'gamma' is not known");
  // Without support vectors it is linear.
  bad([](auto& n) { attribute_of(n, "vectors_per_class").clear_ints(); },
      "coefficients has 4 entries, expected 2 classes");
  bad(
      [](auto& n) {
        attribute_of(n, "vectors_per_class").clear_ints();
        attribute_of(n, "coefficients").add_floats(1);
        attribute_of(n, "coefficients").add_floats(1);
        attribute_of(n, "rho").clear_floats();
      },
      "rho has no entry");
}

BOOST_AUTO_TEST_CASE(svm_regressor__attributes__checked) {
  const auto bad = [](const damage& make, const std::string& part) { refused(svm_regressor(), make, part); };
  bad([](auto& n) { attribute_of(n, "n_supports").set_i(-1); }, "n_supports is -1");
  bad([](auto& n) { attribute_of(n, "n_supports").set_i(std::int64_t{1} << 61); }, "n_supports is");
  bad([](auto& n) { attribute_of(n, "n_supports").set_i(0); }, "coefficients has 2 entries");
  bad([](auto& n) { attribute_of(n, "support_vectors").add_floats(1); }, "support_vectors has 7 entries");
  bad([](auto& n) { attribute_of(n, "rho").clear_floats(); }, "rho has 0 entries");
  bad([](auto& n) { attribute_of(n, "kernel_params").clear_floats(); }, "kernel_params has 0 entries");
}

BOOST_AUTO_TEST_CASE(encoders__attributes__checked) {
  const onnx::ModelProto text = one_node("OneHotEncoder", onnx::TensorProto::STRING);
  const onnx::ModelProto number = one_node("OneHotEncoder");
  refused(
      text, [](auto&) {}, "expected categories in one of");
  refused(
      text, [](auto& n) { add_ints(n, "cats_int64s", {1}); }, "its categories are integers");
  refused(
      number, [](auto& n) { add_strings(n, "cats_strings", {"a"}); }, "its categories are strings");
  refused(
      number,
      [](auto& n) {
        add_ints(n, "cats_int64s", {1, 2, 1});
      },
      "cats_int64s has a category twice");
  refused(
      text,
      [](auto& n) {
        add_strings(n, "cats_strings", {"a", "a"});
      },
      "cats_strings has a category twice");
  refused(
      text, [](auto& n) { add_strings(n, "cats_strings", {"a\xFF"}); }, "cats_strings[0] is not UTF-8");

  const onnx::ModelProto label = one_node("LabelEncoder", onnx::TensorProto::STRING);
  refused(
      label, [](auto&) {}, "expected one of keys_strings");
  refused(
      label, [](auto& n) { add_strings(n, "keys_strings", {"a"}); }, "expected one of values_strings");
  refused(
      label,
      [](auto& n) {
        add_strings(n, "keys_strings", {"a"});
        add_ints(n, "values_int64s", {1, 2});
      },
      "1 keys and 2 values");
  refused(
      label,
      [](auto& n) {
        add_ints(n, "keys_int64s", {1});
        add_ints(n, "values_int64s", {1});
      },
      "its keys are int64");
  refused(
      label,
      [](auto& n) {
        add_strings(n, "keys_strings", {"a"});
        add_ints(n, "keys_int64s", {1});
        add_ints(n, "values_int64s", {1});
      },
      "it has 2");

  const onnx::ModelProto mapper = one_node("CategoryMapper", onnx::TensorProto::STRING);
  refused(
      mapper, [](auto& n) { add_strings(n, "cats_strings", {"a"}); }, "cats_int64s has 0");
  refused(
      one_node("DictVectorizer"), [](auto&) {}, "'DictVectorizer' of 'ai.onnx.ml'");
}

BOOST_AUTO_TEST_CASE(imputer_and_binarizer__attributes__checked) {
  const onnx::ModelProto floats = one_node("Imputer");
  refused(
      floats, [](auto&) {}, "expected values in one of");
  refused(
      floats,
      [](auto& n) {
        add_floats(n, "imputed_value_floats", {1, 2});
      },
      "2 entries for 3 columns");
  refused(
      floats, [](auto& n) { add_ints(n, "imputed_value_int64s", {1}); }, "its imputed values are integers");
  refused(
      floats, [](auto& n) { add_floats(n, "imputed_value_floats", {std::nanf("")}); }, "imputed_value_floats[0]");
  refused(
      one_node("Imputer", onnx::TensorProto::STRING), [](auto& n) { add_floats(n, "imputed_value_floats", {1}); },
      "its input is string [N, 3]");
  refused(
      one_node("Binarizer"), [](auto& n) { add_float(n, "threshold", std::nanf("")); }, "threshold");
  refused(
      one_node("Binarizer", onnx::TensorProto::STRING), [](auto&) {}, "its input is string");
}

BOOST_AUTO_TEST_CASE(array_feature_extractor__indices__checked) {
  const auto indices = [](int type, const std::vector<std::int64_t>& values) {
    onnx::ModelProto model = one_node("ArrayFeatureExtractor");
    model.mutable_graph()->mutable_node(0)->add_input("which");
    auto* tensor = model.mutable_graph()->add_initializer();
    tensor->set_name("which");
    tensor->set_data_type(type);
    tensor->add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values)
      if (type == onnx::TensorProto::INT64)
        tensor->add_int64_data(value);
      else
        tensor->add_float_data(static_cast<float>(value));
    return model;
  };
  refused(
      indices(onnx::TensorProto::INT64, {0, 3}), [](auto&) {}, "its index 3 is not below 3");
  refused(
      indices(onnx::TensorProto::INT64, {-1}), [](auto&) {}, "its index -1");
  refused(
      indices(onnx::TensorProto::INT64, {}), [](auto&) {}, "it has no indices");
  refused(
      indices(onnx::TensorProto::FLOAT, {1}), [](auto&) {}, "its indices are float");
}

BOOST_AUTO_TEST_CASE(array_feature_extractor__class_of_an_index__is_a_label) {
  onnx::ModelProto model = empty_model();
  add_input(model, "which", 1, onnx::TensorProto::INT64);
  add_input(model, "X", 3);
  auto* classes = model.mutable_graph()->add_initializer();
  classes->set_name("classes");
  classes->set_data_type(onnx::TensorProto::STRING);
  classes->add_dims(3);
  for (const char* name : {"low", "mid", "high"}) classes->add_string_data(name);
  add_node(model, "ArrayFeatureExtractor", {"classes", "which"}, {"label"});
  add_node(model, "Identity", {"X"}, {"scores"}, "");
  add_output(model, "label");
  add_output(model, "scores");
  const auto results = scored(model, {R"({"which":2,"X":[0,0,1]})", R"({"which":0,"X":[1,0,0]})"});
  BOOST_TEST(results[0] == R"({"label":"high"})");
  BOOST_TEST(results[1] == R"({"label":"low"})");
  // The node is the loader's only word on what an index may be, so one outside takes the nearest class.
  BOOST_TEST(scored(model, {R"({"which":-5,"X":[1,0,0]})"})[0] == R"({"label":"low"})");
  classes->set_string_data(2, "low");
  refused(
      model, [](auto&) {}, "the class 'low' is there twice");
}

BOOST_AUTO_TEST_CASE(strings__through_a_whole_model) {
  onnx::ModelProto model = empty_model();
  model.mutable_opset_import(1)->set_version(2);
  add_input(model, "colour", 1, onnx::TensorProto::STRING);
  add_input(model, "age", 1);
  auto& encoder = add_node(model, "LabelEncoder", {"colour"}, {"code"});
  add_strings(encoder, "keys_strings", {"red", "deep \xC3\xA9"});
  add_floats(encoder, "values_floats", {10, 20});
  add_float(encoder, "default_float", -1);
  add_int(add_node(model, "Concat", {"code", "age"}, {"all"}, ""), "axis", 1);
  add_floats(add_node(model, "LinearRegressor", {"all"}, {"Y"}), "coefficients", {1, 100});
  add_output(model, "Y");
  const auto results = scored(model, {R"({"id":7,"colour":"red","age":1})", "{\"age\":2,\"colour\":\"deep \xC3\xA9\"}",
                                      R"({"colour":"deep \u00e9","age":2})", R"({"colour":"","age":0})",
                                      R"({"colour":"r\u0065d","age":0})", R"({"colour":1,"age":0})"});
  const std::vector<std::string> expected{R"({"id":7,"pred":110})", R"({"pred":220})", R"({"pred":220})",
                                          R"({"pred":-1})",         R"({"pred":10})",  "WRONG_TYPE"};
  BOOST_TEST(results == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(image_row__through_a_whole_model) {
  onnx::ModelProto model = empty_model();
  add_input(model, "pixels", 64);
  add_input(model, "bias", 1);
  auto& join = add_node(model, "FeatureVectorizer", {"pixels", "bias"}, {"all"});
  add_ints(join, "inputdimensions", {64, 1});
  std::vector<float> weights(65, 0);
  weights[0] = 1;
  weights[63] = 1000;
  weights[64] = .5f;
  add_floats(add_node(model, "LinearRegressor", {"all"}, {"Y"}), "coefficients", weights);
  add_output(model, "Y");
  std::string pixels = "3";
  for (int i = 1; i < 64; ++i) pixels += "," + std::to_string(i);
  BOOST_TEST(scored(model, {R"({"id":"img","pixels":[)" + pixels + R"(],"bias":1})"})[0] ==
             R"({"id":"img","pred":63003.5})");
}

BOOST_AUTO_TEST_CASE(kernel_machine__each_code__same_sums) {
  std::mt19937 random{3};
  std::normal_distribution<float> normal;
  const auto numbers = [&](std::size_t count) {
    std::vector<float> out(count);
    for (float& x : out) x = normal(random);
    return out;
  };
  for (const svm_kernel kernel : {svm_kernel::poly, svm_kernel::rbf, svm_kernel::sigmoid})
    for (const std::size_t width : {1, 3, 17}) {
      const auto vectors = numbers(77 * width);
      const auto weights = numbers(77 * 2);
      const auto rows = numbers(kernel_machine::rows_at_once * width);
      const svm_kernel_setup setup{kernel, .1f, 1, 3};
      const cells_in x{reinterpret_cast<const std::byte*>(rows.data()), element::f32, kernel_machine::rows_at_once,
                       width, width};
      std::vector<double> any(kernel_machine::rows_at_once * 6), best(any.size());
      kernel_machine{setup, vectors, width, {0, 0, 40, 77}, weights, kernels::generic()}.sums(x, 0, 16, any.data());
      const kernel_machine machine{setup, vectors, width, {0, 0, 40, 77}, weights};
      machine.sums(x, 0, 9, best.data());
      machine.sums(x, 9, 7, best.data() + 9 * 6);
      for (std::size_t i = 0; i < any.size(); ++i)
        BOOST_TEST(std::abs(any[i] - best[i]) <= 1e-4 * (1 + std::abs(any[i])));
      BOOST_TEST(any[0] == 0); // of a class without vectors
    }
}

BOOST_AUTO_TEST_CASE(lookup__finds_every_key_and_nothing_else) {
  std::vector<std::int64_t> keys;
  for (std::int64_t i = -500; i < 500; ++i) keys.push_back(i * i * i);
  const lookup<std::int64_t> integers{keys};
  for (std::size_t i = 0; i < keys.size(); ++i) BOOST_TEST(integers.find(keys[i]) == i);
  BOOST_TEST(integers.find(2) == lookup<std::int64_t>::none);
  const lookup<float> floats{{1.5f, 0.f, std::nanf(""), 1.5f}};
  BOOST_TEST(floats.find(1.5f) == 0u);
  BOOST_TEST(floats.find(-0.f) == 1u);
  BOOST_TEST(floats.find(-std::nanf("1")) == 2u);
  BOOST_TEST(floats.find(2.f) == lookup<float>::none);
  BOOST_TEST((lookup<float>{{std::nanf("")}, false}.find(std::nanf("")) == lookup<float>::none));
  const lookup<std::string_view> texts{{"", "a", "b"}};
  BOOST_TEST(texts.find("") == 0u);
  BOOST_TEST(texts.find("ab") == lookup<std::string_view>::none);
  BOOST_TEST((lookup<std::string_view>{{}}.find("a") == lookup<std::string_view>::none));
}

BOOST_AUTO_TEST_SUITE_END()
