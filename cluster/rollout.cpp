#include "cluster/rollout.hpp"

namespace troupe {

std::set<model_key> wanted_models(const cluster_state& state) {
  std::set<model_key> wanted;
  for (const auto& [key, model] : state.models())
    if (model.record.state == model_record::state_kind::staged) wanted.insert(key);
  for (const auto& [key, alias] : state.aliases())
    for (const auto version : {alias.version, alias.previous})
      if (state.find_model(key.first, version)) wanted.insert({key.first, version});
  return wanted;
}

model_readiness readiness(const cluster_state& state, const report_lookup& report, const model_key& which) {
  using kind = model_report::state_kind;
  model_readiness out;
  const auto* model = state.find_model(which.first, which.second);
  for (const auto* who : state.members_by_age()) {
    if (!who->has_role("scorer") && !who->has_role("ingest")) continue;
    const auto* latest = report(who->node);
    const model_report* found = nullptr;
    if (latest)
      for (const auto& entry : latest->models)
        if (entry.name == which.first && entry.version == which.second) found = &entry;
    if (found && found->state == kind::ready) out.ready.push_back(who->node.name);
    // A failure from before the version was staged again says nothing about this try.
    else if (found && found->state == kind::failed && (!model || latest->applied > model->at))
      out.failed.emplace_back(who->node.name, found->message);
    else
      out.waiting.push_back(who->node.name);
  }
  return out;
}

model_record::state_kind next(model_record::state_kind state, rollout_event event) {
  using kind = model_record::state_kind;
  switch (state) {
  case kind::staged:
    switch (event) {
    case rollout_event::all_ready:
      return kind::ready;
    case rollout_event::one_failed:
      return kind::failed;
    case rollout_event::staged_again:
      return kind::staged;
    }
    break;
  case kind::ready:
  case kind::failed:
    return event == rollout_event::staged_again ? kind::staged : state;
  }
  return state;
}

std::vector<control_record> advance_rollouts(const cluster_state& state, const report_lookup& report, term_id term) {
  std::vector<control_record> records;
  // By the order of staging: when two versions become ready together, the one that was asked for last ends up active.
  std::map<control_offset, const model_state*> staged;
  for (const auto& [key, model] : state.models())
    if (model.record.state == model_record::state_kind::staged) staged.emplace(model.at, &model);
  std::map<alias_key, alias_record> moves;
  for (const auto& [at, model] : staged) {
    const auto& record = model->record;
    const auto how = readiness(state, report, {record.name, record.version});
    auto moved = record;
    moved.term = term;
    if (!how.failed.empty()) {
      moved.state = next(record.state, rollout_event::one_failed);
      moved.message = "node " + how.failed.front().first + " can't load it: " + how.failed.front().second;
      records.push_back(std::move(moved));
      continue;
    }
    if (!how.everywhere()) continue;
    moved.state = next(record.state, rollout_event::all_ready);
    moved.activate.clear();
    records.push_back(std::move(moved));
    if (record.activate.empty()) continue;
    const auto* alias = state.find_alias(record.name, record.activate);
    // Whoever moved the alias after this version was staged meant it.
    if (alias && alias->decided > at) continue;
    const auto previous = !alias                             ? model_version{}
                          : alias->version == record.version ? alias->previous
                                                             : alias->version;
    moves[{record.name, record.activate}] = {record.name, record.activate, record.version, previous, at, term};
  }
  for (auto& [key, move] : moves) records.emplace_back(std::move(move));
  return records;
}

} // namespace troupe
