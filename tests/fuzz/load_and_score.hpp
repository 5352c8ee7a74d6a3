#pragma once
// What fuzzing does with the bytes of a model file: load it, and where it loads, score a few rows, since whoever
// evaluates trusts what was loaded.

#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"

namespace troupe::model::testing {

/// Rows of zeros, of large numbers, and of what is missing, through a model's graph.
inline void score_odd_rows(const loaded_model& model) {
  const evaluator& graph = *model.graph;
  auto memory = graph.make_scratch();
  const std::vector<std::string_view> texts(graph.text_columns(), "x");
  bool floats_only = true;
  for (const graph_input& input : graph.inputs())
    floats_only = floats_only && (input.type.type == element::f32 || input.type.type == element::f64);
  for (const double number : {0.0, 1e30, std::numeric_limits<double>::quiet_NaN()}) {
    if (!floats_only && number != 0) break; // the row parser gives integers only what they can hold
    const std::vector<double> numbers(graph.number_columns(), number);
    graph.load(numbers.data(), texts.data(), 1, memory);
    graph.run(1, memory);
    (void)graph.numbers(memory, 0)[graph.width() - 1];
    (void)graph.label(memory, 0);
  }
}

/// Whether the file is a model.
inline bool load_and_score(std::span<const char> file) {
  load_limits limits;
  limits.file_bytes_max = 4u << 20;
  const auto loaded = load_model(file, limits);
  if (loaded) score_odd_rows(**loaded);
  return loaded.has_value();
}

} // namespace troupe::model::testing
