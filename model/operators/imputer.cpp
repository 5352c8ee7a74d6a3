// Imputer and Binarizer: each cell by itself.
#include <cmath>

#include <fmt/format.h>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

template <class T> bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isnan(value);
  else
    return false;
}

template <class T> class imputer final : public operation {
public:
  // `replaced`: what is replaced; NaN is all NaN. One imputed value a column.
  imputer(T replaced, std::vector<T> imputed)
      : replaced_(replaced)
      , imputed_(std::move(imputed)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    const bool nan = is_nan(replaced_);
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t k = 0; k < imputed_.size(); ++k) {
        const bool replace = nan ? is_nan(from[k]) : from[k] == replaced_;
        to[k] = replace ? imputed_[k] : from[k];
      }
    }
  }

private:
  T replaced_;
  std::vector<T> imputed_;
};

// onnxruntime gives up at a NaN; here it stays one, so that the row becomes a dead letter and its neighbours don't.
class binarizer final : public operation {
public:
  explicit binarizer(float threshold)
      : threshold_(threshold) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const float* from = in[0].row<float>(i);
      float* to = out[0].row<float>(i);
      for (std::size_t k = 0; k < in[0].width; ++k)
        to[k] = std::isnan(from[k]) ? from[k] : static_cast<float>(from[k] > threshold_);
    }
  }

private:
  float threshold_;
};

template <class T, class From>
result<std::unique_ptr<operation>> make_imputer(const attribute_reader& node, std::string_view name, From replaced,
                                                const std::vector<From>& imputed, std::size_t width) {
  if (imputed.size() != 1 && imputed.size() != width)
    return node.wrong(fmt::format("{} has {} entries for {} columns", name, imputed.size(), width));
  std::vector<T> values(imputed.begin(), imputed.end());
  if (values.size() == 1) values.assign(width, values.front());
  return std::make_unique<imputer<T>>(static_cast<T>(replaced), std::move(values));
}

} // namespace

result<built_node> build_imputer(attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const value_type& type = **input;
  const auto floats = node.floats("imputed_value_floats");
  if (!floats) return tl::make_unexpected(floats.error());
  const auto integers = node.integers("imputed_value_int64s");
  if (!integers) return tl::make_unexpected(integers.error());
  const auto replaced_float = node.any_number("replaced_value_float", 0);
  if (!replaced_float) return tl::make_unexpected(replaced_float.error());
  const auto replaced_integer = node.integer("replaced_value_int64", 0);
  if (!replaced_integer) return tl::make_unexpected(replaced_integer.error());
  if (floats->empty() == integers->empty())
    return node.wrong("expected values in one of imputed_value_floats and imputed_value_int64s");
  const bool whole = type.type == element::i64;
  const bool number = whole || type.type == element::f32 || type.type == element::f64;
  if (!number || type.label || type.dims.size() > 1 || whole != floats->empty())
    return node.wrong(fmt::format("its input is {}, its imputed values are {}", to_string(type),
                                  floats->empty() ? "integers" : "floats"));
  constexpr std::string_view name = "imputed_value_floats";
  const std::size_t width = type.width();
  auto op = whole ? make_imputer<std::int64_t>(node, "imputed_value_int64s", *replaced_integer, *integers, width)
            : type.type == element::f32 ? make_imputer<float>(node, name, *replaced_float, *floats, width)
                                        : make_imputer<double>(node, name, *replaced_float, *floats, width);
  if (!op) return tl::make_unexpected(op.error());
  built_node built;
  built.op = std::move(*op);
  built.outputs.push_back({type.type, type.dims, nullptr, false, false});
  return built;
}

result<built_node> build_binarizer(attribute_reader& node, node_inputs inputs) {
  const auto input = row_value(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  if ((*input)->type != element::f32 || (*input)->label)
    return node.wrong(fmt::format("its input is {}, expected numbers", to_string(**input)));
  const auto threshold = node.number("threshold", 0);
  if (!threshold) return tl::make_unexpected(threshold.error());
  built_node built;
  built.op = std::make_unique<binarizer>(*threshold);
  built.outputs.push_back({element::f32, (*input)->dims, nullptr, false, false});
  return built;
}

} // namespace troupe::model
