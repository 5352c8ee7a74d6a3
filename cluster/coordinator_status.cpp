// `troupe status --json`: everything the coordinator knows, for people and scripts. docs/protocol.md lists the fields.

#include <algorithm>

#include "cluster/coordinator_core.hpp"
#include "cluster/json_text.hpp"

namespace troupe {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

const held_partition* held_by(const node_report* report, const partition_key& which) {
  if (!report) return nullptr;
  for (const auto& lane : report->lanes)
    if (lane.pipeline == which.pipeline)
      for (const auto& held : lane.holding)
        if (held.where == which.where) return &held;
  return nullptr;
}

/// Rows between what is committed and the end; -1 while one of them is not known.
std::int64_t lag_of(const partition_state& how, const held_partition* held) {
  if (!held || held->end_offset < 0) return -1;
  const auto done = held->committed >= 0 ? held->committed : how.offset;
  return std::max<std::int64_t>(0, held->end_offset - done);
}

} // namespace

struct coordinator_core::status_writer {
  const coordinator_core& core;
  steady_time now;
  json::writer& out;
  std::uint64_t stale_leases;

  void text(const char* name, std::string_view value) {
    out.Key(name);
    string(value);
  }
  void string(std::string_view value) {
    const auto cleaned = json::clean(value);
    out.String(cleaned.data(), static_cast<rapidjson::SizeType>(cleaned.size()));
  }
  void number(const char* name, std::int64_t value) {
    out.Key(name);
    out.Int64(value);
  }
  void texts(const char* name, const std::vector<std::string>& values) {
    out.Key(name);
    out.StartArray();
    for (const auto& value : values) string(value);
    out.EndArray();
  }
  void node(const node_ref& who) {
    text("node", who.name);
    text("incarnation", to_string(who.incarnation));
  }

  void head() {
    const auto& state = core.state_;
    out.Key("cluster");
    out.StartObject();
    text("name", core.config_.cluster);
    text("id", state.cluster() ? state.cluster()->cluster_id : "");
    text("fingerprint", state.cluster() ? state.cluster()->fingerprint : "");
    out.EndObject();
    out.Key("coordinator");
    out.StartObject();
    number("term", state.term().value);
    if (const auto& claim = state.coordinator()) {
      node(claim->node);
      text("address", claim->address);
    }
    out.Key("answers"); // false: told by a node that does not coordinate, from the log alone
    out.Bool(core.ruling());
    out.EndObject();
    number("applied", state.applied().value);
  }

  const char* state_of(const member& who, const node_report* report) const {
    if (!core.ruling()) return "member";
    if (core.nodes_.dead(who.node, now)) return "dead";
    if (!report) return "unheard";
    if (report->leaving) return "leaving";
    if (report->kafka_lost) return "kafka_lost";
    const auto silent = core.nodes_.silence(who.node, now);
    return silent && *silent > 3 * core.config_.heartbeat ? "silent" : "alive";
  }

  void lanes(const node_report& report) {
    out.Key("lanes");
    out.StartArray();
    for (const auto& lane : report.lanes) {
      out.StartObject();
      text("pipeline", lane.pipeline);
      number("generation", lane.generation.value);
      number("holding", static_cast<std::int64_t>(lane.holding.size()));
      text("problem", lane.problem);
      out.EndObject();
    }
    out.EndArray();
  }

  void nodes() {
    out.Key("nodes");
    out.StartArray();
    for (const auto* who : core.state_.members_by_age()) {
      const auto* report = core.report_of(who->node);
      out.StartObject();
      node(who->node);
      text("state", state_of(*who, report));
      text("address", who->address);
      texts("roles", who->roles);
      number("scorers", report ? report->scorers : who->scorers);
      const auto silent = core.nodes_.silence(who->node, now);
      number("heard_ms", report && silent ? silent->count() : -1);
      number("applied", report ? report->applied.value : -1);
      if (report) {
        lanes(*report);
        out.Key("stats");
        if (json::is_object(report->stats))
          out.RawValue(report->stats.data(), report->stats.size(), rapidjson::kObjectType);
        else
          out.Null();
      }
      out.EndObject();
    }
    out.EndArray();
    out.Key("removed");
    out.StartArray();
    for (const auto& [name, gone] : core.state_.removed()) {
      out.StartObject();
      node(gone.node);
      text("reason", gone.reason);
      out.EndObject();
    }
    out.EndArray();
  }

  void partition(const partition_key& which, const partition_state* how) {
    const auto* report = how ? core.report_of(how->node) : nullptr;
    const auto* held = held_by(report, which);
    const bool owned = how && core.state_.is_member(how->node);
    out.StartObject();
    text("pipeline", which.pipeline);
    text("topic", which.where.topic);
    number("partition", which.where.partition);
    text("state", owned ? to_string(how->state) : "free");
    text("owner", owned ? how->node.name : "");
    number("generation", how ? how->generation.value : 0);
    number("start", how ? how->offset : -1);
    number("position", held ? held->position : -1);
    number("committed", held ? held->committed : -1);
    number("end", held ? held->end_offset : -1);
    number("lag", how ? lag_of(*how, held) : -1);
    text("reason", how ? how->reason : "waits for its first owner");
    out.EndObject();
  }

  void partitions() {
    out.Key("partitions");
    out.StartArray();
    std::set<partition_key> shown;
    for (const auto& which : core.wanted_partitions()) shown.insert(which);
    for (const auto& [which, how] : core.state_.partitions())
      if (std::any_of(core.config_.pipelines.begin(), core.config_.pipelines.end(),
                      [&](const pipeline_spec& pipeline) { return pipeline.name == which.pipeline; }))
        shown.insert(which);
    for (const auto& which : shown) partition(which, core.partition(which));
    out.EndArray();
  }

