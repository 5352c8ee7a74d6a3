// Each operator's numbers. Those of LinearClassifier and Normalizer were printed by onnxruntime for the same nodes.
#include <boost/test/unit_test.hpp>

#include <cmath>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

struct results {
  std::vector<std::vector<float>> numbers;
  std::vector<std::string> labels;
};

results run(const onnx::ModelProto& proto, const std::vector<std::vector<float>>& rows) {
  const auto loaded = load_onnx(proto.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const evaluator& graph = *(*loaded)->graph;
  std::vector<double> features;
  for (const auto& row : rows) features.insert(features.end(), row.begin(), row.end());
  BOOST_REQUIRE(features.size() == rows.size() * graph.number_columns());
  auto scratch = graph.make_scratch();
  graph.load(features.data(), nullptr, rows.size(), scratch);
  graph.run(rows.size(), scratch);
  results out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* numbers = graph.numbers(scratch, i);
    out.numbers.emplace_back(numbers, numbers + graph.width());
    if (!(*loaded)->classes.empty()) out.labels.push_back((*loaded)->classes.at(graph.label(scratch, i)));
  }
  return out;
}

void check_near(const std::vector<std::vector<float>>& got, const std::vector<std::vector<double>>& expected) {
  BOOST_REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_REQUIRE(got[i].size() == expected[i].size());
    for (std::size_t k = 0; k < got[i].size(); ++k)
      BOOST_TEST(std::abs(static_cast<double>(got[i][k]) - expected[i][k]) < 1e-6,
                 "row " << i << ": " << got[i][k] << " != " << expected[i][k]);
  }
}

std::string refusal(const onnx::ModelProto& model) {
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE(!loaded.has_value());
  return loaded.error().message;
}

// X [N,3] -> one node -> Y.
onnx::ModelProto one_node(const std::string& type, const std::string& domain = "ai.onnx.ml") {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 3);
  add_node(model, type, {"X"}, {"Y"}, domain);
  add_output(model, "Y");
  return model;
}
onnx::NodeProto& node_of(onnx::ModelProto& model, int index = 0) { return *model.mutable_graph()->mutable_node(index); }

const std::vector<std::vector<float>> four_rows{{1, 2}, {-1, -.5f}, {.1f, .1f}, {0, 0}};
using labels = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(operators)

BOOST_AUTO_TEST_CASE(linear_classifier__one_row_of_coefficients__as_onnxruntime) {
  const auto none = run(classifier({.5f, .25f}, {.1f}, {3, 7}, "NONE"), four_rows);
  BOOST_TEST(none.labels == (labels{"7", "3", "7", "7"}), boost::test_tools::per_element());
  check_near(none.numbers, {{-0.1, 1.1}, {1.525, -0.525}, {0.825, 0.175}, {0.9, 0.1}});
  const auto logistic = run(classifier({.5f, .25f}, {.1f}, {3, 7}, "LOGISTIC"), four_rows);
  BOOST_TEST(logistic.labels == (labels{"7", "3", "7", "7"}), boost::test_tools::per_element());
  check_near(logistic.numbers, {{0.2497398853, 0.7502601147},
                                {0.6283161640, 0.3716838360},
                                {0.4563612938, 0.5436387062},
                                {0.4750208259, 0.5249791741}});
  check_near(run(classifier({.5f, .25f}, {.1f}, {3, 7}, "SOFTMAX"), four_rows).numbers,
             {{-0.1, 1.1}, {1.525, -0.525}, {0.825, 0.175}, {0.9, 0.1}});
}

