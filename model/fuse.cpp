#include "model/fuse.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace troupe::model {
namespace {

// Steps that one step takes in: each time its weights are written anew, which a long chain must not make quadratic.
constexpr int taken_in_max = 64;

bool same(const value_place& a, const value_place& b) {
  return a.slot == b.slot && a.offset == b.offset && a.width == b.width;
}

} // namespace

void fuse(std::vector<step>& steps, std::span<const std::size_t> kept) {
  std::map<std::size_t, std::vector<std::size_t>> readers; // slot -> steps, one entry for each input
  for (std::size_t i = 0; i < steps.size(); ++i)
    for (const value_place& place : steps[i].inputs) readers[place.slot].push_back(i);
  std::vector<int> taken_in(steps.size(), 0); // how many steps each one already does
  for (std::size_t i = 0; i < steps.size(); ++i) {
    step& first = steps[i];
    if (taken_in[i] == taken_in_max) continue;
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
      if (auto& only = readers[place.slot]; only.size() == 1) only[0] = found->second[0]; // else nobody asks
    second.op = std::move(fused);
    second.name = std::move(first.name) + " + " + second.name;
    taken_in[found->second[0]] = taken_in[i] + 1;
    second.inputs = std::move(first.inputs);
    first.op = nullptr;
  }
  std::erase_if(steps, [](const step& one) { return one.op == nullptr; });
}

} // namespace troupe::model
