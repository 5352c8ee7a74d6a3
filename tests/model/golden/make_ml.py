#!/usr/bin/env python3
"""Writes ml_nodes.jsonl and ml_pipelines.jsonl: models of ai.onnx.ml operators with what onnxruntime gives for them.

    pip install numpy==1.26.4 pandas==2.2.3 scikit-learn==1.5.2 onnx==1.17.0 skl2onnx==1.18.0 onnxruntime==1.32.0
    python tests/model/golden/make_ml.py

A line is a model: {"name", "model": the file in base64, "rows": [{feature: value}], "expected": [[number, ...]],
"labels": [...]}. Where a row has no finite result, or onnxruntime fails, its expected value is null. A missing number
is null in the row. Seeded: the same versions write the same files.
"""
import base64
import json
import os
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (Binarizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder,
                                   RobustScaler, StandardScaler)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

HERE = pathlib.Path(__file__).parent
FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
NUMPY = {FLOAT: np.float32, DOUBLE: np.float64, INT64: np.int64, STRING: object}
NAN = float("nan")
# What skl2onnx says about the shapes of outputs is not always so.
onnxruntime.set_default_logger_severity(4)


class writer:
    """Models of one file."""

    def __init__(self, name):
        self.out = open(HERE / name, "w")

    def add(self, name, model, columns, truth=None, bad=None):
        """`columns`: input name -> array [rows, columns] of its values. `truth`: what the training library computes, in
        double; as far as onnxruntime's floats are off from it, another implementation may be. `bad`: the rows whose
        numbers mean nothing."""
        model.graph.name = name  # skl2onnx makes another one each time
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        features, rows = [], [{} for _ in next(iter(columns.values()))]
        for input_name, values in columns.items():
            width = values.shape[1]
            for k in range(width):
                feature = input_name if len(columns) > 1 and width == 1 else f"{input_name}{k}"
                features.append({"name": feature})
                if values.dtype in (np.float32, np.float64):
                    features[-1]["missingValueTreatment"] = "asIs"
                for row, value in zip(rows, values[:, k]):
                    row[feature] = self.json_value(value)
        onnx.helper.set_model_props(model, {"troupe.signature": json.dumps({"features": features})})
        expected, labels = [], []
        for i in range(len(rows)):
            numbers, label = self.run(session, {n: v[i : i + 1] for n, v in columns.items()})
            if bad is not None and bad[i]:
                numbers = None
            expected.append(numbers)
            labels.append(label)
        slack = [self.slack(*pair) for pair in zip(expected, truth)] if truth is not None else []
        text = base64.b64encode(model.SerializeToString()).decode()
        line = {"name": name, "model": text, "rows": rows, "expected": expected}
        if any(label is not None for label in labels):
            line["labels"] = labels
        if any(slack):
            line["slack"] = slack
        self.out.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")

    @staticmethod
    def json_value(value):
        if isinstance(value, str):
            return value
        if isinstance(value, np.integer):
            return int(value)
        return None if np.isnan(value) else float(str(value))

    @staticmethod
    def slack(numbers, truth):
        truth = np.ravel(truth)
        # Two classes have {-s, s}; and the signs of pairs are a matter of who is named first.
        off = np.abs(np.abs(numbers[-len(truth) :]) - np.abs(truth))
        assert np.all(off <= 1e-4 * np.maximum(1, np.abs(truth))), (numbers, truth)
        return float(np.float32(off.max()))

    @staticmethod
    def shortest(x):
        """All digits of a float, and no more of them."""
        return float(str(x)) if isinstance(x, np.floating) else int(x)

    @classmethod
    def run(cls, session, feed):
        try:
            results = session.run(None, feed)
        except Exception:  # onnxruntime has no class of its own for "this row is bad"
            return None, None
        label, numbers = None, None
        for output, result in zip(session.get_outputs(), results):
            if len(results) > 1 and output.name.startswith("label"):
                label = str(result[0]) if output.type == "tensor(string)" else int(result[0])
            else:
                numbers = [cls.shortest(x) for x in np.ravel(result)]
        return (numbers if np.all(np.isfinite(numbers)) else None), label


