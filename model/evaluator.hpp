#pragma once
// The compiled graph: a list of operations over slots of cells, a batch of rows at a time. Built by graph_builder and
// by the loaders of native formats, run by scoring_session and `troupe model bench`.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/operators/operator.hpp"

namespace troupe::model {

/// Where a value lies: columns [offset, offset + width) of a slot.
struct value_place {
  std::size_t slot = 0;
  std::size_t offset = 0;
  std::size_t width = 0;
};

/// The memory of one value of a batch, or of several side by side.
struct slot_shape {
  element type = element::f32;
  std::size_t width = 0;
};

/// An operation with its inputs and outputs.
struct step {
  std::shared_ptr<const operation> op;
  std::string name; ///< "MatMul", "Scaler + LinearClassifier": for people
  std::vector<value_place> inputs;
  std::vector<value_place> outputs;
};

/// What a graph takes: inputs of the same type share a slot, in their order, so that joining them costs nothing.
struct graph_input {
  std::string name;
  value_type type;
  value_place place;
  /// Its first column in the rows that load() takes: of the numbers, or of the texts.
  std::size_t column = 0;
};

/// What it gives.
struct graph_result {
  value_place numbers;              ///< f32
  std::optional<value_place> label; ///< i64 indices of classes
  bool probabilities = false;       ///< numbers of a classifier: probabilities, as opposed to scores
};

/// A graph, ready to run. Immutable; any thread.
class evaluator {
public:
  /// The memory of one thread.
  class scratch {
  public:
    scratch(scratch&&) noexcept = default;
    scratch& operator=(scratch&&) noexcept = default;

  private:
    friend class evaluator;
    scratch() = default;
    struct free_aligned {
      void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
    };
    std::unique_ptr<std::byte[], free_aligned> memory;
    std::vector<cells_in> in;
    std::vector<cells_out> out;
  };

  /// REQUIRES: places within slots; a slot is written before it is read. The first slots are those of the inputs.
  evaluator(std::vector<slot_shape> slots, std::vector<graph_input> inputs, std::vector<step> steps,
            graph_result result);

  scratch make_scratch() const;
  /// The most rows that one run takes; bounds the scratch.
  std::size_t rows_at_once() const { return rows_at_once_; }
  std::span<const graph_input> inputs() const { return inputs_; }
  std::span<const step> steps() const { return steps_; }
  /// Bytes of scratch of a thread.
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  /// Columns of a row of features: numbers of every type, and texts.
  std::size_t number_columns() const { return number_columns_; }
  std::size_t text_columns() const { return text_columns_; }

  /// Fills the inputs: `rows` rows of number_columns() and text_columns(). Numbers for int64 and bool inputs must be
  /// integers. REQUIRES: rows <= rows_at_once(); the bytes of the texts live until the results have been read.
  void load(const double* numbers, const std::string_view* texts, std::size_t rows, scratch& memory) const;
  /// The memory of an input, to be filled without load().
  cells_out input(std::size_t index, std::size_t rows, scratch& memory) const;
  /// REQUIRES: the inputs of `rows` rows are filled.
  void run(std::size_t rows, scratch& memory) const;
  /// Probabilities, scores or values of a row of the last run; `width()` of them.
  const float* numbers(const scratch& memory, std::size_t row) const;
  std::size_t width() const { return result_.numbers.width; }
  /// The class of a row of the last run: what the graph says, or the first of the largest numbers.
  std::size_t label(const scratch& memory, std::size_t row) const;
  bool probabilities() const { return result_.probabilities; }

private:
  void plan_memory();
  template <class Byte> cells<Byte> at(const value_place& place, std::size_t rows, const scratch& memory) const;

  std::vector<slot_shape> slots_;
  std::vector<graph_input> inputs_;
  std::vector<step> steps_;
  graph_result result_;
  std::vector<std::size_t> slot_bytes_; ///< where each slot begins in the scratch
  std::size_t scratch_bytes_ = 0;
  std::size_t rows_at_once_ = 1;
  std::size_t number_columns_ = 0;
  std::size_t text_columns_ = 0;
  std::size_t input_slots_ = 0;
};

} // namespace troupe::model
