#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/node_walks.hpp"

namespace troupe::node_walk {
namespace {

constexpr milliseconds load_limit{180'000};
constexpr milliseconds load_retry{1'000};
constexpr milliseconds count_interval{1'000}; // of the counters of treated features

using plan_ptr = std::shared_ptr<const model::scoring_plan>;

std::string label(const model_key& key) { return fmt::format("{}@{}", key.first, key.second.value); }

void set_failed(self_ptr self, const model_key& key, const std::string& why) {
  auto& model = self->state.models[key];
  model.report.state = model_report::state_kind::failed;
  model.report.message = why;
  self->state.report_due = true;
  spdlog::error("model {} can't be used here: {}", label(key), why);
}

/// Plans of a model for every pipeline that uses its name. `features` are those given at the push: names in the config
/// win over them, and they win over the file's.
result<std::map<std::string, plan_ptr>> make_plans(self_ptr self, const std::string& name, const std::string& shown_as,
                                                   const std::vector<std::string>& features,
                                                   const loaded_model_ptr& model) {
  std::map<std::string, plan_ptr> plans;
  for (auto& pipeline : self->state.cfg.pipelines) {
    if (pipeline.model != name) continue;
    auto options = pipeline.scoring;
    options.model_label = shown_as;
    if (options.features.empty()) options.features = features;
    auto plan = model::scoring_plan::make(model, options);
    if (!plan) return fail(plan.error().code, fmt::format("pipeline {}: {}", pipeline.name, plan.error().message));
    plans[pipeline.name] = *plan;
  }
  return plans;
}

/// Binds the model to its pipelines, and hands the plans to the scorers.
void take_model(self_ptr self, const model_key& key, const loaded_model_ptr& loaded) {
  auto& s = self->state;
  auto* known = s.cluster.find_model(key.first, key.second);
  if (!known) return;
  auto plans = make_plans(self, key.first, label(key), known->record.features, loaded);
  if (!plans) return set_failed(self, key, plans.error().message);
  auto& model = s.models[key];
  model.plans = *plans;
  for (auto& [pipeline, plan] : model.plans)
    for (auto& scorer : s.parts.scorers) self->send(scorer, use_plan{pipeline, key.second, plan});
  model.report.state = model_report::state_kind::ready;
  s.report_due = true;
  spdlog::info("model {} is loaded", label(key));
  introduce_scorers(self);
  keep_lanes(self);
}

void load(self_ptr self, const model_key& key) {
  auto* known = self->state.cluster.find_model(key.first, key.second);
  if (!known) return;
  auto& model = self->state.models[key];
  model.report.name = key.first;
  model.report.version = key.second;
  model.loading = true;
  auto done = [self, key](const result<loaded_model_ptr>& loaded) {
    auto found = self->state.models.find(key);
    if (found == self->state.models.end()) return;
    found->second.loading = false;
    if (loaded) return take_model(self, key, *loaded);
    if (loaded.error().code == errc::unavailable || loaded.error().code == errc::timeout) {
      found->second.retry_at = now(self) + load_retry;
      found->second.report.message = loaded.error().message;
      spdlog::warn("model {} could not be loaded yet: {}", label(key), loaded.error().message);
    } else {
      set_failed(self, key, loaded.error().message);
    }
  };
  self->request(self->state.parts.librarian, load_limit, librarian_load{known->record.where})
      .then(done, [self, done](caf::error& why) {
        done(fail(errc::timeout, "the librarian does not answer: " + self->system().render(why)));
      });
}

} // namespace

void keep_models(self_ptr self) {
  auto& s = self->state;
  if (!s.cfg.has_role("scorer") && !s.cfg.has_role("ingest")) return;
  auto wanted = wanted_models(s.cluster);
  for (auto& key : wanted) {
    auto found = s.models.find(key);
    bool fresh = found == s.models.end();
    if (fresh || (found->second.report.state == model_report::state_kind::loading && !found->second.loading &&
                  now(self) >= found->second.retry_at))
      load(self, key);
  }
  for (auto it = s.models.begin(); it != s.models.end();) {
    if (wanted.count(it->first) || it->second.loading) {
      ++it;
      continue;
    }
    for (auto& [pipeline, plan] : it->second.plans)
      for (auto& scorer : s.parts.scorers) self->send(scorer, drop_plan{pipeline, it->first.second});
    it = s.models.erase(it);
  }
}

void count_treated(self_ptr self) {
  auto& s = self->state;
  if (!s.parts.features || now(self) < s.next_count) return;
  s.next_count = now(self) + count_interval;
  for (auto& [key, model] : s.models)
    for (auto& [pipeline, plan] : model.plans) s.parts.features->look_at(pipeline, key.first, key.second, plan);
}

std::string why_not_fit(self_ptr self, const fit_check& check) {
  auto plans = make_plans(self, check.name, check.name, check.features, check.model);
  return plans ? std::string{} : plans.error().message;
}

std::optional<model_version> version_in_force(self_ptr self, const node_pipeline& pipeline) {
  auto* alias = self->state.cluster.find_alias(pipeline.model, pipeline.alias);
  if (!alias) return std::nullopt;
  return alias->version;
}

bool has_plan(self_ptr self, const node_pipeline& pipeline, model_version version) {
  auto model = self->state.models.find({pipeline.model, version});
  return model != self->state.models.end() && model->second.plans.count(pipeline.name) &&
         model->second.report.state == model_report::state_kind::ready;
}

bool models_ready(self_ptr self) {
  for (auto& pipeline : self->state.cfg.pipelines) {
    auto version = version_in_force(self, pipeline);
    if (version && !has_plan(self, pipeline, *version)) return false;
  }
  return true;
}

} // namespace troupe::node_walk
