#!/usr/bin/env python3
"""Writes tensors.jsonl: small graphs of ai.onnx operators, and what onnxruntime computes for them.

    pip install onnx==1.17.0 onnxruntime==1.32.0 numpy==2.4.6
    python tests/model/golden/make_tensors.py

A line per graph: {"name":...,"model":base64 of the ONNX file,"rows":N,"columns":[...],"expected":[...]}. `columns` are
the rows' numbers, inputs of one type side by side as evaluator::load takes them; `expected` the numbers of the first
output, row by row. Seeded: the same versions write the same file.
"""
import base64
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
ROWS = 5
TYPES = {np.dtype("float32"): T.FLOAT, np.dtype("float64"): T.DOUBLE, np.dtype("int64"): T.INT64,
         np.dtype("bool"): T.BOOL}
RNG = np.random.default_rng(11)
LINES = []


def rows(*dims, kind="f", low=-2.0, high=2.0):
    """Numbers of ROWS rows. Halves are among them, so that there are ties, borders and what rounds to even."""
    shape = (ROWS, *dims)
    if kind == "i":
        return RNG.integers(int(low), int(high) + 1, shape)
    if kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    values = np.round(RNG.uniform(low, high, shape), 3)
    halves = RNG.random(shape) < 0.2
    values[halves] = np.clip(np.round(values[halves] * 2) / 2, low, high)
    return values.astype(np.float64 if kind == "d" else np.float32)


def weights(*dims, kind="f", low=-1.0, high=1.0):
    if kind == "i":
        return RNG.integers(int(low), int(high) + 1, dims)
    values = np.round(RNG.uniform(low, high, dims), 3)
    return values.astype(np.float64 if kind == "d" else np.float32)


def shortest(array):
    if array.dtype == np.float32:
        return [json.loads(str(x)) if np.isfinite(x) else str(x) for x in array.ravel()]
    return [float(x) for x in array.ravel()]


