// From rows to bytes: what a prediction looks like, what the output section can choose, rejections in place, batches of
// any size.
#include <boost/test/unit_test.hpp>

#include <limits>

#include "model/scoring.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

std::shared_ptr<const loaded_model> load(const onnx::ModelProto& model) {
  auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  return *loaded;
}

std::shared_ptr<const scoring_plan> plan_of(const onnx::ModelProto& model, scoring_options options = {}) {
  auto plan = scoring_plan::make(load(model), std::move(options));
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  return *plan;
}

std::string refusal(const onnx::ModelProto& model, scoring_options options) {
  const auto plan = scoring_plan::make(load(model), std::move(options));
  BOOST_REQUIRE(!plan.has_value());
  BOOST_TEST((plan.error().code == errc::invalid));
  return plan.error().message;
}

struct batch {
  std::string bytes;
  std::vector<std::uint32_t> ends;
  void add(std::string_view row) {
    bytes += row;
    ends.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
};

struct outcome {
  rejection code;
  std::string bytes;
};

std::vector<outcome> outcomes(const outcome_block& block) {
  std::vector<outcome> all;
  BOOST_REQUIRE(block.ends.size() == block.codes.size());
  for (std::size_t i = 0; i < block.ends.size(); ++i) {
    const std::size_t begin = i == 0 ? 0 : block.ends[i - 1];
    all.push_back(
        {static_cast<rejection>(block.codes[i]), std::string{block.bytes.data() + begin, block.ends[i] - begin}});
  }
  return all;
}

// One row, scored with the whole way from plan to bytes.
std::string score(const onnx::ModelProto& model, std::string_view row, scoring_options options = {}) {
  batch rows;
  rows.add(row);
  outcome_block block;
  scoring_session session{plan_of(model, std::move(options))};
  session.score(rows.bytes, rows.ends, block);
  const auto all = outcomes(block);
  BOOST_REQUIRE(all.size() == 1u);
  if (all[0].code == rejection::none) return all[0].bytes;
  std::string detail = all[0].bytes;
  const std::size_t nul = detail.find('\0');
  BOOST_REQUIRE(nul != std::string::npos);
  detail[nul] = '|';
  return std::string{to_string(all[0].code)} + "|" + detail;
}

onnx::ModelProto binary(const std::string& post = "LOGISTIC") { return classifier({0, 1}, {0}, {3, 7}, post); }

// Probabilities e^a, e^b, 1 over their sum.
onnx::ModelProto three_classes() {
  onnx::ModelProto model = classifier({1, 0, 0, 1, 0, 0}, {0, 0, 0}, {}, "SOFTMAX");
  add_strings(*model.mutable_graph()->mutable_node(0), "classlabels_strings", {"low", "mid \"q\"", "\xC3\xA9"});
  return model;
}

onnx::ModelProto two_targets() {
  onnx::ModelProto model = regressor();
  model.mutable_graph()->clear_node();
  auto& node = add_node(model, "LinearRegressor", {"X"}, {"Y"});
  add_floats(node, "coefficients", {1, 0, 0, 0, 1, 0});
  add_int(node, "targets", 2);
  return model;
}

scoring_options predicting(std::vector<std::pair<std::string, std::string>> prediction) {
  scoring_options options;
  options.prediction = std::move(prediction);
  options.model_label = "games@2";
  return options;
}

scoring_options carrying(std::vector<std::string> carry) {
  scoring_options options;
  options.carry = std::move(carry);
  return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(scoring)

BOOST_AUTO_TEST_CASE(score__binary_classifier__probability_of_second_class) {
  BOOST_TEST(score(binary(), R"({"a":1,"b":0})") == R"({"pred":0.5})");
  BOOST_TEST(score(binary(), R"({"a":1,"id":"x","b":2})") == R"({"id":"x","pred":0.8807971})");
  BOOST_TEST(score(binary(), R"({"a":1,"b":1000})") == R"({"pred":1})");
  BOOST_TEST(score(binary(), R"({"a":1,"b":-1000})") == R"({"pred":0})");
}

BOOST_AUTO_TEST_CASE(score__several_classes__label_and_probabilities) {
  BOOST_TEST(score(three_classes(), "{\"a\":0,\"b\":0}") == "{\"label\":\"low\",\"probabilities\":{\"low\":0.33333334,"
                                                            "\"mid \\\"q\\\"\":0.33333334,\"\xC3\xA9\":0.33333334}}");
  BOOST_TEST(score(three_classes(), "{\"a\":0,\"b\":1e3}") ==
             "{\"label\":\"mid \\\"q\\\"\",\"probabilities\":{\"low\":0,\"mid \\\"q\\\"\":1,\"\xC3\xA9\":0}}");
}

BOOST_AUTO_TEST_CASE(score__regressor__value_or_array) {
  BOOST_TEST(score(regressor(), R"({"a":1,"b":1,"c":0.25})") == R"({"pred":13.75})");
  BOOST_TEST(score(regressor(), R"({"a":-10,"b":0,"c":0})") == R"({"pred":0})");
  BOOST_TEST(score(regressor(), R"({"a":1e20,"b":0,"c":0})") == R"({"pred":1e+20})");
  BOOST_TEST(score(two_targets(), R"({"a":1,"b":2,"c":3})") == R"({"pred":[1,2]})");
}

BOOST_AUTO_TEST_CASE(score__scores_without_probabilities__label) {
  BOOST_TEST(score(binary("NONE"), R"({"a":1,"b":2})") == R"({"label":7})");
  BOOST_TEST(score(binary("NONE"), R"({"a":1,"b":-2})") == R"({"label":3})");
}

BOOST_AUTO_TEST_CASE(score__choices__each) {
  const std::string row = R"({"a":1,"b":0,"id":1})";
  BOOST_TEST(score(binary(), row, predicting({{"p", "probability"}})) == R"({"id":1,"p":0.5})");
  BOOST_TEST(score(binary(), R"({"a":1,"b":2})", predicting({{"p", "probability(3)"}})) == R"({"p":0.11920292})");
  BOOST_TEST(score(binary(), row, predicting({{"l", "label"}, {"m", "model"}})) == R"({"id":1,"l":3,"m":"games@2"})");
  BOOST_TEST(score(binary(), row, predicting({{"all", "probabilities"}})) == R"({"id":1,"all":{"3":0.5,"7":0.5}})");
  BOOST_TEST(score(binary("NONE"), R"({"a":1,"b":2})", predicting({{"s", "score(1)"}, {"t", "score(0)"}})) ==
             R"({"s":2,"t":-1})");
  BOOST_TEST(score(three_classes(), R"({"a":0,"b":1e3})", predicting({{"p", "probability(mid \"q\")"}})) ==
             R"({"p":1})");
  BOOST_TEST(score(two_targets(), R"({"a":1,"b":2,"c":3})", predicting({{"second", "value(1)"}, {"all", "value"}})) ==
             R"({"second":2,"all":[1,2]})");
  BOOST_TEST(score(regressor(), R"({"a":1,"b":0,"c":0})", predicting({{"a \"b\"", "value"}})) == R"({"a \"b\"":11})");
}

BOOST_AUTO_TEST_CASE(make__choices_the_model_has_not__refused) {
  const auto check = [](const onnx::ModelProto& model, const char* choice, const char* part) {
    const std::string message = refusal(model, predicting({{"p", choice}}));
    BOOST_TEST(message.find(part) != std::string::npos, message);
  };
  check(binary(), "value", "needs a regressor");
  check(binary(), "value(0)", "use score(i)");
  check(binary(), "score(2)", "from 0 to 1");
  check(binary(), "score(-1)", "from 0 to 1");
  check(binary(), "score()", "from 0 to 1");
  check(binary(), "probability(5)", "it has '3', '7'");
  check(binary(), "banana", "'banana'");
  check(binary(), "label(1)", "'label(1)'");
  check(binary("NONE"), "probability", "use label or score(i)");
  check(binary("NONE"), "probabilities", "use label or score(i)");
  check(three_classes(), "probability", "write probability(low)");
  check(regressor(), "probability", "is a regressor");
  check(regressor(), "label", "is a regressor");
  check(regressor(), "score(0)", "use value(i)");
  check(two_targets(), "value(2)", "from 0 to 1");
  BOOST_TEST(refusal(binary(), predicting({{"p", "label"}, {"p", "probability"}})).find("'p' twice") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(score__carry__chosen_fields_in_row_order) {
  const std::string row = R"({"z":1, "a":1,"user":{"id":"u1","tags":["s","t"]},"b":0.0, "k":[1, 2]})";
  BOOST_TEST(score(binary(), row) == R"({"z":1,"user":{"id":"u1","tags":["s","t"]},"k":[1, 2],"pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({})) == R"({"pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({"k", "z"})) == R"({"z":1,"k":[1, 2],"pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({"nowhere"})) == R"({"pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({"b"})) == R"({"b":0.0,"pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({"/user/id", "/user/tags/1", "/user/none", "z"})) ==
             R"({"z":1,"id":"u1","1":"t","pred":0.5})");
  BOOST_TEST(score(binary(), row, carrying({"/user/id", "user"})) ==
             R"({"id":"u1","user":{"id":"u1","tags":["s","t"]},"pred":0.5})");
}

