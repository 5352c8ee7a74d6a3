// Min, Max, Sum and Mean of any number of inputs, and Where: cell by cell, like arithmetic.cpp.
#include <cmath>

#include <fmt/format.h>

#include "model/operators/cell_walk.hpp"

namespace troupe::model {
namespace {

// The inputs, which must be of one type from `first` on, and the shape that all broadcast to. Those may be texts where
// `takes_text`.
struct several {
  std::vector<operand> inputs;
  shape dims;
  std::vector<shape> shapes; // of the inputs, with as many dimensions
};

result<several> read_several(const attribute_reader& node, node_inputs inputs, std::size_t first,
                             bool takes_text = false) {
  several out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto input = any_operand(node, inputs, i);
    if (input && (input->type != element::text || !takes_text || i < first)) input = number_operand(node, inputs, i);
    if (!input) return tl::make_unexpected(input.error());
    if (i > first && input->type != out.inputs[first].type)
      return node.wrong(fmt::format("its inputs have the types {} and {}", to_string(out.inputs[first].type),
                                    to_string(input->type)));
    out.inputs.push_back(std::move(*input));
  }
  operand all = out.inputs[0];
  for (const operand& input : out.inputs) {
    const auto both = broadcast_of(node, all, input);
    if (!both) return tl::make_unexpected(both.error());
    all.dims = both->dims;
    if (of_the_row(input)) all.value = input.value;
    if (of_the_row(all)) all.fixed = nullptr;
  }
  for (const operand& input : out.inputs) {
    const auto both = broadcast_of(node, all, input);
    if (!both) return tl::make_unexpected(both.error());
    out.shapes.push_back(both->right);
  }
  out.dims = all.dims;
  return out;
}

template <class T, class F> class of_several final : public operation {
public:
  of_several(const several& from, F f, T divisor)
      : sources_(sources_of<T>(from.inputs))
      , f_(f)
      , divisor_(divisor) {
    for (const shape& dims : from.shapes) walks_.emplace_back(from.dims, std::span{&dims, 1});
  }
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < out[0].rows; ++i) {
      T* to = out[0].row<T>(i);
      for (std::size_t input = 0; input < sources_.size(); ++input) {
        const T* from = sources_[input].at(in, i);
        const std::size_t step = walks_[input].steps()[0];
        walks_[input].runs([&](std::size_t count, const auto& at, std::size_t begin) {
          for (std::size_t k = 0; k < count; ++k) {
            const T value = from[at[0] + k * step];
            to[begin + k] = input == 0 ? value : f_(to[begin + k], value);
          }
        });
      }
      if (divisor_ != T{1})
        for (std::size_t k = 0; k < out[0].width; ++k) to[k] /= divisor_;
    }
  }

private:
  std::vector<source<T>> sources_;
  std::vector<cell_walk> walks_;
  F f_;
  T divisor_;
};

// NaN wins, whichever input has it.
struct smaller {
  template <class T> T operator()(T a, T b) const { return b < a || b != b ? b : a; }
};
struct larger {
  template <class T> T operator()(T a, T b) const { return b > a || b != b ? b : a; }
};
struct sum {
  template <class T> T operator()(T a, T b) const { return a + b; }
};

template <class F>
result<built_node> build_several(attribute_reader& node, node_inputs inputs, bool mean, bool takes_integers) {
  const auto from = read_several(node, inputs, 0);
  if (!from) return tl::make_unexpected(from.error());
  const element type = from->inputs[0].type;
  std::unique_ptr<operation> op;
  if (type == element::f32)
    op = std::make_unique<of_several<float, F>>(*from, F{}, mean ? static_cast<float>(inputs.size()) : 1.0F);
  else if (type == element::f64)
    op = std::make_unique<of_several<double, F>>(*from, F{}, mean ? static_cast<double>(inputs.size()) : 1.0);
  else if (type == element::i64 && takes_integers)
    op = std::make_unique<of_several<std::int64_t, F>>(*from, F{}, 1);
  else
    return node.unsupported(fmt::format("its inputs have the type {}", to_string(type)));
  return deliver(node, std::move(op), from->inputs, plain(type, from->dims));
}

// T may be a text: those of constants live as long as this.
template <class T> class where final : public operation {
public:
  explicit where(const several& from)
      : walk_(from.dims, from.shapes) {
    const bool row = std::any_of(from.inputs.begin(), from.inputs.end(), of_the_row);
    std::size_t next = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const operand& input = from.inputs[i];
      const bool of_row = of_the_row(input) || !row;
      if (i == 0)
        condition_ = {of_row ? std::vector<std::uint8_t>{} : input.fixed->as<std::uint8_t>(), next, of_row};
      else
        choices_[i - 1] = {of_row ? std::vector<T>{} : cells_of(*input.fixed, texts_[i - 1]), next, of_row};
      next += of_row ? 1 : 0;
    }
  }
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    const auto& steps = walk_.steps();
    for (std::size_t i = 0; i < out[0].rows; ++i) {
      const std::uint8_t* condition = condition_.at(in, i);
      const T* yes = choices_[0].at(in, i);
      const T* no = choices_[1].at(in, i);
      T* to = out[0].row<T>(i);
      walk_.runs([&](std::size_t count, const auto& at, std::size_t begin) {
        for (std::size_t k = 0; k < count; ++k)
          to[begin + k] = condition[at[0] + k * steps[0]] != 0 ? yes[at[1] + k * steps[1]] : no[at[2] + k * steps[2]];
      });
    }
  }

private:
  static std::vector<T> cells_of(const constant& fixed, std::vector<std::string>& texts) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      texts = fixed.texts();
      return {texts.begin(), texts.end()};
    } else {
      return fixed.as<T>();
    }
  }

  cell_walk walk_;
  std::array<std::vector<std::string>, 2> texts_;
  source<std::uint8_t> condition_;
  std::array<source<T>, 2> choices_;
};

} // namespace

result<built_node> build_min(attribute_reader& node, node_inputs inputs) {
  return build_several<smaller>(node, inputs, false, true);
}
result<built_node> build_max(attribute_reader& node, node_inputs inputs) {
  return build_several<larger>(node, inputs, false, true);
}
result<built_node> build_sum(attribute_reader& node, node_inputs inputs) {
  return build_several<sum>(node, inputs, false, false);
}
result<built_node> build_mean(attribute_reader& node, node_inputs inputs) {
  return build_several<sum>(node, inputs, true, false);
}

result<built_node> build_where(attribute_reader& node, node_inputs inputs) {
  const auto from = read_several(node, inputs, 1, true);
  if (!from) return tl::make_unexpected(from.error());
  if (from->inputs[0].type != element::boolean)
    return node.wrong(fmt::format("its condition has the type {}, expected bool", to_string(from->inputs[0].type)));
  const element type = from->inputs[1].type;
  const auto make = [&](auto cell) -> std::unique_ptr<operation> {
    return std::make_unique<where<decltype(cell)>>(*from);
  };
  auto op = type == element::text ? make(std::string_view{}) : with_number_type(type, make);
  return deliver(node, std::move(op), from->inputs, plain(type, from->dims));
}

} // namespace troupe::model
