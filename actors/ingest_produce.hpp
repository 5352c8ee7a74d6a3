#pragma once
// Turns the outcomes of a batch into records for the sink: predictions and dead letters with their keys, partitions,
// timestamps and headers. Used by the ingest actor's own files only. Does no I/O: record_maker makes, the lane
// produces.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/ingest_batch.hpp"
#include "model/rejection.hpp"

namespace troupe {

struct ingest_config;

/// Text that stays where it is until clear(); the memory is kept.
class text_arena {
public:
  std::string_view put(std::string_view text);
  std::string_view put_number(std::int64_t number);
  void clear() { block_ = used_ = 0; }

private:
  static constexpr std::size_t block_size = 64 * 1024;
  char* room(std::size_t size);
  std::vector<std::vector<char>> blocks_;
  std::size_t block_ = 0, used_ = 0;
};

/// What becomes of one row.
struct row_fate {
  enum class kind : std::uint8_t { predicted, dead_letter, skipped, abandoned } what = kind::predicted;
  model::rejection code = model::rejection::none;
};

/// Delivery tokens: which batch, and to which topic the record went.
constexpr std::uint64_t make_token(batch_seq seq, bool dead_letter) { return seq.value << 1 | (dead_letter ? 1 : 0); }
constexpr batch_seq token_batch(std::uint64_t token) { return batch_seq{token >> 1}; }
constexpr bool token_is_dead_letter(std::uint64_t token) { return (token & 1) != 0; }

/// A row and why it can't be predicted. The views live as long as the batch and the maker's current records.
struct row_rejection {
  model::rejection code = model::rejection::none;
  std::string_view feature, message;
};

class record_maker {
public:
  record_maker(const ingest_config& cfg, row_sink& sink)
      : cfg_(cfg)
      , sink_(sink) {}

  /// Starts a list of records of this batch, which go into transaction number `transaction` if there is one. REQUIRES:
  /// the batch is scored and outlives the list.
  void begin(const lane_batch& batch, std::optional<std::uint64_t> transaction = {});
  /// Why the row is not predicted (code none: it is): what the lane sees itself comes first, then the scorer's outcome,
  /// then whether the output topic takes the prediction's record.
  row_rejection judge(std::size_t row, const topic_partition& where);
  /// Adds a record, or none, for the row.
  void predict(std::size_t row, const topic_partition& where);
  void reject(std::size_t row, const topic_partition& where, const row_rejection& why);
  void abandon() { fates_.push_back({row_fate::kind::abandoned, model::rejection::none}); }

  /// The records so far, in order of the rows. Valid until the next call of another member.
  std::span<const produce_record> records();
  /// The fate of each row judged since begin(), and the row (counted from begin()) that records()[i] stands for.
  [[nodiscard]] const std::vector<row_fate>& fates() const { return fates_; }
  [[nodiscard]] std::size_t row_of(std::size_t record) const { return row_of_[record]; }

private:
  struct header_range {
    std::size_t first = 0;
  };
  std::size_t output_headers(const topic_partition& where, std::int64_t offset);
  void error_headers(std::size_t row, const topic_partition& where, const row_rejection& why);
  void cut_to_fit(produce_record& record, std::size_t first_header, std::size_t source_headers,
                  const topic_partition& where);
  void add(produce_record record, std::size_t first_header, row_fate fate);
  [[nodiscard]] std::size_t header_bytes(std::size_t first) const;

  const ingest_config& cfg_;
  row_sink& sink_;
  const lane_batch* batch_ = nullptr;
  std::string label_;       ///< games@2
  std::string transaction_; ///< incarnation/generation/number; empty: none
  text_arena texts_;
  std::vector<produce_record> records_;
  std::vector<header_view> headers_;
  std::vector<std::size_t> first_header_, row_of_;
  std::vector<row_fate> fates_;
};

} // namespace troupe
