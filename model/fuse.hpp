#pragma once
// Neighbours of a compiled graph into one step: a product and its bias, what follows it, scaling and the linear model
// behind it. What fits together the operations know (operation::fused_with). Pure; called by graph_builder.

#include <span>
#include <vector>

#include "model/evaluator.hpp"

namespace troupe::model {

/// Merges each step whose result is read by one other step alone, and nowhere else needed, into that one, where its
/// operation can. `kept`: slots that must stay, since they hold the graph's results. REQUIRES: a slot that a step
/// writes is written by no other, and before it is read.
void fuse(std::vector<step>& steps, std::span<const std::size_t> kept);

} // namespace troupe::model
