#pragma once
// What loading one model may take. Whatever can grow out of proportion to the file is charged here, by whoever is about
// to allocate it, so that a small file can't take a machine's memory: parsed messages, values of JSON, constants that
// nodes make or take in, the tables of steps, trees, features, and the memory of a batch. Nothing is given back: it is
// a bound, no measurement. One thread.

#include <cstddef>
#include <string_view>

#include "base/result.hpp"

namespace troupe::model {

class memory_budget {
public:
  explicit memory_budget(std::size_t bytes_max)
      : max_(bytes_max) {}
  /// Charges `bytes` to `who`, "Conv (node 'c')". Fails (errc::invalid), naming it, where less is left.
  result<void> charge(std::size_t bytes, std::string_view who);
  std::size_t left() const { return max_ - taken_; }

private:
  std::size_t max_;
  std::size_t taken_ = 0;
};

} // namespace troupe::model
