#pragma once
// A batch of rows inside a lane: what the scorers get (values, shared and immutable once sealed) and what the lane
// keeps for producing the outcomes (keys, offsets, timestamps, headers). Used by the ingest actor's own files only.
//
// Each value is copied once, from Kafka's buffer into the block. A row that the lane rejects itself (a tombstone, a
// value over max_row_bytes) has an empty place in the block; the original of the latter is kept aside for the dead
// letter.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/freeze_guard.hpp"
#include "cluster/offset_ledger.hpp"
#include "cluster/ports.hpp"
#include "cluster/row_block.hpp"

namespace troupe {

struct row_meta {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;
  std::uint32_t slot = 0;
  std::uint32_t key_end = 0; ///< in lane_batch::keys
  bool null_key = false, null_value = false, too_large = false;
};

struct lane_batch {
  batch_seq seq;
  model_version version;
  std::shared_ptr<const std::string> digest; ///< of that version's content
  std::uint32_t attempt = 0;                 ///< of the answer that was taken
  mono_time read_at{}, sent_at{}, scored_at{};
  row_block_ptr rows;
  outcome_block_ptr outcomes; ///< null until it is scored
  std::vector<char> keys;
  std::vector<row_meta> meta; ///< one a row
  std::vector<offset_run> runs;
  std::size_t produced = 0; ///< rows that have been handed to the sink (or need no record)

  [[nodiscard]] std::size_t size() const { return meta.size(); }
  [[nodiscard]] std::optional<std::string_view> key(std::size_t row) const;
  /// The original value; absent for a tombstone.
  [[nodiscard]] std::optional<std::string_view> value(std::size_t row) const;
  /// Bytes of the outcome: prediction or detail. REQUIRES: scored.
  [[nodiscard]] std::string_view outcome(std::size_t row) const;
  /// Appends the row's source headers; the views are into the batch.
  void headers(std::size_t row, std::vector<header_view>& to) const;

  struct header_place {
    std::uint32_t row, name_at, name_size, value_at, value_size;
    bool null_value;
  };
  std::vector<header_place> header_places; ///< ordered by row
  std::vector<char> header_bytes;
  std::vector<std::pair<std::uint32_t, std::vector<char>>> large_values; ///< ordered by row
};

/// Collects rows into the next batch.
class batch_builder final : public row_visitor {
public:
  /// `source` is asked for headers while it hands out a row. A value longer than `row_bytes_max` is too large.
  void open(row_source& source, std::size_t row_bytes_max, std::size_t rows_expected, std::size_t bytes_expected);
  void row(const record_view& record) override;
  /// The log of the slot goes on at `offset` or later. REQUIRES: not empty.
  void mark(std::uint32_t slot, std::int64_t offset) { batch_.runs.push_back({slot, offset, offset - 1, 0}); }
  /// Closes the batch and hands it over; the builder is empty again.
  lane_batch seal();
  void discard() { seal(); }

  [[nodiscard]] bool empty() const { return batch_.meta.empty(); }
  [[nodiscard]] std::size_t rows() const { return batch_.meta.size(); }
  /// Everything the batch keeps: values, keys, headers.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
  void keep_headers(std::uint32_t row);
  row_source* source_ = nullptr;
  std::size_t row_bytes_max_ = 0, rows_expected_ = 0, bytes_expected_ = 0, bytes_ = 0;
  std::shared_ptr<row_block> block_;
  lane_batch batch_;
};

} // namespace troupe
