"""Graphs written by hand: the operators and modes that no estimator writes, and a small convolutional net."""
import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

import data

ROWS = 500
rng = np.random.default_rng(23)


class Graph:
    """Nodes, one after another; each method returns the name of what it adds."""

    def __init__(self, name, inputs, opset=17):
        self.name, self.inputs, self.nodes, self.weights, self.opset = name, inputs, [], [], opset

    def constant(self, values, dtype=np.int64):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype=dtype), name))
        return name

    def floats(self, values):
        return self.constant(values, np.float32)

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        domain = "ai.onnx.ml" if op in ML else ""
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}{len(self.nodes)}", domain=domain,
                                           **attributes))
        return names[0] if outputs == 1 else names

    def number(self, value):
        return self.add("Cast", value, to=TensorProto.FLOAT)

    def model(self, parts, shape=None):
        """The parts, each [N, k], side by side as the result; or one part as it is."""
        last = self.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
        self.nodes[-1].output[0] = "result"
        assert last
        return self._model([helper.make_tensor_value_info("result", TensorProto.FLOAT, shape or [None, None])])

    def classifier(self, label, scores, kind=TensorProto.INT64):
        """A graph that gives a label and scores or probabilities."""
        for node in self.nodes:
            node.output[:] = [{label: "label", scores: "scores"}.get(x, x) for x in node.output]
        return self._model([helper.make_tensor_value_info("label", kind, [None]),
                            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, None])])

    def _model(self, outputs):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, producer_name="make_matrix", opset_imports=opsets,
                                 ir_version=10 if self.opset > 17 else 8)


ML = {"ArrayFeatureExtractor", "Binarizer", "CategoryMapper", "FeatureVectorizer", "Imputer", "LabelEncoder",
      "LinearClassifier", "LinearRegressor", "Normalizer", "OneHotEncoder", "SVMRegressor", "SVMClassifier", "Scaler",
      "TreeEnsembleClassifier", "TreeEnsembleRegressor", "ZipMap"}


def matrix(width):
    return [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, width])]


def numbers(width, low=-3.0, high=3.0, exact=(), decimals=2):
    """Rows in a range, some on the values of `exact`, some zero."""
    table = np.round(rng.uniform(low, high, (ROWS, width)), decimals)
    for value in (0.0, *exact):
        table[rng.random(table.shape) < 0.05] = value
    return pd.DataFrame(table.astype(np.float32).astype(float), columns=[f"f{i}" for i in range(width)])


# ---- tensor operators ----

def functions():
    """One number in, f of it out."""
    g = Graph("functions", matrix(1))
    positive = g.add("Add", g.add("Abs", "X"), g.floats([0.25]))
    plain = ["Neg", "Exp", "Sin", "Cos", "Atan", "Ceil", "Floor", "Round", "Sign", "Erf", "Sigmoid", "Tanh", "Relu",
             "Elu", "Selu", "HardSigmoid", "LeakyRelu", "Softplus", "Softsign"]
    parts = [g.add(op, "X") for op in plain] + [g.add(op, positive) for op in ("Log", "Sqrt", "Reciprocal")]
    parts += [g.add("Tan", g.add("Mul", "X", g.floats([0.4]))), g.add("LeakyRelu", "X", alpha=0.3),
              g.add("Elu", "X", alpha=0.5), g.add("HardSigmoid", "X", alpha=0.1, beta=0.4),
              g.add("Clip", "X", g.floats(-1), g.floats(2)), g.add("Clip", "X", g.floats(-1)),
              g.add("Clip", "X", "", g.floats(0.5))]
    return g.model(parts), numbers(1, -4, 4, exact=(-1, 0.5, 1.5, 2.5, -2.5, 2), decimals=3)


