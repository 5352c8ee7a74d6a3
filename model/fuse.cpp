#include "model/fuse.hpp"

#include <algorithm>
#include <map>

namespace troupe::model {
namespace {

bool same(const value_place& a, const value_place& b) {
  return a.slot == b.slot && a.offset == b.offset && a.width == b.width;
}

} // namespace

void fuse(std::vector<step>& steps, std::span<const std::size_t> kept) {
  std::map<std::size_t, std::vector<std::size_t>> readers; // slot -> steps, one entry for each input
  for (std::size_t i = 0; i < steps.size(); ++i)
    for (const value_place& place : steps[i].inputs) readers[place.slot].push_back(i);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    step& first = steps[i];
    if (first.outputs.size() != 1) continue;
    const value_place& between = first.outputs[0];
    const auto found = readers.find(between.slot);
    if (found == readers.end() || found->second.size() != 1) continue;
    if (std::find(kept.begin(), kept.end(), between.slot) != kept.end()) continue;
    step& second = steps[found->second[0]];
    if (second.inputs.size() != 1 || !same(second.inputs[0], between)) continue;
    auto fused = first.op->fused_with(*second.op);
    if (fused == nullptr) continue;
    // The later place: the inputs are still there, and what is read between the two stays as it was.
    for (const value_place& place : first.inputs)
      std::replace(readers[place.slot].begin(), readers[place.slot].end(), i, found->second[0]);
    second.op = std::move(fused);
    second.name = first.name + " + " + second.name;
    second.inputs = std::move(first.inputs);
    first.op = nullptr;
  }
  std::erase_if(steps, [](const step& one) { return one.op == nullptr; });
}

} // namespace troupe::model
