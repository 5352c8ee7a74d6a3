#include "model/memory_budget.hpp"

#include <fmt/format.h>

namespace troupe::model {

result<void> memory_budget::charge(std::size_t bytes, std::string_view who) {
  if (bytes <= left()) {
    taken_ += bytes;
    return {};
  }
  constexpr std::size_t mebibyte = 1u << 20;
  return fail(errc::invalid, fmt::format("{} would take {} MiB of memory where {} of the {} MiB are left that loading "
                                         "a model may take; make it smaller",
                                         who, (bytes + mebibyte - 1) / mebibyte, left() / mebibyte, max_ / mebibyte));
}

} // namespace troupe::model
