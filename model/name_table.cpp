#include "model/name_table.hpp"

#include <bit>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.hpp"
#include "model/plain_run.hpp"

namespace troupe::model {
namespace {
// Rows of real producers have a few dozen fields; beyond these the memory of names is started afresh.
constexpr std::size_t unknown_names_max = 4096;
constexpr std::size_t unknown_bytes_max = 256u << 10;

// Most names have a few letters, for which calling memcmp takes longer than comparing.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.size() > 8) return a == b;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

bool is_plain(std::string_view name) { return plain_run(name.data(), name.data() + name.size()) == name.size(); }

} // namespace

name_table::name_table(const std::vector<known_name>& known)
    : known_count_(known.size()) {
  std::random_device random;
  seed_ = (std::uint64_t{random()} << 32) | random();
  for (const known_name& name : known)
    entries_.push_back({name.text, name.feature, name.tag, name.nested, true, is_plain(name.text), 0, 0});
  rebuild_index(64);
}

void name_table::begin_row() {
  if (entries_.size() - known_count_ > unknown_names_max || unknown_bytes_ > unknown_bytes_max) {
    entries_.resize(known_count_, entry{});
    entries_.shrink_to_fit();
    for (entry& e : entries_) e.next = 0;
    first_ = 0;
    unknown_bytes_ = 0;
    rebuild_index(64);
  }
  ++row_;
  at_start_ = true;
}

const name_table::entry* name_table::find(std::string_view name) {
  std::uint32_t found = guess();
  if (found >= entries_.size() || !same(entries_[found].text, name)) {
    found = look_up(name);
    if (at_start_)
      first_ = found;
    else
      entries_[previous_].next = found;
  }
  return mark(found);
}

std::uint32_t name_table::look_up(std::string_view name) {
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash(name) & mask; index_[at] != 0; at = (at + 1) & mask)
    if (entries_[index_[at] - 1].text == name) return index_[at] - 1;
  entries_.push_back({std::string{name}, -1, -1, -1, false, is_plain(name), 0, 0});
  unknown_bytes_ += name.size();
  if (entries_.size() * 2 > index_.size())
    rebuild_index(index_.size() * 2);
  else
    insert_index(static_cast<std::uint32_t>(entries_.size() - 1));
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

std::uint64_t name_table::hash(std::string_view name) const {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed_);
}

void name_table::insert_index(std::uint32_t entry_index) {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = hash(entries_[entry_index].text) & mask;
  while (index_[at] != 0) at = (at + 1) & mask;
  index_[at] = entry_index + 1;
}

void name_table::rebuild_index(std::size_t slots) {
  const std::size_t needed = std::bit_ceil(entries_.size() * 2 + 1);
  index_.assign(slots > needed ? slots : needed, 0);
  index_.shrink_to_fit();
  TROUPE_ASSERT(std::has_single_bit(index_.size()));
  for (std::uint32_t i = 0; i < entries_.size(); ++i) insert_index(i);
}

} // namespace troupe::model
