#pragma once

#include <chrono>

namespace troupe {

/// How long brokers keep a transaction of ours open that nobody ends: the longest that a lane or a coordinator which
/// died holds readers back if no successor shuts it out before.
constexpr std::chrono::milliseconds transaction_timeout{10'000};

} // namespace troupe