BOOST_AUTO_TEST_CASE(linear_classifier__two_rows_of_coefficients__as_onnxruntime) {
  const std::vector<float> weights{-.5f, -.25f, .5f, .25f};
  const std::vector<float> intercepts{-.1f, .1f};
  check_near(run(classifier(weights, intercepts, {3, 7}, "NONE"), four_rows).numbers,
             {{-1.1, 1.1}, {0.525, -0.525}, {-0.175, 0.175}, {-0.1, 0.1}});
  check_near(run(classifier(weights, intercepts, {3, 7}, "LOGISTIC"), four_rows).numbers,
             {{0.2497398853, 0.7502601147},
              {0.6283161640, 0.3716838360},
              {0.4563613236, 0.5436387062},
              {0.4750208259, 0.5249791741}});
  const auto softmax = run(classifier(weights, intercepts, {3, 7}, "SOFTMAX"), four_rows);
  check_near(softmax.numbers, {{0.0997504815, 0.9002495408},
                               {0.7407748699, 0.2592251003},
                               {0.4133824110, 0.5866175890},
                               {0.4501659870, 0.5498339534}});
  BOOST_TEST(softmax.labels == (labels{"7", "3", "7", "7"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(linear_classifier__three_classes__as_onnxruntime) {
  const std::vector<float> weights{.5f, .25f, .1f, .2f, -.3f, .4f};
  const std::vector<float> intercepts{.1f, 0, .2f};
  const auto none = run(classifier(weights, intercepts, {1, 2, 3}, "NONE"), four_rows);
  BOOST_TEST(none.labels == (labels{"1", "3", "3", "3"}), boost::test_tools::per_element());
  check_near(none.numbers, {{1.1, 0.5, 0.7}, {-0.525, -0.2, 0.3}, {0.175, 0.03, 0.21}, {0.1, 0, 0.2}});
  check_near(run(classifier(weights, intercepts, {1, 2, 3}, "LOGISTIC"), {four_rows[0]}).numbers,
             {{0.7502601147, 0.6224592924, 0.6681877375}});
  check_near(run(classifier(weights, intercepts, {1, 2, 3}, "SOFTMAX"), {four_rows[1]}).numbers,
             {{0.2143203914, 0.2966260016, 0.4890535772}});
}

BOOST_AUTO_TEST_CASE(linear_classifier__equal_scores__first_class) {
  BOOST_TEST(run(classifier({0, 0, 0, 0}, {0, 0}, {3, 7}, "NONE"), {{1, 1}}).labels.at(0) == "3");
  BOOST_TEST(run(classifier({0, 0}, {0}, {3, 7}, "NONE"), {{1, 1}}).labels.at(0) == "3");
}

BOOST_AUTO_TEST_CASE(linear_classifier__scores_of_thousands__no_overflow) {
  check_near(run(classifier({1000, 0, 0, 0}, {0, 0}, {0, 1}, "SOFTMAX"), {{5, 0}, {-5, 0}}).numbers, {{1, 0}, {0, 1}});
  check_near(run(classifier({1000, 0}, {0}, {0, 1}, "LOGISTIC"), {{5, 0}, {-5, 0}}).numbers, {{0, 1}, {1, 0}});
}

BOOST_AUTO_TEST_CASE(linear_regressor__without_intercepts__zero) {
  onnx::ModelProto model = one_node("LinearRegressor");
  add_floats(node_of(model), "coefficients", {1, 2, 3, 4, 5, 6});
  add_int(node_of(model), "targets", 2);
  check_near(run(model, {{1, 1, 1}, {0, 0, .5f}}).numbers, {{6, 15}, {1.5, 3}});
}

BOOST_AUTO_TEST_CASE(scaler__one_value_or_one_each__as_onnxruntime) {
  onnx::ModelProto one = one_node("Scaler");
  add_floats(node_of(one), "offset", {1});
  add_floats(node_of(one), "scale", {2});
  check_near(run(one, {{1, 2, 3}}).numbers, {{0, 2, 4}});
  onnx::ModelProto each = one_node("Scaler");
  add_floats(node_of(each), "offset", {1, 0, -1});
  add_floats(node_of(each), "scale", {2, 3, 0});
  check_near(run(each, {{1, 2, 3}}).numbers, {{0, 6, 0}});
  node_of(each).mutable_attribute(0)->add_floats(4);
  BOOST_TEST(refusal(each).find("offset has 4 entries for 3 columns") != std::string::npos);
  BOOST_TEST(refusal(one_node("Scaler")).find("offset has 0 entries") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(normalizer__each_norm__as_onnxruntime) {
  const std::vector<std::vector<float>> rows{{3, -4, 1}, {0, 0, 0}, {-1, -2, -3}, {-5, 1, 1}};
  const auto normalized = [&](const char* norm) {
    onnx::ModelProto model = one_node("Normalizer");
    if (*norm != 0) add_text(node_of(model), "norm", norm);
    return run(model, rows).numbers;
  };
  const std::vector<std::vector<double>> by_max{{1, -4.0 / 3, 1.0 / 3}, {0, 0, 0}, {1, 2, 3}, {-5, 1, 1}};
  check_near(normalized("MAX"), by_max);
  check_near(normalized(""), by_max);
  check_near(normalized("L1"), {{.375, -.5, .125}, {0, 0, 0}, {-1.0 / 6, -1.0 / 3, -.5}, {-5.0 / 7, 1.0 / 7, 1.0 / 7}});
  check_near(normalized("L2"), {{0.5883484, -0.7844645, 0.1961161},
                                {0, 0, 0},
                                {-0.2672612, -0.5345225, -0.8017837},
                                {-0.9622504, 0.1924501, 0.1924501}});
  onnx::ModelProto other = one_node("Normalizer");
  add_text(node_of(other), "norm", "L3");
  BOOST_TEST(refusal(other).find("norm is none of") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(cast__numbers__by_type) {
  const auto casted = [](int type) {
    onnx::ModelProto model = one_node("Cast", "");
    add_int(node_of(model), "to", type);
    return run(model, {{1.7f, -1.7f, 0}}).numbers;
  };
  check_near(casted(onnx::TensorProto::FLOAT), {{1.7, -1.7, 0}});
  check_near(casted(onnx::TensorProto::DOUBLE), {{1.7, -1.7, 0}});
  check_near(casted(onnx::TensorProto::INT64), {{1, -1, 0}});
  check_near(casted(onnx::TensorProto::BOOL), {{1, 1, 0}});
  onnx::ModelProto text = one_node("Cast", "");
  add_int(node_of(text), "to", onnx::TensorProto::STRING);
  BOOST_TEST(refusal(text).find("text that is no class label") != std::string::npos);
  BOOST_TEST(refusal(one_node("Cast", "")).find("to is missing") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(cast__labels__keep_their_class) {
  const auto casted = [](int type) {
    onnx::ModelProto model = classifier({0, 1}, {0}, {3, 7}, "LOGISTIC");
    add_int(add_node(model, "Cast", {"label"}, {"casted"}, ""), "to", type);
    model.mutable_graph()->mutable_output(0)->set_name("casted");
    return model;
  };
  BOOST_TEST(run(casted(onnx::TensorProto::INT64), {{0, 1}}).labels.at(0) == "7");
  const auto text = load_onnx(casted(onnx::TensorProto::STRING).SerializeAsString());
  BOOST_REQUIRE(text.has_value());
  BOOST_TEST(!(*text)->classes_are_numbers);
  // Other numbers than the result of the classifier, so they can be one only where there is no other.
  BOOST_TEST(refusal(casted(onnx::TensorProto::FLOAT)).find("one too many") != std::string::npos);
  BOOST_TEST(refusal(casted(onnx::TensorProto::DOUBLE)).find("casting a label") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(zip_map__labels__checked_against_the_classifier) {
  const auto zipped = [](const std::vector<std::int64_t>& names) {
    onnx::ModelProto model = classifier({0, 1}, {0}, {3, 7}, "LOGISTIC");
    add_ints(add_node(model, "ZipMap", {"scores"}, {"map"}), "classlabels_int64s", names);
    model.mutable_graph()->mutable_output(1)->set_name("map");
    return model;
  };
  check_near(run(zipped({3, 7}), {{0, 0}}).numbers, {{.5, .5}});
  BOOST_TEST(refusal(zipped({7, 3})).find("differ") != std::string::npos);
  BOOST_TEST(refusal(zipped({1, 2, 3})).find("3 class labels for 2 columns") != std::string::npos);
  BOOST_TEST(refusal(zipped({})).find("class labels") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(label_as_number__refused) {
  onnx::ModelProto model = classifier({0, 1}, {0}, {3, 7}, "LOGISTIC");
  add_text(add_node(model, "Normalizer", {"label"}, {"n"}), "norm", "L1");
  BOOST_TEST(refusal(model).find("its input 0 is a label") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(cast__label_to_float__is_the_class_as_a_number) {
  onnx::ModelProto model = classifier({0, 1}, {0}, {3, 7}, "LOGISTIC");
  add_int(add_node(model, "Cast", {"label"}, {"casted"}, ""), "to", onnx::TensorProto::FLOAT);
  model.mutable_graph()->clear_output();
  add_output(model, "casted");
  check_near(run(model, {{0, 1}, {0, -1}}).numbers, {{7}, {3}});
}

BOOST_AUTO_TEST_CASE(concat__different_types__refused) {
  onnx::ModelProto model = empty_model();
  add_input(model, "a", 1);
  add_input(model, "b", 1, onnx::TensorProto::INT64);
  add_int(add_node(model, "Concat", {"a", "b"}, {"Y"}, ""), "axis", 1);
  add_output(model, "Y");
  BOOST_TEST(refusal(model).find("float [N, 1] and int64 [N, 1], which don't fit together") != std::string::npos);
}

// The ml operators take numbers of every type; Concat takes one type only.
BOOST_AUTO_TEST_CASE(inputs_per_column__joined__in_any_order_and_type) {
  for (const bool vectorizer : {false, true}) {
    for (const auto& order : {std::vector<std::string>{"a", "b", "c"}, {"c", "a", "b"}, {"a", "a", "c"}}) {
      onnx::ModelProto model = empty_model();
      add_input(model, "a", 1);
      add_input(model, "b", 1, vectorizer ? onnx::TensorProto::INT64 : onnx::TensorProto::FLOAT);
      add_input(model, "c", 1, vectorizer ? onnx::TensorProto::DOUBLE : onnx::TensorProto::FLOAT);
      auto& join =
          add_node(model, vectorizer ? "FeatureVectorizer" : "Concat", order, {"X"}, vectorizer ? "ai.onnx.ml" : "");
      if (vectorizer)
        add_ints(join, "inputdimensions", {1, 1, 1});
      else
        add_int(join, "axis", 1);
      add_floats(add_node(model, "LinearRegressor", {"X"}, {"Y"}), "coefficients", {1, 10, 100});
      add_output(model, "Y");
      const double digits[] = {2, 3, 4};
      const auto digit = [&](std::size_t i) { return digits[order[i][0] - 'a']; };
      check_near(run(model, {{2, 3, 4}, {0, 0, 0}}).numbers, {{digit(0) + 10 * digit(1) + 100 * digit(2)}, {0}});
      const auto loaded = load_onnx(model.SerializeAsString());
      BOOST_TEST((*loaded)->feature_names() == (std::vector<std::string>{"a", "b", "c"}),
                 boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(concat__wrong_axis_or_dimensions__refused) {
  onnx::ModelProto model = one_node("Concat", "");
  add_int(node_of(model), "axis", 0);
  BOOST_TEST(refusal(model).find("axis 0") != std::string::npos);
  onnx::ModelProto vectorizer = one_node("FeatureVectorizer");
  BOOST_TEST(refusal(vectorizer).find("0 entries for 1 inputs") != std::string::npos);
  add_ints(node_of(vectorizer), "inputdimensions", {2});
  BOOST_TEST(refusal(vectorizer).find("has 3 columns") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(identity__features__are_the_result) {
  check_near(run(one_node("Identity", ""), {{1, 2, 3}, {4, 5, 6}}).numbers, {{1, 2, 3}, {4, 5, 6}});
}

BOOST_AUTO_TEST_CASE(evaluator__wide_values__take_fewer_rows_at_once) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 50'000);
  add_int(add_node(model, "Concat", {"X", "X"}, {"Y"}, ""), "axis", 1);
  add_output(model, "Y");
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE(loaded.has_value());
  BOOST_TEST((*loaded)->graph->rows_at_once() >= 1u);
  BOOST_TEST((*loaded)->graph->rows_at_once() * 150'000 <= (1u << 21));
}

BOOST_AUTO_TEST_SUITE_END()
