#include "actors/feature_metrics.hpp"

namespace troupe {

feature_metrics::feature_metrics(prometheus::Registry& registry)
    : treated_(&prometheus::BuildCounter()
                    .Name("troupe_feature_treatments_total")
                    .Help("Rows scored although a feature was missing, null, of a wrong type, out of range or unknown")
                    .Register(registry)) {}

void feature_metrics::look_at(const std::string& pipeline, const std::string& model, model_version version,
                              const std::shared_ptr<const model::scoring_plan>& plan) {
  plan_counts& known = plans_[{pipeline, model, version}];
  // A version that was dropped and loaded again begins at 0; its counters here go on.
  if (known.plan.lock() != plan) known = {plan, {}};
  for (const model::treated_feature& now : plan->treated()) {
    const bool named = known.features.size() < features_max;
    auto& before = known.features.try_emplace(now.name, feature_counts{named ? now.name : "(other)", {}}).first->second;
    for (std::size_t what = 0; what < model::oddity_count; ++what) {
      const std::uint64_t rows = now.counts[what] - before.seen[what];
      if (rows == 0) continue;
      before.seen[what] = now.counts[what];
      treated_
          ->Add({{"pipeline", pipeline},
                 {"model", model},
                 {"version", std::to_string(version.value)},
                 {"feature", before.label},
                 {"treatment", std::string{to_string(static_cast<model::oddity>(what))}}})
          .Increment(static_cast<double>(rows));
    }
  }
}

} // namespace troupe
