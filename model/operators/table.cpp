#include "model/operators/operator.hpp"

#include <array>

namespace troupe::model {
namespace {

constexpr int many = 1 << 20;

// The place where more operators go.
constexpr std::array table{
    operator_entry{"", "Abs", 1, 1, 1, build_abs},
    operator_entry{"", "Add", 2, 2, 1, build_add},
    operator_entry{"", "And", 2, 2, 1, build_and},
    operator_entry{"", "ArgMax", 1, 1, 1, build_arg_max},
    operator_entry{"", "ArgMin", 1, 1, 1, build_arg_min},
    operator_entry{"ai.onnx.ml", "ArrayFeatureExtractor", 2, 2, 1, build_array_feature_extractor},
    operator_entry{"", "Atan", 1, 1, 1, build_atan},
    operator_entry{"", "AveragePool", 1, 1, 1, build_average_pool},
    operator_entry{"", "BatchNormalization", 5, 5, 5, build_batch_normalization},
    operator_entry{"ai.onnx.ml", "Binarizer", 1, 1, 1, build_binarizer, true},
    operator_entry{"", "Cast", 1, 1, 1, build_cast},
    operator_entry{"ai.onnx.ml", "CategoryMapper", 1, 1, 1, build_category_mapper},
    operator_entry{"", "Ceil", 1, 1, 1, build_ceil},
    operator_entry{"", "Clip", 1, 3, 1, build_clip},
    operator_entry{"", "Concat", 1, many, 1, build_concat},
    operator_entry{"", "Constant", 0, 0, 1, build_constant},
    operator_entry{"", "Conv", 2, 3, 1, build_conv},
    operator_entry{"", "Cos", 1, 1, 1, build_cos},
    operator_entry{"", "CumSum", 2, 2, 1, build_cum_sum},
    operator_entry{"", "Div", 2, 2, 1, build_div},
    operator_entry{"", "Dropout", 1, 3, 1, build_dropout},
    operator_entry{"", "Elu", 1, 1, 1, build_elu},
    operator_entry{"", "Equal", 2, 2, 1, build_equal},
    operator_entry{"", "Erf", 1, 1, 1, build_erf},
    operator_entry{"", "Exp", 1, 1, 1, build_exp},
    operator_entry{"", "Expand", 2, 2, 1, build_expand},
    operator_entry{"ai.onnx.ml", "FeatureVectorizer", 1, many, 1, build_feature_vectorizer, true},
    operator_entry{"", "Flatten", 1, 1, 1, build_flatten},
    operator_entry{"", "Floor", 1, 1, 1, build_floor},
    operator_entry{"", "Gather", 2, 2, 1, build_gather},
    operator_entry{"", "GatherElements", 2, 2, 1, build_gather_elements},
    operator_entry{"", "Gemm", 2, 3, 1, build_gemm},
    operator_entry{"", "GlobalAveragePool", 1, 1, 1, build_global_average_pool},
    operator_entry{"", "GlobalMaxPool", 1, 1, 1, build_global_max_pool},
    operator_entry{"", "Greater", 2, 2, 1, build_greater},
    operator_entry{"", "GreaterOrEqual", 2, 2, 1, build_greater_or_equal},
    operator_entry{"", "HardSigmoid", 1, 1, 1, build_hard_sigmoid},
    operator_entry{"", "Identity", 1, 1, 1, build_identity},
    operator_entry{"ai.onnx.ml", "Imputer", 1, 1, 1, build_imputer},
    operator_entry{"ai.onnx.ml", "LabelEncoder", 1, 1, 1, build_label_encoder},
    operator_entry{"", "LeakyRelu", 1, 1, 1, build_leaky_relu},
    operator_entry{"", "Less", 2, 2, 1, build_less},
    operator_entry{"", "LessOrEqual", 2, 2, 1, build_less_or_equal},
    operator_entry{"ai.onnx.ml", "LinearClassifier", 1, 1, 2, build_linear_classifier, true},
    operator_entry{"ai.onnx.ml", "LinearRegressor", 1, 1, 1, build_linear_regressor, true},
    operator_entry{"", "Log", 1, 1, 1, build_log},
    operator_entry{"", "LogSoftmax", 1, 1, 1, build_log_softmax},
    operator_entry{"", "MatMul", 2, 2, 1, build_matmul},
    operator_entry{"", "Max", 1, many, 1, build_max},
    operator_entry{"", "MaxPool", 1, 1, 1, build_max_pool},
    operator_entry{"", "Mean", 1, many, 1, build_mean},
    operator_entry{"", "Min", 1, many, 1, build_min},
    operator_entry{"", "Mul", 2, 2, 1, build_mul},
    operator_entry{"", "Neg", 1, 1, 1, build_neg},
    operator_entry{"ai.onnx.ml", "Normalizer", 1, 1, 1, build_normalizer, true},
    operator_entry{"", "Not", 1, 1, 1, build_not},
    operator_entry{"ai.onnx.ml", "OneHotEncoder", 1, 1, 1, build_one_hot_encoder},
    operator_entry{"", "Or", 2, 2, 1, build_or},
    operator_entry{"", "Pad", 1, 4, 1, build_pad},
    operator_entry{"", "Pow", 2, 2, 1, build_pow},
    operator_entry{"", "Reciprocal", 1, 1, 1, build_reciprocal},
    operator_entry{"", "ReduceL1", 1, 2, 1, build_reduce_l1},
    operator_entry{"", "ReduceL2", 1, 2, 1, build_reduce_l2},
    operator_entry{"", "ReduceLogSum", 1, 2, 1, build_reduce_log_sum},
    operator_entry{"", "ReduceLogSumExp", 1, 2, 1, build_reduce_log_sum_exp},
    operator_entry{"", "ReduceMax", 1, 2, 1, build_reduce_max},
    operator_entry{"", "ReduceMean", 1, 2, 1, build_reduce_mean},
    operator_entry{"", "ReduceMin", 1, 2, 1, build_reduce_min},
    operator_entry{"", "ReduceProd", 1, 2, 1, build_reduce_prod},
    operator_entry{"", "ReduceSum", 1, 2, 1, build_reduce_sum},
    operator_entry{"", "ReduceSumSquare", 1, 2, 1, build_reduce_sum_square},
    operator_entry{"", "Relu", 1, 1, 1, build_relu},
    operator_entry{"", "Reshape", 1, 2, 1, build_reshape},
    operator_entry{"", "Round", 1, 1, 1, build_round},
    operator_entry{"ai.onnx.ml", "SVMClassifier", 1, 1, 2, build_svm_classifier, true},
    operator_entry{"ai.onnx.ml", "SVMRegressor", 1, 1, 1, build_svm_regressor, true},
    operator_entry{"ai.onnx.ml", "Scaler", 1, 1, 1, build_scaler, true},
    operator_entry{"", "Selu", 1, 1, 1, build_selu},
    operator_entry{"", "Sigmoid", 1, 1, 1, build_sigmoid},
    operator_entry{"", "Sign", 1, 1, 1, build_sign},
    operator_entry{"", "Sin", 1, 1, 1, build_sin},
    operator_entry{"", "Slice", 1, 5, 1, build_slice},
    operator_entry{"", "Softmax", 1, 1, 1, build_softmax},
    operator_entry{"", "Softplus", 1, 1, 1, build_softplus},
    operator_entry{"", "Softsign", 1, 1, 1, build_softsign},
    operator_entry{"", "Sqrt", 1, 1, 1, build_sqrt},
    operator_entry{"", "Squeeze", 1, 2, 1, build_squeeze},
    operator_entry{"", "Sub", 2, 2, 1, build_sub},
    operator_entry{"", "Sum", 1, many, 1, build_sum},
    operator_entry{"", "Tan", 1, 1, 1, build_tan},
    operator_entry{"", "Tanh", 1, 1, 1, build_tanh},
    operator_entry{"", "Tile", 2, 2, 1, build_tile},
    operator_entry{"", "TopK", 1, 2, 2, build_top_k},
    operator_entry{"", "Transpose", 1, 1, 1, build_transpose},
    operator_entry{"ai.onnx.ml", "TreeEnsembleClassifier", 1, 1, 2, build_tree_ensemble_classifier},
    operator_entry{"ai.onnx.ml", "TreeEnsembleRegressor", 1, 1, 1, build_tree_ensemble_regressor},
    operator_entry{"", "Unsqueeze", 1, 2, 1, build_unsqueeze},
    operator_entry{"", "Where", 3, 3, 1, build_where},
    operator_entry{"", "Xor", 2, 2, 1, build_xor},
    operator_entry{"ai.onnx.ml", "ZipMap", 1, 1, 1, build_zip_map, true},
};

} // namespace

const operator_entry* find_operator(std::string_view domain, std::string_view name) {
  for (const operator_entry& entry : table)
    if (entry.domain == domain && entry.name == name) return &entry;
  return nullptr;
}

std::string supported_operators() {
  std::string all;
  for (const operator_entry& entry : table) {
    if (!all.empty()) all += ", ";
    all += entry.name;
  }
  return all;
}

} // namespace troupe::model
