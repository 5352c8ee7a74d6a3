#include "model/evaluator.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <set>
#include <utility>

#include "base/assert.hpp"
#include "model/kernels/kernels.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t rows_max = 512;
// Memory that a batch may take; models whose values are wide are scored in smaller pieces.
constexpr std::size_t bytes_max = 8u << 20;
constexpr std::size_t alignment = 64;

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// Free pieces of the scratch: slots that are never needed at the same time share memory. Each takes the smallest piece
// that is large enough, so that finding one costs the logarithm of their number.
class arena {
public:
  std::size_t take(std::size_t bytes) {
    const auto found = by_size_.lower_bound({bytes, 0});
    if (found == by_size_.end()) {
      end_ += bytes;
      return end_ - bytes;
    }
    const auto [size, at] = *found;
    erase(by_place_.find(at));
    if (size > bytes) insert(at + bytes, size - bytes);
    return at;
  }
  void give_back(std::size_t at, std::size_t bytes) {
    if (bytes == 0) return;
    auto next = by_place_.lower_bound(at);
    if (next != by_place_.begin())
      if (const auto before = std::prev(next); before->first + before->second == at) {
        at = before->first;
        bytes += before->second;
        erase(before);
      }
    if (next != by_place_.end() && next->first == at + bytes) {
      bytes += next->second;
      erase(next);
    }
    insert(at, bytes);
  }
  std::size_t end() const { return end_; }

private:
  using pieces = std::map<std::size_t, std::size_t>; // offset -> bytes
  void insert(std::size_t at, std::size_t bytes) {
    by_place_.emplace(at, bytes);
    by_size_.emplace(bytes, at);
  }
  void erase(pieces::iterator piece) {
    by_size_.erase({piece->second, piece->first});
    by_place_.erase(piece);
  }

  pieces by_place_;
  std::set<std::pair<std::size_t, std::size_t>> by_size_; // bytes, offset
  std::size_t end_ = 0;
};

template <class T> void convert(const double* numbers, std::size_t stride, std::size_t begin, const cells_out& to) {
  for (std::size_t i = 0; i < to.rows; ++i) {
    const double* from = numbers + i * stride + begin;
    T* out = to.row<T>(i);
    for (std::size_t k = 0; k < to.width; ++k) out[k] = static_cast<T>(from[k]);
  }
}

void narrow(const double* numbers, std::size_t stride, std::size_t begin, const cells_out& to) {
  const auto copy = kernels::best().narrow;
  if (stride == to.width && to.stride == to.width) return copy(numbers, to.row<float>(0), to.rows * to.width);
  for (std::size_t i = 0; i < to.rows; ++i) copy(numbers + i * stride + begin, to.row<float>(i), to.width);
}

} // namespace

evaluator::evaluator(std::vector<slot_shape> slots, std::vector<graph_input> inputs, std::vector<step> steps,
                     graph_result result)
    : slots_(std::move(slots))
    , inputs_(std::move(inputs))
    , steps_(std::move(steps))
    , result_(std::move(result)) {
  for (const graph_input& input : inputs_) input_slots_ = std::max(input_slots_, input.place.slot + 1);
  // Columns of the rows that load() takes: one input slot after the other.
  for (std::size_t slot = 0; slot < input_slots_; ++slot) {
    std::size_t& columns = slots_[slot].type == element::text ? text_columns_ : number_columns_;
    for (graph_input& input : inputs_)
      if (input.place.slot == slot) input.column = columns + input.place.offset;
    columns += slots_[slot].width;
  }
  plan_memory();
}