def arithmetic():
    """Two and more numbers in, with every way of broadcasting."""
    g = Graph("arithmetic", matrix(4))
    a, b = (g.add("Gather", "X", g.constant(at), axis=1) for at in ([0, 1], [2, 3]))
    one = g.add("Gather", "X", g.constant([0]), axis=1)
    safe = g.add("Add", g.add("Abs", b), g.floats([0.5]))
    parts = [g.add(op, a, b) for op in ("Add", "Sub", "Mul")] + [g.add("Div", a, safe), g.add("Pow", safe, a)]
    parts += [g.add("Pow", a, g.floats(2)), g.add("Mul", a, one), g.add("Sub", g.floats([1, 2]), a),
              g.add("Div", g.floats([[6.0]]), safe)]
    parts += [g.add(op, a, b, one, g.floats([0.1, -0.1])) for op in ("Max", "Min", "Mean", "Sum")]
    return g.model(parts), numbers(4)


def logic():
    """Comparisons, what joins them, and choosing by them."""
    g = Graph("logic", matrix(4))
    a, b = (g.add("Gather", "X", g.constant(at), axis=1) for at in ([0, 1], [2, 3]))
    less, more = g.add("Less", a, b), g.add("Greater", a, g.floats([0, 1]))
    tests = [less, more, g.add("Equal", g.add("Round", a), g.add("Round", b)), g.add("LessOrEqual", a, b),
             g.add("GreaterOrEqual", a, g.floats([1])), g.add("Not", less)]
    tests += [g.add(op, less, more) for op in ("And", "Or", "Xor")]
    whole = [g.add("Cast", x, to=TensorProto.INT64) for x in (a, b)]
    tests += [g.add("Equal", *whole), g.add("Less", *whole)]
    parts = [g.number(x) for x in tests] + [g.add("Where", less, a, b), g.add("Where", more, a, g.floats([-7]))]
    parts += [g.number(g.add("Cast", g.number(x), to=TensorProto.BOOL)) for x in whole]
    return g.model(parts), numbers(4, -2, 2, exact=(1, -1))


def reductions():
    """Over the columns, and over one of two axes."""
    g = Graph("reductions", matrix(6))
    positive = g.add("Add", g.add("Abs", "X"), g.floats([0.1]))
    square = g.add("Reshape", "X", g.constant([-1, 2, 3]))
    byaxes = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
              "ReduceLogSumExp"]
    parts = [g.add(op, "X", axes=[1]) for op in byaxes] + [g.add("ReduceLogSum", positive, axes=[1])]
    parts += [g.add(op, square, axes=[2], keepdims=0) for op in ("ReduceMean", "ReduceMax", "ReduceL2")]
    parts += [g.add("Flatten", g.add("ReduceMin", square, axes=[-2]))]
    parts += [g.add("ReduceSum", "X", g.constant([1]), keepdims=1),
              g.add("ReduceSum", square, g.constant([1]), keepdims=0)]
    parts += [g.number(g.add(op, "X", axis=1)) for op in ("ArgMax", "ArgMin")]
    parts += [g.number(g.add("ArgMax", square, axis=2, keepdims=0)), g.add("Softmax", "X"),
              g.add("LogSoftmax", "X", axis=1), g.add("Flatten", g.add("Softmax", square, axis=1))]
    values, places = g.add("TopK", "X", g.constant([2]), outputs=2)
    low, at = g.add("TopK", "X", g.constant([2]), outputs=2, axis=1, largest=0)
    parts += [values, g.number(places), low, g.number(at)]
    return g.model(parts), numbers(6, exact=(1,), decimals=1)


