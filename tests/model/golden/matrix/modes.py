"""Graphs written by hand, second part: attributes and modes that neither estimators nor graphs.py write, so that every
one that Troupe reads is in a model (tests/model/coverage.cpp)."""
import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from graphs import MODES, ON, ROWS, Graph, matrix, numbers, rng, tree_attributes, typed_inputs, with_holes

REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
              "ReduceProd", "ReduceSum", "ReduceSumSquare")


def constants():
    """Constant with each kind of value, the texts by way of where they lead to."""
    g = Graph("constants", matrix(1))
    positive = g.add("Greater", "X", g.floats(0))
    word = g.add("Where", positive, g.add("Constant", value_string="up"), g.add("Constant", value_string="down"))
    place = g.add("Cast", positive, to=TensorProto.INT64)
    color = g.add("Where", positive, g.add("Constant", value_strings=["red", "blue"]), word)
    parts = [g.add("Add", "X", g.add("Constant", value_float=0.5)),
             g.add("Mul", "X", g.add("Constant", value_floats=[2.0, -1.0])),
             g.number(g.add("Add", place, g.add("Constant", value_int=3))),
             g.number(g.add("Mul", place, g.add("Constant", value_ints=[5, 7]))),
             g.add("LabelEncoder", word, keys_strings=["up", "down"], values_floats=[1.5, 2.5]),
             g.add("LabelEncoder", color, keys_strings=["red", "blue", "down"], values_floats=[0.25, 4.0, 8.0])]
    return g.model(parts), numbers(1)


def written_out():
    """What is mostly left out: axes from the other end, defaults, and what means nothing once a model is trained."""
    g = Graph("written_out", matrix(4), opset=18)
    square = g.add("Reshape", "X", g.constant([-1, 2, 2]), allowzero=1)
    values, _ = g.add("TopK", "X", g.constant([3]), outputs=2, axis=-1, sorted=0)
    norm = [g.floats(x) for x in ([1, 2], [0, 0.5], [0.5, -1], [1, 4])]
    parts = [g.add("Flatten", square, axis=1), g.add("Softmax", "X", axis=-1), g.add("LogSoftmax", "X", axis=-1),
             g.add("ReduceSum", values, g.constant([1])),
             g.add("Flatten", g.add("BatchNormalization", square, *norm, momentum=0.5, training_mode=0)),
             g.add("Dropout", "X", seed=7)]
    return g.model(parts), numbers(4, exact=(1,))


def nothing_reduced():
    """Reductions over no axis, which leave what is there; and a logarithm of sums without the reduced axis."""
    g = Graph("nothing_reduced", matrix(2), opset=18)
    parts = [g.add(op, "X", g.constant([]), noop_with_empty_axes=1) for op in REDUCTIONS]
    cubes = g.add("Reshape", g.add("Add", g.add("Abs", "X"), g.floats([0.1])), g.constant([-1, 1, 2]))
    parts.append(g.add("ReduceLogSum", cubes, g.constant([2]), keepdims=0))
    return g.model(parts), numbers(2)


def windows():
    """Pools within the image, the order of indices that nobody asked for."""
    g = Graph("windows", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, 5, 4])])
    options = {"kernel_shape": [2, 3], "strides": [2, 1]}
    maps = [g.add(op, "image", auto_pad="VALID", **options) for op in ("MaxPool", "AveragePool")]
    maps.append(g.add("MaxPool", "image", storage_order=1, **options))
    cells = rng.integers(-3, 4, (ROWS, 1, 5, 4)).astype(float)
    return g.model([g.add("Flatten", x) for x in maps]), pd.DataFrame({"image": list(cells)})


def mapped_back():
    """Whole numbers to texts, and those to numbers."""
    g = Graph("mapped_back", typed_inputs(("whole", TensorProto.INT64)))
    text = g.add("CategoryMapper", "whole", cats_strings=["a", "b"], cats_int64s=[1, 2], default_string="else")
    codes = g.add("LabelEncoder", text, keys_strings=["a", "b", "else"], values_floats=[0.5, 1.5, -1.0])
    return g.model([codes]), pd.DataFrame({"whole": rng.integers(0, 5, ROWS)})


def eighth_operator_set():
    """What later sets have no attribute for."""
    g = Graph("eighth_operator_set", matrix(4), opset=8)
    norm = [g.floats(x) for x in ([1, 2, 0.5, 1], [0, 0.1, -1, 2], [0.5, 0, 1, -1], [1, 4, 0.25, 2])]
    values, places = g.add("TopK", "X", outputs=2, k=2)
    parts = [values, g.number(places), g.add("BatchNormalization", "X", *norm, spatial=1)]
    return g.model(parts), numbers(4, exact=(1,))


