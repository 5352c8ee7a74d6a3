#include <fstream>

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include "actors/node_walks.hpp"

namespace troupe::node_walk {
namespace {

using json_writer = rapidjson::Writer<rapidjson::StringBuffer>;

std::uint64_t resident_bytes() {
  std::uint64_t pages = 0, resident = 0;
  std::ifstream{"/proc/self/statm"} >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

lane_counters sum_of_lanes(self_ptr self) {
  lane_counters sum;
  std::map<std::string, std::uint64_t> by_code;
  for (auto& [pipeline, lane] : self->state.lanes) {
    if (!lane.last) continue;
    auto& c = lane.last->counters;
    sum.rows_read += c.rows_read;
    sum.rows_produced += c.rows_produced;
    sum.rows_rejected += c.rows_rejected;
    sum.batches += c.batches;
    sum.redispatched += c.redispatched;
    sum.rows_to_local += c.rows_to_local;
    sum.rows_to_remote += c.rows_to_remote;
    sum.rows_inflight += c.rows_inflight;
    sum.rows_uncommitted += c.rows_uncommitted;
    sum.bytes_inflight += c.bytes_inflight;
    for (auto& [code, count] : c.rejected_by_code) by_code[code] += count;
  }
  sum.rejected_by_code.assign(by_code.begin(), by_code.end());
  return sum;
}

void put(json_writer& json, const char* name, std::uint64_t value) {
  json.Key(name);
  json.Uint64(value);
}

/// What `troupe status` shows of a node; passed through by the coordinator unread.
std::string stats_json(self_ptr self) {
  auto& s = self->state;
  auto sum = sum_of_lanes(self);
  rapidjson::StringBuffer text;
  json_writer json{text};
  json.StartObject();
  put(json, "rows_read", sum.rows_read);
  put(json, "rows_produced", sum.rows_produced);
  put(json, "rows_rejected", sum.rows_rejected);
  put(json, "rows_scored_here", s.parts.totals->rows.load());
  put(json, "rows_scored_elsewhere", sum.rows_to_remote);
  put(json, "batches_redispatched", sum.redispatched);
  put(json, "rows_inflight", sum.rows_inflight);
  put(json, "rows_uncommitted", sum.rows_uncommitted);
  put(json, "read_rows_per_second", static_cast<std::uint64_t>(s.rate.read));
  put(json, "produced_rows_per_second", static_cast<std::uint64_t>(s.rate.produced));
  put(json, "scored_rows_per_second", static_cast<std::uint64_t>(s.rate.scored));
  put(json, "resident_bytes", resident_bytes());
  put(json, "uptime_seconds",
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now(self) - s.started).count()));
  json.Key("rejected");
  json.StartObject();
  for (auto& [code, count] : sum.rejected_by_code) put(json, code.c_str(), count);
  json.EndObject();
  json.EndObject();
  return text.GetString();
}

lane_report report_of(const cluster_state& cluster, const std::string& pipeline, const node_state::lane& lane) {
  lane_report report;
  if (lane.last) report = lane.last->report;
  report.pipeline = pipeline;
  // What stopped the lane before it heard that the pipeline goes on is over.
  auto decided = cluster.pipelines().find(pipeline);
  if (lane.last && decided != cluster.pipelines().end() && lane.last->seen < decided->second.at)
    report.stopped_by_row = false;
  report.generation = lane.generation;
  if (!lane.actor) report.problem = lane.problem;
  for (auto& [where, epoch] : lane.grants) {
    bool listed = false;
    for (auto& partition : report.holding) listed |= partition.where == where;
    if (!listed) report.holding.push_back({where, -1, -1, -1});
  }
  return report;
}

} // namespace

void measure_rates(self_ptr self) {
  auto& s = self->state;
  auto seconds = std::chrono::duration<double>(now(self) - s.before.at).count();
  if (seconds < 1.0) return;
  auto sum = sum_of_lanes(self);
  node_state::rate_sample after{now(self), sum.rows_read, sum.rows_produced, s.parts.totals->rows.load(),
                                sum.rows_to_remote};
  auto rate = [seconds](std::uint64_t from, std::uint64_t to) {
    return to < from ? 0.0 : static_cast<double>(to - from) / seconds;
  };
  s.rate = {rate(s.before.read, after.read), rate(s.before.produced, after.produced),
            rate(s.before.scored, after.scored), rate(s.before.remote, after.remote)};
  s.before = after;
}

node_report make_report(self_ptr self) {
  auto& s = self->state;
  node_report report;
  report.node = s.cfg.self;
  report.address = s.cfg.address;
  report.roles = s.cfg.roles;
  report.scorers = static_cast<std::uint32_t>(s.parts.scorers.size());
  report.fingerprint = s.cfg.fingerprint;
  report.sequence = ++s.reports;
  report.applied = s.cluster.applied();
  report.kafka_lost = s.kafka_lost;
  report.leaving = s.leaving;
  for (auto& [pipeline, lane] : s.lanes) report.lanes.push_back(report_of(s.cluster, pipeline, lane));
  for (auto& [key, model] : s.models) report.models.push_back(model.report);
  report.stats = stats_json(self);
  return report;
}

void send_report(self_ptr self) {
  auto& s = self->state;
  s.report_due = false;
  s.next_report = now(self) + s.cfg.heartbeat;
  if (!s.was_caught_up) return;
  heartbeat beat{make_report(self)};
  if (coordinates_here(self)) {
    if (s.parts.coordinator) self->send(s.parts.coordinator, std::move(beat));
  } else if (auto door = coordinator_door(self)) {
    self->send(door, std::move(beat));
  }
}

std::string local_view(self_ptr self) {
  auto& s = self->state;
  rapidjson::StringBuffer text;
  json_writer json{text};
  json.StartObject();
  json.Key("node");
  json.String(s.cfg.self.name.c_str());
  json.Key("address");
  json.String(s.cfg.address.c_str());
  json.Key("member");
  json.Bool(s.cluster.is_member(s.cfg.self));
  json.Key("ready");
  json.Bool(s.parts.pulse->ready.load());
  json.Key("kafka_lost");
  json.Bool(s.kafka_lost);
  json.Key("coordinator");
  if (s.cluster.coordinator())
    json.String(s.cluster.coordinator()->node.name.c_str());
  else
    json.Null();
  put(json, "term", static_cast<std::uint64_t>(std::max<std::int64_t>(s.cluster.term().value, 0)));
  put(json, "control_records_stale", s.cluster.ignored().stale);
  put(json, "control_records_unknown", s.cluster.ignored().unknown);
  put(json, "control_records_unreadable", s.cluster.ignored().unreadable);
  json.Key("peers");
  json.StartArray();
  for (auto& [name, peer] : s.peers)
    if (peer.door) json.String(name.c_str());
  json.EndArray();
  json.Key("stats");
  auto stats = stats_json(self);
  json.RawValue(stats.data(), stats.size(), rapidjson::kObjectType);
  json.EndObject();
  return text.GetString();
}

} // namespace troupe::node_walk
