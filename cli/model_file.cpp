#include "cli/model_file.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/model_text.hpp"
#include "model/binding.hpp"
#include "model/loaded_model.hpp"

namespace troupe::cli {
namespace {

using clock = std::chrono::steady_clock;

struct model_file {
  std::size_t bytes = 0;
  std::shared_ptr<const model::loaded_model> model;
};

result<model_file> open_model(const std::string& path) {
  auto content = read_model_file(path);
  if (!content) return tl::make_unexpected(content.error());
  auto loaded = model::load_model(*content);
  if (!loaded) return fail(loaded.error().code, path + ": " + loaded.error().message);
  return model_file{content->size(), *loaded};
}

// ---- bench ----

/// Features in memory: what the row parser makes of rows.
struct feature_rows {
  std::vector<model::feature_slot> slots; // texts may point into them
  std::deque<std::string> lines;          // or into these
  std::vector<double> numbers;
  std::vector<std::string_view> texts;
  std::size_t count = 0;
};

double number_like(const model::feature_spec& feature, std::mt19937& random) {
  if (feature.type == model::feature_type::boolean) return static_cast<double>(random() % 2);
  const double value = feature.low && feature.high && *feature.low < *feature.high
                           ? std::uniform_real_distribution<double>{*feature.low, *feature.high}(random)
                           : std::normal_distribution<double>{}(random);
  return feature.type == model::feature_type::integer ? std::round(value) : value;
}

/// Rows that look like training rows where the file tells their ranges and categories; standard normal otherwise.
void make_rows(const model::evaluator& graph, std::size_t count, feature_rows& out) {
  std::mt19937 random{7};
  out.count = count;
  out.numbers.resize(count * graph.number_columns());
  out.texts.resize(count * graph.text_columns());
  for (const model::feature_slot& slot : out.slots)
    for (std::size_t row = 0; row < count; ++row) {
      const auto& categories = slot.spec.categories;
      if (slot.spec.type == model::feature_type::text)
        out.texts[row * graph.text_columns() + slot.column] =
            categories.empty() ? "a" : std::string_view{categories[random() % categories.size()]};
      else
        for (std::size_t cell = 0; cell < slot.spec.width(); ++cell)
          out.numbers[row * graph.number_columns() + slot.column + cell] = number_like(slot.spec, random);
    }
}

result<void> read_rows(const std::string& path, const model::evaluator& graph, feature_rows& out) {
  std::ifstream in{path};
  if (!in) return fail(errc::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.lines.push_back(std::move(line));
  if (out.lines.empty()) return fail(errc::invalid, path + ": there are no rows in it");
  auto wanted = model::wanted_features(out.slots, "the model file");
  if (!wanted) return tl::make_unexpected(wanted.error());
  model::row_parser parser{std::move(*wanted), model::row_limits{}};
  out.count = out.lines.size();
  out.numbers.resize(out.count * graph.number_columns());
  out.texts.resize(out.count * graph.text_columns());
  for (std::size_t i = 0; i < out.count; ++i) {
    const auto code = parser.parse(
        out.lines[i], {out.numbers.data() + i * graph.number_columns(), out.texts.data() + i * graph.text_columns()});
    if (code != model::rejection::none)
      return fail(errc::invalid, fmt::format("{}: row {}: {}", path, i + 1, parser.fault().sentence));
  }
  // Texts that the parser keeps would end with it.
  for (std::string_view& text : out.texts) text = out.lines.emplace_back(text);
  return {};
}

result<feature_rows> rows_of(const bench_options& options, const model::loaded_model& model) {
  const model::evaluator& graph = *model.graph;
  feature_rows out;
  auto features = model.features;
  if (features.empty()) {
    if (!options.rows.empty())
      return fail(errc::invalid, options.path + ": the file does not name its features, so --rows can't be read");
    auto unnamed = model::features_of_names(
        graph, std::vector<std::string>(graph.number_columns() + graph.text_columns(), "x"), "nobody");
    if (!unnamed) return tl::make_unexpected(unnamed.error());
    features = std::move(*unnamed);
  }
  out.slots = model::place_features(graph, features);
  if (options.rows.empty())
    make_rows(graph, 4096, out);
  else if (auto ok = read_rows(options.rows, graph, out); !ok)
    return tl::make_unexpected(ok.error());
  return out;
}

/// Microseconds a row, a figure for each round through the rows.
std::vector<double> time_batches(const model::evaluator& graph, const feature_rows& rows, std::size_t batch,
                                 double seconds) {
  auto memory = graph.make_scratch();
  std::vector<double> figures;
  const auto end = clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
  do {
    const auto begun = clock::now();
    std::size_t done = 0;
    // About a millisecond a figure, so that the clock costs nothing.
    while (done == 0 || (clock::now() - begun < std::chrono::milliseconds(1)))
      for (std::size_t at = 0; at + batch <= rows.count || at == 0; at += batch)
        for (std::size_t first = at; first < at + batch;) {
          const std::size_t count = std::min(graph.rows_at_once(), at + batch - first);
          graph.load(rows.numbers.data() + first * graph.number_columns(),
                     rows.texts.data() + first * graph.text_columns(), count, memory);
          graph.run(count, memory);
          first += count;
          done += count;
        }
    figures.push_back(std::chrono::duration<double, std::micro>(clock::now() - begun).count() /
                      static_cast<double>(done));
  } while (clock::now() < end);
  return figures;
}

double median(std::vector<double> figures) {
  std::nth_element(figures.begin(), figures.begin() + static_cast<std::ptrdiff_t>(figures.size() / 2), figures.end());
  return figures[figures.size() / 2];
}

} // namespace

bool is_model_file(const std::string& reference) {
  std::error_code ignored;
  const std::filesystem::path path{reference};
  if (std::filesystem::is_regular_file(path, ignored)) return true;
  // Nothing that a model may be called: a path, or a file that is not there.
  const std::string kind = path.extension().string();
  return reference.find('/') != std::string::npos || kind == ".onnx" || kind == ".json" || kind == ".ubj" ||
         kind == ".txt";
}

int show_model_file(const std::string& path, bool json) {
  const auto file = open_model(path);
  if (!file) return failed(file.error());
  const std::string text = json ? model_json(*file->model, file->bytes) : model_text(*file->model, file->bytes);
  fmt::print("{}\n", text);
  return 0;
}

int bench_model_file(const bench_options& options) {
  const auto file = open_model(options.path);
  if (!file) return failed(file.error());
  auto rows = rows_of(options, *file->model);
  if (!rows) return failed(rows.error());
  constexpr std::size_t batches[] = {1, 64, 1024};
  // Fewer rows than a batch has come again.
  const model::evaluator& graph = *file->model->graph;
  for (std::size_t i = 0; rows->count < batches[2]; ++i, ++rows->count) {
    for (std::size_t k = 0; k < graph.number_columns(); ++k)
      rows->numbers.push_back(rows->numbers[i * graph.number_columns() + k]);
    for (std::size_t k = 0; k < graph.text_columns(); ++k)
      rows->texts.push_back(rows->texts[i * graph.text_columns() + k]);
  }
  if (!options.json) fmt::print("{:>6}  {:>12}  {:>12}\n", "BATCH", "US/ROW", "LEAST");
  std::string json;
  for (const std::size_t batch : batches) {
    time_batches(graph, *rows, batch, options.seconds / 5); // warm-up
    const auto figures = time_batches(graph, *rows, batch, options.seconds);
    const double least = *std::min_element(figures.begin(), figures.end());
    if (options.json)
      json += fmt::format(R"({}"{}":{{"median_us":{:.4f},"least_us":{:.4f}}})", json.empty() ? "" : ",", batch,
                          median(figures), least);
    else
      fmt::print("{:>6}  {:>12.3f}  {:>12.3f}\n", batch, median(figures), least);
  }
  if (options.json) fmt::print("{{{}}}\n", json);
  return 0;
}

} // namespace troupe::cli