def shapes():
    """What moves values about."""
    g = Graph("shapes", matrix(6))
    square = g.add("Reshape", "X", g.constant([-1, 2, 3]))
    turned = g.add("Transpose", square, perm=[0, 2, 1])
    one = g.add("Slice", "X", g.constant([2]), g.constant([3]), g.constant([1]))
    back = [g.constant([x]) for x in (5, 0, 1, -2)]
    parts = [g.add("Flatten", turned), g.add("Slice", "X", *back),
             g.add("Squeeze", g.add("Unsqueeze", one, g.constant([2])), g.constant([2])),
             g.add("Gather", "X", g.constant([4, 0, -1]), axis=1), g.add("Dropout", one),
             g.add("Gather", square, g.constant(1), axis=1), g.add("Identity", one),
             g.add("Add", one, g.add("Constant", value=numpy_helper.from_array(np.float32([[2.5]])))),
             g.add("Tile", one, g.constant([1, 3])), g.add("Expand", one, g.constant([1, 2])),
             g.add("Pad", one, g.constant([0, 1, 0, 2]), g.floats(-9)),
             g.add("Flatten", g.add("Slice", square, g.constant([1]), g.constant([9]), g.constant([2]))),
             g.number(g.add("Cast", "X", to=TensorProto.INT64)), g.number(g.add("Cast", one, to=TensorProto.BOOL)),
             g.number(g.add("Cast", one, to=TensorProto.DOUBLE)), g.add("Reshape", turned, g.constant([-1, 6]))]
    return g.model(parts), numbers(6, exact=(1,), decimals=1)


def later_operator_set():
    """What operator set 21 writes in another way than 17: axes as inputs."""
    g = Graph("later_operator_set", matrix(4), opset=21)
    square = g.add("Reshape", "X", g.constant([-1, 2, 2]))
    byaxes = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
              "ReduceLogSumExp", "ReduceSum"]
    parts = [g.add(op, "X", g.constant([1])) for op in byaxes]
    parts += [g.add("ReduceMean", square, g.constant([2]), keepdims=0),
              g.add("Pad", "X", g.constant([1, 2]), g.floats(-9), g.constant([1])),
              g.add("Squeeze", g.add("Unsqueeze", "X", g.constant([-1])), g.constant([2])),
              g.add("Clip", "X", g.floats(-1), g.floats(1)), g.add("Softmax", "X"),
              g.number(g.add("ArgMax", "X", axis=1, select_last_index=1)),
              g.number(g.add("Cast", g.add("Cast", "X", to=TensorProto.DOUBLE), to=TensorProto.INT64))]
    return g.model(parts), numbers(4, exact=(1,), decimals=1)


def types():
    """Inputs of every type, and casts between them."""
    kinds = {"real": TensorProto.FLOAT, "exact": TensorProto.DOUBLE, "whole": TensorProto.INT64,
             "short": TensorProto.INT32, "truth": TensorProto.BOOL, "text": TensorProto.STRING}
    g = Graph("types", typed_inputs(*kinds.items()))
    parts = ["real", *(g.number(x) for x in kinds if x != "real")]
    parts += [g.number(g.add("Mul", "exact", g.constant([1 / 3], np.float64))),
              g.number(g.add("Add", "whole", g.constant([2**40]))), g.number(g.add("Equal", "short", "short")),
              g.number(g.add("Cast", "truth", to=TensorProto.INT64)), g.number(g.add("Not", "truth")),
              g.number(g.add("Cast", "whole", to=TensorProto.STRING))]
    whole = rng.integers(-20, 21, ROWS)
    return g.model(parts), pd.DataFrame({
        "real": np.round(rng.normal(size=ROWS), 1).astype(np.float32).astype(float),
        "exact": np.round(rng.normal(size=ROWS), 2), "whole": rng.integers(-9, 10, ROWS), "short": whole,
        "truth": rng.random(ROWS) > 0.5, "text": [f"{x / 8:g}" for x in rng.permutation(whole)]})


