#pragma once
// Keys of an encoder to their positions: an open-addressing table that is made once and then only read. Used by
// OneHotEncoder, LabelEncoder and CategoryMapper. Immutable; any thread; finding allocates nothing.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace troupe::model {

/// `Cell`: std::string_view, std::int64_t, float or double. -0.0 is 0.0; a NaN is found where one is among the keys and
/// `nan_is_a_key`.
template <class Cell> class lookup {
public:
  using stored = std::conditional_t<std::is_same_v<Cell, std::string_view>, std::string, Cell>;
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  /// Of keys that are there twice the first counts.
  explicit lookup(std::vector<stored> keys, bool nan_is_a_key = true)
      : keys_(std::move(keys))
      , table_(std::bit_ceil(keys_.size() * 2 + 1), 0)
      , nan_is_a_key_(nan_is_a_key) {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::uint32_t& slot = table_[slot_of(keys_[i])];
      if (slot == 0) slot = static_cast<std::uint32_t>(i) + 1;
    }
  }

  /// The position of the key; none: there is no such key.
  std::size_t find(Cell key) const {
    const std::uint32_t found = table_[slot_of(key)];
    return found == 0 ? none : found - 1;
  }
  std::size_t size() const { return keys_.size(); }

private:
  // The slot that has the key, or the free one where it would be. There always is one: the table is half empty.
  std::size_t slot_of(Cell key) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t slot = hash(key) & mask;
    while (table_[slot] != 0 && !same(keys_[table_[slot] - 1], key)) slot = (slot + 1) & mask;
    return slot;
  }

  bool same(Cell a, Cell b) const {
    if constexpr (std::is_floating_point_v<Cell>)
      if (std::isnan(a) || std::isnan(b)) return nan_is_a_key_ && std::isnan(a) && std::isnan(b);
    return a == b;
  }

  static std::size_t hash(Cell key) {
    if constexpr (std::is_same_v<Cell, std::string_view>) {
      return std::hash<std::string_view>{}(key);
    } else {
      std::uint64_t bits = 0;
      if constexpr (std::is_floating_point_v<Cell>)
        bits = std::isnan(key) ? 1 : std::bit_cast<std::uint64_t>(static_cast<double>(key) + 0.0);
      else
        bits = static_cast<std::uint64_t>(key);
      bits *= 0x9E3779B97F4A7C15u; // spreads neighbours; the upper half is the better mixed one
      return static_cast<std::size_t>(bits ^ (bits >> 32));
    }
  }

  std::vector<stored> keys_;
  std::vector<std::uint32_t> table_; // position + 1, 0 is free
  bool nan_is_a_key_;
};

} // namespace troupe::model