  void model(const model_key& key, const model_state& how) {
    const auto& record = how.record;
    out.StartObject();
    text("name", key.first);
    number("version", key.second.value);
    text("sha256", record.where.sha256);
    number("bytes", static_cast<std::int64_t>(record.where.bytes));
    number("created_ms", record.created_ms);
    texts("features", record.features);
    text("state", to_string(record.state));
    text("message", record.message);
    out.Key("aliases");
    out.StartArray();
    for (const auto& [name, alias] : core.state_.aliases())
      if (name.first == key.first && alias.version == key.second) string(name.second);
    out.EndArray();
    const auto ready = readiness(core.state_, core.reports(), key);
    texts("ready", ready.ready);
    texts("waiting", ready.waiting);
    out.Key("failed");
    out.StartArray();
    for (const auto& [name, why] : ready.failed) {
      out.StartObject();
      text("node", name);
      text("message", why);
      out.EndObject();
    }
    out.EndArray();
    out.EndObject();
  }

  void models() {
    out.Key("models");
    out.StartArray();
    for (const auto& [key, how] : core.state_.models()) model(key, how);
    out.EndArray();
    out.Key("aliases");
    out.StartArray();
    for (const auto& [name, alias] : core.state_.aliases()) {
      out.StartObject();
      text("model", name.first);
      text("alias", name.second);
      number("version", alias.version.value);
      number("previous", alias.previous.value);
      out.EndObject();
    }
    out.EndArray();
  }

  void pipelines() {
    out.Key("pipelines");
    out.StartArray();
    for (const auto& pipeline : core.config_.pipelines) {
      const auto known = core.state_.pipelines().find(pipeline.name);
      const bool has_record = known != core.state_.pipelines().end();
      out.StartObject();
      text("name", pipeline.name);
      texts("topics", pipeline.topics);
      text("model", pipeline.model);
      text("alias", pipeline.alias);
      text("state", core.state_.pipeline_running(pipeline.name) ? "running" : "stopped");
      text("reason", has_record ? known->second.reason : "");
      text("where", has_record ? known->second.where : "");
      text("problem", core.pipeline_problem(pipeline, now));
      out.EndObject();
    }
    out.EndArray();
  }

  void rest() {
    out.Key("refusals");
    out.StartArray();
    for (const auto& [who, why] : core.refusals_) {
      out.StartObject();
      node(who);
      text("address", why.address);
      text("message", why.message);
      out.EndObject();
    }
    out.EndArray();
    const auto& ignored = core.state_.ignored();
    out.Key("ignored");
    out.StartObject();
    number("stale", static_cast<std::int64_t>(ignored.stale));
    number("unknown", static_cast<std::int64_t>(ignored.unknown));
    number("unreadable", static_cast<std::int64_t>(ignored.unreadable));
    number("stale_reports", static_cast<std::int64_t>(core.stale_reports_));
    number("stale_leases", static_cast<std::int64_t>(stale_leases));
    text("last_error", core.state_.last_error());
    out.EndObject();
  }
};

/// A lane that ends again and again is well for moments in between: why the last one ended stays told for a while.
std::string coordinator_core::lane_problem(const std::string& node, const lane_report& lane, steady_time now) const {
  constexpr milliseconds remembered{10'000};
  if (!lane.problem.empty()) return "node " + node + ": " + lane.problem;
  const auto last = troubles_.find({node, lane.pipeline});
  if (last == troubles_.end() || last->second.generation >= lane.generation) return "";
  const auto ago = duration_cast<std::chrono::seconds>(now - last->second.told);
  if (ago >= remembered) return "";
  return "node " + node + ", " + std::to_string(ago.count()) + " s ago: " + last->second.what;
}

/// The first thing that keeps the pipeline from running, "" if there is none (or this node can't know).
std::string coordinator_core::pipeline_problem(const pipeline_spec& pipeline, steady_time now) const {
  if (!term_) return "";
  if (!topics_error_.empty()) return "its topics can't be looked up: " + topics_error_;
  if (topics_known_)
    for (const auto& topic : pipeline.topics)
      if (!topic_sizes_.contains(topic))
        return "topic " + topic + " does not exist: create it with troupe topics create " + topic + " --partitions N";
  if (const auto failed = starts_error_.find(pipeline.name); failed != starts_error_.end())
    return "it can't be told where to start reading: " + failed->second;
  for (const auto& [name, who] : state_.members()) {
    const auto* report = report_of(who.node);
    if (!report) continue;
    for (const auto& lane : report->lanes)
      if (lane.pipeline == pipeline.name)
        if (auto problem = lane_problem(name, lane, now); !problem.empty()) return problem;
  }
  if (!state_.find_alias(pipeline.model, pipeline.alias))
    return "there is no " + pipeline.model + "@" + pipeline.alias + " yet: troupe model push FILE --name " +
           pipeline.model;
  const auto members = eligible();
  const auto serves = [&](const plan_member& who) {
    return std::any_of(who.lanes.begin(), who.lanes.end(),
                       [&](const plan_member::lane& lane) { return lane.pipeline == pipeline.name; });
  };
  if (std::none_of(members.begin(), members.end(), serves)) return "no node with role ingest can serve it";
  return "";
}

std::string coordinator_core::status_json(steady_time now, std::uint64_t stale_leases) const {
  rapidjson::StringBuffer buffer;
  json::writer out(buffer);
  status_writer status{*this, now, out, stale_leases};
  out.StartObject();
  status.head();
  status.nodes();
  status.partitions();
  status.models();
  status.pipelines();
  status.rest();
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

} // namespace troupe
