#include "actors/ingest_produce.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "actors/ingest.hpp"
#include "actors/librarian.hpp"

namespace troupe {

namespace {

using target = produce_record::target;

/// Longest sentence about a row that goes into a header or a log.
constexpr std::size_t message_bytes_max = 1024;
/// More than all headers of a prediction take: six, each with a name of ours and at most a topic's name as value.
constexpr std::size_t output_headers_max = 2048;
/// Counted for each header beside its name and value: lengths in the record's wire form.
constexpr std::size_t header_overhead = 10;

std::int32_t source_partition(row_sink& sink, target to, std::int32_t partition) {
  auto count = sink.partition_count(to);
  return count > 0 ? partition % count : -1;
}

std::size_t record_bytes(const produce_record& record, std::size_t header_bytes) {
  return record.value.size() + (record.key ? record.key->size() : 0) + header_bytes;
}

} // namespace

char* text_arena::room(std::size_t size) {
  while (block_ < blocks_.size() && used_ + size > blocks_[block_].size()) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) blocks_.emplace_back(std::max(size, block_size));
  auto* place = blocks_[block_].data() + used_;
  used_ += size;
  return place;
}

std::string_view text_arena::put(std::string_view text) {
  auto* place = room(text.size());
  if (!text.empty()) std::memcpy(place, text.data(), text.size());
  return {place, text.size()};
}

std::string_view text_arena::put_number(std::int64_t number) {
  char digits[24];
  auto* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return put({digits, static_cast<std::size_t>(end - digits)});
}

void record_maker::begin(const lane_batch& batch, std::optional<std::uint64_t> transaction) {
  batch_ = &batch;
  transaction_ = transaction ? fmt::format("{:016x}/{}/{}", cfg_.incarnation.value, cfg_.generation.value, *transaction)
                             : std::string();
  label_ = fmt::format("{}@{}", cfg_.model, batch.version.value);
  texts_.clear();
  records_.clear();
  headers_.clear();
  first_header_.clear();
  row_of_.clear();
  fates_.clear();
}

row_rejection record_maker::judge(std::size_t row, const topic_partition& where) {
  using model::rejection;
  const auto& meta = batch_->meta[row];
  if (meta.null_value) return {rejection::null_value, {}, "the record has no value (a tombstone)"};
  if (meta.too_large)
    return {rejection::row_too_large,
            {},
            texts_.put(fmt::format("the value has {} bytes, max_row_bytes is {}", batch_->value(row)->size(),
                                   cfg_.row_bytes_max))};
  auto outcome = batch_->outcome(row);
  auto code = static_cast<rejection>(batch_->outcomes->codes[row]);
  if (code != rejection::none) {
    auto nul = outcome.find('\0');
    if (nul == std::string_view::npos) return {code, {}, outcome.substr(0, message_bytes_max)};
    return {code, outcome.substr(0, std::min(nul, message_bytes_max)),
            outcome.substr(nul + 1).substr(0, message_bytes_max)};
  }
  if (meta.null_key && sink_.needs_key(target::output))
    return {rejection::unacceptable_record, {}, "the output topic is compacted and takes no record without a key"};
  auto most = sink_.record_bytes_max(target::output);
  auto least = outcome.size() + batch_->key(row).value_or("").size();
  if (least + output_headers_max <= most) return {}; // the rule: the headers need not be counted
  auto first = output_headers(where, meta.offset);
  auto bytes = least + header_bytes(first);
  headers_.resize(first);
  if (bytes <= most) return {};
  return {rejection::output_too_large,
          {},
          texts_.put(fmt::format("the prediction's record has {} bytes, the output topic takes {}", bytes, most))};
}

std::size_t record_maker::output_headers(const topic_partition& where, std::int64_t offset) {
  auto first = headers_.size();
  for (const auto& name : cfg_.headers) {
    if (name == "troupe.model")
      headers_.push_back({name, label_});
    else if (name == "troupe.source") {
      char text[320];
      auto* end = fmt::format_to_n(text, sizeof text, "{}/{}/{}", where.topic, where.partition, offset).out;
      headers_.push_back({name, texts_.put({text, static_cast<std::size_t>(end - text)})});
    } else if (name == "troupe.sha256")
      headers_.push_back({name, *batch_->digest});
    else if (name == "troupe.node")
      headers_.push_back({name, cfg_.node});
    else if (name == "troupe.lane")
      headers_.push_back({name, texts_.put_number(cfg_.lane)});
    else if (name == "troupe.txn" && !transaction_.empty())
      headers_.push_back({name, transaction_});
  }
  return first;
}

std::size_t record_maker::header_bytes(std::size_t first) const {
  std::size_t sum = 0;
  for (auto i = first; i < headers_.size(); ++i)
    sum += headers_[i].name.size() + headers_[i].value.value_or("").size() + header_overhead;
  return sum;
}

