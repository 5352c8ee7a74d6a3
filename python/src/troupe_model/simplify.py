"""Graphs of skl2onnx, written so that each row is computed by itself.

skl2onnx writes some models with values that have the rows in the second place, or whose shape depends on how many rows
there are. The same numbers come out without; export() compares them with the library afterwards.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

BROADCASTING = {"Where", "Add", "Sub", "Mul", "Div", "Equal", "Less", "Greater", "Max", "Min", "Sum"}


def simplify(model: onnx.ModelProto) -> None:
    """Changes the graph in place."""
    graph = model.graph
    _spread_constants(graph)
    _average_without_stacking(graph)
    _keep_labels_whole(graph)
    _encode_constants(graph)
    _drop_unused(graph)


def _constant(graph: onnx.GraphProto, name: str) -> np.ndarray | None:
    return next((numpy_helper.to_array(x) for x in graph.initializer if x.name == name), None)


def _maker(graph: onnx.GraphProto, name: str, operator: str) -> onnx.NodeProto | None:
    return next((x for x in graph.node if name in x.output and x.op_type == operator), None)


def _attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    return next((onnx.helper.get_attribute_value(x) for x in node.attribute if x.name == name), default)


def _spread_constants(graph: onnx.GraphProto) -> None:
    """A constant of the shape of something else becomes a single one where whoever takes it broadcasts: hard voting and
    AdaBoost's SAMME compare classes with such."""
    for node in [x for x in graph.node if x.op_type == "ConstantOfShape"]:
        if all(x.op_type in BROADCASTING for x in graph.node if node.output[0] in x.input):
            value = _attribute(node, "value")
            number = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value).reshape(1)
            graph.initializer.append(numpy_helper.from_array(number, node.output[0]))
            graph.node.remove(node)


def _average_without_stacking(graph: onnx.GraphProto) -> None:
    """Bagging puts the results of its estimators on top of each other to average them; Mean takes them as they are."""
    for node in [x for x in graph.node if x.op_type == "ReduceMean" and _attribute(x, "axes") == [0]]:
        stack = _maker(graph, node.input[0], "Concat")
        layers = [_maker(graph, x, "Reshape") for x in stack.input] if stack and _attribute(stack, "axis") == 0 else []
        shapes = [_constant(graph, x.input[1]) for x in layers if x is not None]
        if shapes and len(shapes) == len(layers) and all(s is not None and s[:2].tolist() == [1, -1] for s in shapes):
            node.op_type = "Mean"
            node.input[:] = [x.input[0] for x in layers if x is not None]
            del node.attribute[:]


def _keep_labels_whole(graph: onnx.GraphProto) -> None:
    """Classes that are numbers go through float and back: leave that out."""
    for node in [x for x in graph.node if x.op_type == "Cast" and _attribute(x, "to") == onnx.TensorProto.FLOAT]:
        taken = _maker(graph, node.input[0], "ArrayFeatureExtractor")
        classes = _constant(graph, taken.input[0]) if taken else None
        users = [x for x in graph.node if node.output[0] in x.input]
        if classes is None or classes.dtype.kind != "i" or [x.op_type for x in users] != ["Reshape"]:
            continue
        ends = [x for x in graph.node if users[0].output[0] in x.input]
        if [(x.op_type, _attribute(x, "to")) for x in ends] == [("Cast", onnx.TensorProto.INT64)]:
            users[0].input[0] = node.input[0]


def _encode_constants(graph: onnx.GraphProto) -> None:
    """SimpleImputer writes the text that fills a hole as what a LabelEncoder makes of a constant."""
    for node in [x for x in graph.node if x.op_type == "LabelEncoder"]:
        given = _constant(graph, node.input[0])
        keys, values = _attribute(node, "keys_int64s"), _attribute(node, "values_strings")
        if given is None or keys is None or values is None:
            continue
        known = dict(zip(keys, values))
        texts = [known.get(int(x), _attribute(node, "default_string", b"_Unused")) for x in given.ravel()]
        graph.initializer.append(onnx.helper.make_tensor(node.output[0], onnx.TensorProto.STRING, given.shape, texts))
        graph.node.remove(node)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Nodes and constants that nobody takes any more."""
    while True:
        used = {name for node in graph.node for name in node.input} | {x.name for x in graph.output}
        idle = [x for x in graph.node if not used & set(x.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    kept = [x for x in graph.initializer if x.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
