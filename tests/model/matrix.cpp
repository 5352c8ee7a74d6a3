// The fidelity matrix: models of every family, scored on the rows that tests/model/golden/matrix/make_matrix.py wrote
// with what onnxruntime and the training library say about them; its page says how a line looks. The table of
// docs/models.md is checked against the run; TROUPE_WRITE_TABLE=1 writes it.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnx/onnx_pb.h>

#include "model/evaluator.hpp"
#include "model/json_text.hpp"
#include "model/operators/operator.hpp"
#include "model/scoring.hpp"
#include "tests/model/files.hpp"

namespace bdata = boost::unit_test::data;
using namespace troupe::model;

namespace {

const std::string folder = TROUPE_SOURCE_DIR "/tests/model/golden/matrix/";
const std::string page = TROUPE_SOURCE_DIR "/docs/models.md";
constexpr std::string_view table_begin = "<!-- matrix -->\n", table_end = "<!-- /matrix -->\n";

double number(std::string_view text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<double> numbers(std::string_view array) {
  std::vector<double> out;
  for (const std::string_view value : elements(array)) out.push_back(number(value));
  return out;
}

std::string_view member(std::string_view json, const std::string& name) {
  return walk(json, &name, &name + 1).value_or("");
}

// ---- files ----

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".jsonl") found.push_back(entry.path().stem());
  std::sort(found.begin(), found.end());
  return found;
}

std::string model_path(const std::string& name) {
  for (const char* suffix : {".onnx", ".json", ".ubj", ".txt"})
    if (std::filesystem::exists(folder + name + suffix)) return folder + name + suffix;
  return folder + name + ".onnx";
}

// A row as it would arrive. What is missing is left out of the even rows, and null in the odd ones.
void append_row(std::string& out, const std::vector<std::string_view>& features, std::string_view values, bool odd) {
  const auto cells = elements(values);
  BOOST_REQUIRE(cells.size() == features.size());
  char separator = '{';
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] == "null" && !odd) continue;
    out += fmt::format("{}{}:{}", std::exchange(separator, ','), features[i], cells[i]);
  }
  out += separator == '{' ? "{}" : "}";
}

struct row_set {
  std::string bytes;
  std::vector<std::uint32_t> ends;
  std::vector<std::string_view> classes; // as JSON
  struct told {
    std::vector<double> expected, library; // library: empty where it says the same
    double spread = 0;                     // how far its numbers move with one rounding of the inputs
    std::optional<std::size_t> label;
  };
  std::vector<told> rows;
};

row_set read_rows(const std::string& text) {
  row_set out;
  std::size_t at = text.find('\n') + 1;
  const std::string_view head = std::string_view{text}.substr(0, at - 1);
  const auto features = elements(member(head, "features"));
  out.classes = elements(member(head, "classes"));
  while (at < text.size()) {
    const std::size_t newline = text.find('\n', at);
    const auto parts = elements(std::string_view{text}.substr(at, newline - at));
    append_row(out.bytes, features, parts.at(0), out.rows.size() % 2 == 1);
    out.ends.push_back(static_cast<std::uint32_t>(out.bytes.size()));
    out.rows.push_back({numbers(parts.at(1)), {}, 0, {}});
    if (parts.size() > 4) {
      out.rows.back().library = numbers(parts[3]);
      out.rows.back().spread = number(parts[4]);
    }
    if (parts.size() > 2 && parts[2] != "null") out.rows.back().label = static_cast<std::size_t>(number(parts[2]));
    at = newline + 1;
  }
  return out;
}

// ---- comparing ----

struct outcome {
  std::size_t rows = 0, rounding = 0;
  double worst = 0; // of the rows that are not a matter of rounding, as a part of the tolerance
};
std::map<std::string, outcome> outcomes;

double tolerance(double value) { return 1e-6 + 1e-5 * std::abs(value); }

bool near(const std::vector<double>& got, const std::vector<double>& want, double slack = 0) {
  for (std::size_t k = 0; k < got.size(); ++k)
    if (!(std::abs(got[k] - want[k]) <= tolerance(want[k]) + slack)) return false;
  return true;
}

