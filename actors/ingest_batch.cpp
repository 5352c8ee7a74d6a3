#include "actors/ingest_batch.hpp"

#include <algorithm>

namespace troupe {

namespace {

std::uint32_t append(std::vector<char>& to, std::string_view text) {
  auto at = static_cast<std::uint32_t>(to.size());
  to.insert(to.end(), text.begin(), text.end());
  return at;
}

} // namespace

std::optional<std::string_view> lane_batch::key(std::size_t row) const {
  if (meta[row].null_key) return std::nullopt;
  auto begin = row == 0 ? 0 : meta[row - 1].key_end;
  return std::string_view{keys.data() + begin, meta[row].key_end - begin};
}

std::optional<std::string_view> lane_batch::value(std::size_t row) const {
  if (meta[row].null_value) return std::nullopt;
  if (meta[row].too_large) {
    auto at = std::lower_bound(large_values.begin(), large_values.end(), row,
                               [](const auto& kept, std::size_t wanted) { return kept.first < wanted; });
    return std::string_view{at->second.data(), at->second.size()};
  }
  auto begin = row == 0 ? 0 : rows->ends[row - 1];
  return std::string_view{rows->bytes.data() + begin, rows->ends[row] - begin};
}

std::string_view lane_batch::outcome(std::size_t row) const {
  auto begin = row == 0 ? 0 : outcomes->ends[row - 1];
  return {outcomes->bytes.data() + begin, outcomes->ends[row] - begin};
}

void lane_batch::headers(std::size_t row, std::vector<header_view>& to) const {
  auto at = std::lower_bound(header_places.begin(), header_places.end(), row,
                             [](const header_place& place, std::size_t wanted) { return place.row < wanted; });
  for (; at != header_places.end() && at->row == row; ++at) {
    header_view header{{header_bytes.data() + at->name_at, at->name_size}, std::nullopt};
    if (!at->null_value) header.value = std::string_view{header_bytes.data() + at->value_at, at->value_size};
    to.push_back(header);
  }
}

void batch_builder::open(row_source& source, std::size_t row_bytes_max, std::size_t rows_expected,
                         std::size_t bytes_expected) {
  source_ = &source;
  row_bytes_max_ = row_bytes_max;
  rows_expected_ = rows_expected;
  bytes_expected_ = bytes_expected;
}

void batch_builder::row(const record_view& record) {
  if (!block_) {
    block_ = std::make_shared<row_block>();
    block_->bytes.reserve(bytes_expected_);
    block_->ends.reserve(rows_expected_);
    batch_.meta.reserve(rows_expected_);
  }
  auto row = static_cast<std::uint32_t>(batch_.meta.size());
  row_meta meta{record.offset, record.timestamp_ms, record.slot, 0, !record.key, !record.value, false};
  if (record.value) {
    bytes_ += record.value->size();
    if (record.value->size() > row_bytes_max_) {
      meta.too_large = true;
      batch_.large_values.emplace_back(row, std::vector<char>{record.value->begin(), record.value->end()});
    } else {
      append(block_->bytes, *record.value);
    }
  }
  block_->ends.push_back(static_cast<std::uint32_t>(block_->bytes.size()));
  if (record.key) {
    append(batch_.keys, *record.key);
    bytes_ += record.key->size();
  }
  meta.key_end = static_cast<std::uint32_t>(batch_.keys.size());
  if (record.has_headers) keep_headers(row);
  batch_.meta.push_back(meta);
  if (!batch_.runs.empty() && batch_.runs.back().slot == record.slot &&
      batch_.runs.back().last >= batch_.runs.back().first) {
    batch_.runs.back().last = record.offset;
    ++batch_.runs.back().rows;
  } else {
    batch_.runs.push_back({record.slot, record.offset, record.offset, 1});
  }
}

void batch_builder::keep_headers(std::uint32_t row) {
  auto& bytes = batch_.header_bytes;
  auto before = bytes.size();
  for (const auto& header : source_->headers()) {
    lane_batch::header_place place{
        row, append(bytes, header.name), static_cast<std::uint32_t>(header.name.size()), 0, 0, !header.value};
    if (header.value) {
      place.value_at = append(bytes, *header.value);
      place.value_size = static_cast<std::uint32_t>(header.value->size());
    }
    batch_.header_places.push_back(place);
  }
  bytes_ += bytes.size() - before;
}

lane_batch batch_builder::seal() {
  batch_.rows.block = std::move(block_);
  block_.reset();
  bytes_ = 0;
  return std::exchange(batch_, {});
}

} // namespace troupe
