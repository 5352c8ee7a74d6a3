#pragma once
// How often features of rows scored here were treated, as metrics (prometheus). Called from the node actor only; the
// registry is read by the HTTP thread, which prometheus-cpp allows.
//
// The names of features come from model files and the config, never from rows; a plan adds at most features_max of
// them, what else it has is counted under the feature "(other)".

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

#include "cluster/ids.hpp"
#include "model/scoring.hpp"

namespace troupe {

class feature_metrics {
public:
  static constexpr std::size_t features_max = 1000;

  explicit feature_metrics(prometheus::Registry& registry);
  /// Adds what the plan has treated since it was last looked at.
  void look_at(const std::string& pipeline, const std::string& model, model_version version,
               const std::shared_ptr<const model::scoring_plan>& plan);

private:
  struct feature_counts {
    std::string label; ///< the feature's name, or "(other)"
    model::oddity_counts seen{};
  };
  struct plan_counts {
    std::weak_ptr<const model::scoring_plan> plan; ///< whose counts were seen
    std::map<std::string, feature_counts> features;
  };

  prometheus::Family<prometheus::Counter>* treated_;
  std::map<std::tuple<std::string, std::string, model_version>, plan_counts> plans_; ///< by pipeline, model and version
};

} // namespace troupe
