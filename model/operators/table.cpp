#include "model/operators/operator.hpp"

#include <array>

namespace troupe::model {
namespace {

constexpr int many = 1 << 20;

// The place where more operators go.
constexpr std::array table{
    operator_entry{"ai.onnx.ml", "ArrayFeatureExtractor", 2, 2, 1, build_array_feature_extractor},
    operator_entry{"ai.onnx.ml", "Binarizer", 1, 1, 1, build_binarizer, true},
    operator_entry{"", "Cast", 1, 1, 1, build_cast},
    operator_entry{"ai.onnx.ml", "CategoryMapper", 1, 1, 1, build_category_mapper},
    operator_entry{"", "Concat", 1, many, 1, build_concat},
    operator_entry{"", "Constant", 0, 0, 1, build_constant},
    operator_entry{"ai.onnx.ml", "FeatureVectorizer", 1, many, 1, build_feature_vectorizer, true},
    operator_entry{"", "Identity", 1, 1, 1, build_identity},
    operator_entry{"ai.onnx.ml", "Imputer", 1, 1, 1, build_imputer},
    operator_entry{"ai.onnx.ml", "LabelEncoder", 1, 1, 1, build_label_encoder},
    operator_entry{"ai.onnx.ml", "LinearClassifier", 1, 1, 2, build_linear_classifier, true},
    operator_entry{"ai.onnx.ml", "LinearRegressor", 1, 1, 1, build_linear_regressor, true},
    operator_entry{"ai.onnx.ml", "Normalizer", 1, 1, 1, build_normalizer, true},
    operator_entry{"ai.onnx.ml", "OneHotEncoder", 1, 1, 1, build_one_hot_encoder},
    operator_entry{"ai.onnx.ml", "SVMClassifier", 1, 1, 2, build_svm_classifier, true},
    operator_entry{"ai.onnx.ml", "SVMRegressor", 1, 1, 1, build_svm_regressor, true},
    operator_entry{"ai.onnx.ml", "Scaler", 1, 1, 1, build_scaler, true},
    operator_entry{"ai.onnx.ml", "TreeEnsembleClassifier", 1, 1, 2, build_tree_ensemble_classifier},
    operator_entry{"ai.onnx.ml", "TreeEnsembleRegressor", 1, 1, 1, build_tree_ensemble_regressor},
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
