// Graphs of ai.onnx operators against what onnxruntime computed for them. tests/model/golden/make_tensors.py writes the
// file.
#include <boost/test/unit_test.hpp>

#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "model/evaluator.hpp"
#include "model/json_text.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/base64.hpp"

using namespace troupe::model;

namespace {

struct golden_graph {
  std::string name;
  std::string model;
  std::size_t rows = 0;
  std::vector<double> columns, expected;
};

std::string_view member(std::string_view json, const std::string& name) {
  return walk(json, &name, &name + 1).value_or("");
}

double number(std::string_view text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<double> numbers(std::string_view array) {
  std::vector<double> out;
  for (const std::string_view text : elements(array))
    out.push_back(text.starts_with('"') ? number(text.substr(1)) : number(text));
  return out;
}

std::vector<golden_graph> read_graphs() {
  std::ifstream in(TROUPE_SOURCE_DIR "/tests/model/golden/tensors.jsonl", std::ios::binary);
  BOOST_REQUIRE(in.good());
  std::vector<golden_graph> graphs;
  for (std::string line; std::getline(in, line);) {
    golden_graph one;
    one.name = string_value(member(line, "name")).value_or("");
    one.model = from_base64(string_value(member(line, "model")).value_or(""));
    one.rows = static_cast<std::size_t>(number(member(line, "rows")));
    one.columns = numbers(member(line, "columns"));
    one.expected = numbers(member(line, "expected"));
    graphs.push_back(std::move(one));
  }
  return graphs;
}

bool near(double got, double expected) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  return std::abs(got - expected) <= 1e-6 + 1e-5 * std::abs(expected);
}

void check(const golden_graph& of) {
  const auto loaded = load_onnx(of.model);
  BOOST_TEST(loaded.has_value(), of.name << ": " << (loaded ? "" : loaded.error().message));
  if (!loaded) return;
  const evaluator& graph = *(*loaded)->graph;
  BOOST_REQUIRE(graph.number_columns() * of.rows == of.columns.size());
  BOOST_REQUIRE_MESSAGE(graph.width() * of.rows == of.expected.size(), of.name);
  auto scratch = graph.make_scratch();
  // All rows at once, and each alone: neighbours must not matter.
  for (const std::size_t at_once : {of.rows, std::size_t{1}})
    for (std::size_t begin = 0; begin < of.rows; begin += at_once) {
      graph.load(of.columns.data() + begin * graph.number_columns(), nullptr, at_once, scratch);
      graph.run(at_once, scratch);
      for (std::size_t i = 0; i < at_once; ++i)
        for (std::size_t k = 0; k < graph.width(); ++k) {
          const double got = static_cast<double>(graph.numbers(scratch, i)[k]);
          const double expected = of.expected[(begin + i) * graph.width() + k];
          BOOST_TEST(near(got, expected),
                     of.name << ", row " << begin + i << ", column " << k << ": " << got << " is not " << expected);
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(tensor_golden)

BOOST_AUTO_TEST_CASE(run__graphs_of_one_operator_or_a_few__as_onnxruntime) {
  const auto graphs = read_graphs();
  BOOST_TEST(graphs.size() > 300u);
  for (const golden_graph& graph : graphs) check(graph);
}

BOOST_AUTO_TEST_SUITE_END()
