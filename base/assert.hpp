#pragma once
// TROUPE_ASSERT: for errors of the programmer, in every build. Never for what a user, a file or the network can cause.

#include <cstdio>
#include <cstdlib>

namespace troupe::detail {
[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "troupe: assertion failed: %s (%s:%d)\n", what, file, line);
  std::abort();
}
} // namespace troupe::detail

#define TROUPE_ASSERT(condition)                                                                                       \
  (static_cast<bool>(condition) ? void(0) : ::troupe::detail::assertion_failed(#condition, __FILE__, __LINE__))