void evaluator::plan_memory() {
  // A slot lives from the step that writes it to the last one that reads it; inputs from the start, results to the end.
  const std::size_t never = steps_.size();
  std::vector<std::size_t> last(slots_.size(), 0);
  std::vector<std::size_t> first(slots_.size(), never);
  for (std::size_t slot = 0; slot < input_slots_; ++slot) first[slot] = 0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    for (const value_place& place : steps_[i].outputs) {
      first[place.slot] = std::min(first[place.slot], i);
      last[place.slot] = std::max(last[place.slot], i);
    }
    for (const value_place& place : steps_[i].inputs) last[place.slot] = std::max(last[place.slot], i);
  }
  // What a step that makes texts keeps to itself holds their bytes, which are read for as long as the texts are.
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::vector<value_place>& made = steps_[i].outputs;
    if (slots_[made.front().slot].type != element::text) continue;
    for (const value_place& place : made)
      if (last[place.slot] == i) last[place.slot] = never;
  }
  last[result_.numbers.slot] = never;
  if (result_.label) last[result_.label->slot] = never;

  std::size_t row_bytes = 0;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot)
    if (first[slot] != never || slot < input_slots_) row_bytes += slots_[slot].width * cell_bytes(slots_[slot].type);
  rows_at_once_ = std::clamp<std::size_t>(bytes_max / std::max<std::size_t>(row_bytes, 1), 1, rows_max);

  arena memory;
  slot_bytes_.assign(slots_.size(), 0);
  auto bytes_of = [&](std::size_t slot) {
    return aligned(slots_[slot].width * cell_bytes(slots_[slot].type) * rows_at_once_);
  };
  for (std::size_t slot = 0; slot < input_slots_; ++slot) slot_bytes_[slot] = memory.take(bytes_of(slot));
  // The slots that a step begins, and those that it is the last to need.
  std::vector<std::vector<std::size_t>> begun(steps_.size()), done(steps_.size());
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (first[slot] == never) continue;
    if (slot >= input_slots_) begun[first[slot]].push_back(slot);
    if (last[slot] != never) done[last[slot]].push_back(slot);
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    for (const std::size_t slot : begun[i]) slot_bytes_[slot] = memory.take(bytes_of(slot));
    for (const std::size_t slot : done[i]) memory.give_back(slot_bytes_[slot], bytes_of(slot));
  }
  scratch_bytes_ = std::max(memory.end(), alignment);
}

evaluator::scratch evaluator::make_scratch() const {
  scratch made;
  made.memory.reset(static_cast<std::byte*>(::operator new[](scratch_bytes_, std::align_val_t{alignment})));
  std::memset(made.memory.get(), 0, scratch_bytes_);
  return made;
}

template <class Byte>
cells<Byte> evaluator::at(const value_place& place, std::size_t rows, const scratch& memory) const {
  const slot_shape& slot = slots_[place.slot];
  return {memory.memory.get() + slot_bytes_[place.slot] + place.offset * cell_bytes(slot.type), slot.type, rows,
          place.width, slot.width};
}

cells_out evaluator::input(std::size_t index, std::size_t rows, scratch& memory) const {
  return at<std::byte>(inputs_[index].place, rows, memory);
}

void evaluator::load(const double* numbers, const std::string_view* texts, std::size_t rows, scratch& memory) const {
  TROUPE_ASSERT(rows <= rows_at_once_);
  std::size_t begin = 0;
  for (std::size_t slot = 0; slot < input_slots_; ++slot) {
    const cells_out to = at<std::byte>({slot, 0, slots_[slot].width}, rows, memory);
    switch (to.type) {
    case element::f32:
      narrow(numbers, number_columns_, begin, to);
      break;
    case element::f64:
      convert<double>(numbers, number_columns_, begin, to);
      break;
    case element::i64:
      convert<std::int64_t>(numbers, number_columns_, begin, to);
      break;
    case element::boolean:
      convert<std::uint8_t>(numbers, number_columns_, begin, to);
      break;
    case element::text:
      std::copy(texts, texts + rows * to.width, to.row<std::string_view>(0));
      continue;
    }
    begin += to.width;
  }
}

void evaluator::run(std::size_t rows, scratch& memory) const {
  TROUPE_ASSERT(rows <= rows_at_once_);
  for (const step& s : steps_) {
    memory.in.clear();
    memory.out.clear();
    for (const value_place& place : s.inputs) memory.in.push_back(at<const std::byte>(place, rows, memory));
    for (const value_place& place : s.outputs) memory.out.push_back(at<std::byte>(place, rows, memory));
    s.op->run(memory.in, memory.out);
  }
}

const float* evaluator::numbers(const scratch& memory, std::size_t row) const {
  return at<const std::byte>(result_.numbers, row + 1, memory).row<float>(row);
}

std::size_t evaluator::label(const scratch& memory, std::size_t row) const {
  if (result_.label)
    return static_cast<std::size_t>(*at<const std::byte>(*result_.label, row + 1, memory).row<std::int64_t>(row));
  const float* all = numbers(memory, row);
  return static_cast<std::size_t>(std::max_element(all, all + result_.numbers.width) - all);
}

} // namespace troupe::model
