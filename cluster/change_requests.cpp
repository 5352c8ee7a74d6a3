#include "cluster/change_requests.hpp"

#include <algorithm>
#include <limits>

#include "cluster/json_text.hpp"

namespace troupe {
namespace {

constexpr std::int64_t uint32_max = std::numeric_limits<std::uint32_t>::max();
constexpr auto int64_max = std::numeric_limits<std::int64_t>::max();

struct context {
  const cluster_state& state;
  const report_lookup& reports;
  const node_ref& self;
  const core_config& config;
  term_id term;
  std::int64_t wall_clock_ms;
};

change_outcome refuse(std::string why) { return {{false, std::move(why), {}, {}}, {}}; }

std::string name_rule(const std::string& what, const std::string& name) {
  return what + " '" + json::clean(name) +
         "' is not allowed: use 1 to 64 of a-z 0-9 _ . -, beginning with a letter or digit";
}

std::string text(model_version version) { return std::to_string(version.value); }

change_answer model_answer(const std::string& name, model_version version, model_record::state_kind state,
                           std::string message) {
  json::object_writer body;
  body.text("name", name).number("version", version.value).text("state", to_string(state));
  return {true, std::move(message), {}, body.done()};
}

/// The alias moves to a version that every node has loaded.
change_outcome move_alias(const context& c, const std::string& name, const std::string& alias, model_version version) {
  const auto* now = c.state.find_alias(name, alias);
  const bool same = now && now->version == version;
  const auto previous = !now ? model_version{} : same ? now->previous : now->version;
  json::object_writer body;
  body.text("name", name).text("alias", alias).number("version", version.value).number("previous", previous.value);
  const auto label = name + "@" + alias;
  change_outcome out{{true, label + (same ? " is version " : " is now version ") + text(version), {}, body.done()}, {}};
  if (same)
    out.answer.offset = now->at;
  else
    out.records.emplace_back(alias_record{name, alias, version, previous, control_offset{-1}, c.term});
  return out;
}

/// Written again as staged: nodes load it, and then the alias moves.
change_outcome stage_again(const context& c, const model_state& model, const std::string& alias) {
  auto record = model.record;
  record.state = next(record.state, rollout_event::staged_again);
  record.message.clear();
  record.activate = alias;
  record.term = c.term;
  const auto label = record.name + "@" + text(record.version);
  auto message = label + " is being loaded on all nodes" +
                 (alias.empty() ? "" : "; " + record.name + "@" + alias + " moves when they are ready");
  return {model_answer(record.name, record.version, record.state, std::move(message)), {record}};
}

/// "G1,G2,...": as they are given on the command line, the first ones of a long list.
std::string shown(const std::vector<std::string>& names) {
  constexpr std::size_t most = 20;
  std::string line;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) line += (i ? "," : "") + names[i];
  if (names.size() > most) line += ",... (" + std::to_string(names.size()) + " in all)";
  return names.empty() ? "none" : line;
}

change_outcome register_known(const context& c, const model_state& model, const model_record& pushed) {
  const auto& record = model.record;
  const auto& alias = pushed.activate;
  const auto label = record.name + "@" + text(record.version);
  using kind = model_record::state_kind;
  // What a version means never changes. A push that names no features has nothing against those that it has.
  if (!pushed.features.empty() && pushed.features != record.features)
    return refuse("the same content is " + label + " already, with the features " + shown(record.features) +
                  "; this push names " + shown(pushed.features) +
                  ": name them in the config (pipelines[].features), or export a file that has them inside");
  if (record.state == kind::staged && !alias.empty() && !record.activate.empty() && record.activate != alias)
    return refuse("nodes are still loading " + label + " for " + record.name + "@" + record.activate +
                  "; when it is live: troupe model promote " + label + " --alias " + alias);
  if (record.state == kind::failed) return stage_again(c, model, alias);
  if (record.state == kind::staged && !alias.empty() && record.activate.empty()) return stage_again(c, model, alias);
  if (record.state == kind::ready && !alias.empty()) {
    const auto* now = c.state.find_alias(record.name, alias);
    if (!now || now->version != record.version) {
      if (!readiness(c.state, c.reports, {record.name, record.version}).everywhere())
        return stage_again(c, model, alias);
      auto out = move_alias(c, record.name, alias, record.version);
      out.answer.body = model_answer(record.name, record.version, record.state, {}).body;
      return out;
    }
  }
  auto answer = model_answer(record.name, record.version, record.state, "the same content is " + label + " already");
  answer.offset = model.at;
  return {std::move(answer), {}};
}

change_outcome register_model(const context& c, json::object_reader& in) {
  model_record record;
  record.name = in.text("name");
  record.where.sha256 = in.text("sha256");
  record.where.bytes = static_cast<std::uint64_t>(in.number("bytes", 1, int64_max));
  record.where.first_offset = in.number("first_offset", 0, int64_max);
  record.where.chunks = static_cast<std::uint32_t>(in.number("chunks", 1, uint32_max));
  record.features = in.texts("features", false);
  record.created_ms = c.wall_clock_ms;
  record.term = c.term;
  auto& alias = record.activate;
  alias = in.text("alias", false);
  if (alias.empty()) alias = "champion";
  if (!in.flag("activate", false, true)) alias.clear();
  const model_version asked{static_cast<std::uint32_t>(in.number("version", 1, uint32_max, false, 0))};
  if (in.failed()) return refuse(in.error());
  if (!is_name(record.name)) return refuse(name_rule("model name", record.name));
  if (!alias.empty() && !is_name(alias)) return refuse(name_rule("alias", alias));
  const auto hex = [](char d) { return (d >= '0' && d <= '9') || (d >= 'a' && d <= 'f'); };
  if (record.where.sha256.size() != 64 || !std::all_of(record.where.sha256.begin(), record.where.sha256.end(), hex))
    return refuse("change: field 'sha256' is not 64 lower-case hex digits");
  model_version last;
  for (const auto& [key, model] : c.state.models()) {
    if (key.first != record.name) continue;
    last = std::max(last, key.second);
    const bool same = model.record.where.sha256 == record.where.sha256;
    if (asked.value != 0 && key.second == asked && !same)
      return refuse(record.name + "@" + text(asked) +
                    " exists with other content; push without a version to get the next one");
    if (same && (asked.value == 0 || asked == key.second)) return register_known(c, model, record);
  }
  record.version = model_version{last.value + 1};
  if (asked.value != 0 && asked != record.version)
    return refuse("the next version of " + record.name + " is " + text(record.version) + ", not " + text(asked));
  auto message = record.name + "@" + text(record.version) + " is registered; nodes are loading it";
  return {model_answer(record.name, record.version, record.state, std::move(message)), {record}};
}

change_outcome set_alias(const context& c, json::object_reader& in) {
  const auto name = in.text("name");
  const auto alias = in.text("alias");
  model_version version{static_cast<std::uint32_t>(in.number("version", 0, uint32_max))};
  if (in.failed()) return refuse(in.error());
  if (!is_name(name)) return refuse(name_rule("model name", name));
  if (!is_name(alias)) return refuse(name_rule("alias", alias));
  if (version.value == 0) {
    const auto* now = c.state.find_alias(name, alias);
    if (!now || now->previous.value == 0)
      return refuse(name + "@" + alias + " has no previous version to go back to; see troupe model show " + name);
    version = now->previous;
  }
  const auto* model = c.state.find_model(name, version);
  if (!model) return refuse("there is no " + name + "@" + text(version) + "; see troupe model list");
  if (model->record.state == model_record::state_kind::failed)
    return refuse(name + "@" + text(version) + " failed to load (" + model->record.message +
                  "); push it again to retry");
  const auto* now = c.state.find_alias(name, alias);
  if (now && now->version == version) return move_alias(c, name, alias, version);
  const auto how = readiness(c.state, c.reports, {name, version});
  if (!how.failed.empty())
    return refuse(name + "@" + text(version) + " is not loaded on node " + how.failed.front().first + ": " +
                  how.failed.front().second);
  if (model->record.state != model_record::state_kind::ready || !how.everywhere()) return stage_again(c, *model, alias);
  return move_alias(c, name, alias, version);
}

change_outcome resume_pipeline(const context& c, json::object_reader& in) {
  const auto name = in.text("name");
  if (in.failed()) return refuse(in.error());
  const auto known = std::any_of(c.config.pipelines.begin(), c.config.pipelines.end(),
                                 [&](const pipeline_spec& pipeline) { return pipeline.name == name; });
  if (!known) return refuse("there is no pipeline '" + json::clean(name) + "' in the cluster's config");
  if (c.state.pipeline_running(name)) return {{true, "pipeline " + name + " is running", {}, "{}"}, {}};
  return {{true, "pipeline " + name + " runs again", {}, "{}"}, {pipeline_record{name, true, "resumed", "", c.term}}};
}

change_outcome remove_node(const context& c, json::object_reader& in) {
  const auto name = in.text("name");
  if (in.failed()) return refuse(in.error());
  if (name == c.self.name) return refuse("node " + name + " is the coordinator now; stop its process instead");
  const auto* who = c.state.find_member(name);
  if (!who) return refuse("there is no node '" + json::clean(name) + "' in the cluster; see troupe status");
  return {{true, "node " + name + " is removed", {}, "{}"},
          {member_record{who->node, who->address, who->roles, who->scorers, false, "removed by an operator", c.term}}};
}

} // namespace

change_outcome decide_change(const change& request, const cluster_state& state, const report_lookup& reports,
                             const node_ref& self, const core_config& config, term_id term,
                             std::int64_t wall_clock_ms) {
  const context c{state, reports, self, config, term, wall_clock_ms};
  json::object_reader in("change", request.body);
  if (request.kind == "register_model") return register_model(c, in);
  if (request.kind == "set_alias") return set_alias(c, in);
  if (request.kind == "resume_pipeline") return resume_pipeline(c, in);
  if (request.kind == "remove_node") return remove_node(c, in);
  return refuse("unknown kind of change '" + json::clean(request.kind) + "': is this command newer than the cluster?");
}

} // namespace troupe