def node(kind, inputs, outputs="Y", **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def case(name, nodes, values, constants=None, opset=17):
    """`values`: of the inputs; `constants`: initializers. The last node's first output is the graph's."""
    nodes = nodes if isinstance(nodes, list) else [nodes]
    inputs = [helper.make_tensor_value_info(n, TYPES[v.dtype], ["N", *v.shape[1:]]) for n, v in values.items()]
    fixed = [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()]
    result = nodes[-1].output[0]
    graph = helper.make_graph(nodes, name, inputs, [helper.make_empty_tensor_value_info(result)], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model.producer_name = ""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for kind in (T.FLOAT, T.INT64, T.BOOL, T.DOUBLE):  # whichever it is
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info(result, kind, None))
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
            break
        except Exception as problem:
            if "Type" not in str(problem):
                raise RuntimeError(name) from problem
    got = session.run(None, values)[0]
    assert got.shape[0] == ROWS, (name, got.shape)
    order = list(dict.fromkeys(v.dtype for v in values.values()))
    columns = [v.reshape(ROWS, -1) for kind in order for v in values.values() if v.dtype == kind]
    flat = np.concatenate([c.astype(np.float64) for c in columns], axis=1)
    LINES.append({
        "name": name, "model": base64.b64encode(model.SerializeToString()).decode(), "rows": ROWS,
        "columns": [json.loads(str(np.float32(x))) if order == [np.dtype("float32")] else float(x)
                    for x in flat.ravel()],
        "expected": shortest(got),
    })


def ints(*values):
    return np.array(values, dtype=np.int64)


def unary():
    for kind in ("Relu Sigmoid Tanh Exp Abs Neg Sign Floor Ceil Round Erf Softplus Softsign Elu Selu HardSigmoid Sin "
                 "Cos Tan").split():
        case(kind, node(kind, "X"), {"X": rows(9, low=-6, high=6)})
    for kind in "Log Sqrt Reciprocal".split():
        case(kind, node(kind, "X"), {"X": rows(9, low=0.1, high=40)})
    case("Atan", node("Atan", "X"), {"X": rows(9)})
    case("LeakyRelu", node("LeakyRelu", "X"), {"X": rows(9)})
    case("LeakyRelu alpha", node("LeakyRelu", "X", alpha=0.3), {"X": rows(3)})
    case("Elu alpha", node("Elu", "X", alpha=0.3), {"X": rows(3)})
    case("Selu alpha gamma", node("Selu", "X", alpha=0.3, gamma=2.0), {"X": rows(3)})
    case("HardSigmoid alpha beta", node("HardSigmoid", "X", alpha=0.4, beta=0.1), {"X": rows(3)})
    for kind in "Relu Sigmoid Tanh Exp Neg Abs".split():
        case(kind + " double", node(kind, "X"), {"X": rows(4, kind="d")})
    for kind in "Neg Abs Sign".split():
        case(kind + " int64", node(kind, "X"), {"X": rows(4, kind="i", low=-3, high=3)})
    case("Sigmoid far out", node("Sigmoid", "X"), {"X": rows(9, low=-120, high=120)})
    case("Tanh far out", node("Tanh", "X"), {"X": rows(9, low=-20, high=20)})
    case("Tanh near 0", node("Tanh", "X"), {"X": rows(9, low=-0.01, high=0.01)})
    case("Exp far out", node("Exp", "X"), {"X": rows(9, low=-110, high=20)})
    case("Not", node("Not", "X"), {"X": rows(4, kind="b")})
    case("Clip", node("Clip", "X low high"), {"X": rows(6)}, {"low": np.float32(-0.5), "high": np.float32(1)})
    case("Clip max", node("Clip", "X  high".replace("  ", " none ")), {"X": rows(6)},
         {"high": np.float32(0.25), "none": np.float32(-9)})
    case("Clip min only", node("Clip", "X low"), {"X": rows(6)}, {"low": np.float32(0.25)})
    case("Clip opset 6", node("Clip", "X", min=-1.0, max=0.5), {"X": rows(6)}, opset=10)
    case("Clip int64", node("Clip", "X low high"), {"X": rows(6, kind="i", low=-9, high=9)},
         {"low": np.int64(-2), "high": np.int64(3)})
    case("Clip double", node("Clip", "X low"), {"X": rows(6, kind="d")}, {"low": np.float64(-0.3)})
    case("Dropout", node("Dropout", "X"), {"X": rows(4)})
    case("Dropout opset 10", node("Dropout", "X", ratio=0.4), {"X": rows(4)}, opset=10)
    case("Cast to int64 and back", [node("Cast", "X", "A", to=T.INT64), node("Cast", "A", to=T.FLOAT)], {"X": rows(4)})


def binary():
    for kind in "Add Sub Mul Div".split():
        case(kind + " row row", node(kind, "A B"), {"A": rows(6), "B": rows(6, low=0.5)})
        case(kind + " row constant", node(kind, "A c"), {"A": rows(6)}, {"c": weights(6, low=0.5)})
        case(kind + " constant row", node(kind, "c A"), {"A": rows(6, low=0.5)}, {"c": weights(6)})
        case(kind + " row scalar", node(kind, "A c"), {"A": rows(6)}, {"c": np.float32(0.3)})
        case(kind + " scalar row", node(kind, "c A"), {"A": rows(6, low=0.5)}, {"c": np.float32(0.3)})
        case(kind + " full rank constant", node(kind, "A c"), {"A": rows(2, 3)}, {"c": weights(1, 2, 1, low=0.5)})
        case(kind + " broadcast both", node(kind, "A B"), {"A": rows(3, 1, 2), "B": rows(1, 4, 2, low=0.5)})
        case(kind + " column by row", node(kind, "A B"), {"A": rows(5), "B": rows(1, low=0.5)})
        case(kind + " grows", node(kind, "A c"), {"A": rows(1)}, {"c": weights(1, 4, low=0.5)})
        case(kind + " int64", node(kind, "A B"), {"A": rows(4, kind="i", low=-20, high=20),
                                                  "B": rows(4, kind="i", low=1, high=5)})
        case(kind + " double", node(kind, "A c"), {"A": rows(4, kind="d")}, {"c": weights(4, kind="d", low=0.5)})
    case("Add middle dimension", node("Add", "A c"), {"A": rows(2, 3, 2)}, {"c": weights(3, 1)})
    case("Pow 2", node("Pow", "A c"), {"A": rows(4)}, {"c": np.float32(2)})
    case("Pow 0.5", node("Pow", "A c"), {"A": rows(4, low=0)}, {"c": np.float32(0.5)})
    case("Pow 3 as int64", node("Pow", "A c"), {"A": rows(4)}, {"c": np.int64(3)})
    case("Pow of the row", node("Pow", "A B"), {"A": rows(4, low=0.1), "B": rows(4)})
    case("Pow constant base", node("Pow", "c B"), {"B": rows(4)}, {"c": np.float32(1.7)})
    for kind in "Equal Less LessOrEqual Greater GreaterOrEqual".split():
        case(kind, node(kind, "A B"), {"A": rows(8, low=-1, high=1), "B": rows(8, low=-1, high=1)})
        case(kind + " constant", node(kind, "A c"), {"A": rows(8)}, {"c": np.float32(0.5)})
        case(kind + " int64", node(kind, "A B"), {"A": rows(8, kind="i"), "B": rows(8, kind="i")})
    for kind in "And Or Xor".split():
        case(kind, node(kind, "A B"), {"A": rows(6, kind="b"), "B": rows(6, kind="b")})
        case(kind + " constant", node(kind, "A c"), {"A": rows(3, kind="b")}, {"c": np.array([True, False, True])})
    for kind in "Min Max Sum Mean".split():
        case(kind + " of three", node(kind, "A B c"), {"A": rows(4), "B": rows(1)}, {"c": weights(4)})
        case(kind + " of one", node(kind, "A"), {"A": rows(4)})
    case("Max int64", node("Max", "A B"), {"A": rows(4, kind="i"), "B": rows(4, kind="i")})
    case("Where", [node("Greater", "A z", "C"), node("Where", "C A B")], {"A": rows(5), "B": rows(1)},
         {"z": np.float32(0)})
    case("Where constants", node("Where", "A c d"), {"A": rows(3, kind="b")}, {"c": weights(3), "d": np.float32(9)})
    case("Where constant condition", node("Where", "c A B"), {"A": rows(3), "B": rows(3)},
         {"c": np.array([True, False, True])})


def products():
    case("MatMul", node("MatMul", "X W"), {"X": rows(7)}, {"W": weights(7, 5)})
    for n in (1, 8, 9, 16, 17, 24, 25, 40):
        case(f"MatMul {n} columns", node("MatMul", "X W"), {"X": rows(3)}, {"W": weights(3, n)})
    case("MatMul bias", [node("MatMul", "X W", "A"), node("Add", "A b")], {"X": rows(7)},
         {"W": weights(7, 5), "b": weights(5)})
    case("MatMul bias first", [node("MatMul", "X W", "A"), node("Add", "b A")], {"X": rows(7)},
         {"W": weights(7, 5), "b": weights(1, 5)})
    case("MatMul bias relu", [node("MatMul", "X W", "A"), node("Add", "A b", "B"), node("Relu", "B")],
         {"X": rows(7)}, {"W": weights(7, 21), "b": weights(21)})
    case("MatMul chain", [node("MatMul", "X W", "A"), node("Add", "A b", "B"), node("MatMul", "B V", "C"),
                          node("Sub", "C d", "D"), node("Tanh", "D")], {"X": rows(4)},
         {"W": weights(4, 6), "b": weights(6), "V": weights(6, 3), "d": weights(3)})
    case("MatMul factors", [node("MatMul", "X W", "A"), node("Mul", "A m", "B"), node("Div", "B d")], {"X": rows(4)},
         {"W": weights(4, 6), "m": weights(6), "d": np.float32(3)})
    case("MatMul read twice", [node("MatMul", "X W", "A"), node("Relu", "A", "B"), node("Add", "A B")],
         {"X": rows(4)}, {"W": weights(4, 6)})
    case("MatMul vector", node("MatMul", "X w"), {"X": rows(7)}, {"w": weights(7)})
    case("MatMul of matrices", node("MatMul", "X W"), {"X": rows(2, 3)}, {"W": weights(3, 4)})
    case("MatMul of matrices bias", [node("MatMul", "X W", "A"), node("Add", "A b")], {"X": rows(2, 3)},
         {"W": weights(3, 4), "b": weights(4)})
    case("MatMul of matrices uneven bias", [node("MatMul", "X W", "A"), node("Add", "A b")], {"X": rows(2, 3)},
         {"W": weights(3, 4), "b": weights(2, 1)})
    case("MatMul row row", node("MatMul", "A B"), {"A": rows(2, 3), "B": rows(3, 4)})
    case("MatMul constant row", node("MatMul", "W B"), {"B": rows(3, 4)}, {"W": weights(2, 3)})
    case("MatMul constant vector row", node("MatMul", "w B"), {"B": rows(3, 4)}, {"w": weights(3)})
    case("MatMul batches", node("MatMul", "A B"), {"A": rows(2, 2, 3), "B": rows(1, 3, 2)})
    case("MatMul constant batches", node("MatMul", "A W"), {"A": rows(2, 2, 3)}, {"W": weights(2, 3, 2)})
    case("MatMul double", node("MatMul", "X W"), {"X": rows(3, kind="d")}, {"W": weights(3, 2, kind="d")})
    case("MatMul int64", node("MatMul", "X W"), {"X": rows(3, kind="i")}, {"W": weights(3, 2, kind="i", high=3)})
    case("Gemm", node("Gemm", "X W b"), {"X": rows(7)}, {"W": weights(7, 5), "b": weights(5)})
    case("Gemm without C", node("Gemm", "X W"), {"X": rows(7)}, {"W": weights(7, 5)})
    case("Gemm transB alpha beta", node("Gemm", "X W b", alpha=0.5, beta=2.0, transB=1), {"X": rows(7)},
         {"W": weights(5, 7), "b": weights(1, 5)})
    case("Gemm scalar C", node("Gemm", "X W b"), {"X": rows(3)}, {"W": weights(3, 5), "b": weights(1)})
    case("Gemm double", node("Gemm", "X W b", transB=1, alpha=0.5), {"X": rows(3, kind="d")},
         {"W": weights(5, 3, kind="d"), "b": weights(5, kind="d")})
    for kind in "Relu Sigmoid Tanh LeakyRelu Exp".split():
        case("Gemm " + kind, [node("Gemm", "X W b", "A"), node(kind, "A")], {"X": rows(7)},
             {"W": weights(7, 11), "b": weights(11)})
    case("Gemm Clip", [node("Gemm", "X W b", "A"), node("Clip", "A l h")], {"X": rows(7)},
         {"W": weights(7, 11), "b": weights(11), "l": np.float32(-0.2), "h": np.float32(0.7)})
    case("Gemm Relu Gemm", [node("Gemm", "X W b", "A"), node("Relu", "A", "B"), node("Gemm", "B V c")],
         {"X": rows(9)}, {"W": weights(9, 20), "b": weights(20), "V": weights(20, 3), "c": weights(3)})
    case("Gemm BatchNormalization", [node("Gemm", "X W b", "A"), node("BatchNormalization", "A s t m v")],
         {"X": rows(4)}, {"W": weights(4, 3), "b": weights(3), "s": weights(3), "t": weights(3), "m": weights(3),
                          "v": weights(3, low=0.2)})
    for opset in (11, 13):
        for kind in "Softmax LogSoftmax".split():
            case(f"{kind} opset {opset}", node(kind, "X"), {"X": rows(11)}, opset=opset)
            case(f"{kind} opset {opset} axis 1", node(kind, "X", axis=1), {"X": rows(3, 4)}, opset=opset)
            case(f"{kind} opset {opset} axis 2", node(kind, "X", axis=2), {"X": rows(3, 4)}, opset=opset)
    case("Softmax 3", node("Softmax", "X"), {"X": rows(3, low=-90, high=90)})
    case("Softmax double", node("Softmax", "X"), {"X": rows(3, kind="d")})


def shapes():
    case("Reshape", node("Reshape", "X s"), {"X": rows(6)}, {"s": ints(-1, 2, 3)})
    case("Reshape 0 -1", node("Reshape", "X s"), {"X": rows(2, 3)}, {"s": ints(0, -1)})
    case("Reshape copies", node("Reshape", "X s"), {"X": rows(2, 6)}, {"s": ints(0, 0, 3, -1)})
    case("Reshape to one", node("Reshape", "X s"), {"X": rows(1)}, {"s": ints(-1)})
    case("Flatten", node("Flatten", "X"), {"X": rows(2, 3)})
    case("Flatten axis -2", node("Flatten", "X", axis=-2), {"X": rows(2, 3)})
    case("Squeeze", node("Squeeze", "X a"), {"X": rows(1, 3, 1)}, {"a": ints(1, -1)})
    case("Squeeze opset 11", node("Squeeze", "X", axes=[1]), {"X": rows(1, 3)}, opset=11)
    case("Squeeze everything", node("Squeeze", "X"), {"X": rows(1, 3, 1)})
    case("Unsqueeze", node("Unsqueeze", "X a"), {"X": rows(3)}, {"a": ints(1, -1)})
    case("Unsqueeze opset 11", node("Unsqueeze", "X", axes=[2, 1]), {"X": rows(3)}, opset=11)
    case("Transpose", node("Transpose", "X", perm=[0, 2, 1]), {"X": rows(2, 3)})
    case("Transpose 4", node("Transpose", "X", perm=[0, 3, 1, 2]), {"X": rows(2, 3, 4)})
    case("Transpose same", node("Transpose", "X", perm=[0, 1]), {"X": rows(3)})
    case("Gather columns", node("Gather", "X i", axis=1), {"X": rows(5)}, {"i": ints(3, 0, -1)})
    case("Gather one", node("Gather", "X i", axis=1), {"X": rows(5)}, {"i": np.int64(2)})
    case("Gather matrix", node("Gather", "X i", axis=-1), {"X": rows(2, 5)}, {"i": np.array([[0, 1], [4, -2]])})
    case("Gather of a table", node("Gather", "W X"), {"X": rows(3, kind="i", low=-4, high=3)}, {"W": weights(4, 2)})
    case("Slice", node("Slice", "X a b c"), {"X": rows(7)}, {"a": ints(1), "b": ints(5), "c": ints(1)})
    case("Slice steps", node("Slice", "X a b c d"), {"X": rows(4, 7)},
         {"a": ints(-1, 1), "b": ints(-100, 100), "c": ints(2, 1), "d": ints(-2, 2)})
    case("Slice opset 9", node("Slice", "X", starts=[0, 1], ends=[2, -1], axes=[1, 2]), {"X": rows(4, 7)}, opset=9)
    case("Slice with the batch", node("Slice", "X a b"), {"X": rows(7)},
         {"a": ints(0, 2), "b": ints(2**62, 4)})
    case("Concat", node("Concat", "A B", axis=1), {"A": rows(2), "B": rows(3)})
    case("Concat inner", node("Concat", "A B", axis=-1), {"A": rows(2, 2), "B": rows(2, 1)})
    case("Expand", node("Expand", "X s"), {"X": rows(1, 3)}, {"s": ints(1, 2, 3)})
    case("Expand short", node("Expand", "X s"), {"X": rows(2, 1)}, {"s": ints(3)})
    case("Tile", node("Tile", "X r"), {"X": rows(2, 3)}, {"r": ints(1, 2, 2)})
    case("Pad", node("Pad", "X p v"), {"X": rows(2, 3)}, {"p": ints(0, 1, 0, 0, 0, 2), "v": np.float32(7)})
    case("Pad opset 10", node("Pad", "X", pads=[0, 1, 0, 1], value=0.5), {"X": rows(3)}, opset=10)
    case("Pad axes", node("Pad", "X p v a"), {"X": rows(2, 3)}, {"p": ints(1, 1), "v": np.float32(0), "a": ints(-1)},
         opset=18)
    case("folded", [node("Transpose", "W", "A", perm=[1, 0]), node("Unsqueeze", "A u", "B"),
                    node("Squeeze", "B u", "C"),
                    node("Gather", "C g", "D", axis=1), node("Slice", "D a b c", "E"),
                    node("Concat", "E E", "F", axis=0),
                    node("Cast", "F", "G", to=T.DOUBLE), node("Cast", "G", "H", to=T.FLOAT), node("Mul", "H H", "I"),
                    node("Reshape", "I s", "J"), node("ReduceSum", "J u", "K"), node("Softmax", "K", "L"),
                    node("Add", "X L")], {"X": rows(4)},
         {"W": weights(4, 3), "u": ints(0), "g": ints(0, 3, 2, 1), "a": ints(1), "b": ints(3), "c": ints(0),
          "s": ints(4, -1)})
    case("folded MatMul", [node("MatMul", "A B", "W"), node("MatMul", "X W")], {"X": rows(4)},
         {"A": weights(4, 3), "B": weights(3, 2)})


def reductions():
    for kind in ("ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare "
                 "ReduceLogSumExp").split():
        new = kind == "ReduceSum"
        def reduce(axes, values, name, **attributes):
            if new:
                case(f"{kind} {name}", node(kind, "X a", **attributes), values, {"a": ints(*axes)})
            else:
                case(f"{kind} {name}", node(kind, "X", axes=axes, **attributes), values)
        reduce([1], {"X": rows(5)}, "row")
        reduce([1], {"X": rows(5)}, "row without dimension", keepdims=0)
        reduce([1], {"X": rows(3, 4)}, "first")
        reduce([-1], {"X": rows(3, 4)}, "last", keepdims=0)
        reduce([1, 3], {"X": rows(2, 3, 2)}, "two", keepdims=0)
        if not new:
            case(f"{kind} opset 18", node(kind, "X a"), {"X": rows(3, 2)}, {"a": ints(1)}, opset=18)
    case("ReduceSum opset 11", node("ReduceSum", "X", axes=[1]), {"X": rows(3)}, opset=11)
    case("ReduceSum int64", node("ReduceSum", "X a"), {"X": rows(3, kind="i", low=-5)}, {"a": ints(1)})
    case("ReduceMax int64", node("ReduceMax", "X", axes=[1]), {"X": rows(3, kind="i", low=-5)})
    case("ReduceSum noop", node("ReduceSum", "X", noop_with_empty_axes=1), {"X": rows(3)})
    case("ReduceLogSum", node("ReduceLogSum", "X", axes=[1]), {"X": rows(3, low=0.1)})
    for kind in "ArgMax ArgMin".split():
        def arg(name, values, **attributes):
            case(f"{kind} {name}", [node(kind, "X", "A", **attributes), node("Cast", "A", to=T.FLOAT)], values)
        arg("row", {"X": rows(5)}, axis=1)
        arg("row without dimension", {"X": rows(5)}, axis=-1, keepdims=0)
        arg("ties", {"X": rows(5, kind="i", low=0, high=1)}, axis=1)
        arg("last of ties", {"X": rows(6, low=0, high=0.1)}, axis=1, select_last_index=1)
        arg("first dimension", {"X": rows(3, 2)}, axis=1)
        arg("last dimension", {"X": rows(3, 2)}, axis=2, keepdims=0)
    case("ArgMax as number", [node("ArgMax", "X", "A", axis=1), node("Add", "A c")], {"X": rows(4)}, {"c": ints(5)})
    for largest in (0, 1):
        case(f"TopK values {largest}", node("TopK", "X k", "Y I", largest=largest), {"X": rows(7)}, {"k": ints(3)})
        case(f"TopK indices {largest}", [node("TopK", "X k", "V I", largest=largest), node("Cast", "I", to=T.FLOAT)],
             {"X": rows(7)}, {"k": ints(3)})
    case("TopK axis", node("TopK", "X k", "Y I", axis=1), {"X": rows(3, 2)}, {"k": ints(2)})
    case("TopK int64", node("TopK", "X k", "Y I"), {"X": rows(6, kind="i")}, {"k": ints(4)})


def images():
    def conv(name, x, w, bias=True, **attributes):
        constants = {"W": weights(*w)}
        if bias:
            constants["B"] = weights(w[0])
        case("Conv " + name, node("Conv", "X W B" if bias else "X W", **attributes),
             {"X": rows(*x, low=-0.5, high=0.5)}, constants)

    conv("3x3", (1, 6, 6), (4, 1, 3, 3))
    conv("without bias", (2, 5, 5), (3, 2, 3, 3), bias=False)
    conv("5x5 pads", (2, 7, 6), (3, 2, 5, 5), pads=[2, 2, 2, 2])
    conv("uneven pads", (2, 5, 5), (3, 2, 3, 2), pads=[0, 1, 2, 1])
    conv("strides", (2, 7, 7), (3, 2, 3, 3), strides=[2, 2])
    conv("strides uneven", (1, 7, 9), (2, 1, 3, 3), strides=[1, 3], pads=[1, 1, 1, 1])
    conv("dilations", (2, 8, 8), (2, 2, 3, 3), dilations=[2, 1])
    conv("groups", (4, 5, 5), (6, 2, 3, 3), group=2, pads=[1, 1, 1, 1])
    conv("depthwise", (3, 5, 5), (3, 1, 3, 3), group=3)
    conv("1x1", (4, 4, 4), (3, 4, 1, 1))
    conv("wide", (1, 4, 40), (7, 1, 3, 3), pads=[1, 1, 1, 1])
    conv("SAME_UPPER", (1, 6, 5), (2, 1, 2, 4), auto_pad="SAME_UPPER", strides=[2, 1])
    conv("SAME_LOWER", (1, 6, 5), (2, 1, 2, 4), auto_pad="SAME_LOWER", strides=[2, 1])
    conv("VALID", (1, 6, 5), (2, 1, 2, 3), auto_pad="VALID")
    conv("1d", (2, 9), (3, 2, 3))
    conv("1d strides pads dilations", (2, 12), (3, 2, 3), strides=[2], pads=[2, 1], dilations=[2])
    conv("1d groups", (4, 20), (4, 1, 3), group=4, kernel_shape=[3])
    for kind in "Relu Sigmoid".split():
        case("Conv " + kind, [node("Conv", "X W B", "A", pads=[1, 1, 1, 1]), node(kind, "A")], {"X": rows(2, 4, 4)},
             {"W": weights(9, 2, 3, 3), "B": weights(9)})
    norm = {"s": weights(3), "t": weights(3), "m": weights(3), "v": weights(3, low=0.2)}
    case("Conv BatchNormalization Relu", [node("Conv", "X W", "A"), node("BatchNormalization", "A s t m v", "B"),
                                          node("Relu", "B")], {"X": rows(2, 4, 4)}, {"W": weights(3, 2, 2, 2), **norm})
    case("Conv Add", [node("Conv", "X W", "A"), node("Add", "A c")], {"X": rows(2, 4, 4)},
         {"W": weights(3, 2, 2, 2), "c": weights(3, 1, 1)})
    case("BatchNormalization", node("BatchNormalization", "X s t m v", epsilon=0.01), {"X": rows(3)}, norm)
    case("BatchNormalization image", node("BatchNormalization", "X s t m v"), {"X": rows(3, 2, 2)}, norm)
    for kind in "MaxPool AveragePool".split():
        def pool(name, x, opset=17, **attributes):
            case(f"{kind} {name}", node(kind, "X", **attributes), {"X": rows(*x)}, opset=opset)
        pool("2x2", (2, 6, 6), kernel_shape=[2, 2], strides=[2, 2])
        pool("stride 1", (2, 5, 5), kernel_shape=[2, 3])
        pool("pads", (1, 5, 5), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
        pool("stride 3", (1, 9, 9), kernel_shape=[2, 2], strides=[3, 3])
        pool("ceil", (1, 6, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        pool("ceil pads", (1, 6, 7), kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
        pool("SAME_UPPER", (1, 5, 5), kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
        pool("SAME_LOWER", (1, 5, 5), kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_LOWER")
        pool("1d", (2, 9), kernel_shape=[3], strides=[2])
        case("Global" + kind, node("Global" + kind, "X"), {"X": rows(3, 4, 5)})
        case("Global" + kind + " 1d", node("Global" + kind, "X"), {"X": rows(3, 4)})
    case("MaxPool dilations", node("MaxPool", "X", kernel_shape=[2, 2], dilations=[2, 3]), {"X": rows(1, 6, 6)})
    case("AveragePool count_include_pad", node("AveragePool", "X", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                               strides=[2, 2], count_include_pad=1), {"X": rows(1, 5, 5)})
    case("AveragePool count_include_pad ceil", node("AveragePool", "X", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                                    strides=[2, 2], count_include_pad=1, ceil_mode=1),
         {"X": rows(1, 6, 6)}, opset=19)
    case("AveragePool dilations", node("AveragePool", "X", kernel_shape=[2, 2], dilations=[2, 2]),
         {"X": rows(1, 5, 5)}, opset=19)
    case("network", [
        node("Reshape", "X s", "A"), node("Conv", "A W B", "C", pads=[1, 1, 1, 1]), node("Relu", "C", "D"),
        node("MaxPool", "D", "E", kernel_shape=[2, 2], strides=[2, 2]), node("Conv", "E V b", "F"),
        node("Relu", "F", "G"), node("Flatten", "G", "H"), node("Gemm", "H U u", "I", transB=1), node("Softmax", "I")],
        {"X": rows(64)}, {"s": ints(-1, 1, 8, 8), "W": weights(4, 1, 3, 3), "B": weights(4), "V": weights(6, 4, 3, 3),
                          "b": weights(6), "U": weights(5, 24), "u": weights(5)})


def odd_images():
    """Sizes that the vectors of the kernels do not divide, and convolutions with what they take in."""
    def conv(name, x, w, then=(), **attributes):
        nodes = [node("Conv", "X W B", "0", **attributes)]
        for kind, how in then:
            nodes.append(node(kind, str(len(nodes) - 1), str(len(nodes)), **how))
        case("Conv " + name, nodes, {"X": rows(*x, low=-0.5, high=0.5)}, {"W": weights(*w), "B": weights(w[0])})

    conv("narrow", (2, 9, 2), (3, 2, 2, 2), pads=[1, 0, 1, 0])
    conv("narrow pads", (2, 9, 2), (5, 2, 3, 3), pads=[1, 1, 1, 1])
    conv("to one", (3, 3, 3), (5, 3, 3, 3))
    conv("more before", (1, 4, 26), (5, 1, 3, 3), pads=[2, 2, 0, 0])
    conv("more behind", (1, 4, 26), (5, 1, 3, 3), pads=[0, 0, 2, 2])
    conv("dilations pads", (2, 7, 13), (3, 2, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3])
    relu, sigmoid, halves = ("Relu", {}), ("Sigmoid", {}), {"kernel_shape": [2, 2], "strides": [2, 2]}
    conv("Relu MaxPool", (1, 8, 28), (8, 1, 3, 3), [relu, ("MaxPool", halves)], pads=[1, 1, 1, 1])
    conv("MaxPool Relu", (1, 7, 14), (6, 1, 3, 3), [("MaxPool", halves), relu], pads=[1, 1, 1, 1])
    conv("MaxPool Sigmoid", (1, 6, 14), (7, 1, 3, 3), [("MaxPool", halves), sigmoid])
    conv("Sigmoid MaxPool", (1, 6, 14), (7, 1, 3, 3), [sigmoid, ("MaxPool", halves)])
    conv("Relu AveragePool", (1, 7, 14), (3, 1, 3, 3), [relu, ("AveragePool", halves)])
    conv("Relu MaxPool pads", (1, 7, 14), (3, 1, 3, 3), [relu, ("MaxPool", {**halves, "pads": [1, 1, 1, 1]})])
    conv("strides MaxPool", (1, 13, 17), (5, 1, 3, 3), [relu, ("MaxPool", halves)], strides=[2, 2])
    conv("groups MaxPool", (4, 9, 9), (6, 2, 3, 3), [relu, ("MaxPool", {"kernel_shape": [3, 2]})], group=2)
    conv("GlobalMaxPool", (2, 5, 9), (5, 2, 3, 3), [("GlobalMaxPool", {})])
    conv("1d MaxPool", (2, 40), (3, 2, 5), [relu, ("MaxPool", {"kernel_shape": [2], "strides": [2]})])
    case("Conv Reshape MaxPool",
         [node("Conv", "X W", "A"), node("Reshape", "A s", "B"), node("MaxPool", "B", **halves)],
         {"X": rows(1, 4, 6)}, {"W": weights(2, 1, 1, 1), "s": ints(-1, 2, 2, 12)})
    for kind in "MaxPool AveragePool".split():
        def pool(name, x, **attributes):
            case(f"{kind} {name}", node(kind, "X", **attributes), {"X": rows(*x)})
        pool("wide", (2, 4, 37), **halves)
        pool("3x3 stride 2", (2, 5, 39), kernel_shape=[3, 3], strides=[2, 2])
        pool("narrow", (3, 6, 2), **halves)
        pool("wide stride 1", (2, 5, 21), kernel_shape=[2, 3])
    for columns in (1, 7, 8, 9, 16, 21):
        case(f"Softmax {columns}", node("Softmax", "X"), {"X": rows(columns)})
        case(f"LogSoftmax {columns}", node("LogSoftmax", "X"), {"X": rows(columns)})


def main():
    for make in (unary, binary, products, shapes, reductions, images, odd_images):
        make()
    names = [line["name"] for line in LINES]
    assert len(set(names)) == len(names)
    with open(HERE / "tensors.jsonl", "w") as out:
        for line in LINES:
            out.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
