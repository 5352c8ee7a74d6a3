"""Images from Kafka: a perceptron on scikit-learn's digits, and a small convolutional net, from {"id","pixels"}."""
import json

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from harness import produce, read_topic, require, wait_until
from marks import limit

CARRY = {"carry": ["id"]}


def rows_of(images):
    """(key, value) of one row for each image; its nested lists are its pixels."""
    return [(str(i).encode(), json.dumps({"id": i, "pixels": image.tolist()}).encode())
            for i, image in enumerate(images)]


def scored(test, name, file, rows, prediction, *features):
    """The predictions that came through Kafka, {id: prediction}, each of them once."""
    cluster = test.cluster(name, pipeline={"model": name, "output": {**CARRY, "prediction": prediction}})
    cluster.start("a")
    cluster.push(file, name, *(features or ("--json",)))
    cluster.wait_ready("a")
    produce(test.bootstrap, cluster.source, rows)
    wait_until(lambda: len(read_topic(test.bootstrap, cluster.preds)) >= len(rows), 60, f"{len(rows)} predictions")
    records = read_topic(test.bootstrap, cluster.preds)
    require(len(records) == len(rows), f"{len(records)} predictions of {len(rows)} rows")
    require(not read_topic(test.bootstrap, cluster.dlq), "there are dead letters")
    out = {}
    for record in records:
        value = json.loads(record.value)
        require(record.key == str(value["id"]).encode() and value["id"] not in out, f"{record}")
        out[value["id"]] = value
    return out


def require_close(found, expected, field):
    got = numpy.array([found[i][field] for i in range(len(expected))])
    off = numpy.abs(got - expected) - (1e-6 + 1e-5 * numpy.abs(expected))
    require((off <= 0).all(), f"row {off.argmax()}, {field}: {got[off.argmax()]}, expected {expected[off.argmax()]}")


@limit(180)
def digits_perceptron__pixels_in_one_array__as_scikit_learn(test):
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    digits = load_digits()
    fitted = MLPClassifier((100, 50), tol=1e-2, random_state=1).fit(digits.data, digits.target)
    file = test.dir / "digits.onnx"
    onnx.save(convert_sklearn(fitted, initial_types=[("X", FloatTensorType([None, 64]))],
                              options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3}), str(file))
    found = scored(test, "digits", file, rows_of(digits.data), {"digit": "label", "three": "score(3)"},
                   "--features", "pixels")
    probabilities = fitted.predict_proba(digits.data)
    require_close(found, probabilities[:, 3], "three")
    labels = fitted.predict(digits.data)
    require(all(found[i]["digit"] == labels[i] for i in range(len(labels))), "a digit differs from scikit-learn's")


def convolutional_net(file):
    """28 x 28 images, 8 and 16 channels, 10 results; weights from a seed."""
    random = numpy.random.default_rng(7)
    shapes = {"w1": (8, 1, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "b2": (16,), "w3": (16 * 49, 10), "b3": (10,)}
    weights = [numpy_helper.from_array(random.normal(0, 0.2, shape).astype(numpy.float32), name)
               for name, shape in shapes.items()]
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [helper.make_node("Conv", ["pixels", "w1", "b1"], ["c1"], **conv), helper.make_node("Relu", ["c1"], ["r1"]),
             helper.make_node("MaxPool", ["r1"], ["p1"], **pool),
             helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], **conv), helper.make_node("Relu", ["c2"], ["r2"]),
             helper.make_node("MaxPool", ["r2"], ["p2"], **pool), helper.make_node("Flatten", ["p2"], ["flat"]),
             helper.make_node("Gemm", ["flat", "w3", "b3"], ["sums"]),
             helper.make_node("Softmax", ["sums"], ["probabilities"], axis=1)]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(file))
    return ReferenceEvaluator(model)


@limit(180)
def convolutional_net__pixels_nested_and_flat__as_the_reference(test):
    file = test.dir / "net.onnx"
    reference = convolutional_net(file)
    images = numpy.random.default_rng(8).integers(0, 256, (300, 1, 28, 28)).astype(numpy.float32) / 255
    expected = reference.run(None, {"pixels": images})[0]
    shapes = [(1, 28, 28), (28 * 28,)]      # as the model has it, and flat
    rows = rows_of([image.reshape(shapes[i % 2]) for i, image in enumerate(images)])
    found = scored(test, "net", file, rows, {"first": "value(0)", "last": "value(9)"})
    require_close(found, expected[:, 0], "first")
    require_close(found, expected[:, 9], "last")
