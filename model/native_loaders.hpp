#pragma once
// Formats of the boosting libraries, each by its file. Called by load_model, which has looked at the first bytes and at
// the size. They fail (errc::invalid, errc::unsupported) with the part of the file that is wrong.

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/loaded_model.hpp"
#include "model/memory_budget.hpp"

namespace troupe::model {

/// `save_model("x.json")` or `save_model("x.ubj")`.
result<std::shared_ptr<const loaded_model>> load_xgboost(std::string_view file, memory_budget& memory);
/// `save_model("x.txt")`.
result<std::shared_ptr<const loaded_model>> load_lightgbm(std::string_view file, memory_budget& memory);

/// The objectives of files that load. "": a file that names none.
std::vector<std::string_view> xgboost_objectives();
std::vector<std::string_view> lightgbm_objectives();

} // namespace troupe::model