def layers():
    """Gemm in all its forms, MatMul, BatchNormalization."""
    g = Graph("layers", matrix(4))
    weights = [np.round(rng.normal(size=s), 2) for s in ((4, 3), (3, 4), (4, 2))]
    parts = [g.add("Gemm", "X", g.floats(weights[0]), g.floats([0.1, -0.2, 0.3])),
             g.add("Gemm", "X", g.floats(weights[1]), g.floats(0.5), transB=1, alpha=0.5, beta=2.0),
             g.add("Gemm", "X", g.floats(weights[2])), g.add("MatMul", "X", g.floats(weights[2]))]
    folded = [g.floats(x) for x in ([1, 2, 0.5, 1], [0, 0.1, -1, 2], [0.5, 0, 1, -1], [1, 4, 0.25, 2])]
    parts.append(g.add("BatchNormalization", "X", *folded, epsilon=1e-3))
    square = g.floats(np.round(rng.normal(size=(2, 2)), 2))
    cubes = g.add("MatMul", g.add("Reshape", "X", g.constant([-1, 2, 2])), square)
    return g.model([*parts, g.add("Flatten", cubes)]), numbers(4, exact=(1,))


def images():
    """Convolutions and pools with padding, strides, groups and dilations. The weights are eighths, so that sums which
    nearly cancel are the same in every order."""
    g = Graph("images", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 2, 4, 4])])

    def kernel(*shape):
        return g.floats(np.round(rng.normal(size=shape) * 8) / 8)
    maps = [g.add("Conv", "image", kernel(2, 2, 3, 3), g.floats([0.1, -0.1]), strides=[3, 2], pads=[1, 1, 1, 1]),
            g.add("Conv", "image", kernel(2, 1, 2, 2), group=2, strides=[2, 3]),
            g.add("Conv", "image", kernel(1, 2, 2, 2), dilations=[2, 2], auto_pad="VALID"),
            g.add("Conv", "image", kernel(1, 2, 3, 3), auto_pad="SAME_UPPER", strides=[3, 3]),
            g.add("MaxPool", "image", kernel_shape=[3, 3], strides=[3, 1]),
            g.add("MaxPool", "image", kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 0, 0], ceil_mode=1),
            g.add("AveragePool", "image", kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 0, 0]),
            g.add("AveragePool", "image", kernel_shape=[2, 3], strides=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
            g.add("GlobalAveragePool", "image"), g.add("GlobalMaxPool", "image")]
    cells = rng.integers(-3, 4, (ROWS, 2, 4, 4)).astype(float)
    return g.model([g.add("Flatten", x) for x in maps]), pd.DataFrame({"image": list(cells)})


def digits_net():
    """Two convolutions, pools, two full layers and a softmax on scikit-learn's digits; seeded weights."""
    g = Graph("digits_net", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, 1, 8, 8])])

    def weights(*shape):
        return g.floats(np.round(rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape), 3))
    x = g.add("Mul", "pixels", g.floats(1 / 16))
    x = g.add("Relu", g.add("Conv", x, weights(4, 1, 3, 3), weights(4), pads=[1, 1, 1, 1]))
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.add("Relu", g.add("Conv", x, weights(6, 4, 3, 3), weights(6), pads=[1, 1, 1, 1]))
    x = g.add("Flatten", g.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))
    x = g.add("Relu", g.add("Gemm", x, weights(16, 24), weights(16), transB=1))
    probabilities = g.add("Softmax", g.add("Gemm", x, weights(10, 16), weights(10), transB=1), axis=1)
    _, pictures, _ = data.pixels()
    rows = [image.reshape(1, 8, 8) for image in pictures[:ROWS]]
    return g.model([probabilities], [None, 10]), pd.DataFrame({"pixels": rows})


# ---- ai.onnx.ml ----

