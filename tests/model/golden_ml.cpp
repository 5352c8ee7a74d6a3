// Models of ai.onnx.ml operators, handmade and trained, against onnxruntime. tests/model/golden/make_ml.py writes them.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "model/json_text.hpp"
#include "model/operators/operator.hpp"
#include "model/scoring.hpp"
#include "tests/model/base64.hpp"

using namespace troupe::model;

namespace {

std::string_view member(std::string_view json, const std::string& name) {
  return walk(json, &name, &name + 1).value_or("");
}

struct golden_model {
  std::string name, file, bytes;
  std::vector<std::uint32_t> ends;
  std::vector<std::string> expected; // JSON: an array, or null
  std::vector<std::string> labels;   // as text; empty: none
  std::vector<double> slack;         // what onnxruntime itself is off by; empty: not known
};

std::string as_text(std::string_view json) { return string_value(json).value_or(std::string{json}); }

golden_model read_model(const std::string& line) {
  golden_model out{as_text(member(line, "name")), from_base64(as_text(member(line, "model"))), {}, {}, {}, {}, {}};
  for (const std::string_view row : elements(member(line, "rows"))) {
    out.bytes += row;
    out.ends.push_back(static_cast<std::uint32_t>(out.bytes.size()));
  }
  for (const std::string_view numbers : elements(member(line, "expected"))) out.expected.emplace_back(numbers);
  for (const std::string_view label : elements(member(line, "labels"))) out.labels.push_back(as_text(label));
  for (const std::string_view slack : elements(member(line, "slack")))
    out.slack.push_back(std::stod(std::string{slack}));
  return out;
}

scoring_options all_numbers(const loaded_model& model, std::size_t count) {
  scoring_options options;
  const std::string word = model.what == task::regressor ? "value(" : "score(";
  for (std::size_t i = 0; i < count; ++i)
    options.prediction.emplace_back("p" + std::to_string(i), word + std::to_string(i) + ")");
  if (model.what != task::regressor) options.prediction.emplace_back("label", "label");
  options.carry.emplace();
  return options;
}

// The first row that has a result tells how many numbers there are.
std::size_t width_of(const golden_model& model) {
  for (const std::string& numbers : model.expected)
    if (numbers != "null") return elements(numbers).size();
  return 1;
}

void check_row(const golden_model& model, std::size_t row, std::string_view got) {
  const auto expected = elements(model.expected[row]);
  const double slack = model.slack.empty() ? 0 : model.slack[row];
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const double a = std::stod(std::string{member(got, "p" + std::to_string(k))});
    const double b = std::stod(std::string{expected[k]});
    BOOST_TEST(std::abs(a - b) <= 1e-6 + 1e-5 * std::abs(b) + slack,
               model.name << ", row " << row << ", " << k << ": " << got << ", expected " << model.expected[row]);
  }
  if (!model.labels.empty())
    BOOST_TEST(as_text(member(got, "label")) == model.labels[row], model.name << ", row " << row << ": " << got);
}

void check_model(const golden_model& model) {
  const auto loaded = load_onnx(model.file);
  BOOST_TEST(loaded.has_value(), model.name << ": " << (loaded ? "" : loaded.error().message));
  if (!loaded) return;
  const auto plan = scoring_plan::make(*loaded, all_numbers(**loaded, width_of(model)));
  BOOST_TEST(plan.has_value(), model.name << ": " << (plan ? "" : plan.error().message));
  if (!plan) return;
  outcome_block out;
  scoring_session session{*plan};
  session.score(model.bytes, model.ends, out);
  BOOST_REQUIRE(out.ends.size() == model.expected.size());
  for (std::size_t i = 0; i < out.ends.size(); ++i) {
    const std::size_t begin = i == 0 ? 0 : out.ends[i - 1];
    const std::string_view got{out.bytes.data() + begin, out.ends[i] - begin};
    const auto code = static_cast<rejection>(out.codes[i]);
    if (model.expected[i] == "null")
      BOOST_TEST(to_string(code) == "NOT_FINITE", model.name << ", row " << i << ": " << got);
    else if (code != rejection::none)
      BOOST_TEST(to_string(code) == "NONE", model.name << ", row " << i << ": " << got.substr(1));
    else
      check_row(model, i, got);
  }
}

void check_models(const std::string& name) {
  std::ifstream file(TROUPE_SOURCE_DIR "/tests/model/golden/" + name + ".jsonl");
  std::size_t models = 0;
  for (std::string line; std::getline(file, line); ++models) check_model(read_model(line));
  BOOST_TEST(models > 10u);
}

boost::test_tools::assertion_result has_reshape(boost::unit_test::test_unit_id) {
  return find_operator("", "Reshape") != nullptr && find_operator("", "Gather") != nullptr;
}

} // namespace

BOOST_AUTO_TEST_SUITE(golden_ml)

BOOST_AUTO_TEST_CASE(score__node__as_onnxruntime) { check_models("ml_nodes"); }

// Pipelines with a ColumnTransformer have operators of ai.onnx, too.
BOOST_AUTO_TEST_CASE(score__pipeline__as_onnxruntime, *boost::unit_test::precondition(has_reshape)) {
  check_models("ml_pipelines");
}

BOOST_AUTO_TEST_SUITE_END()
