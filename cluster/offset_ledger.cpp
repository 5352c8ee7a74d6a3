#include "cluster/offset_ledger.hpp"

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"

namespace troupe {

namespace {
constexpr std::string_view metadata_head = R"({"version":")";
constexpr std::string_view metadata_middle = R"(","since":)";
} // namespace

std::string make_metadata(const offset_metadata& metadata) {
  std::string text{metadata_head};
  text += metadata.version;
  text += metadata_middle;
  text += std::to_string(metadata.since);
  return text += '}';
}

std::optional<offset_metadata> parse_metadata(const std::string& text) {
  std::string_view rest{text};
  if (!rest.starts_with(metadata_head)) return std::nullopt;
  rest.remove_prefix(metadata_head.size());
  auto quote = rest.find_first_of("\"\\"); // names of models need no escape; one with a backslash is not ours
  if (quote == std::string_view::npos || !rest.substr(quote).starts_with(metadata_middle)) return std::nullopt;
  offset_metadata metadata{std::string{rest.substr(0, quote)}, -1};
  rest.remove_prefix(quote + metadata_middle.size());
  auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), metadata.since);
  if (failure != std::errc{} || std::string_view{end, rest.data() + rest.size()} != "}" || metadata.since < 0)
    return std::nullopt;
  return metadata;
}

void offset_ledger::grant(std::uint32_t slot, std::int64_t offset, const std::string& metadata, mono_time now) {
  auto [at, added] = slots_.try_emplace(slot);
  TROUPE_ASSERT(added);
  auto& state = at->second;
  state.position = state.watermark = state.committed = offset;
  state.metadata = metadata;
  state.version = parse_metadata(metadata);
  state.committed_at = now;
}

void offset_ledger::release(std::uint32_t slot) {
  auto at = slots_.find(slot);
  if (at == slots_.end()) return;
  forget_waiting(at->second, at->second.rows_waiting);
  slots_.erase(at);
}

void offset_ledger::give_up(std::uint32_t slot) {
  auto at = slots_.find(slot);
  if (at == slots_.end()) return;
  at->second.given_up = true;
  forget_waiting(at->second, at->second.rows_waiting);
}

void offset_ledger::forget_waiting(slot_state& slot, std::uint64_t rows) {
  rows = std::min(rows, slot.rows_waiting);
  slot.rows_waiting -= rows;
  rows_waiting_ -= rows;
}

offset_ledger::entry* offset_ledger::find(batch_seq seq) {
  auto at = std::lower_bound(entries_.begin(), entries_.end(), seq.value,
                             [](const entry& e, std::uint64_t value) { return e.seq < value; });
  return at != entries_.end() && at->seq == seq.value ? &*at : nullptr;
}

void offset_ledger::read(batch_seq seq, model_version version, std::span<const offset_run> runs, std::uint32_t rows) {
  TROUPE_ASSERT(entries_.empty() ? seq.value >= durable_below_ : seq.value > entries_.back().seq);
  for (const auto& run : runs) {
    auto& slot = slots_.at(run.slot);
    TROUPE_ASSERT(run.last < run.first || run.first >= slot.position);
    slot.position = std::max(slot.position, run.last + 1);
  }
  entries_.push_back({seq.value, version, rows, rows, {runs.begin(), runs.end()}});
  rows_open_ += rows;
  advance();
}

void offset_ledger::restamp(batch_seq seq, model_version version) {
  for (auto& batch : entries_)
    if (batch.seq >= seq.value) batch.version = version;
}

// The mark is a run without rows in the youngest batch, so that it waits for everything read before it.
void offset_ledger::end_of_partition(std::uint32_t slot, std::int64_t offset) {
  auto at = slots_.find(slot);
  if (at == slots_.end() || offset <= at->second.position) return;
  at->second.position = offset;
  offset_run mark{slot, offset, offset - 1};
  if (entries_.empty()) return pass(mark, {});
  auto& runs = entries_.back().runs;
  auto same = std::find_if(runs.begin(), runs.end(), [&](auto& r) { return r.slot == slot && r.last < r.first; });
  if (same != runs.end())
    *same = mark;
  else
    runs.push_back(mark);
}

void offset_ledger::durable(batch_seq seq, std::uint32_t count) {
  auto* batch = find(seq);
  if (!batch) return; // cut away meanwhile
  TROUPE_ASSERT(count <= batch->outstanding);
  batch->outstanding -= count;
  advance();
}

