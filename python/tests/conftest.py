"""Small data with every kind of column, and a way to score a file as Troupe does."""
import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper
from onnx import TensorProto, helper

ROWS = 300


@pytest.fixture(scope="session")
def people():
    """Numbers, whole numbers, booleans and strings; missing ages and jobs."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({
        "age": rng.normal(40, 10, ROWS).round(2),
        "kids": rng.integers(0, 4, ROWS),
        "city": rng.choice(["Bern", "Oslo", "Rome"], ROWS),
        "job": rng.choice(["cook", "nurse", None], ROWS),
        "member": rng.random(ROWS) > 0.5,
    })
    frame.loc[::7, "age"] = np.nan
    return frame


@pytest.fixture(scope="session")
def numbers(people):
    return people[["age", "kids"]].fillna(40.0)


@pytest.fixture(scope="session")
def bought(people):
    return (people.kids + (people.city == "Rome") + np.random.default_rng(4).random(ROWS) > 2.2).astype(int)


@pytest.fixture(scope="session")
def price(people):
    return people.kids * 3.0 + np.random.default_rng(5).random(ROWS)


def net_file(folder, outputs=3):
    """A net without a label, as PyTorch and Keras write them."""
    weights = np.random.default_rng(6).normal(size=(2, outputs)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["pixels", "w"], ["sums"]), helper.make_node("Softmax", ["sums"], ["shares"])]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 2])],
                              [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["N", outputs])],
                              [onnx.numpy_helper.from_array(weights, "w")])
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def props(path):
    return {x.key: x.value for x in onnx.load(path).metadata_props}


def signature(path):
    return json.loads(props(path)["troupe.signature"])


def features(path):
    return {x["name"]: x for x in signature(path)["features"]}


def score(path, rows):
    """The numbers for rows as JSON objects, bound as docs/model_format.md says; written apart from the package."""
    model = onnx.load(path)
    told = features(path)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def value(feature, row):
        if row.get(feature["name"]) is not None:
            return row[feature["name"]]
        return feature.get("missingValueReplacement", np.nan)

    given = [[value(f, row) for row in rows] for f in told.values()]
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(string)": object}
    inputs = session.get_inputs()
    if len(inputs) == 1 and len(given) > 1:
        given = [np.column_stack(given)]
    feeds = {x.name: np.array(v, dtype=kinds[x.type]).reshape(len(rows), -1) for x, v in zip(inputs, given)}
    results = session.run(None, feeds)
    return next(r for r in results if r.dtype == np.float32)
