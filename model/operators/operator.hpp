#pragma once
// What an ONNX operator is to Troupe. One file an operator, or a family of them: a function that checks a node and
// builds its operation, and the operation itself. **To add an operator**: write model/operators/<name>.cpp, declare its
// function below, and name it in the table of operators/table.cpp. Everything a file could get wrong is checked while
// building; `run` trusts what was built.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

#include "base/result.hpp"

namespace onnx {
class NodeProto;
}

namespace troupe::model {

/// Rows x columns of a value, row after row, `outerStride` floats apart.
using rows_in =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
using rows_out =
    Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;

/// The classes of a classifier, in the order of its probabilities.
struct class_list {
  std::vector<std::string> names;
  bool numbers = false; ///< integer labels
};

/// What is known about a value before any row is seen.
struct value_type {
  enum class kind_type {
    numbers, ///< `width` floats a row
    label,   ///< one a row: the index into `classes`
  } kind = kind_type::numbers;
  std::size_t width = 1;
  std::shared_ptr<const class_list> classes; ///< label: what it indexes; numbers: what the columns belong to, if known
  bool probabilities = false;                ///< numbers that are known to be probabilities
};

/// One step of the compiled graph. Immutable; any thread.
class operation {
public:
  virtual ~operation() = default;
  virtual void run(std::span<const rows_in> in, std::span<rows_out> out) const = 0;
};

/// What building a node gives. Without `op` the only output is the input itself under another name and type.
struct built_node {
  std::unique_ptr<operation> op;
  std::vector<value_type> outputs;
  bool joins = false; ///< `op` only puts the inputs' columns side by side: not needed where they lie so already
};

/// The attributes of a node, checked while they are read: type, finite numbers, valid UTF-8. Errors name the node and
/// the attribute.
class attribute_reader {
public:
  explicit attribute_reader(const onnx::NodeProto& node);
  /// "LinearClassifier (node 'x')"
  const std::string& where() const { return where_; }
  bool has(std::string_view name) const;
  /// Absent: empty.
  result<std::vector<float>> floats(std::string_view name);
  result<std::vector<std::int64_t>> integers(std::string_view name);
  result<std::vector<std::string>> strings(std::string_view name);
  /// Absent: `otherwise`.
  result<std::int64_t> integer(std::string_view name, std::int64_t otherwise);
  result<std::string> text(std::string_view name, std::string_view otherwise);
  /// Fails if the node has an attribute that none of the calls above asked for.
  result<void> nothing_else() const;
  /// errc::invalid: "<where>: <what>".
  tl::unexpected<error> wrong(std::string_view what) const;
  /// errc::unsupported likewise.
  tl::unexpected<error> unsupported(std::string_view what) const;

private:
  result<int> find(std::string_view name, int type);
  const onnx::NodeProto& node_;
  std::string where_;
  std::vector<bool> read_;
};

using node_builder = result<built_node> (*)(attribute_reader& attributes, std::span<const value_type> inputs);

/// An operator that is supported.
struct operator_entry {
  std::string_view domain; ///< "" is ai.onnx
  std::string_view name;
  int inputs_min, inputs_max, outputs_max;
  node_builder build;
};

/// nullptr: not supported.
const operator_entry* find_operator(std::string_view domain, std::string_view name);
/// "Cast, Concat, ...", for the sentence that refuses another.
std::string supported_operators();

result<built_node> build_cast(attribute_reader&, std::span<const value_type>);
result<built_node> build_concat(attribute_reader&, std::span<const value_type>);
result<built_node> build_feature_vectorizer(attribute_reader&, std::span<const value_type>);
result<built_node> build_identity(attribute_reader&, std::span<const value_type>);
result<built_node> build_linear_classifier(attribute_reader&, std::span<const value_type>);
result<built_node> build_linear_regressor(attribute_reader&, std::span<const value_type>);
result<built_node> build_normalizer(attribute_reader&, std::span<const value_type>);
result<built_node> build_scaler(attribute_reader&, std::span<const value_type>);
result<built_node> build_zip_map(attribute_reader&, std::span<const value_type>);

/// Joins the columns of all inputs: what Concat and FeatureVectorizer do. Inputs must be numbers.
result<built_node> join_columns(attribute_reader&, std::span<const value_type>);
/// Fails unless the input is numbers.
result<void> require_numbers(const attribute_reader&, const value_type&);
/// classlabels_ints or classlabels_int64s, or classlabels_strings: exactly one of them, no class twice.
result<std::shared_ptr<const class_list>> read_classes(attribute_reader&, std::string_view integers,
                                                       std::string_view strings);

} // namespace troupe::model
