// Trees of every format against onnxruntime, XGBoost and LightGBM. tests/model/golden/make_trees.py writes the files.
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
    "trees_averaged.txt",
    "trees_binary.json",
    "trees_binary.txt",
    "trees_binary.ubj",
    "trees_boosted.onnx",
    "trees_categories.txt",
    "trees_boosted_several.onnx",
    "trees_categories.ubj",
    "trees_counts.json",
    "trees_dart.ubj",
    "trees_every_mode.onnx",
    "trees_forest.onnx",
    "trees_forest_binary.onnx",
    "trees_gapless.txt",
    "trees_forest_regressor.onnx",
    "trees_histogram.onnx",
    "trees_several.txt",
    "trees_several.ubj",
    "trees_two_targets.json",
    "trees_zero.txt",
};

double number(std::string_view text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view member(std::string_view json, const std::string& name) {
  return walk(json, &name, &name + 1).value_or("");
}

struct golden_rows {
  std::vector<std::string> rows;
  std::vector<std::vector<double>> expected;
};

golden_rows read_rows(const std::string& name) {
  golden_rows out;
  const std::string text = testing::read_golden_file(name + ".jsonl");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = text.find('\n', at);
    const std::string_view line = std::string_view{text}.substr(at, newline - at);
    out.rows.emplace_back(member(line, "row"));
    out.expected.emplace_back();
    for (const std::string_view value : elements(member(line, "expected")))
      out.expected.back().push_back(number(value));
    at = newline + 1;
  }
  return out;
}

scoring_options all_numbers(const loaded_model& model) {
  scoring_options options;
  const bool classifies = model.what != task::regressor;
  const std::size_t count = classifies ? model.classes.size() : model.targets;
  for (std::size_t i = 0; i < count; ++i)
    options.prediction.emplace_back("p" + std::to_string(i),
                                    (classifies ? "score(" : "value(") + std::to_string(i) + ")");
  return options;
}

// The rows, `together` at a time: several go other ways through a forest than few.
void check(const std::shared_ptr<const scoring_plan>& plan, const golden_rows& golden, std::size_t together) {
  scoring_session session{plan};
  for (std::size_t first = 0; first < golden.rows.size(); first += together) {
    const std::size_t last = std::min(first + together, golden.rows.size());
    std::string bytes;
    std::vector<std::uint32_t> ends;
    for (std::size_t i = first; i < last; ++i) {
      bytes += golden.rows[i];
      ends.push_back(static_cast<std::uint32_t>(bytes.size()));
    }
    outcome_block out;
    session.score(bytes, ends, out);
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t begin = i == first ? 0 : out.ends[i - first - 1];
      const std::string_view line{out.bytes.data() + begin, out.ends[i - first] - begin};
      BOOST_REQUIRE_MESSAGE(out.codes[i - first] == 0, golden.rows[i] << ": " << line);
      for (std::size_t k = 0; k < golden.expected[i].size(); ++k) {
        const double expected = golden.expected[i][k];
        const double got = number(member(line, "p" + std::to_string(k)));
        BOOST_TEST(std::abs(got - expected) <= 1e-6 + 1e-5 * std::abs(expected),
                   golden.rows[i] << ": " << line << ", expected " << expected);
      }
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(trees_golden)

BOOST_DATA_TEST_CASE(score__trees_of_every_format__as_their_library, bdata::make(models)) {
  const auto model = load_model(testing::read_golden_file(sample));
  BOOST_REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message));
  BOOST_TEST((*model)->feature_names() == (std::vector<std::string>{"a", "b", "c", "d"}),
             boost::test_tools::per_element());
  const auto plan = scoring_plan::make(*model, all_numbers(**model));
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  const golden_rows golden = read_rows(sample);
  BOOST_TEST(golden.rows.size() >= 150u);
  for (const std::size_t together : {1u, 5u, 31u, 64u, 1000u}) check(*plan, golden, together);
}

BOOST_AUTO_TEST_SUITE_END()