def fourth_operator_set():
    """Reshape with the shape as an attribute."""
    g = Graph("fourth_operator_set", matrix(4), opset=4)
    turned = g.add("Transpose", g.add("Reshape", "X", shape=[-1, 2, 2]), perm=[0, 2, 1])
    return g.model([g.add("Reshape", turned, shape=[-1, 4])]), numbers(4)


def tree_classifier_modes():
    """A classifier for each mode of a node."""
    g = Graph("tree_classifier_modes", matrix(2))
    parts = [g.add("TreeEnsembleClassifier", "X", outputs=2, classlabels_int64s=[3, 5, 8], base_values=[0.1, 0.2, -0.1],
                   **tree_attributes("class", mode, mode in ("BRANCH_LT", "BRANCH_GT")))[1] for mode in MODES]
    return g.model(parts), with_holes(numbers(2, exact=ON))


def as_doubles(attributes, *names):
    """The named attributes as tensors of doubles."""
    kept = {k: v for k, v in attributes.items() if k not in names}
    return kept | {f"{k}_as_tensor": numpy_helper.from_array(np.array(attributes[k], np.float64), k) for k in names}


def tree_doubles():
    """Trees whose numbers are doubles, of a double input."""
    g = Graph("tree_doubles", [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, 2])])
    parts = []
    for op, kind, options in (("TreeEnsembleRegressor", "target", {"n_targets": 2, "base_values": [0.1, 1 / 3]}),
                              ("TreeEnsembleClassifier", "class", {"classlabels_int64s": [3, 5, 8],
                                                                   "base_values": [0.1, 1 / 3, -0.1]})):
        given = options | tree_attributes(kind, "BRANCH_LEQ", True)
        given["nodes_hitrates"] = [1.0] * len(given["nodes_modes"])
        given = as_doubles(given, "base_values", "nodes_hitrates", "nodes_values", f"{kind}_weights")
        made = g.add(op, "X", outputs=1 if kind == "target" else 2, **given)
        parts.append(made if kind == "target" else made[1])
    return g.model(parts), with_holes(numbers(2, exact=ON))


def tree_probit():
    """PROBIT of what leaves give, which is between 0 and 1, and not near a half, where floats have few digits left."""
    g = Graph("tree_probit", matrix(2))
    parts = []
    for op, kind, options in (("TreeEnsembleRegressor", "target", {"n_targets": 2}),
                              ("TreeEnsembleClassifier", "class", {"classlabels_int64s": [3, 5]})):
        trees = tree_attributes(kind, "BRANCH_LEQ", False)
        trees[f"{kind}_weights"] = [round((0.03, 0.22)[target] + 0.02 * (i % 5), 2)
                                    for i, target in enumerate(trees[f"{kind}_ids"])]
        made = g.add(op, "X", outputs=1 if kind == "target" else 2, post_transform="PROBIT", **options, **trees)
        parts.append(made if kind == "target" else made[1])
    return g.model(parts), numbers(2, exact=ON)


def sums_and_picks():
    """Running sums in both directions, and cells that indices of the row pick: places of the row, or of a list."""
    g = Graph("sums_and_picks", matrix(4))
    square = g.add("Reshape", "X", g.constant([-1, 2, 2]))
    parts = [g.add("CumSum", "X", g.constant(1)), g.add("CumSum", "X", g.constant([-1]), exclusive=1),
             g.add("CumSum", "X", g.constant(1, np.int32), reverse=1),
             g.number(g.add("CumSum", g.add("Cast", "X", to=TensorProto.INT64), g.constant(1), exclusive=1, reverse=1)),
             g.add("Flatten", g.add("CumSum", square, g.constant(1)))]
    _, places = g.add("TopK", "X", g.constant([2]), outputs=2)
    _, in_rows = g.add("TopK", square, g.constant([1]), outputs=2)
    low = g.add("Cast", g.add("Less", parts[0], g.floats(0.05)), to=TensorProto.INT64)
    first = g.add("GatherElements", places, low, axis=1)
    prices = g.add("ArrayFeatureExtractor", g.floats([0.5, 1.5, 2.5, 3.5]), places)
    parts += [g.add("GatherElements", "X", places, axis=1), g.number(first),
              g.add("Flatten", g.add("GatherElements", square, in_rows, axis=-1)),
              g.add("Flatten", g.add("GatherElements", square, g.add("Transpose", in_rows, perm=[0, 2, 1]), axis=1)),
              g.add("Reshape", prices, g.constant([-1, 2]))]
    return g.model(parts), numbers(4, exact=(1,), decimals=1)


def all_of_them():
    """name -> (model, rows). Call after graphs.all_of_them(): both draw from the same numbers."""
    makers = [constants, written_out, nothing_reduced, windows, mapped_back, eighth_operator_set, fourth_operator_set,
              tree_classifier_modes, tree_doubles, tree_probit, sums_and_picks]
    return {f"graph_{make.__name__}": make() for make in makers}
