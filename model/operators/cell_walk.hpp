#pragma once
// Inputs that broadcast to one shape, walked cell by cell: what arithmetic.cpp and several_inputs.cpp share.

#include <algorithm>

#include "model/operators/tensor.hpp"

namespace troupe::model {

// How two or three inputs are walked together: dimensions that all of them step through alike are one.
class cell_walk {
public:
  static constexpr std::size_t inputs_max = 3;
  cell_walk(const shape& dims, std::span<const shape> inputs) {
    std::vector<std::vector<std::size_t>> strides;
    for (const shape& input : inputs) strides.push_back(broadcast_strides(input, dims));
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      level next{static_cast<std::size_t>(dims[axis]), {}};
      if (next.size == 1) continue;
      for (std::size_t i = 0; i < inputs.size(); ++i) next.steps[i] = strides[i][axis];
      if (levels_.empty() || !continues(levels_.back(), next))
        levels_.push_back(next);
      else
        levels_.back().size *= next.size;
    }
    if (levels_.empty()) levels_.push_back({1, {}});
  }
  /// Calls `call` with the number of cells of each innermost run, where they begin in the inputs, and in the output.
  template <class Call> void runs(const Call& call) const {
    std::array<std::size_t, inputs_max> at{};
    std::size_t out = 0;
    go(levels_.size() - 1, at, out, call);
  }
  const std::array<std::size_t, inputs_max>& steps() const { return levels_.front().steps; }

private:
  struct level {
    std::size_t size = 1;
    std::array<std::size_t, inputs_max> steps{};
  };
  // Whether stepping through `outer` is going on where `inner` ended.
  static bool continues(const level& inner, const level& outer) {
    for (std::size_t i = 0; i < inputs_max; ++i)
      if (outer.steps[i] != inner.steps[i] * inner.size) return false;
    return true;
  }
  template <class Call>
  void go(std::size_t depth, std::array<std::size_t, inputs_max> at, std::size_t& out, const Call& call) const {
    const level& here = levels_[depth];
    if (depth == 0) {
      call(here.size, at, out);
      out += here.size;
      return;
    }
    for (std::size_t k = 0; k < here.size; ++k) {
      go(depth - 1, at, out, call);
      for (std::size_t i = 0; i < inputs_max; ++i) at[i] += here.steps[i];
    }
  }
  std::vector<level> levels_; // innermost first
};

// An input of a cell by cell operation: cells of a row, or a constant's.
template <class T> struct source {
  std::vector<T> fixed;
  std::size_t input = 0; ///< of the step, where it is a value of the row
  bool of_row = true;
  const T* at(std::span<const cells_in> in, std::size_t row) const {
    return of_row ? in[input].row<T>(row) : fixed.data();
  }
};

// The sources of `inputs`: where all are constants they are run as a row (tensor.hpp).
template <class T> std::vector<source<T>> sources_of(std::span<const operand> inputs) {
  const bool row = std::any_of(inputs.begin(), inputs.end(), of_the_row);
  std::vector<source<T>> sources;
  std::size_t next = 0;
  for (const operand& input : inputs) {
    source<T> one;
    one.of_row = of_the_row(input) || !row;
    if (one.of_row)
      one.input = next++;
    else
      one.fixed = input.fixed->as<T>();
    sources.push_back(std::move(one));
  }
  return sources;
}

} // namespace troupe::model
