"""Images from Kafka: a perceptron on scikit-learn's digits, and a small convolutional net, from {"id","pixels"}."""
import json

import numpy
import onnx
from onnx.reference import ReferenceEvaluator

from harness import produce, read_topic, require
from marks import limit
from networks import convolutional_net
from test_delivery import wait_for_outcomes


def rows_of(images):
    """(key, value) of one row for each image; its nested lists are its pixels."""
    return [(str(i).encode(), json.dumps({"id": i, "pixels": image.tolist()}).encode())
            for i, image in enumerate(images)]


def scored(test, name, file, rows, prediction, *features):
    """The predictions that came through Kafka, {id: prediction}, each of them once."""
    cluster = test.cluster(name, pipeline={"model": name, "output": {"carry": ["id"], "prediction": prediction}})
    cluster.start("a")
    cluster.push(file, name, *(features or ("--json",)))
    cluster.wait_ready("a")
    produce(test.bootstrap, cluster.source, rows)
    wait_for_outcomes(test, cluster, len(rows), 60)
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


@limit(180)
def convolutional_net__pixels_nested_and_flat__as_the_reference(test):
    file = test.dir / "net.onnx"
    net = convolutional_net(numpy.random.default_rng(7))
    onnx.save(net, str(file))
    images = numpy.random.default_rng(8).integers(0, 256, (300, 1, 28, 28)).astype(numpy.float32) / 255
    expected = ReferenceEvaluator(net).run(None, {"pixels": images})[0]
    shapes = [(1, 28, 28), (28 * 28,)]      # as the model has it, and flat
    rows = rows_of([image.reshape(shapes[i % 2]) for i, image in enumerate(images)])
    found = scored(test, "net", file, rows, {"first": "value(0)", "last": "value(9)"})
    require_close(found, expected[:, 0], "first")
    require_close(found, expected[:, 9], "last")
