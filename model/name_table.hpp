#pragma once
// The names of a row's top-level fields, found without hashing where rows repeat themselves. Used by row_parser only,
// on the thread of its session.
//
// A producer writes its fields in the same order into every row, so after name A comes the name that followed A in the
// row before: `find` compares with that one first and hashes only when the guess is wrong. Names that nobody asked for
// are remembered too, which makes one stamp per name enough to notice a name that comes twice.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

/// A name that means something to the pipeline.
struct known_name {
  std::string text;
  std::int32_t feature = -1; ///< index of the feature that the field is, or -1
  std::int32_t tag = -1;     ///< given back with the field's bytes where >= 0; -1: the bytes are not wanted
  std::int32_t nested = -1;  ///< index of the group of features that lie inside the field, or -1
};

class name_table {
public:
  struct entry {
    std::string text;
    std::int32_t feature;
    std::int32_t tag;
    std::int32_t nested;
    bool known;
    bool plain;          ///< in a row it can stand between quotes as it is, byte by byte, and is ASCII
    std::uint64_t stamp; ///< the last row that had it
    std::uint32_t next;  ///< the entry that followed it there
  };

  /// REQUIRES: the names differ.
  explicit name_table(const std::vector<known_name>& known);
  /// Before the first name of a row. Forgets unknown names when they have become too many or too long.
  void begin_row();
  /// The entry of `name`, the next one in this row; nullptr if the row has had it. Valid until the next call of find or
  /// begin_row.
  const entry* find(std::string_view name);
  /// The name that follows if this row is like the one before it; nullptr if there is none.
  const entry* expected() const {
    const std::uint32_t at = guess();
    return at < entries_.size() ? &entries_[at] : nullptr;
  }
  /// find() of the expected name. REQUIRES: expected() gives one.
  const entry* find_expected() { return mark(guess()); }
  /// Whether this row has had the known name of that index.
  bool seen(std::size_t known_index) const { return entries_[known_index].stamp == row_; }

private:
  std::uint32_t guess() const { return at_start_ ? first_ : entries_[previous_].next; }
  const entry* mark(std::uint32_t found) {
    at_start_ = false;
    previous_ = found;
    entry& e = entries_[found];
    if (e.stamp == row_) return nullptr;
    e.stamp = row_;
    return &e;
  }
  std::uint32_t look_up(std::string_view name);
  std::uint64_t hash(std::string_view name) const;
  void insert_index(std::uint32_t entry_index);
  void rebuild_index(std::size_t slots);

  std::vector<entry> entries_;       // the known ones first
  std::vector<std::uint32_t> index_; // open addressing: entry + 1, 0 is free
  std::size_t known_count_ = 0;
  std::size_t unknown_bytes_ = 0;
  std::uint64_t seed_; // of the hash, so that nobody can prepare names that collide
  std::uint64_t row_ = 0;
  std::uint32_t first_ = 0; // entry that began the row before
  std::uint32_t previous_ = 0;
  bool at_start_ = true;
};

} // namespace troupe::model