def tree_attributes(kind, mode, tracks):
    """Three small trees that test with `mode`, two columns, two targets or classes."""
    found = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                                 "missing_value_tracks_true")}
    leaves = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree, (first, second) in enumerate([(0.5, -1.0), (1.0, 0.0), (-0.5, 2.0)]):
        nodes = [(0, first, mode, 1, 2), (1, second, mode, 3, 4)] + [(0, 0.0, "LEAF", 0, 0)] * 3
        for node, (column, value, how, true, false) in enumerate(nodes):
            line = (tree, node, column, value, how, true, false, int(tracks and how != "LEAF" and tree != 1))
            for key, x in zip(found, line):
                found[key].append(x)
            if how == "LEAF":
                for target in range(2):
                    weight = round(0.3 * node - 0.5 * target + 0.7 * tree - 1, 2)
                    for key, x in zip(leaves, (tree, node, target, weight)):
                        leaves[key].append(x)
    return {f"nodes_{k}": v for k, v in found.items()} | {f"{kind}_{k}": v for k, v in leaves.items()}


POSTS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
ON = (0.5, -1.0, 1.0, -0.5, 2.0)


def with_holes(X):
    return X.mask(rng.random(X.shape) < 0.1)


def tree_modes():
    """A regressor for each mode of a node, with and without missing values to the true side."""
    g = Graph("tree_modes", matrix(2))
    parts = [g.add("TreeEnsembleRegressor", "X", n_targets=2, **tree_attributes("target", mode, tracks))
             for mode in MODES for tracks in (False, True)]
    return g.model(parts), with_holes(numbers(2, exact=ON))


def tree_aggregates():
    """Sums, averages, smallest and largest, with base values and every post_transform."""
    g = Graph("tree_aggregates", matrix(2))
    trees = tree_attributes("target", "BRANCH_LEQ", False)
    parts = [g.add("TreeEnsembleRegressor", "X", n_targets=2, aggregate_function=how, base_values=[0.25, -0.5], **trees)
             for how in ("SUM", "AVERAGE", "MIN", "MAX")]
    parts += [g.add("TreeEnsembleRegressor", "X", n_targets=2, post_transform=how, **trees) for how in POSTS]
    return g.model(parts), numbers(2, exact=ON)


def tree_classifier(post_transform, two):
    def make():
        g = Graph("tree_classifier", matrix(2))
        trees = tree_attributes("class", "BRANCH_LT", True)
        options = {"classlabels_int64s": [3, 5]}
        if two:  # one weight a leaf: the special case of two classes
            keep = [i for i, x in enumerate(trees["class_ids"]) if x == 0]
            trees |= {k: [trees[k][i] for i in keep] for k in trees if k.startswith("class_")}
        else:
            options = {"classlabels_int64s": [3, 5, 8], "base_values": [0.1, 0.2, -0.1]}
        options |= trees
        label, scores = g.add("TreeEnsembleClassifier", "X", outputs=2, post_transform=post_transform, **options)
        return g.classifier(label, scores), with_holes(numbers(2, exact=ON))
    return make


def linear_classifier(post_transform, classes):
    def make():
        g = Graph("linear_classifier", matrix(3))
        weights = np.round(rng.normal(size=(classes, 3)), 2)
        label, scores = g.add("LinearClassifier", "X", outputs=2, coefficients=weights.ravel().tolist(),
                              intercepts=[0.1 * i for i in range(classes)], post_transform=post_transform,
                              classlabels_strings=["a", "b", "c"][:classes])
        return g.classifier(label, scores, TensorProto.STRING), numbers(3)
    return make


def linear_regressors():
    """Every post_transform but PROBIT, one target and several."""
    g = Graph("linear_regressors", matrix(3))
    parts = [g.add("LinearRegressor", "X", coefficients=[1.0, -0.5, 0.25], intercepts=[0.5])]
    two = {"coefficients": [0.5, -1.0, 0.25, 0.1, 0.2, -0.3], "targets": 2}
    parts += [g.add("LinearRegressor", "X", post_transform=how, **two) for how in POSTS]
    return g.model(parts), numbers(3)


