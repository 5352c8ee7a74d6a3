#pragma once
// A model file that passed every check, ready to be evaluated. Immutable, shared between threads.
// The loaders (behind load_model) are the only validators; the evaluator trusts what it is given.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/feature.hpp"

namespace troupe::model {

class evaluator; // model/evaluator.hpp: the compiled graph

/// What the model computes, as far as the output can choose from it.
enum class task { binary_classifier, classifier, regressor };

struct loaded_model {
  std::string name_in_file; ///< graph name or producer, for people
  task what = task::regressor;
  std::vector<feature_spec> features; ///< in the order of the graph's columns; empty: the file does not name them
  std::vector<std::string> classes;   ///< classifier: labels as text, in the order of the probabilities
  bool classes_are_numbers = false;   ///< integer labels: written as JSON numbers
  std::size_t positive_class = 1;     ///< binary classifier: index of the class that `pred` is about
  std::size_t targets = 1;            ///< regressor: values a row
  std::vector<std::string> operators; ///< of the file's graph, each once, sorted; for people
  std::size_t golden_rows = 0;        ///< rows of the file that reproduced
  double golden_difference = 0;       ///< the largest among them
  std::shared_ptr<const evaluator> graph;

  std::vector<std::string> feature_names() const {
    std::vector<std::string> names;
    for (const feature_spec& feature : features) names.push_back(feature.name);
    return names;
  }
};

/// Bounds of what is accepted; a file beyond them is refused.
struct load_limits {
  std::size_t file_bytes_max = 256u << 20;
  std::size_t memory_bytes_max = std::size_t{2} << 30; ///< while it is loaded: model/memory_budget.hpp
};

/// Proves the file sound and builds the model, or says which part of it is wrong (errc::invalid, errc::unsupported with
/// operator, node and opset). Golden rows in the file, if any, are run and must reproduce. Any thread; takes up to
/// seconds for large files.
result<std::shared_ptr<const loaded_model>> load_onnx(std::span<const char> file, const load_limits& limits = {});

/// The same for a file of any format that is supported: ONNX, XGBoost's JSON and UBJSON, LightGBM's text. The first
/// bytes tell which.
result<std::shared_ptr<const loaded_model>> load_model(std::span<const char> file, const load_limits& limits = {});

} // namespace troupe::model