BOOST_AUTO_TEST_CASE(score__field_named_like_the_prediction__gives_way) {
  BOOST_TEST(score(binary(), R"({"a":1,"b":0,"pred":9,"\u0070red2":1})") == R"({"\u0070red2":1,"pred":0.5})");
  BOOST_TEST(score(binary(), R"({"a":1,"b":0,"\u0070red":9})") == R"({"pred":0.5})");
  BOOST_TEST(refusal(binary(), carrying({"pred"})).find("'pred' twice") != std::string::npos);
  BOOST_TEST(refusal(binary(), carrying({"/x/id", "/y/id"})).find("'id' twice") != std::string::npos);
  BOOST_TEST(refusal(binary(), carrying({"/x~"})).find("JSON pointer") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(score__prediction_named_like_a_feature__works) {
  BOOST_TEST(score(binary(), R"({"a":1,"b":0})", predicting({{"a", "probability"}})) == R"({"a":0.5})");
}

BOOST_AUTO_TEST_CASE(make__feature_names__checked) {
  onnx::ModelProto unnamed = regressor();
  unnamed.clear_metadata_props();
  const auto named = [](std::vector<std::string> names) {
    scoring_options options;
    options.features = std::move(names);
    return options;
  };
  BOOST_TEST(refusal(unnamed, {}).find("does not name its 3 features") != std::string::npos);
  BOOST_TEST(refusal(unnamed, named({"a", "b"})).find("names 2 features, but the model takes 3") != std::string::npos);
  BOOST_TEST(refusal(unnamed, named({"a", "b", "a"})).find("names the feature 'a' twice") != std::string::npos);
  BOOST_TEST(score(unnamed, R"({"p":1,"q":0,"r":0})", named({"p", "q", "r"})) == R"({"pred":11})");
  BOOST_TEST(score(regressor(), R"({"p":1,"q":0,"r":0})", named({"p", "q", "r"})) == R"({"pred":11})");
  const auto plan = plan_of(regressor());
  BOOST_TEST(plan->feature_names().size() == 3u);
  BOOST_TEST(plan->feature_names()[2] == "c");
}

BOOST_AUTO_TEST_CASE(score__bad_rows__code_feature_and_sentence) {
  BOOST_TEST(score(binary(), R"({"a":1})") == "MISSING_FEATURE|b|the row has no field 'b', which the model needs");
  BOOST_TEST(score(binary(), R"({"a":1,"b":"2"})") == "WRONG_TYPE|b|feature 'b' is a string, not a number");
  BOOST_TEST(score(binary(), "") == "EMPTY_VALUE||the row has no bytes");
  scoring_options narrow;
  narrow.max_row_bytes = 5;
  BOOST_TEST(score(binary(), R"({"a":1,"b":2})", narrow) ==
             "ROW_TOO_LARGE||the row has 13 bytes, more than the 5 of max_row_bytes");
  scoring_options flat;
  flat.max_nesting_depth = 1;
  BOOST_TEST(score(binary(), R"({"a":1,"b":2,"c":[]})", flat).starts_with("TOO_DEEP||"));
  scoring_options few;
  few.max_fields = 2;
  BOOST_TEST(score(binary(), R"({"a":1,"b":2,"c":3})", few).starts_with("TOO_MANY_FIELDS||"));
}

BOOST_AUTO_TEST_CASE(score__overflow__not_finite) {
  onnx::ModelProto model = regressor();
  model.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_floats(0, 3e38f);
  BOOST_TEST(score(model, R"({"a":1000,"b":0,"c":0})") == "NOT_FINITE||the model's result 0 is inf");
  BOOST_TEST(score(model, R"({"a":-1000,"b":0,"c":0})").starts_with("NOT_FINITE||"));
}

BOOST_AUTO_TEST_CASE(score__mixed_batches_of_any_size__one_outcome_a_row_in_order) {
  const auto plan = plan_of(regressor());
  scoring_session session{plan};
  for (const std::size_t size : {0u, 1u, 2u, 511u, 512u, 513u, 1500u}) {
    batch rows;
    for (std::size_t i = 0; i < size; ++i) {
      if (i % 7 == 3)
        rows.add("{\"a\":1");
      else if (i % 11 == 5)
        rows.add("{\"a\":1,\"b\":1}");
      else if (i % 13 == 1)
        rows.add("");
      else
        rows.add("{\"id\":" + std::to_string(i) + ",\"a\":" + std::to_string(i) + ",\"b\":0,\"c\":0}");
    }
    outcome_block block;
    session.score(rows.bytes, rows.ends, block);
    const auto all = outcomes(block);
    BOOST_REQUIRE(all.size() == size);
    for (std::size_t i = 0; i < size; ++i) {
      if (i % 7 == 3)
        BOOST_REQUIRE(all[i].code == rejection::invalid_json);
      else if (i % 11 == 5)
        BOOST_REQUIRE(all[i].code == rejection::missing_feature);
      else if (i % 13 == 1)
        BOOST_REQUIRE(all[i].code == rejection::empty_value);
      else
        BOOST_REQUIRE_EQUAL(all[i].bytes, "{\"id\":" + std::to_string(i) + ",\"pred\":" + std::to_string(i + 10) + "}");
    }
  }
}

BOOST_AUTO_TEST_CASE(score__twice_into_one_block__appends) {
  scoring_session session{plan_of(binary())};
  batch rows;
  rows.add(R"({"a":1,"b":0})");
  outcome_block block;
  session.score(rows.bytes, rows.ends, block);
  session.score(rows.bytes, rows.ends, block);
  const auto all = outcomes(block);
  BOOST_TEST(all.size() == 2u);
  BOOST_TEST(all.at(0).bytes == all.at(1).bytes);
}

BOOST_AUTO_TEST_CASE(session__moved__goes_on) {
  scoring_session first{plan_of(binary())};
  scoring_session second{std::move(first)};
  batch rows;
  rows.add(R"({"a":1,"b":0})");
  outcome_block block;
  second.score(rows.bytes, rows.ends, block);
  BOOST_TEST(outcomes(block).at(0).bytes == R"({"pred":0.5})");
}

BOOST_AUTO_TEST_CASE(score__two_thousand_features__bound_by_name) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 2000);
  auto& node = add_node(model, "LinearRegressor", {"X"}, {"Y"});
  std::vector<float> weights;
  scoring_options options;
  std::string row;
  double expected = 0;
  for (int i = 0; i < 2000; ++i) {
    weights.push_back(static_cast<float>(i % 10));
    options.features.push_back("f" + std::to_string(i));
    row += (i == 0 ? "{\"f" : ",\"f") + std::to_string(1999 - i) + "\":" + std::to_string(i % 3);
    expected += (1999 - i) % 10 * (i % 3);
  }
  add_floats(node, "coefficients", weights);
  add_output(model, "Y");
  BOOST_TEST(score(model, row + "}", options) == "{\"pred\":" + std::to_string(static_cast<int>(expected)) + "}");
}

BOOST_AUTO_TEST_SUITE_END()