def probit():
    """PROBIT, which is defined between 0 and 1; near a half floats have few digits left of it."""
    g = Graph("probit", matrix(3))
    shares = g.add("Sigmoid", "X")
    parts = [g.add("LinearRegressor", shares, coefficients=[0.1, 0.05, 0.1], intercepts=[0.7], post_transform="PROBIT"),
             g.add("LinearRegressor", shares, targets=2, coefficients=[0.1, 0.05, 0.1, 0.05, 0.1, 0.15],
                   intercepts=[0.05, 0.65], post_transform="PROBIT")]
    _, scores = g.add("LinearClassifier", shares, outputs=2,
                      coefficients=[0.1, 0.05, 0.1, 0.05, 0.1, 0.05, 0.2, 0.1, 0.02], intercepts=[0.05, 0.6, 0.65],
                      classlabels_ints=[0, 1, 2], post_transform="PROBIT")
    return g.model([*parts, scores]), numbers(3)


def machines():
    """What SVMs of scikit-learn don't have: one class, polynomials of other degrees, every post_transform. No weight is
    negative, so that what polynomials give does not nearly cancel."""
    g = Graph("machines", matrix(3))
    vectors = np.round(rng.normal(size=(5, 3)), 2).ravel().tolist()
    weights = {"coefficients": [0.5, 1.0, 0.75, 0.25, 0.5], "support_vectors": vectors, "n_supports": 5}
    kernels = [("LINEAR", [0.5, 0.0, 0.0]), ("POLY", [0.5, 0.25, 2.0]), ("POLY", [0.5, 1.0, 4.0]),
               ("POLY", [0.25, 1.0, 1.0]), ("RBF", [0.4, 0.0, 0.0]), ("SIGMOID", [0.2, 0.1, 0.0])]
    parts = [g.add("SVMRegressor", "X", kernel_type=kernel, kernel_params=params, rho=[0.3], **weights)
             for kernel, params in kernels]
    parts += [g.add("SVMRegressor", "X", kernel_type="RBF", kernel_params=[0.4, 0.0, 0.0], rho=[-1.0], one_class=1,
                    **weights),
              g.add("SVMRegressor", "X", coefficients=[0.5, -0.25, 1.0], rho=[0.1], kernel_type="LINEAR",
                    kernel_params=[0.0, 0.0, 0.0])]
    for how in POSTS[1:]:
        _, scores = g.add(
            "SVMClassifier", "X", outputs=2, kernel_type="RBF", kernel_params=[0.3, 0.0, 0.0],
            support_vectors=np.round(rng.normal(size=(6, 3)), 2).ravel().tolist(), vectors_per_class=[2, 2, 2],
            coefficients=np.round(rng.normal(size=12), 2).tolist(), rho=[0.1, -0.2, 0.05], classlabels_ints=[0, 1, 2],
            post_transform=how)
        parts.append(scores)
    return g.model(parts), numbers(3, -2, 2)


def vectorizing():
    """FeatureVectorizer, Scaler, Binarizer, Imputer and Normalizer in all their modes."""
    g = Graph("vectorizing", matrix(3))
    picked = g.add("ArrayFeatureExtractor", "X", g.constant([2, 0]))
    joined = g.add("FeatureVectorizer", "X", picked, inputdimensions=[3, 2])
    parts = [joined, g.add("Scaler", "X", offset=[0.5], scale=[2.0]),
             g.add("Scaler", "X", offset=[1.0, 2.0, 3.0], scale=[0.5, 1.0, 2.0]),
             g.add("Binarizer", "X", threshold=0.5),
             g.add("Imputer", "X", imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=0.0),
             g.add("Imputer", "X", imputed_value_floats=[-1.0], replaced_value_float=1.0)]
    whole = g.add("Cast", "X", to=TensorProto.INT64)
    parts.append(g.number(g.add("Imputer", whole, imputed_value_int64s=[7, 8, 9], replaced_value_int64=0)))
    away = g.add("Add", g.add("Abs", "X"), g.floats([0.1]))
    parts += [g.add("Normalizer", away, norm=how) for how in ("MAX", "L1", "L2")]
    return g.model(parts), numbers(3, exact=(0.5, 1))


def typed_inputs(*kinds):
    return [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds]


