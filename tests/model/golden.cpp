// Models of scikit-learn, exported, against its own predict_proba and predict. tests/model/golden/make_golden.py writes
// the files.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/json_text.hpp"
#include "model/scoring.hpp"
#include "tests/model/files.hpp"

namespace bdata = boost::unit_test::data;
using namespace troupe::model;

namespace {

const std::vector<std::string> models{
    "logistic_binary",
    "logistic_zipmap",
    "logistic_softmax_binary",
    "logistic_multinomial",
    "logistic_ovr_strings",
    "logistic_strings_zipmap",
    "linear",
    "linear_two_targets",
    "scaled_l2",
    "l1",
    "one_input_per_column",
    "column_transformer",
    "integers",
};

double number(std::string_view text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view member(std::string_view json, const std::string& name) {
  return walk(json, &name, &name + 1).value_or("");
}

struct golden_file {
  std::string bytes;
  std::vector<std::uint32_t> ends;
  std::vector<std::vector<double>> expected;
};

golden_file read_golden(const std::string& name) {
  golden_file out;
  const std::string text = testing::read_golden_file(name + ".jsonl");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = text.find('\n', at);
    const std::string_view line = std::string_view{text}.substr(at, newline - at);
    out.bytes += member(line, "row");
    out.ends.push_back(static_cast<std::uint32_t>(out.bytes.size()));
    out.expected.emplace_back();
    for (const std::string_view value : elements(member(line, "expected")))
      out.expected.back().push_back(number(value));
    at = newline + 1;
  }
  return out;
}

// Every number that the model gives, whatever its kind.
scoring_options all_numbers(const loaded_model& model) {
  scoring_options options;
  const std::size_t count = model.what == task::regressor ? model.targets : model.classes.size();
  const std::string word = model.what == task::regressor ? "value(" : "score(";
  for (std::size_t i = 0; i < count; ++i)
    options.prediction.emplace_back("p" + std::to_string(i), word + std::to_string(i) + ")");
  if (model.what != task::regressor) options.prediction.emplace_back("label", "label");
  return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(golden)

BOOST_DATA_TEST_CASE(score__model_of_scikit_learn__within_a_millionth, bdata::make(models)) {
  const std::string file = testing::read_golden_file(sample + ".onnx");
  const auto model = load_onnx(file);
  BOOST_REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message));
  BOOST_TEST((*model)->features.size() == 4u);
  const golden_file rows = read_golden(sample);
  BOOST_TEST(rows.ends.size() >= 100u);
  const auto plan = scoring_plan::make(*model, all_numbers(**model));
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  outcome_block out;
  scoring_session session{*plan};
  session.score(rows.bytes, rows.ends, out);
  BOOST_REQUIRE(out.ends.size() == rows.ends.size());
  for (std::size_t i = 0; i < out.ends.size(); ++i) {
    BOOST_REQUIRE(out.codes[i] == 0);
    const std::size_t begin = i == 0 ? 0 : out.ends[i - 1];
    const std::string_view line{out.bytes.data() + begin, out.ends[i] - begin};
    const std::vector<double>& expected = rows.expected[i];
    for (std::size_t k = 0; k < expected.size(); ++k) {
      // Values of a regressor are as large as they are; float32 has seven digits.
      const double allowed = (*model)->what == task::regressor ? 1e-6 * std::max(1.0, std::abs(expected[k])) : 1e-6;
      const double got = number(member(line, "p" + std::to_string(k)));
      BOOST_TEST(std::abs(got - expected[k]) <= allowed, "row " << i << ": " << line << ", expected " << expected[k]);
    }
    if ((*model)->what == task::regressor) continue;
    const auto best = static_cast<std::size_t>(std::max_element(expected.begin(), expected.end()) - expected.begin());
    const std::string_view label = member(line, "label");
    BOOST_TEST(((*model)->classes_are_numbers ? std::string{label} : string_value(label).value_or("")) ==
               (*model)->classes[best]);
  }
}

BOOST_AUTO_TEST_CASE(games__two_versions__predict_differently) {
  std::vector<std::string> predictions;
  for (const char* name : {"games.onnx", "games_v2.onnx"}) {
    const auto model = load_onnx(testing::read_file("examples/" + std::string{name}));
    BOOST_REQUIRE(model.has_value());
    const auto plan = scoring_plan::make(*model, {});
    BOOST_REQUIRE(plan.has_value());
    const std::string row = R"({"G1":0,"G2":0,"G3":0,"G4":1,"G5":0,"G6":0,"G7":0,"G8":0,"G9":0,"G10":1,)"
                            R"("User_ID":"4be94cd4-21e7-48b8-a9c7-3f5e9c1d2a01"})";
    const auto end = static_cast<std::uint32_t>(row.size());
    outcome_block out;
    scoring_session session{*plan};
    session.score(row, {&end, 1}, out);
    BOOST_TEST(out.codes.at(0) == 0);
    predictions.emplace_back(out.bytes.begin(), out.bytes.end());
    BOOST_TEST(predictions.back().starts_with(R"({"User_ID":"4be94cd4-21e7-48b8-a9c7-3f5e9c1d2a01","pred":0.)"));
  }
  BOOST_TEST(predictions[0] != predictions[1]);
}

BOOST_AUTO_TEST_SUITE_END()