double part_of_tolerance(const std::vector<double>& got, const std::vector<double>& want) {
  double most = 0;
  for (std::size_t k = 0; k < got.size(); ++k) most = std::max(most, std::abs(got[k] - want[k]) / tolerance(want[k]));
  return most;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}

// Where float32 took onnxruntime away from the library, being no further from it is right, too; so is what one rounding
// of the inputs makes of the library's own numbers.
bool explained(const std::vector<double>& got, const row_set::told& row) {
  if (row.library.empty()) return false;
  return near(got, row.library, row.spread) || distance(got, row.library) <= distance(row.expected, row.library);
}

bool tied(const std::vector<double>& values, std::size_t a, std::size_t b) {
  return a < values.size() && b < values.size() && std::abs(values[a] - values[b]) <= 2 * tolerance(values[a]);
}

// The last `count` of `width` results: a library gives one score of two classes, a graph two.
std::vector<double> results_of(std::string_view line, std::size_t width, std::size_t count) {
  std::vector<double> out;
  for (std::size_t k = width - std::min(width, count); k < width; ++k)
    out.push_back(number(member(line, "p" + std::to_string(k))));
  return out;
}

scoring_options all_results(const loaded_model& model) {
  scoring_options options;
  options.carry.emplace();
  const std::string word = model.what == task::regressor ? "value(" : "score(";
  for (std::size_t i = 0; i < model.graph->width(); ++i)
    options.prediction.emplace_back("p" + std::to_string(i), word + std::to_string(i) + ")");
  if (model.what != task::regressor) options.prediction.emplace_back("label", "label");
  return options;
}

std::string plain(std::string_view label) { return string_value(label).value_or(std::string{label}); }

void check_label(std::string_view line, const row_set& set, std::size_t i, const std::vector<double>& got) {
  if (!set.rows[i].label || set.classes.empty()) return;
  const std::string label = plain(member(line, "label"));
  if (label == plain(set.classes.at(*set.rows[i].label))) return;
  const auto at = std::find_if(set.classes.begin(), set.classes.end(), [&](auto x) { return plain(x) == label; });
  const auto other = static_cast<std::size_t>(at - set.classes.begin());
  BOOST_TEST(tied(got, other, *set.rows[i].label),
             "row " << i << ": " << line << ", expected the class " << set.classes[*set.rows[i].label]);
}

outcome score(const loaded_model& model, const row_set& set) {
  const auto plan = scoring_plan::make(std::shared_ptr<const loaded_model>{&model, [](auto*) {}}, all_results(model));
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  outcome_block out;
  scoring_session session{*plan};
  session.score(set.bytes, set.ends, out);
  outcome found;
  for (std::size_t i = 0; i < set.rows.size(); ++i, ++found.rows) {
    const std::size_t begin = i == 0 ? 0 : out.ends[i - 1];
    const std::string_view line{out.bytes.data() + begin, out.ends[i] - begin};
    BOOST_REQUIRE_MESSAGE(out.codes[i] == 0, "row " << i << " is refused: " << line);
    const row_set::told& row = set.rows[i];
    const auto got = results_of(line, model.graph->width(), row.expected.size());
    BOOST_REQUIRE(got.size() == row.expected.size());
    const bool is_near = near(got, row.expected);
    BOOST_TEST((is_near || explained(got, row)),
               "row " << i << ": " << line << ", expected " << fmt::format("{}", fmt::join(row.expected, ", ")));
    if (is_near)
      found.worst = std::max(found.worst, part_of_tolerance(got, row.expected));
    else
      ++found.rounding;
    check_label(line, set, i, got);
  }
  return found;
}

// ---- the table ----

// In the order of the graph; none of a native file.
std::vector<std::string> operators_in(const std::string& name) {
  const std::string path = model_path(name);
  std::vector<std::string> found;
  if (!path.ends_with(".onnx")) return found;
  onnx::ModelProto model;
  BOOST_REQUIRE(model.ParseFromString(testing::read_file(path)));
  for (const auto& node : model.graph().node())
    if (std::find(found.begin(), found.end(), node.op_type()) == found.end()) found.push_back(node.op_type());
  return found;
}