void offset_ledger::advance() {
  while (!entries_.empty() && entries_.front().outstanding == 0) {
    const auto& done = entries_.front();
    for (const auto& run : done.runs) pass(run, done.version);
    rows_open_ -= done.rows;
    durable_below_ = done.seq + 1;
    entries_.pop_front();
  }
}

void offset_ledger::pass(const offset_run& run, model_version version) {
  auto at = slots_.find(run.slot);
  if (at == slots_.end()) return;
  auto& slot = at->second;
  if (run.first <= run.last) {
    auto name = model_ + "@" + std::to_string(version.value);
    if (!slot.version || slot.version->version != name) {
      slot.version = offset_metadata{std::move(name), run.first};
      slot.metadata = make_metadata(*slot.version);
    }
  }
  slot.watermark = std::max(slot.watermark, run.last + 1);
  if (slot.given_up) return;
  slot.rows_waiting += run.rows;
  rows_waiting_ += run.rows;
}

void offset_ledger::abandon(std::uint32_t slot, std::int64_t offset) {
  for (auto& batch : entries_) {
    std::erase_if(batch.runs, [&](const offset_run& run) {
      return run.slot == slot && (run.last < run.first ? run.first > offset : run.first >= offset);
    });
    for (auto& run : batch.runs)
      if (run.slot == slot && run.last >= offset) {
        run.last = offset - 1;
        run.rows = std::min(run.rows, static_cast<std::uint32_t>(offset - run.first));
      }
  }
  reset_positions();
}

void offset_ledger::cut(batch_seq batch, std::span<const offset_run> runs, std::uint32_t rows) {
  while (!entries_.empty() && entries_.back().seq > batch.value) {
    rows_open_ -= entries_.back().rows;
    entries_.pop_back();
  }
  auto* last = find(batch);
  TROUPE_ASSERT(last != nullptr);
  auto gone = last->rows - rows;
  TROUPE_ASSERT(rows <= last->rows && gone <= last->outstanding);
  last->rows = rows;
  last->outstanding -= gone;
  last->runs.assign(runs.begin(), runs.end());
  rows_open_ -= gone;
  reset_positions();
  advance();
}

void offset_ledger::reset_positions() {
  for (auto& [number, slot] : slots_) slot.position = slot.watermark;
  for (const auto& batch : entries_)
    for (const auto& run : batch.runs)
      if (auto at = slots_.find(run.slot); at != slots_.end())
        at->second.position = std::max(at->second.position, run.last + 1);
}

std::optional<offset_ledger::commit_plan> offset_ledger::begin_commit(mono_time now) {
  if (inflight_) return std::nullopt;
  commit_plan plan;
  inflight_commit commit;
  for (const auto& [number, slot] : slots_) {
    if (slot.given_up || (slot.watermark <= slot.committed && now - slot.committed_at < recommit_)) continue;
    plan.offsets.push_back({number, slot.watermark, slot.metadata});
    commit.offsets.push_back({number, slot.watermark, slot.rows_waiting});
  }
  if (plan.offsets.empty()) return std::nullopt;
  plan.token = commit.token = ++last_token_;
  commit.at = now;
  inflight_ = std::move(commit);
  return plan;
}

void offset_ledger::commit_done(std::uint64_t token, std::span<const std::uint32_t> refused) {
  if (!inflight_ || inflight_->token != token) return;
  for (const auto& [number, offset, rows] : inflight_->offsets) {
    auto at = slots_.find(number);
    if (at == slots_.end() || std::find(refused.begin(), refused.end(), number) != refused.end()) continue;
    at->second.committed = at->second.acknowledged = offset;
    at->second.committed_at = inflight_->at;
    forget_waiting(at->second, rows);
  }
  inflight_.reset();
}

void offset_ledger::commit_failed(std::uint64_t token) {
  if (inflight_ && inflight_->token == token) inflight_.reset();
}

bool offset_ledger::drained(std::uint32_t slot) const {
  const auto& state = slots_.at(slot);
  return state.watermark >= state.position;
}

bool offset_ledger::settled(std::uint32_t slot) const {
  const auto& state = slots_.at(slot);
  return drained(slot) && (state.given_up || state.committed >= state.watermark);
}

bool offset_ledger::moved() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
    return !slot.second.given_up && slot.second.watermark > slot.second.committed;
  });
}

} // namespace troupe