void record_maker::add(produce_record record, std::size_t first_header, row_fate fate) {
  row_of_.push_back(fates_.size());
  fates_.push_back(fate);
  first_header_.push_back(first_header);
  records_.push_back(record);
}

void record_maker::predict(std::size_t row, const topic_partition& where) {
  produce_record record;
  record.key = batch_->key(row);
  // A row without a key has no partition of its own; the source's keeps the order (I3).
  if (!record.key) record.partition = source_partition(sink_, target::output, where.partition);
  record.value = batch_->outcome(row);
  if (cfg_.source_timestamp) record.timestamp_ms = batch_->meta[row].timestamp_ms;
  record.token = make_token(batch_->seq, false);
  auto first = output_headers(where, batch_->meta[row].offset);
  add(record, first, {row_fate::kind::predicted, model::rejection::none});
}

void record_maker::error_headers(std::size_t row, const topic_partition& where, const row_rejection& why) {
  auto put = [this](std::string_view name, std::string_view value) { headers_.push_back({name, value}); };
  auto code = to_string(why.code);
  put("__connect.errors.topic", texts_.put(where.topic));
  put("__connect.errors.partition", texts_.put_number(where.partition));
  put("__connect.errors.offset", texts_.put_number(batch_->meta[row].offset));
  put("__connect.errors.connector.name", cfg_.pipeline);
  put("__connect.errors.task.id", texts_.put_number(cfg_.lane));
  put("__connect.errors.stage", to_string(stage_of(why.code)));
  put("__connect.errors.class.name", "troupe.ingest");
  put("__connect.errors.exception.class.name", texts_.put(fmt::format("troupe.{}", code)));
  put("__connect.errors.exception.message", why.message);
  put("__troupe.errors.code", code);
  put("__troupe.errors.model", cfg_.model);
  put("__troupe.errors.version", texts_.put_number(batch_->version.value));
  put("__troupe.errors.feature", why.feature);
  put("__troupe.errors.attempt", texts_.put_number(batch_->attempt));
}

void record_maker::reject(std::size_t row, const topic_partition& where, const row_rejection& why) {
  if (!cfg_.has_dead_letters) return fates_.push_back({row_fate::kind::skipped, why.code});
  produce_record record;
  record.to = target::dead_letter;
  record.key = batch_->key(row);
  if (!record.key) record.partition = source_partition(sink_, target::dead_letter, where.partition);
  auto value = batch_->value(row);
  record.null_value = !value;
  record.value = value.value_or("");
  record.timestamp_ms = batch_->meta[row].timestamp_ms;
  record.token = make_token(batch_->seq, true);
  auto first = headers_.size();
  batch_->headers(row, headers_);
  auto source_headers = headers_.size() - first;
  if (cfg_.context_headers) error_headers(row, where, why);
  if (record_bytes(record, header_bytes(first)) > sink_.record_bytes_max(target::dead_letter))
    cut_to_fit(record, first, source_headers, where);
  add(record, first, {row_fate::kind::dead_letter, why.code});
}

// What has to go, goes in this order: the end of the value, the source's headers, the key. What went is said in
// headers.
void record_maker::cut_to_fit(produce_record& record, std::size_t first_header, std::size_t source_headers,
                              const topic_partition& where) {
  auto most = sink_.record_bytes_max(target::dead_letter);
  auto room = [&] {
    auto others = (record.key ? record.key->size() : 0) + header_bytes(first_header);
    return most > others ? most - others : 0;
  };
  headers_.push_back(
      {"__troupe.errors.original.length", texts_.put_number(static_cast<std::int64_t>(record.value.size()))});
  headers_.push_back({"__troupe.errors.original.sha256", texts_.put(content_digest(record.value))});
  if (room() == 0 && source_headers > 0) {
    auto begin = headers_.begin() + static_cast<std::ptrdiff_t>(first_header);
    headers_.erase(begin, begin + static_cast<std::ptrdiff_t>(source_headers));
    headers_.push_back(
        {"__troupe.errors.original.headers", texts_.put_number(static_cast<std::int64_t>(source_headers))});
  }
  if (room() == 0 && record.key) {
    headers_.push_back(
        {"__troupe.errors.original.key.length", texts_.put_number(static_cast<std::int64_t>(record.key->size()))});
    record.key.reset();
    record.partition = source_partition(sink_, target::dead_letter, where.partition);
  }
  record.value = record.value.substr(0, room());
}

std::span<const produce_record> record_maker::records() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    auto end = i + 1 < records_.size() ? first_header_[i + 1] : headers_.size();
    records_[i].headers = std::span{headers_}.subspan(first_header_[i], end - first_header_[i]);
  }
  return records_;
}

} // namespace troupe