def node_model(op, inputs, outputs, ml=1, ir=8, initializers=(), **attributes):
    """`inputs`: (name, type, columns); `outputs`: (name, type)."""
    names = [n for n, _, _ in inputs] + [i.name for i in initializers]
    node = helper.make_node(op, names, [n for n, _ in outputs], name=f"the {op}", domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node], "handmade", [helper.make_tensor_value_info(n, t, [None, c]) for n, t, c in inputs],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs], list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def floats(rng, rows=16, columns=3, odd=True):
    """Ordinary rows, some near 0, some large, and some with a missing value."""
    table = rng.normal(size=(rows, columns)).astype(np.float32)
    table[1] = 0
    table[2] *= np.float32(1e-3)
    table[3] *= np.float32(100)
    if odd:
        table[4] = np.float32(1e30)
        table[5, 0] = NAN
        table[6] = NAN
    return table


CLASSIFIER = [("label", INT64), ("scores", FLOAT)]
TEXT_CLASSIFIER = [("label", STRING), ("scores", FLOAT)]
POSTS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]


def linear_nodes(out, rng):
    x = floats(rng, odd=False)
    for post in POSTS:
        weights, intercepts = rng.normal(size=9).round(3), rng.normal(size=3).round(3)
        if post == "PROBIT":  # defined between 0 and 1; near a half floats have few digits left of it
            weights, intercepts = weights * 0.01, np.array([0.25, 0.35, 0.7])
        for rows in (1, 2, 3):
            if rows == 1 and post == "PROBIT":
                continue
            labels = {1: [3, 7], 2: [0, 1], 3: [5, -6, 7]}[rows]
            out.add(f"LinearClassifier {post} {rows}", node_model(
                "LinearClassifier", [("x", FLOAT, 3)], CLASSIFIER, coefficients=weights[: 3 * rows],
                intercepts=intercepts[:rows], classlabels_ints=labels, post_transform=post), {"x": x})
        for targets in (1, 3):
            out.add(f"LinearRegressor {post} {targets}", node_model(
                "LinearRegressor", [("x", FLOAT, 3)], [("y", FLOAT)], coefficients=weights[: 3 * targets],
                intercepts=intercepts[:targets], targets=targets, post_transform=post), {"x": x})
    zero = node_model("LinearClassifier", [("x", FLOAT, 1)], CLASSIFIER, coefficients=[1.0, 0.0], intercepts=[0.0, 0.0],
                      classlabels_ints=[0, 1], post_transform="SOFTMAX_ZERO")
    out.add("LinearClassifier SOFTMAX_ZERO of a zero", zero, {"x": np.float32([[0.5], [-3], [1e-8], [2e-7]])})
    text = node_model("LinearClassifier", [("x", FLOAT, 3)], TEXT_CLASSIFIER, coefficients=rng.normal(size=9),
                      intercepts=rng.normal(size=3), classlabels_strings=["a", "b \"q\"", "\u00e9"], multi_class=1,
                      post_transform="SOFTMAX")
    out.add("LinearClassifier strings", text, {"x": floats(rng)})
    for kind, dtype in ((DOUBLE, np.float64), (INT64, np.int64)):
        model = node_model("LinearClassifier", [("x", kind, 3)], CLASSIFIER, coefficients=[0.5, -0.25, 0.125],
                           intercepts=[0.1], classlabels_ints=[0, 1], post_transform="LOGISTIC")
        out.add(f"LinearClassifier of {dtype.__name__}", model, {"x": (floats(rng, odd=False) * 3).astype(dtype)})


