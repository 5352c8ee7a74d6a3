#pragma once
// How every layer reports what it could not do. Bad input and a bad environment are values of this type; a programmer's
// error is TROUPE_ASSERT (base/assert.hpp); a bad row is data (model/rejection.hpp). No exception crosses a folder.

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace troupe {

/// What kind of failure it is, for callers that act on it. People read `error::message`.
enum class errc {
  invalid,     ///< the caller's input is wrong (config, model file, command); trying again won't help
  not_found,   ///< a topic, model, node or file that is named does not exist
  conflict,    ///< it exists already, or differs from what the cluster has
  unavailable, ///< Kafka, a node or a file can't be reached now; trying again may help
  timeout,     ///< the time limit of the call ran out; whether it took effect is unknown
  fenced,      ///< somebody newer has taken over (coordinator or lane); what we own is void
  unsupported, ///< valid, but not something this version does
  internal,    ///< a library failed in a way that we did not expect
};

/// A failure: its kind, and one sentence that says what is wrong, where, and what to do.
struct error {
  errc code = errc::internal;
  std::string message;
};

template <class T> using result = tl::expected<T, error>;

inline tl::unexpected<error> fail(errc code, std::string message) {
  return tl::make_unexpected(error{code, std::move(message)});
}

} // namespace troupe
