"""The operators that Troupe runs; model/operators/table.cpp says the same, and a test compares the two."""
from __future__ import annotations

from collections.abc import Iterator

import onnx

ML = frozenset({
    "ArrayFeatureExtractor", "Binarizer", "FeatureVectorizer", "Imputer", "LabelEncoder", "LinearClassifier",
    "LinearRegressor", "Normalizer", "OneHotEncoder", "SVMClassifier", "SVMRegressor", "Scaler",
    "TreeEnsembleClassifier", "TreeEnsembleRegressor", "ZipMap",
})

TENSOR = frozenset({
    "Abs", "Add", "And", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "Div", "Dropout", "Equal", "Exp", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "Greater", "Identity",
    "LeakyRelu", "Less", "Log", "LogSoftmax", "MatMul", "MaxPool", "Mul", "Neg", "Not", "Or", "ReduceMax",
    "ReduceMean", "ReduceSum", "Relu", "Reshape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Sum",
    "Tanh", "TopK", "Transpose", "Unsqueeze", "Where",
})


def is_supported(node: onnx.NodeProto) -> bool:
    return node.op_type in (ML if node.domain == "ai.onnx.ml" else TENSOR if node.domain in ("", "ai.onnx") else ())


def unsupported(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The nodes that Troupe would refuse, in the order of the graph."""
    return (node for node in model.graph.node if not is_supported(node))