def svm_attributes(rng, classes, vectors, width=3, positive=False):
    weights = rng.normal(size=(classes - 1) * vectors).round(3)
    per_class = [vectors // classes] * (classes - 1)
    return {
        "coefficients": np.abs(weights) if positive else weights,
        "vectors_per_class": per_class + [vectors - sum(per_class)],
        "support_vectors": rng.normal(size=vectors * width).round(3),
        "rho": rng.normal(size=classes * (classes - 1) // 2).round(3) * 0.1,
    }


def nan_rows(attributes, x):
    """The rows whose decisions are NaN; onnxruntime makes probabilities of those that are all equal."""
    labels = TEXT_CLASSIFIER if "classlabels_strings" in attributes else CLASSIFIER
    model = node_model("SVMClassifier", [("x", FLOAT, 3)], labels, **{**attributes, "post_transform": "NONE"})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.isnan(session.run(None, {"x": x})[1]).any(axis=1)


def svm_nodes(out, rng):
    kernels = [("LINEAR", [0.5, 0, 0]), ("POLY", [0.5, 0.25, 2]), ("POLY", [0.5, 0.25, 3]), ("POLY", [0.5, 1, 4]),
               ("POLY", [0.25, 1, 1]), ("POLY", [0.05, 3, 1.5]), ("RBF", [0.4, 0, 0]), ("RBF", [0, 0, 0]),
               ("SIGMOID", [0.2, 0.1, 0])]
    for kernel, parameters in kernels:
        shape = {"kernel_type": kernel, "kernel_params": [float(p) for p in parameters]}
        name = f"{kernel} {'/'.join(str(p) for p in parameters)}"
        large = kernel in ("LINEAR", "RBF", "SIGMOID")
        for classes in (2, 3, 5):
            pairs = classes * (classes - 1) // 2
            attributes = {**shape, **svm_attributes(rng, classes, 4 * classes + 1),
                          "classlabels_ints": [10 * k for k in range(classes)]}
            x = floats(rng, odd=large)
            out.add(f"SVMClassifier {name}, {classes} classes, votes", node_model(
                "SVMClassifier", [("x", FLOAT, 3)], CLASSIFIER, **attributes), {"x": x})
            probable = {"prob_a": -1 - rng.random(pairs), "prob_b": rng.normal(size=pairs) * 0.1}
            out.add(f"SVMClassifier {name}, {classes} classes, probabilities", node_model(
                "SVMClassifier", [("x", FLOAT, 3)], CLASSIFIER, **attributes, **probable), {"x": x},
                bad=nan_rows(attributes, x))
        weights = rng.normal(size=11).round(3)
        regressor = {**shape, "coefficients": weights, "support_vectors": rng.normal(size=33).round(3),
                     "n_supports": 11, "rho": [0.3]}
        out.add(f"SVMRegressor {name}", node_model("SVMRegressor", [("x", FLOAT, 3)], [("y", FLOAT)], **regressor),
                {"x": floats(rng, odd=large)})
    for post in POSTS:
        for classes in (2, 4):
            attributes = {"kernel_type": "RBF", "kernel_params": [0.4, 0.0, 0.0], "post_transform": post,
                          **svm_attributes(rng, classes, 9), "classlabels_strings": list("abcd"[:classes])}
            pairs = classes * (classes - 1) // 2
            probable = {"prob_a": -1 - rng.random(pairs), "prob_b": rng.normal(size=pairs) * 0.1}
            x = floats(rng)
            if not (post == "PROBIT" and classes == 2):
                out.add(f"SVMClassifier {post}, {classes} classes, votes", node_model(
                    "SVMClassifier", [("x", FLOAT, 3)], TEXT_CLASSIFIER, **attributes), {"x": x})
            out.add(f"SVMClassifier {post}, {classes} classes, probabilities", node_model(
                "SVMClassifier", [("x", FLOAT, 3)], TEXT_CLASSIFIER, **attributes, **probable), {"x": x},
                bad=nan_rows(attributes, x))
            for positive in (False, True):
                weights = rng.normal(size=3 * classes).round(3)
                linear = {"coefficients": np.abs(weights) if positive else weights, "rho": [0.125],
                          "classlabels_ints": list(range(classes)), "post_transform": post, "kernel_params": [0.0] * 3,
                          "kernel_type": "RBF"}
                out.add(f"SVMClassifier without vectors {post}, {classes} classes, positive {positive}", node_model(
                    "SVMClassifier", [("x", FLOAT, 3)], CLASSIFIER, **linear), {"x": floats(rng, odd=False)})
        regressor = {"coefficients": [0.5, -0.25, 1.0], "n_supports": 0, "rho": [0.5], "post_transform": post,
                     "kernel_params": [0.0] * 3}
        out.add(f"SVMRegressor without vectors {post}", node_model(
            "SVMRegressor", [("x", FLOAT, 3)], [("y", FLOAT)], **regressor), {"x": floats(rng)})
    one_class = {"coefficients": rng.normal(size=5), "support_vectors": rng.normal(size=15), "n_supports": 5,
                 "rho": [0.1], "kernel_params": [0.4, 0.0, 0.0], "kernel_type": "RBF", "one_class": 1}
    out.add("SVMRegressor one class", node_model("SVMRegressor", [("x", FLOAT, 3)], [("y", FLOAT)], **one_class),
            {"x": floats(rng, odd=False)})


def cell_nodes(out, rng):
    x = floats(rng)
    integers = rng.integers(-2, 5, size=(16, 2))
    for values in ([7.0], [7.0, 8.0, 9.0]):
        for replaced in (NAN, 0.0):
            out.add(f"Imputer {len(values)} {replaced}", node_model(
                "Imputer", [("x", FLOAT, 3)], [("y", FLOAT)], imputed_value_floats=values,
                replaced_value_float=replaced), {"x": x})
    out.add("Imputer integers", node_model("Imputer", [("x", INT64, 2)], [("y", INT64)], imputed_value_int64s=[70, 80],
                                           replaced_value_int64=-1), {"x": integers})
    out.add("Imputer integers, one value", node_model(
        "Imputer", [("x", INT64, 2)], [("y", INT64)], imputed_value_int64s=[70]), {"x": integers})
    for threshold in (0.0, 0.5):
        out.add(f"Binarizer {threshold}", node_model(
            "Binarizer", [("x", FLOAT, 3)], [("y", FLOAT)], threshold=threshold), {"x": x})
    for norm in ("MAX", "L1", "L2"):
        # A row with a NaN among its values: onnxruntime's largest depends on the order of comparing.
        out.add(f"Normalizer {norm}", node_model("Normalizer", [("x", FLOAT, 3)], [("y", FLOAT)], norm=norm),
                {"x": floats(rng, odd=False)})
        out.add(f"Normalizer {norm} of integers", node_model(
            "Normalizer", [("x", INT64, 2)], [("y", FLOAT)], norm=norm), {"x": integers})
    for size in (1, 3):
        out.add(f"Scaler {size}", node_model(
            "Scaler", [("x", FLOAT, 3)], [("y", FLOAT)], offset=[0.5, -1.0, 2.0][:size],
            scale=[2.0, 0.0, -0.25][:size]), {"x": x})
    columns = [("columns", [2, 0, 2]), ("one", [1])]
    for name, indices in columns:
        tensor = helper.make_tensor("indices", INT64, [len(indices)], indices)
        for kind, dtype in ((FLOAT, np.float32), (INT64, np.int64), (DOUBLE, np.float64)):
            values = rng.integers(-9, 9, size=(6, 3)).astype(dtype)
            out.add(f"ArrayFeatureExtractor {name} {dtype.__name__}", node_model(
                "ArrayFeatureExtractor", [("x", kind, 3)], [("y", kind)], initializers=[tensor]), {"x": values})


def category_nodes(out, rng):
    texts = np.array([["a", "b"], ["b", ""], ["\u00e9t\u00e9", "c"], ["unseen", "a"], ["a\"b\\c", "A"]], dtype=object)
    names = ["a", "b", "", "\u00e9t\u00e9", "a\"b\\c"]
    numbers = np.array([[1, 2], [-3, 9], [7, 1]])
    for zeros in (1, 0):
        out.add(f"OneHotEncoder strings {zeros}", node_model(
            "OneHotEncoder", [("x", STRING, 2)], [("y", FLOAT)], cats_strings=names, zeros=zeros), {"x": texts})
        out.add(f"OneHotEncoder integers {zeros}", node_model(
            "OneHotEncoder", [("x", INT64, 2)], [("y", FLOAT)], cats_int64s=[1, 2, -3, 5], zeros=zeros), {"x": numbers})
    for kind, dtype in ((FLOAT, np.float32), (DOUBLE, np.float64)):
        values = np.array([[1.9, 2], [-3.5, NAN], [7, 1], [1e30, -0.5]], dtype=dtype)
        out.add(f"OneHotEncoder {dtype.__name__}", node_model(
            "OneHotEncoder", [("x", kind, 2)], [("y", FLOAT)], cats_int64s=[1, 2, -3, 0]), {"x": values})
    out.add("CategoryMapper", node_model("CategoryMapper", [("x", STRING, 2)], [("y", INT64)], cats_strings=names,
                                         cats_int64s=[5, 4, 3, 2, 1], default_int64=-7), {"x": texts})
    out.add("CategoryMapper twice", node_model("CategoryMapper", [("x", STRING, 2)], [("y", INT64)],
                                               cats_strings=["a", "b", "a"], cats_int64s=[5, 4, 3]), {"x": texts})
    out.add("LabelEncoder 1", node_model("LabelEncoder", [("x", STRING, 2)], [("y", INT64)], classes_strings=names,
                                         default_int64=-2), {"x": texts})
    keys = {"strings": (names, STRING, texts), "int64s": ([1, 2, -3], INT64, numbers),
            "floats": ([1.5, NAN, 0.0, 1.5], FLOAT, np.float32([[1.5, NAN], [-0.0, 2.25], [1e30, 1.5]]))}
    values = {"int64s": ([50, 40, 30, 20, 10], INT64), "floats": ([0.5, 1.5, NAN, -2.5, 4.5], FLOAT)}
    for opset in (2, 4):
        for k, (key_list, key_type, x) in keys.items():
            for v, (value_list, value_type) in values.items():
                count = min(len(key_list), len(value_list))
                attributes = {f"keys_{k}": key_list[:count], f"values_{v}": value_list[:count]}
                out.add(f"LabelEncoder {opset} {k} {v}", node_model(
                    "LabelEncoder", [("x", key_type, 2)], [("y", value_type)], ml=opset, **attributes), {"x": x})
                attributes["default_int64"], attributes["default_float"] = 99, 9.5
                out.add(f"LabelEncoder {opset} {k} {v} defaults", node_model(
                    "LabelEncoder", [("x", key_type, 2)], [("y", value_type)], ml=opset, **attributes), {"x": x})
    tensors = {DOUBLE: [1.5, NAN, 1e300], INT64: [1, 2, -3], STRING: [n.encode() for n in names[:3]],
               FLOAT: [1.5, NAN, 0]}
    inputs = {DOUBLE: np.array([[1.5, NAN], [1e300, 2]]), INT64: numbers, STRING: texts, FLOAT: keys["floats"][2]}
    for key_type, value_type in ((DOUBLE, DOUBLE), (DOUBLE, INT64), (INT64, DOUBLE), (INT64, INT64), (STRING, DOUBLE),
                                 (STRING, INT64), (FLOAT, FLOAT), (STRING, FLOAT)):
        result = [0.25, -0.5, 3] if value_type != INT64 else [7, -8, 9]
        attributes = {"keys_tensor": helper.make_tensor("k", key_type, [3], tensors[key_type]),
                      "values_tensor": helper.make_tensor("v", value_type, [3], result),
                      "default_tensor": helper.make_tensor("d", value_type, [1], [4])}
        out.add(f"LabelEncoder tensors {key_type} {value_type}", node_model(
            "LabelEncoder", [("x", key_type, 2)], [("y", value_type)], ml=4, **attributes), {"x": inputs[key_type]})


def graph_model(nodes, inputs, outputs, initializers=(), ml=2):
    graph = helper.make_graph(
        nodes, "handmade", [helper.make_tensor_value_info(n, t, [None, c]) for n, t, c in inputs],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs], list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def label_graphs(out, rng):
    """Labels that are renamed, looked up, and made numbers; strings that are recoded twice."""
    ml = {"domain": "ai.onnx.ml"}
    classifier = helper.make_node("LinearClassifier", ["x"], ["index", "scores"], coefficients=rng.normal(size=9),
                                  intercepts=rng.normal(size=3), classlabels_ints=[0, 1, 2],
                                  post_transform="SOFTMAX", **ml)
    rename = helper.make_node("LabelEncoder", ["index"], ["label"], keys_int64s=[2, 0, 1],
                              values_strings=["two", "none", "one"], **ml)
    x = {"x": floats(rng, odd=False)}
    out.add("LabelEncoder of a label", graph_model([classifier, rename], [("x", FLOAT, 3)], TEXT_CLASSIFIER), x)
    number = helper.make_node("LabelEncoder", ["index"], ["value"], keys_int64s=[2, 0], values_floats=[0.5, 1.5], **ml)
    out.add("LabelEncoder of a label to numbers", graph_model(
        [classifier, number], [("x", FLOAT, 3)], [("value", FLOAT)]), x)
    one_hot = helper.make_node("OneHotEncoder", ["index"], ["value"], cats_int64s=[2, 5, 0], **ml)
    out.add("OneHotEncoder of a label", graph_model([classifier, one_hot], [("x", FLOAT, 3)], [("value", FLOAT)]), x)
    recode = [helper.make_node("LabelEncoder", ["x"], ["y"], keys_strings=["a", "b"], values_strings=["b", "c"], **ml),
              helper.make_node("OneHotEncoder", ["y"], ["value"], cats_strings=["c", "b", "_Unused"], **ml)]
    out.add("LabelEncoder strings to strings", graph_model(recode, [("x", STRING, 2)], [("value", FLOAT)]),
            {"x": np.array([["a", "b"], ["c", ""], ["b", "b"]], dtype=object)})
    choose = [helper.make_node("ArrayFeatureExtractor", ["x", "which"], ["y"], **ml),
              helper.make_node("OneHotEncoder", ["y"], ["value"], cats_strings=["c", "b"], **ml)]
    out.add("ArrayFeatureExtractor strings", graph_model(
        choose, [("x", STRING, 2)], [("value", FLOAT)], [helper.make_tensor("which", INT64, [1], [1])]),
        {"x": np.array([["a", "b"], ["c", "c"]], dtype=object)})
    for kind, values in ((INT64, np.array([[3, -12], [0, 2**40]])),
                         (FLOAT, np.float32([[1.5, 1 / 3], [1e10, -0.0], [1234567.8, 1e-7], [3, NAN]])),
                         (DOUBLE, np.array([[1.5, 1 / 3], [1e20, 1e-7], [0.1, 123456789.123]]))):
        words = ["3", "-12", "1.5", "0.33333334", "0.33333333", "1e+10", "-0", "1234567.8", "1e-07", "1e+20", "0.1",
                 "1.2345679e+08", "1099511627776", "NaN"]
        cast = [helper.make_node("Cast", ["x"], ["y"], to=STRING),
                helper.make_node("OneHotEncoder", ["y"], ["value"], cats_strings=words, **ml)]
        out.add(f"Cast {kind} to strings", graph_model(cast, [("x", kind, 2)], [("value", FLOAT)]), {"x": values})
    cast = [helper.make_node("Cast", ["x"], ["value"], to=FLOAT)]
    out.add("Cast strings to floats", graph_model(cast, [("x", STRING, 2)], [("value", FLOAT)]),
            {"x": np.array([["1.5", "-2e3"], ["0", "+4"], ["x", "1"], ["", "2"]], dtype=object)})


def training(rng):
    table = np.column_stack([rng.normal(40, 12, 90), rng.gamma(2, 3, 90), rng.poisson(3, 90), rng.normal(0, 1, 90)])
    table = table.round(3).astype(np.float32)
    drive = 0.08 * (table[:, 0] - 40) - 0.3 * (table[:, 1] - 6) + 0.4 * (table[:, 2] - 3) + table[:, 3]
    return table, drive + rng.logistic(size=90) * 0.5


def trained_svms(out, rng):
    table, drive = training(rng)
    binary, several = (drive > 0).astype(int), np.digitize(drive, [-1.5, 1.5])
    words = np.array(["low", "mid", "high"])[several]
    rows = table[:30].copy()
    rows[:8] = table[:8] * np.float32(10)
    kind = [("x", FloatTensorType([None, 4]))]

    def trained(name, estimator, target, **options):
        pipeline = make_pipeline(StandardScaler(), estimator)
        pipeline.fit(table, target) if target is not None else pipeline.fit(table)
        model = to_onnx(pipeline, initial_types=kind, target_opset=17,
                        options={id(estimator): options or {}})
        truth = None
        if isinstance(estimator, (SVR, NuSVR)):
            truth = pipeline.predict(rows)
        elif isinstance(estimator, SVC) and not estimator.probability:
            truth = pipeline.decision_function(rows)
        out.add(name, model, {"x": rows}, truth)

    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        for name, target in (("binary", binary), ("several", several), ("words", words)):
            trained(f"SVC {kernel} {name}", SVC(kernel=kernel, decision_function_shape="ovo"), target, zipmap=False)
            trained(f"SVC {kernel} {name} probability", SVC(kernel=kernel, probability=True, random_state=0), target,
                    zipmap=False)
        trained(f"SVR {kernel}", SVR(kernel=kernel), drive)
    trained("NuSVC", NuSVC(nu=0.3, probability=True, random_state=0), several, zipmap=False)
    trained("NuSVR", NuSVR(), drive)
    trained("LinearSVC binary", LinearSVC(random_state=0), binary)
    trained("LinearSVC words", LinearSVC(random_state=0), words)
    trained("LinearSVR", LinearSVR(random_state=0), drive)
    trained("RidgeClassifier", RidgeClassifier(), several, zipmap=False)
    for scaler in (MaxAbsScaler(), RobustScaler(), Normalizer("max"), Normalizer("l1"), Binarizer(threshold=1.5),
                   SimpleImputer(strategy="median")):
        pipeline = make_pipeline(scaler, LogisticRegression(max_iter=2000)).fit(table, several)
        odd = rows.copy()
        if isinstance(scaler, SimpleImputer):
            odd[::3, 1] = NAN
        out.add(f"{type(scaler).__name__} {getattr(scaler, 'norm', '')}".strip(),
                to_onnx(pipeline, initial_types=kind, target_opset=17, options={"zipmap": False}), {"x": odd})


def pipelines(out, rng):
    count = 300
    frame = pd.DataFrame({
        "colour": rng.choice(["red", "green", "blue", "deep \u00e9cru \"x\""], count),
        "size": rng.choice(["S", "M"], count),
        "level": rng.integers(-1, 4, count), "n": rng.normal(size=count).astype(np.float32),
        "m": rng.gamma(2, 3, count).astype(np.float32)})
    drive = (frame.colour == "red") * 1.5 - (frame["size"] == "S") + 0.5 * frame.level + frame.n
    target = np.array(["no", "maybe", "yes"])[np.digitize(drive, [0, 1])]
    types = [("colour", StringTensorType([None, 1])), ("size", StringTensorType([None, 1])),
             ("level", Int64TensorType([None, 1])),
             ("n", FloatTensorType([None, 1])), ("m", FloatTensorType([None, 1]))]
    rows = frame.head(40).copy()
    rows.loc[3, "colour"], rows.loc[4, "size"], rows.loc[5, "level"] = "unseen", "", 77
    rows.loc[6, "n"], rows.loc[7, "m"], rows.loc[8, "n"] = NAN, NAN, 1e20
    columns = {"colour": object, "size": object, "level": np.int64, "n": np.float32, "m": np.float32}
    columns = {c: rows[[c]].to_numpy().astype(t) for c, t in columns.items()}

    one_hot = lambda **k: OneHotEncoder(sparse_output=False, **k)
    ordinal = lambda unknown: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown)
    numbers = lambda scaler: make_pipeline(SimpleImputer(), scaler)
    steps = {
        "OneHotEncoder": [("a", one_hot(handle_unknown="ignore"), ["colour", "size"]),
                          ("b", one_hot(handle_unknown="ignore"), ["level"]),
                          ("c", numbers(StandardScaler()), ["n", "m"])],
        "OneHotEncoder drop": [("a", one_hot(drop="first"), ["colour", "size"]), ("b", one_hot(), ["level"]),
                               ("c", numbers(MinMaxScaler()), ["n", "m"])],
        "OrdinalEncoder": [("a", ordinal(-1), ["colour", "size"]), ("b", ordinal(9), ["level"]),
                           ("c", numbers(MaxAbsScaler()), ["n", "m"])],
        "OrdinalEncoder of strings": [("a", OrdinalEncoder(), ["colour", "size"]),
                                      ("c", numbers(RobustScaler()), ["m", "n"])],
    }
    models = {"LogisticRegression": LogisticRegression(max_iter=2000), "SVC": SVC(probability=True, random_state=0),
              "Ridge": Ridge()}
    for step_name, transformers in steps.items():
        for model_name, model in models.items():
            pipeline = make_pipeline(ColumnTransformer(transformers), model)
            pipeline.fit(frame, drive if model_name == "Ridge" else target)
            options = None if model_name == "Ridge" else {"zipmap": False}
            used = {c for _, _, names in transformers for c in names}
            file = to_onnx(pipeline, initial_types=[t for t in types if t[0] in used], target_opset=17, options=options)
            out.add(f"{step_name}, {model_name}", file, {c: v for c, v in columns.items() if c in used})


def main():
    # skl2onnx orders nodes by hashes of their names.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, __file__], {**os.environ, "PYTHONHASHSEED": "0"})
    warnings.filterwarnings("ignore")
    nodes = writer("ml_nodes.jsonl")
    rng = np.random.default_rng(11)
    for part in (linear_nodes, svm_nodes, cell_nodes, category_nodes, label_graphs, trained_svms):
        part(nodes, rng)
    pipelines(writer("ml_pipelines.jsonl"), np.random.default_rng(12))


if __name__ == "__main__":
    sys.exit(main())
