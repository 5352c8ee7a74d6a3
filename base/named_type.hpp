#pragma once
// Distinct types for identities: a term can't be passed where an epoch belongs. Costs nothing at run time.

#include <compare>
#include <cstdint>

namespace troupe {

template <class T, class Tag> struct named_type {
  T value{};
  constexpr named_type() = default;
  constexpr explicit named_type(T v)
      : value(v) {}
  constexpr auto operator<=>(const named_type&) const = default;
  template <class Inspector> friend typename Inspector::result_type inspect(Inspector& f, named_type& x) {
    return f(x.value);
  }
};

} // namespace troupe
