#include "actors/clerk.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <caf/stateful_actor.hpp>
#include <spdlog/spdlog.h>

#include "base/assert.hpp"

namespace troupe {
namespace {

constexpr std::int64_t offset_latest = -1, offset_earliest = -2;

/// What startingOffsets says about one partition: a fixed offset (or time), or -1 / -2. One that it leaves out starts
/// at the latest.
std::int64_t ruled_offset(const start_rule& rule, const topic_partition& where) {
  if (rule.at == start_rule::kind::earliest) return offset_earliest;
  if (rule.at == start_rule::kind::latest) return offset_latest;
  auto topic = rule.values.find(where.topic);
  if (topic == rule.values.end()) return offset_latest;
  auto value = topic->second.find(where.partition);
  return value == topic->second.end() ? offset_latest : value->second;
}

result<std::vector<std::int64_t>> resolve(const clerk_pipeline& pipeline, const std::vector<action::start_query>& fresh,
                                          clerk_ports& ports, milliseconds limit) {
  std::vector<topic_partition> where;
  for (auto& query : fresh) where.push_back(query.where);
  auto bounds = ports.offsets->bounds(where, limit);
  if (!bounds) return tl::make_unexpected(bounds.error());
  std::vector<std::int64_t> offsets(fresh.size());
  std::vector<std::pair<topic_partition, std::int64_t>> by_time;
  std::vector<std::size_t> by_time_index;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    auto [low, high] = (*bounds)[i];
    if (fresh[i].added_later) {
      offsets[i] = low;
      continue;
    }
    auto ruled = ruled_offset(pipeline.starting, fresh[i].where);
    if (pipeline.starting.at == start_rule::kind::timestamps && ruled >= 0) {
      by_time.emplace_back(fresh[i].where, ruled);
      by_time_index.push_back(i);
    } else {
      offsets[i] = ruled == offset_earliest ? low : ruled == offset_latest ? high : ruled;
    }
  }
  if (by_time.empty()) return offsets;
  auto found = ports.offsets->at_timestamps(by_time, limit);
  if (!found) return tl::make_unexpected(found.error());
  for (std::size_t k = 0; k < by_time_index.size(); ++k) offsets[by_time_index[k]] = (*found)[k];
  return offsets;
}

/// Where to go on from an offset that Kafka has not got, and what must have happened.
std::pair<std::int64_t, const char*> nearest_left(std::int64_t offset, std::int64_t low, std::int64_t high) {
  if (offset < low) return {low, "rows before the first one left were deleted unread"};
  // The log of a new topic begins at 0, and is far shorter; one that was cut has lost its last rows only.
  if (low == 0 && high < offset / 2) return {low, "the topic was made anew"};
  return {high, "the end of the log was lost"};
}

/// Offsets that Kafka no longer has become the nearest that it has.
result<void> move_to_what_is_left(found_starts& starts, clerk_ports& ports, milliseconds limit) {
  std::vector<topic_partition> where;
  for (auto& start : starts) where.push_back(start.where);
  if (where.empty()) return {};
  auto bounds = ports.offsets->bounds(where, limit);
  if (!bounds) return tl::make_unexpected(bounds.error());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    auto [low, high] = (*bounds)[i];
    auto& offset = starts[i].offset;
    if (offset >= low && offset <= high) continue;
    auto [left, why] = nearest_left(offset, low, high);
    spdlog::warn("{} has no offset {}, which is committed, but {} to {}: {}; going on at {}", to_string(where[i]),
                 offset, low, high, why, left);
    offset = left;
  }
  return {};
}

} // namespace

result<found_starts> resolve_starts(const clerk_pipeline& pipeline, const std::vector<action::start_query>& where,
                                    clerk_ports& ports, milliseconds limit) {
  std::vector<topic_partition> partitions;
  std::map<std::string, bool> shut_out;
  std::optional<error> problem;
  const auto fenced_by = std::chrono::steady_clock::now() + limit;
  for (auto& query : where) {
    if (!query.fence.empty() && !shut_out.contains(query.fence)) {
      // One limit for all: appends wait behind this.
      auto left = std::chrono::ceil<milliseconds>(fenced_by - std::chrono::steady_clock::now());
      auto fenced = ports.fencer->fence(query.fence, std::max(milliseconds(1), left));
      shut_out[query.fence] = fenced.has_value();
      if (!fenced) {
        spdlog::warn("partitions wait: {}", fenced.error().message);
        problem = fenced.error();
      }
    }
    // Those of a lane that can't be shut out have no start yet; nobody else waits for them.
    if (query.fence.empty() || shut_out[query.fence]) partitions.push_back(query.where);
  }
  if (problem && partitions.empty()) return tl::make_unexpected(*problem);
  auto committed = ports.offsets->committed(pipeline.group_id, partitions, limit);
  if (!committed) return tl::make_unexpected(committed.error());
  found_starts starts;
  std::vector<action::start_query> fresh;
  for (auto& entry : *committed) {
    auto query = std::find_if(where.begin(), where.end(), [&](auto& q) { return q.where == entry.where; });
    if (entry.offset)
      starts.push_back({entry.where, *entry.offset, entry.metadata});
    else if (query != where.end())
      fresh.push_back(*query);
  }
  if (!pipeline.fail_on_data_loss)
    if (auto moved = move_to_what_is_left(starts, ports, limit); !moved) return tl::make_unexpected(moved.error());
  if (fresh.empty()) return starts;
  auto offsets = resolve(pipeline, fresh, ports, limit);
  if (!offsets) return tl::make_unexpected(offsets.error());
  std::vector<committed_offset> commits;
  for (std::size_t i = 0; i < fresh.size(); ++i) commits.push_back({fresh[i].where, (*offsets)[i], {}});
  auto done = pipeline.exactly_once ? ports.writer->commit_offsets(pipeline.group_id, commits, limit)
                                    : ports.offsets->commit(pipeline.group_id, commits, limit);
  if (!done) return tl::make_unexpected(done.error());
  for (auto& entry : commits) starts.push_back({entry.where, *entry.offset, {}});
  return starts;
}

clerk_actor::behavior_type clerk(clerk_actor::stateful_pointer<clerk_state> self, clerk_config cfg,
                                 std::shared_ptr<clerk_ports> ports) {
  self->state.cfg = std::move(cfg);
  self->state.ports = std::move(*ports);
  return {
      [self](const clerk_claim& claim) -> result<std::int64_t> {
        auto& s = self->state;
        if (auto opened = s.ports.writer->open(s.cfg.limit); !opened) return tl::make_unexpected(opened.error());
        log_write record{claim.key, claim.value};
        return s.ports.writer->append({&record, 1}, s.cfg.limit);
      },
      [self](const clerk_append& job) -> result<std::int64_t> {
        return self->state.ports.writer->append(job.records, self->state.cfg.limit);
      },
      [self](const clerk_starts& job) -> result<found_starts> {
        auto pipeline = self->state.cfg.pipelines.find(job.pipeline);
        TROUPE_ASSERT(pipeline != self->state.cfg.pipelines.end());
        return resolve_starts(pipeline->second, job.where, self->state.ports, self->state.cfg.limit);
      },
      [self](const clerk_topics& job) -> result<std::vector<topic_info>> {
        return self->state.ports.topics->find(job.names, self->state.cfg.limit);
      },
  };
}

} // namespace troupe
