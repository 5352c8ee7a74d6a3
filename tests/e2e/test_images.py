"""Images from Kafka: a perceptron on scikit-learn's digits, and a small convolutional net, from {"id","pixels"}."""
import json

import numpy
import onnx
import pandas
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from troupe_model import export

from harness import produce, read_topic, require
from marks import limit
from networks import convolutional_net
from test_delivery import wait_for_outcomes


def rows_of(images):
    """(key, value) of one row for each image; its nested lists are its pixels."""
    return [(str(i).encode(), json.dumps({"id": i, "pixels": image.tolist()}).encode())
            for i, image in enumerate(images)]


def scored(test, name, file, rows, prediction):
    """The predictions that came through Kafka, {id: prediction}, each of them once."""
    cluster = test.cluster(name, pipeline={"model": name, "output": {"carry": ["id"], "prediction": prediction}})
    cluster.start("a")
    cluster.push(file, name, "--json")
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
    digits = load_digits()
    fitted = MLPClassifier((100, 50), tol=1e-2, random_state=1).fit(digits.data, digits.target)
    file = export(fitted, pandas.DataFrame({"pixels": list(digits.data)}), test.dir / "digits.onnx").path
    found = scored(test, "digits", file, rows_of(digits.data), {"digit": "label", "three": "probability(3)"})
    require_close(found, fitted.predict_proba(digits.data)[:, 3], "three")
    labels = fitted.predict(digits.data)
    require(all(found[i]["digit"] == labels[i] for i in range(len(labels))), "a digit differs from scikit-learn's")


@limit(180)
def convolutional_net__pixels_nested_and_flat__label_and_probabilities_as_the_reference(test):
    names = [f"shape {i}" for i in range(10)]
    plain = test.dir / "plain.onnx"
    net = convolutional_net(numpy.random.default_rng(7))
    onnx.save(net, str(plain))
    images = numpy.random.default_rng(8).integers(0, 256, (300, 1, 28, 28)).astype(numpy.float32) / 255
    file = export(plain, pandas.DataFrame({"pixels": list(images)}), test.dir / "net.onnx", classes=names).path
    expected = ReferenceEvaluator(net).run(None, {"pixels": images})[0]
    shapes = [(1, 28, 28), (28 * 28,)]      # as the model has it, and flat
    rows = rows_of([image.reshape(shapes[i % 2]) for i, image in enumerate(images)])
    found = scored(test, "net", file, rows, {"shape": "label", "all": "probabilities", "last": "probability(shape 9)"})
    require_close(found, expected[:, 9], "last")
    for i, row in enumerate(expected):
        best = names[row.argmax()]
        require(found[i]["shape"] == best or abs(row.max() - row[names.index(found[i]["shape"])]) < 1e-5,
                f"row {i} is {found[i]['shape']}, expected {best}")
    require(len({one["shape"] for one in found.values()}) > 1, "all rows have one label")
    require_close({i: {"all": [one["all"][name] for name in names]} for i, one in found.items()}, expected, "all")
