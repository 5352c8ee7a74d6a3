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
  void run(std::span<const rows_in> in, std::span<rows_out> out) const override {
    for (Eigen::Index row = 0; row < in[0].rows(); ++row) {
      const double size = size_of(in[0], row);
      for (Eigen::Index column = 0; column < in[0].cols(); ++column) {
        const double value = static_cast<double>(in[0](row, column));
        out[0](row, column) = static_cast<float>(size == 0 ? value : value / size);
      }
    }
  }

private:
  double size_of(const rows_in& in, Eigen::Index row) const {
    if (norm_ == norm::max) return static_cast<double>(in.row(row).maxCoeff());
    double sum = 0;
    for (Eigen::Index column = 0; column < in.cols(); ++column) {
      const double value = static_cast<double>(in(row, column));
      sum += norm_ == norm::l1 ? std::abs(value) : value * value;
    }
    return norm_ == norm::l1 ? sum : std::sqrt(sum);
  }

  norm norm_;
};

} // namespace

result<built_node> build_normalizer(attribute_reader& node, std::span<const value_type> inputs) {
  if (auto ok = require_numbers(node, inputs[0]); !ok) return tl::make_unexpected(ok.error());
  const auto name = node.text("norm", "MAX");
  if (!name) return tl::make_unexpected(name.error());
  norm how = norm::max;
  if (*name == "L1")
    how = norm::l1;
  else if (*name == "L2")
    how = norm::l2;
  else if (*name != "MAX")
    return node.wrong("norm is neither MAX, L1 nor L2");
  built_node built;
  built.op = std::make_unique<normalizer>(how);
  value_type output = inputs[0];
  // Probabilities of separate classifiers divided by their sum are probabilities still; by another norm they are not.
  output.probabilities = inputs[0].probabilities && how == norm::l1;
  built.outputs.push_back(std::move(output));
  return built;
}

} // namespace troupe::model
