#include "model/operators/attributes.hpp"

#include <algorithm>

namespace troupe::model {
namespace {

using text = std::string_view;

// Those that become an enum are in its order.
constexpr text aggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
constexpr text axes[] = {"0 or more", "below 0"};
constexpr text branches[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF"};
constexpr text element_types[] = {"1", "6", "7", "8", "9", "11"}; // of TensorProto: float, int32, ..., double
constexpr text kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
constexpr text norms[] = {"MAX", "L1", "L2"};
constexpr text no[] = {"0", "1"}, yes[] = {"1", "0"}, only_no[] = {"0"}, only_yes[] = {"1"};
constexpr text pad_modes[] = {"constant"};
constexpr text paddings[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
constexpr text transforms[] = {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"};

constexpr attribute_entry alpha[] = {{"alpha"}};
constexpr attribute_entry arg[] = {{"axis", axes}, {"keepdims", yes}, {"select_last_index", no}};
constexpr attribute_entry average_pool[] = {{"auto_pad", paddings},
                                            {"ceil_mode", no},
                                            {"count_include_pad", no},
                                            {"dilations"},
                                            {"kernel_shape"},
                                            {"pads"},
                                            {"strides"}};
constexpr attribute_entry axes_only[] = {{"axes"}};
constexpr attribute_entry axis[] = {{"axis", axes}};
constexpr attribute_entry batch_normalization[] = {
    {"epsilon"}, {"momentum"}, {"spatial", only_yes}, {"training_mode", only_no}};
constexpr attribute_entry binarizer[] = {{"threshold"}};
constexpr attribute_entry cast[] = {{"to", element_types}};
constexpr attribute_entry category_mapper[] = {
    {"cats_int64s"}, {"cats_strings"}, {"default_int64"}, {"default_string"}};
constexpr attribute_entry clip[] = {{"max"}, {"min"}};
constexpr attribute_entry constant[] = {{"value"},      {"value_float"},  {"value_floats"}, {"value_int"},
                                        {"value_ints"}, {"value_string"}, {"value_strings"}};
constexpr attribute_entry conv[] = {{"auto_pad", paddings}, {"dilations"}, {"group"},
                                    {"kernel_shape"},       {"pads"},      {"strides"}};
constexpr attribute_entry cum_sum[] = {{"exclusive", no}, {"reverse", no}};
constexpr attribute_entry dropout[] = {{"ratio"}, {"seed"}};
constexpr attribute_entry feature_vectorizer[] = {{"inputdimensions"}};
constexpr attribute_entry gemm[] = {{"alpha"}, {"beta"}, {"transA", only_no}, {"transB", no}};
constexpr attribute_entry hard_sigmoid[] = {{"alpha"}, {"beta"}};
constexpr attribute_entry imputer[] = {
    {"imputed_value_floats"}, {"imputed_value_int64s"}, {"replaced_value_float"}, {"replaced_value_int64"}};
constexpr attribute_entry label_encoder[] = {
    {"classes_strings"}, {"default_float"},  {"default_int64"}, {"default_string"}, {"default_tensor"},
    {"keys_floats"},     {"keys_int64s"},    {"keys_strings"},  {"keys_tensor"},    {"values_floats"},
    {"values_int64s"},   {"values_strings"}, {"values_tensor"}};
constexpr attribute_entry linear_classifier[] = {{"classlabels_ints"}, {"classlabels_strings"},
                                                 {"coefficients"},     {"intercepts"},
                                                 {"multi_class", no},  {"post_transform", transforms}};
constexpr attribute_entry linear_regressor[] = {
    {"coefficients"}, {"intercepts"}, {"post_transform", transforms}, {"targets"}};
constexpr attribute_entry max_pool[] = {
    {"auto_pad", paddings}, {"ceil_mode", no}, {"dilations"}, {"kernel_shape"}, {"pads"},
    {"storage_order", no},  {"strides"}};
constexpr attribute_entry normalizer[] = {{"norm", norms}};
constexpr attribute_entry one_hot_encoder[] = {{"cats_int64s"}, {"cats_strings"}, {"zeros", yes}};
constexpr attribute_entry pad[] = {{"mode", pad_modes}, {"pads"}, {"value"}};
constexpr attribute_entry reduce[] = {{"axes"}, {"keepdims", yes}, {"noop_with_empty_axes", no}};
constexpr attribute_entry reshape[] = {{"allowzero", no}, {"shape"}};
constexpr attribute_entry scaler[] = {{"offset"}, {"scale"}};
constexpr attribute_entry selu[] = {{"alpha"}, {"gamma"}};
constexpr attribute_entry slice[] = {{"axes"}, {"ends"}, {"starts"}};
constexpr attribute_entry svm_classifier[] = {{"classlabels_ints"},
                                              {"classlabels_strings"},
                                              {"coefficients"},
                                              {"kernel_params"},
                                              {"kernel_type", kernels},
                                              {"post_transform", transforms},
                                              {"prob_a"},
                                              {"prob_b"},
                                              {"rho"},
                                              {"support_vectors"},
                                              {"vectors_per_class"}};
constexpr attribute_entry svm_regressor[] = {{"coefficients"}, {"kernel_params"},  {"kernel_type", kernels},
                                             {"n_supports"},   {"one_class", no},  {"post_transform", transforms},
                                             {"rho"},          {"support_vectors"}};
constexpr attribute_entry top_k[] = {{"axis", axes}, {"k"}, {"largest", yes}, {"sorted", yes}};
constexpr attribute_entry transpose[] = {{"perm"}};
constexpr attribute_entry tree_classifier[] = {{"base_values"},
                                               {"base_values_as_tensor"},
                                               {"class_ids"},
                                               {"class_nodeids"},
                                               {"class_treeids"},
                                               {"class_weights"},
                                               {"class_weights_as_tensor"},
                                               {"classlabels_int64s"},
                                               {"classlabels_strings"},
                                               {"nodes_falsenodeids"},
                                               {"nodes_featureids"},
                                               {"nodes_hitrates"},
                                               {"nodes_hitrates_as_tensor"},
                                               {"nodes_missing_value_tracks_true", no},
                                               {"nodes_modes", branches},
                                               {"nodes_nodeids"},
                                               {"nodes_treeids"},
                                               {"nodes_truenodeids"},
                                               {"nodes_values"},
                                               {"nodes_values_as_tensor"},
                                               {"post_transform", transforms}};
constexpr attribute_entry tree_regressor[] = {{"aggregate_function", aggregates},
                                              {"base_values"},
                                              {"base_values_as_tensor"},
                                              {"n_targets"},
                                              {"nodes_falsenodeids"},
                                              {"nodes_featureids"},
                                              {"nodes_hitrates"},
                                              {"nodes_hitrates_as_tensor"},
                                              {"nodes_missing_value_tracks_true", no},
                                              {"nodes_modes", branches},
                                              {"nodes_nodeids"},
                                              {"nodes_treeids"},
                                              {"nodes_truenodeids"},
                                              {"nodes_values"},
                                              {"nodes_values_as_tensor"},
                                              {"post_transform", transforms},
                                              {"target_ids"},
                                              {"target_nodeids"},
                                              {"target_treeids"},
                                              {"target_weights"},
                                              {"target_weights_as_tensor"}};
constexpr attribute_entry zip_map[] = {{"classlabels_int64s"}, {"classlabels_strings"}};

struct operator_attributes {
  text op;
  std::span<const attribute_entry> attributes;
};

constexpr operator_attributes table[] = {
    {"ArgMax", arg},
    {"ArgMin", arg},
    {"AveragePool", average_pool},
    {"BatchNormalization", batch_normalization},
    {"Binarizer", binarizer},
    {"Cast", cast},
    {"CategoryMapper", category_mapper},
    {"Clip", clip},
    {"Concat", axis},
    {"Constant", constant},
    {"Conv", conv},
    {"CumSum", cum_sum},
    {"Dropout", dropout},
    {"Elu", alpha},
    {"FeatureVectorizer", feature_vectorizer},
    {"Flatten", axis},
    {"Gather", axis},
    {"GatherElements", axis},
    {"Gemm", gemm},
    {"HardSigmoid", hard_sigmoid},
    {"Imputer", imputer},
    {"LabelEncoder", label_encoder},
    {"LeakyRelu", alpha},
    {"LinearClassifier", linear_classifier},
    {"LinearRegressor", linear_regressor},
    {"LogSoftmax", axis},
    {"MaxPool", max_pool},
    {"Normalizer", normalizer},
    {"OneHotEncoder", one_hot_encoder},
    {"Pad", pad},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogSum", reduce},
    {"ReduceLogSumExp", reduce},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceSum", reduce},
    {"ReduceSumSquare", reduce},
    {"Reshape", reshape},
    {"SVMClassifier", svm_classifier},
    {"SVMRegressor", svm_regressor},
    {"Scaler", scaler},
    {"Selu", selu},
    {"Slice", slice},
    {"Softmax", axis},
    {"Squeeze", axes_only},
    {"TopK", top_k},
    {"Transpose", transpose},
    {"TreeEnsembleClassifier", tree_classifier},
    {"TreeEnsembleRegressor", tree_regressor},
    {"Unsqueeze", axes_only},
    {"ZipMap", zip_map},
};

} // namespace

const std::span<const std::string_view> axis_signs = axes;

std::span<const attribute_entry> attributes_of(std::string_view op) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const auto& entry) { return entry.op == op; });
  return found == std::end(table) ? std::span<const attribute_entry>{} : found->attributes;
}

const attribute_entry* find_attribute(std::string_view op, std::string_view name) {
  for (const attribute_entry& entry : attributes_of(op))
    if (entry.name == name) return &entry;
  return nullptr;
}

} // namespace troupe::model
