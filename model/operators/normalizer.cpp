#include <algorithm>
#include <cmath>

#include "model/operators/operator.hpp"

namespace troupe::model {
namespace {

enum class norm { max, l1, l2 };

// A row whose norm is 0 stays as it is, as in scikit-learn and onnxruntime. MAX is the largest value as in onnxruntime,
// not the largest magnitude as in scikit-learn: that differs for rows with negative values.
class normalizer final : public operation {
public:
  explicit normalizer(norm how)
      : norm_(how) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const std::span<const float> from{in[0].row<float>(i), in[0].width};
      float* to = out[0].row<float>(i);
      const double size = size_of(from);
      for (std::size_t k = 0; k < from.size(); ++k) {
        const double value = static_cast<double>(from[k]);
        to[k] = static_cast<float>(size == 0 ? value : value / size);
      }
    }
  }

private:
  double size_of(std::span<const float> values) const {
    if (norm_ == norm::max) return static_cast<double>(*std::max_element(values.begin(), values.end()));
    double sum = 0;
    for (const float x : values) {
      const double value = static_cast<double>(x);
      sum += norm_ == norm::l1 ? std::abs(value) : value * value;
    }
    return norm_ == norm::l1 ? sum : std::sqrt(sum);
  }

  norm norm_;
};

} // namespace

result<built_node> build_normalizer(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto mode = node.mode("norm");
  if (!mode) return tl::make_unexpected(mode.error());
  const auto how = static_cast<norm>(*mode);
  built_node built;
  built.op = std::make_unique<normalizer>(how);
  value_type output = **input;
  // Probabilities of separate classifiers divided by their sum are probabilities still; by another norm they are not.
  output.probabilities = output.probabilities && how == norm::l1;
  built.outputs.push_back(std::move(output));
  return built;
}

} // namespace troupe::model
