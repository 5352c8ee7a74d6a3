#pragma once
// The compiled graph: a list of operations over slots of floats, a batch of rows at a time. Built by graph_builder, run
// by scoring_session. Values are float32, as ONNX has them; sums inside an operation may be double.

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "model/operators/operator.hpp"

namespace troupe::model {

/// Where a value lies: columns [offset, offset + width) of a slot. Slot 0 is the features.
struct value_place {
  std::size_t slot = 0;
  std::size_t offset = 0;
  std::size_t width = 0;
};

/// An operation with its inputs and outputs.
struct step {
  std::shared_ptr<const operation> op;
  std::vector<value_place> inputs;
  std::vector<value_place> outputs;
};

/// A graph, ready to run. Immutable; any thread.
class evaluator {
public:
  /// The memory of one thread: the slots after slot 0.
  struct scratch {
    std::vector<std::vector<float>> slots;
    std::vector<rows_in> in;
    std::vector<rows_out> out;
  };

  /// REQUIRES: places within slots; a slot is written before it is read. `slot_widths[0]` is the number of features.
  evaluator(std::vector<std::size_t> slot_widths, std::vector<step> steps, value_place numbers,
            std::optional<value_place> label, bool probabilities);

  scratch make_scratch() const;
  /// The most rows that one run takes; bounds the scratch.
  std::size_t rows_at_once() const { return rows_at_once_; }
  /// `features`: `rows` rows of feature_count floats. REQUIRES: rows <= rows_at_once().
  void run(const float* features, std::size_t rows, scratch& memory) const;
  /// Probabilities, scores or values of a row of the last run with these features; `width()` of them.
  const float* numbers(const float* features, const scratch& memory, std::size_t row) const;
  std::size_t width() const { return numbers_.width; }
  /// The class of a row of the last run: what the graph says, or the first of the largest numbers.
  std::size_t label(const float* features, const scratch& memory, std::size_t row) const;
  /// Whether the numbers of a classifier are probabilities, as opposed to scores.
  bool probabilities() const { return probabilities_; }

private:
  const float* at(const value_place& place, const float* features, const scratch& memory, std::size_t row) const;

  std::vector<std::size_t> slot_widths_;
  std::vector<step> steps_;
  value_place numbers_;
  std::optional<value_place> label_;
  bool probabilities_;
  std::size_t rows_at_once_;
};

} // namespace troupe::model