def encoders():
    """LabelEncoder from and to every type, OneHotEncoder, CategoryMapper."""
    text, whole, real = "text", "whole", "real"
    kinds = (text, TensorProto.STRING), (whole, TensorProto.INT64), (real, TensorProto.FLOAT)
    g = Graph("encoders", typed_inputs(*kinds))
    words = ["red", "green", "blue"]
    to_text = g.add("LabelEncoder", whole, keys_int64s=[0, 1, 2], values_strings=words, default_string="none")
    again = g.add("LabelEncoder", real, keys_floats=[0.5, 1.5], values_strings=["green", "blue"], default_string="red")
    parts = [g.number(g.add("LabelEncoder", text, keys_strings=words, values_int64s=[4, 5, 6], default_int64=-2)),
             g.add("LabelEncoder", text, keys_strings=words, values_floats=[0.1, 0.2, 0.3], default_float=-0.5),
             g.add("LabelEncoder", whole, keys_int64s=[0, 1], values_floats=[2.5, 3.5], default_float=9.0),
             g.number(g.add("LabelEncoder", whole, keys_int64s=[0, 1], values_int64s=[7, 8], default_int64=0)),
             g.add("LabelEncoder", real, keys_floats=[0.5, 1.5], values_floats=[1.0, 2.0], default_float=0.0),
             g.number(g.add("LabelEncoder", real, keys_floats=[0.5, 1.5], values_int64s=[1, 2], default_int64=-1)),
             g.number(g.add("CategoryMapper", text, cats_strings=words, cats_int64s=[11, 12, 13], default_int64=-7)),
             g.number(g.add("LabelEncoder", g.add("LabelEncoder", text, keys_strings=["red"], values_strings=["blue"],
                                                  default_string="green"),
                            keys_strings=words, values_int64s=[1, 2, 3])),
             g.number(g.add("LabelEncoder", again, keys_strings=words, values_int64s=[1, 2, 3]))]
    hot = [g.add("OneHotEncoder", text, cats_strings=words, zeros=1),
           g.add("OneHotEncoder", to_text, cats_strings=words),
           g.add("OneHotEncoder", whole, cats_int64s=[0, 2], zeros=1)]
    parts += [g.add("Flatten", x) for x in hot]
    frame = pd.DataFrame({text: rng.choice([*words, "pink", ""], ROWS), whole: rng.integers(-1, 4, ROWS),
                          real: rng.choice([0.5, 1.5, 2.5, -0.5], ROWS)})
    frame[whole] = frame[whole].clip(0, 2)
    return g.model(parts), frame


def zip_map():
    g = Graph("zip_map", matrix(3))
    label, scores = g.add("LinearClassifier", "X", outputs=2, coefficients=[1.0, 0.5, -1.0, 0.2, 0.3, 0.4],
                          intercepts=[0.0, 0.1], post_transform="SOFTMAX", classlabels_ints=[4, 9])
    g.add("ZipMap", scores, classlabels_int64s=[4, 9])
    model = g.classifier(label, "nothing")
    del model.graph.output[1]
    model.graph.node[-1].output[0] = "map"
    key = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    model.graph.output.append(helper.make_value_info("map", helper.make_sequence_type_proto(key)))
    return model, numbers(3)


def all_of_them():
    makers = [functions, arithmetic, logic, reductions, shapes, layers, images, digits_net, tree_modes, tree_aggregates,
              linear_regressors, vectorizing, encoders, zip_map, later_operator_set, types, probit, machines]
    found = {f"graph_{make.__name__}": make for make in makers}
    for how in POSTS:
        for two in (True, False):
            found[f"graph_trees_{how.lower()}_{'two' if two else 'three'}"] = tree_classifier(how, two)
        for classes in (2, 3):
            found[f"graph_linear_{how.lower()}_{classes}"] = linear_classifier(how, classes)
    return {name: make() for name, make in found.items()}
