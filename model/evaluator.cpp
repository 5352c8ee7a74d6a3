#include "model/evaluator.hpp"

#include <algorithm>
#include <numeric>

#include "base/assert.hpp"

namespace troupe::model {
namespace {
constexpr std::size_t rows_max = 512;
// Floats of all slots together; models this wide are scored in smaller pieces.
constexpr std::size_t floats_max = 1u << 21;
} // namespace

evaluator::evaluator(std::vector<std::size_t> slot_widths, std::vector<step> steps, value_place numbers,
                     std::optional<value_place> label, bool probabilities)
    : slot_widths_(std::move(slot_widths))
    , steps_(std::move(steps))
    , numbers_(numbers)
    , label_(label)
    , probabilities_(probabilities) {
  const std::size_t floats = std::accumulate(slot_widths_.begin(), slot_widths_.end(), std::size_t{1});
  rows_at_once_ = std::clamp<std::size_t>(floats_max / floats, 1, rows_max);
}

evaluator::scratch evaluator::make_scratch() const {
  scratch memory;
  memory.slots.resize(slot_widths_.size());
  for (std::size_t i = 1; i < slot_widths_.size(); ++i) memory.slots[i].resize(slot_widths_[i] * rows_at_once_);
  return memory;
}

void evaluator::run(const float* features, std::size_t rows, scratch& memory) const {
  TROUPE_ASSERT(rows <= rows_at_once_);
  const auto count = static_cast<Eigen::Index>(rows);
  for (const step& s : steps_) {
    memory.in.clear();
    memory.out.clear();
    for (const value_place& place : s.inputs)
      memory.in.emplace_back(at(place, features, memory, 0), count, static_cast<Eigen::Index>(place.width),
                             Eigen::OuterStride<>(static_cast<Eigen::Index>(slot_widths_[place.slot])));
    for (const value_place& place : s.outputs)
      memory.out.emplace_back(memory.slots[place.slot].data() + place.offset, count,
                              static_cast<Eigen::Index>(place.width),
                              Eigen::OuterStride<>(static_cast<Eigen::Index>(slot_widths_[place.slot])));
    s.op->run(memory.in, memory.out);
  }
}

const float* evaluator::at(const value_place& place, const float* features, const scratch& memory,
                           std::size_t row) const {
  const float* slot = place.slot == 0 ? features : memory.slots[place.slot].data();
  return slot + row * slot_widths_[place.slot] + place.offset;
}

const float* evaluator::numbers(const float* features, const scratch& memory, std::size_t row) const {
  return at(numbers_, features, memory, row);
}

std::size_t evaluator::label(const float* features, const scratch& memory, std::size_t row) const {
  if (label_) return static_cast<std::size_t>(*at(*label_, features, memory, row));
  const float* all = numbers(features, memory, row);
  return static_cast<std::size_t>(std::max_element(all, all + numbers_.width) - all);
}

} // namespace troupe::model