std::string operators_of(const std::string& name) {
  const std::string path = model_path(name);
  if (path.ends_with(".onnx")) return fmt::format("{}", fmt::join(operators_in(name), ", "));
  return name.substr(0, name.find('_')) + "'s " + path.substr(path.rfind('.'));
}

struct table_row {
  std::string what; // model, operators, rows
  std::string figures;
};

table_row table_row_of(const std::string& name, const outcome& found) {
  return {fmt::format("| {} | {} | {} |", name, operators_of(name), found.rows),
          fmt::format(" {} | {:.2f} |", found.rounding, found.worst)};
}

std::string table_of_run() {
  std::string out = "| model | operators | rows | float32 | worst |\n|---|---|---|---|---|\n";
  for (const auto& [name, found] : outcomes) {
    const table_row row = table_row_of(name, found);
    out += row.what + row.figures + '\n';
  }
  return out;
}

std::string table_of_page() {
  const std::string text = testing::read_file(page);
  const std::size_t begin = text.find(table_begin), end = text.find(table_end);
  BOOST_REQUIRE_MESSAGE(begin < end && end < text.size(), "docs/models.md has no place for the table");
  return text.substr(begin + table_begin.size(), end - begin - table_begin.size());
}

void write_table() {
  std::string text = testing::read_file(page);
  const std::size_t begin = text.find(table_begin) + table_begin.size();
  text.replace(begin, text.find(table_end) - begin, table_of_run());
  std::ofstream(page, std::ios::binary) << text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(matrix)

BOOST_DATA_TEST_CASE(score__model_of_the_matrix__as_onnxruntime_and_the_library, bdata::make(names())) {
  const auto model = load_model(testing::read_file(model_path(sample)));
  BOOST_REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message));
  const std::string text = testing::read_file(folder + sample + ".jsonl");
  const row_set rows = read_rows(text);
  BOOST_TEST(rows.rows.size() >= 500u);
  outcomes[sample] = score(**model, rows);
}

BOOST_AUTO_TEST_CASE(operators__each_that_is_registered__has_a_model) {
  std::set<std::string> used;
  for (const std::string& name : names())
    for (const std::string& op : operators_in(name)) used.insert(op);
  const std::string all = supported_operators();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t comma = std::min(all.find(", ", at), all.size());
    const std::string name = all.substr(at, comma - at);
    BOOST_TEST(used.count(name) == 1u, "no model of tests/model/golden/matrix has the operator " << name);
    at = comma + 2;
  }
}

// What a processor and a compiler make of the last digit differs, so the page's figures are bounds; all else has to be
// the same. That they are within the tolerance is checked row by row.
BOOST_AUTO_TEST_CASE(table__of_the_page__is_that_of_the_run) {
  BOOST_REQUIRE_MESSAGE(outcomes.size() == names().size(), "run the whole suite");
  if (std::getenv("TROUPE_WRITE_TABLE") != nullptr) write_table();
  const std::string table = table_of_page();
  for (const auto& [name, found] : outcomes) {
    const table_row row = table_row_of(name, found);
    const std::size_t at = table.find(row.what);
    BOOST_TEST(at != std::string::npos, "docs/models.md lacks " << row.what << "; TROUPE_WRITE_TABLE=1 writes it");
    if (at == std::string::npos) continue;
    const std::string_view figures = std::string_view{table}.substr(at + row.what.size() + 1);
    const double rounding = number(figures), worst = number(figures.substr(figures.find('|') + 2));
    BOOST_TEST((found.rounding <= rounding + 5 && found.worst <= worst + 0.5),
               name << " differs by" << row.figures << " docs/models.md says " << rounding << " | " << worst);
  }
  const auto lines = static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n'));
  BOOST_TEST(lines == outcomes.size() + 2, "docs/models.md has models that are gone");
}

BOOST_AUTO_TEST_SUITE_END()
