#pragma once
// What an ONNX operator is to Troupe. One file an operator, or a family of them: a function that checks a node and
// builds its operation, and the operation itself. **To add an operator**: write model/operators/<name>.cpp, declare its
// function below, name it in operators/table.cpp and its attributes in operators/attributes.cpp. Everything a file
// could get wrong is checked while building; `run` trusts what was built.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/cells.hpp"
#include "model/memory_budget.hpp"

namespace onnx {
class NodeProto;
}

namespace troupe::model {

/// The classes of a classifier, in the order of its probabilities.
struct class_list {
  std::vector<std::string> names;
  bool numbers = false; ///< integer labels
};

/// What is known about a value of the row before any row is seen. ONNX's shape is [N] followed by `dims`: the first
/// dimension is always the batch, and nothing may move or merge it.
struct value_type {
  element type = element::f32;
  std::vector<std::int64_t> dims{1};         ///< of one row's part; empty: one cell a row, shape [N]
  std::shared_ptr<const class_list> classes; ///< label: what it indexes; numbers: what the columns belong to, if known
  bool label = false;                        ///< i64 cells that are indices into `classes`, one a row
  bool probabilities = false;                ///< numbers that are known to be probabilities

  /// Cells a row.
  std::size_t width() const;
};

/// f32 numbers, [N, width].
value_type numbers_of(std::size_t width);
/// A label, [N].
value_type label_of(std::shared_ptr<const class_list> classes);
/// "float [N, 3, 4]", for sentences.
std::string to_string(const value_type& type);

/// An input of a node: a value of the row, a constant of the file, or neither where it is optional and left out.
struct node_input {
  const value_type* value = nullptr;
  const constant* fixed = nullptr;
  bool absent() const { return value == nullptr && fixed == nullptr; }
};
using node_inputs = std::span<const node_input>;

/// One step of the compiled graph. Immutable; any thread.
class operation {
public:
  virtual ~operation() = default;
  /// `in`: the inputs that are values of the row, in their order; constants were taken in by building. `out`: what
  /// building promised in built_node::outputs. Inputs and outputs never overlap. Allocates nothing once warm.
  virtual void run(std::span<const cells_in> in, std::span<const cells_out> out) const = 0;
  /// An operation that does this and then `next`, which alone reads this one's first output; nullptr: not known.
  virtual std::unique_ptr<operation> fused_with(const operation& next) const;
};

/// What building a node gives: an operation; or, without `op`, the first input itself under another name and type; or
/// a constant.
struct built_node {
  std::unique_ptr<operation> op;
  std::vector<value_type> outputs; ///< may be more than the node's: memory for `op` to work in
  bool joins = false; ///< `op` only puts the inputs' columns side by side: not needed where they lie so already
  std::optional<constant> fixed;
};

/// The attributes of a node, checked while they are read: type, finite numbers, valid UTF-8. Errors name the node and
/// the attribute. Only what operators/attributes.cpp lists can be read.
class attribute_reader {
public:
  /// `opset`: the version of the operator set that the node's domain has in this file.
  attribute_reader(const onnx::NodeProto& node, std::int64_t opset, memory_budget& memory);
  /// "LinearClassifier (node 'x')"
  const std::string& where() const { return where_; }
  std::int64_t opset() const { return opset_; }
  bool has(std::string_view name) const;
  /// Absent: empty.
  result<std::vector<float>> floats(std::string_view name);
  /// Infinities are let through, NaN is not.
  result<std::vector<float>> floats_or_infinite(std::string_view name);
  /// NaN and infinities are let through.
  result<std::vector<float>> any_floats(std::string_view name);
  result<std::vector<std::int64_t>> integers(std::string_view name);
  result<std::vector<std::string>> strings(std::string_view name);
  /// Absent: `otherwise`.
  result<std::int64_t> integer(std::string_view name, std::int64_t otherwise);
  result<float> number(std::string_view name, float otherwise);
  /// NaN and infinities are let through.
  result<float> any_number(std::string_view name, float otherwise);
  result<std::string> text(std::string_view name, std::string_view otherwise);
  /// Whether the integer is not 0; absent: its first mode.
  result<bool> flag(std::string_view name);
  /// Which of its modes the text is; fails for any other.
  result<std::size_t> mode(std::string_view name);
  /// Absent: nothing.
  result<std::optional<constant>> tensor(std::string_view name);
  /// NaN and infinities are let through.
  result<std::optional<constant>> any_tensor(std::string_view name);
  /// Fails if the node has an attribute that none of the calls above asked for.
  result<void> nothing_else() const;
  /// errc::invalid: "<where>: <what>".
  tl::unexpected<error> wrong(std::string_view what) const;
  /// errc::unsupported likewise.
  tl::unexpected<error> unsupported(std::string_view what) const;
  /// What building the node is about to allocate. The lists of its attributes are charged when they are read, and every
  /// node for its inputs and outputs (graph_builder); builders charge what may grow beyond these.
  result<void> charge(std::size_t bytes) const { return memory_->charge(bytes, where_); }

private:
  result<int> find(std::string_view name, int type);
  result<std::vector<float>> read_floats(std::string_view name, bool (*allowed)(float));
  result<std::optional<constant>> read_tensor(std::string_view name, bool finite);
  const onnx::NodeProto& node_;
  std::string where_;
  std::int64_t opset_;
  memory_budget* memory_;
  std::vector<bool> read_;
};

using node_builder = result<built_node> (*)(attribute_reader& node, node_inputs inputs);

/// An operator that is supported.
struct operator_entry {
  std::string_view domain; ///< "" is ai.onnx
  std::string_view name;
  int inputs_min, inputs_max, outputs_max;
  node_builder build;
  bool floats = false; ///< inputs of other number types are made float before it, as the ml operators take them all
};

/// nullptr: not supported.
const operator_entry* find_operator(std::string_view domain, std::string_view name);
/// "Cast, Concat, ...", for the sentence that refuses another.
std::string supported_operators();

// operators/<name>.cpp, sorted by name.
result<built_node> build_abs(attribute_reader&, node_inputs);
result<built_node> build_add(attribute_reader&, node_inputs);
result<built_node> build_and(attribute_reader&, node_inputs);
result<built_node> build_arg_max(attribute_reader&, node_inputs);
result<built_node> build_arg_min(attribute_reader&, node_inputs);
result<built_node> build_array_feature_extractor(attribute_reader&, node_inputs);
result<built_node> build_atan(attribute_reader&, node_inputs);
result<built_node> build_average_pool(attribute_reader&, node_inputs);
result<built_node> build_batch_normalization(attribute_reader&, node_inputs);
result<built_node> build_binarizer(attribute_reader&, node_inputs);
result<built_node> build_cast(attribute_reader&, node_inputs);
result<built_node> build_category_mapper(attribute_reader&, node_inputs);
result<built_node> build_ceil(attribute_reader&, node_inputs);
result<built_node> build_clip(attribute_reader&, node_inputs);
result<built_node> build_concat(attribute_reader&, node_inputs);
result<built_node> build_constant(attribute_reader&, node_inputs);
result<built_node> build_conv(attribute_reader&, node_inputs);
result<built_node> build_cos(attribute_reader&, node_inputs);
result<built_node> build_cum_sum(attribute_reader&, node_inputs);
result<built_node> build_div(attribute_reader&, node_inputs);
result<built_node> build_dropout(attribute_reader&, node_inputs);
result<built_node> build_elu(attribute_reader&, node_inputs);
result<built_node> build_equal(attribute_reader&, node_inputs);
result<built_node> build_erf(attribute_reader&, node_inputs);
result<built_node> build_exp(attribute_reader&, node_inputs);
result<built_node> build_expand(attribute_reader&, node_inputs);
result<built_node> build_feature_vectorizer(attribute_reader&, node_inputs);
result<built_node> build_flatten(attribute_reader&, node_inputs);
result<built_node> build_floor(attribute_reader&, node_inputs);
result<built_node> build_gather(attribute_reader&, node_inputs);
result<built_node> build_gather_elements(attribute_reader&, node_inputs);
result<built_node> build_gemm(attribute_reader&, node_inputs);
result<built_node> build_global_average_pool(attribute_reader&, node_inputs);
result<built_node> build_global_max_pool(attribute_reader&, node_inputs);
result<built_node> build_greater(attribute_reader&, node_inputs);
result<built_node> build_greater_or_equal(attribute_reader&, node_inputs);
result<built_node> build_hard_sigmoid(attribute_reader&, node_inputs);
result<built_node> build_identity(attribute_reader&, node_inputs);
result<built_node> build_imputer(attribute_reader&, node_inputs);
result<built_node> build_label_encoder(attribute_reader&, node_inputs);
result<built_node> build_leaky_relu(attribute_reader&, node_inputs);
result<built_node> build_less(attribute_reader&, node_inputs);
result<built_node> build_less_or_equal(attribute_reader&, node_inputs);
result<built_node> build_linear_classifier(attribute_reader&, node_inputs);
result<built_node> build_linear_regressor(attribute_reader&, node_inputs);
result<built_node> build_log(attribute_reader&, node_inputs);
result<built_node> build_log_softmax(attribute_reader&, node_inputs);
result<built_node> build_matmul(attribute_reader&, node_inputs);
result<built_node> build_max(attribute_reader&, node_inputs);
result<built_node> build_max_pool(attribute_reader&, node_inputs);
result<built_node> build_mean(attribute_reader&, node_inputs);
result<built_node> build_min(attribute_reader&, node_inputs);
result<built_node> build_mul(attribute_reader&, node_inputs);
result<built_node> build_neg(attribute_reader&, node_inputs);
result<built_node> build_normalizer(attribute_reader&, node_inputs);
result<built_node> build_not(attribute_reader&, node_inputs);
result<built_node> build_one_hot_encoder(attribute_reader&, node_inputs);
result<built_node> build_or(attribute_reader&, node_inputs);
result<built_node> build_pad(attribute_reader&, node_inputs);
result<built_node> build_pow(attribute_reader&, node_inputs);
result<built_node> build_reciprocal(attribute_reader&, node_inputs);
result<built_node> build_reduce_l1(attribute_reader&, node_inputs);
result<built_node> build_reduce_l2(attribute_reader&, node_inputs);
result<built_node> build_reduce_log_sum(attribute_reader&, node_inputs);
result<built_node> build_reduce_log_sum_exp(attribute_reader&, node_inputs);
result<built_node> build_reduce_max(attribute_reader&, node_inputs);
result<built_node> build_reduce_mean(attribute_reader&, node_inputs);
result<built_node> build_reduce_min(attribute_reader&, node_inputs);
result<built_node> build_reduce_prod(attribute_reader&, node_inputs);
result<built_node> build_reduce_sum(attribute_reader&, node_inputs);
result<built_node> build_reduce_sum_square(attribute_reader&, node_inputs);
result<built_node> build_relu(attribute_reader&, node_inputs);
result<built_node> build_reshape(attribute_reader&, node_inputs);
result<built_node> build_round(attribute_reader&, node_inputs);
result<built_node> build_scaler(attribute_reader&, node_inputs);
result<built_node> build_selu(attribute_reader&, node_inputs);
result<built_node> build_sigmoid(attribute_reader&, node_inputs);
result<built_node> build_sign(attribute_reader&, node_inputs);
result<built_node> build_sin(attribute_reader&, node_inputs);
result<built_node> build_slice(attribute_reader&, node_inputs);
result<built_node> build_softmax(attribute_reader&, node_inputs);
result<built_node> build_softplus(attribute_reader&, node_inputs);
result<built_node> build_softsign(attribute_reader&, node_inputs);
result<built_node> build_sqrt(attribute_reader&, node_inputs);
result<built_node> build_squeeze(attribute_reader&, node_inputs);
result<built_node> build_sub(attribute_reader&, node_inputs);
result<built_node> build_sum(attribute_reader&, node_inputs);
result<built_node> build_svm_classifier(attribute_reader&, node_inputs);
result<built_node> build_svm_regressor(attribute_reader&, node_inputs);
result<built_node> build_tan(attribute_reader&, node_inputs);
result<built_node> build_tanh(attribute_reader&, node_inputs);
result<built_node> build_tile(attribute_reader&, node_inputs);
result<built_node> build_top_k(attribute_reader&, node_inputs);
result<built_node> build_transpose(attribute_reader&, node_inputs);
result<built_node> build_tree_ensemble_classifier(attribute_reader&, node_inputs);
result<built_node> build_tree_ensemble_regressor(attribute_reader&, node_inputs);
result<built_node> build_unsqueeze(attribute_reader&, node_inputs);
result<built_node> build_where(attribute_reader&, node_inputs);
result<built_node> build_xor(attribute_reader&, node_inputs);
result<built_node> build_zip_map(attribute_reader&, node_inputs);

// ---- what several operators share: operators/checks.cpp, operators/classes.cpp ----

/// The first input as a value of the row. Fails where it is a constant.
result<const value_type*> row_value(const attribute_reader&, node_inputs, std::size_t index = 0);
/// It as floats [N, width] or [N]; fails where it is a constant, a label, text, or has more dimensions.
result<const value_type*> row_floats(const attribute_reader&, node_inputs, std::size_t index = 0);
/// The input as a constant; fails where it is a value of the row, or absent.
result<const constant*> fixed_value(const attribute_reader&, node_inputs, std::size_t index, std::string_view name);
/// An axis of ONNX ("-1" is the last) of a value of the row as an index into `dims`; fails for the batch dimension and
/// for one that is not there.
result<std::size_t> row_axis(const attribute_reader&, const value_type&, std::int64_t axis);
/// classlabels_ints or classlabels_int64s, or classlabels_strings: exactly one of them, no class twice.
result<std::shared_ptr<const class_list>> read_classes(attribute_reader&, std::string_view integers,
                                                       std::string_view strings);
/// Strings, or whole numbers, as classes. Fails where it is anything else, or a class is there twice.
result<std::shared_ptr<const class_list>> classes_of(const attribute_reader&, const constant& values);
/// An operation from an index of the row to that of one of `classes` classes: itself, where there is such a class.
std::unique_ptr<operation> make_index_of_class(std::size_t classes);
/// An operation that turns numbers of one type into another, as C++ does; to boolean: whether it is not 0.
/// REQUIRES: both are numbers.
std::unique_ptr<operation> make_conversion(element from, element to);

} // namespace troupe::model
