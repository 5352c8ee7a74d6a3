"""The models the tests score with, made in a directory; scikit-learn itself is the oracle for the games models."""
import functools
import pathlib

import numpy
import onnx
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

GAMES_FEATURES = 10
OPSET = 17


def _fit(seed):
    random = numpy.random.default_rng(seed)
    rows = random.integers(0, 2, size=(4_000, GAMES_FEATURES)).astype(numpy.float64)
    weights = random.normal(0, 1.5, GAMES_FEATURES)
    labels = random.random(len(rows)) < 1 / (1 + numpy.exp(-(rows @ weights - weights.sum() / 2)))
    return LogisticRegression().fit(rows, labels.astype(int))


def linear_classifier(coefficients, intercepts, classes, post, file, output_probabilities=True):
    """An ai.onnx.ml LinearClassifier over one float tensor, as skl2onnx writes it for a plain estimator."""
    count = coefficients.shape[1]
    nodes = [helper.make_node("LinearClassifier", ["X"], ["label", "probabilities"], domain="ai.onnx.ml",
                              coefficients=coefficients.astype(numpy.float32).ravel().tolist(),
                              intercepts=intercepts.astype(numpy.float32).tolist(), classlabels_ints=classes,
                              multi_class=0, post_transform=post)]
    outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, [None])]
    if output_probabilities:
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)]))
    graph = helper.make_graph(nodes, "linear", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, count])],
                              outputs)
    model = helper.make_model(graph, producer_name="troupe-e2e", ir_version=8,
                              opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)])
    onnx.save(model, str(file))
    return file


class Models:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)

    @functools.cached_property
    def estimators(self):
        """{version: estimator}: games@1 and games@2 in the order the tests push them."""
        return {1: _fit(1), 2: _fit(2)}

    def _convert(self, version):
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
        model = convert_sklearn(self.estimators[version], target_opset={"": OPSET, "ai.onnx.ml": 3},
                                initial_types=[("X", FloatTensorType([None, GAMES_FEATURES]))],
                                options={"zipmap": False})
        file = self.dir / f"games_v{version}.onnx"
        onnx.save(model, str(file))
        return file

    @functools.cached_property
    def games_v1(self):
        return self._convert(1)

    @functools.cached_property
    def games_v2(self):
        return self._convert(2)

    def predict(self, version, features):
        """Probability of the positive class, by scikit-learn."""
        return self.estimators[version].predict_proba(features)[:, 1]

    def variant(self, number):
        """A games model unlike all others, for pushing again and again: the same bytes would be the same version."""
        fitted = self.estimators[1]
        weights = fitted.coef_[0] * (1 + number / 1_000)
        intercepts = numpy.concatenate([-fitted.intercept_, fitted.intercept_])
        return linear_classifier(numpy.vstack([-weights, weights]), intercepts, [0, 1], "LOGISTIC",
                                 self.dir / f"games_variant_{number}.onnx")

    @functools.cached_property
    def heavy(self):
        """500 features, 2,000 classes: 2 million multiplications a row, so that a batch of thousands takes seconds."""
        random = numpy.random.default_rng(3)
        classes = 2_000
        return linear_classifier(random.normal(0, 0.1, (classes, 500)), random.normal(0, 1, classes),
                                 list(range(classes)), "SOFTMAX", self.dir / "heavy.onnx")

    @functools.cached_property
    def wide(self):
        """A binary classifier of 2,000 features, F1..F2000."""
        random = numpy.random.default_rng(4)
        weights = random.normal(0, 0.05, (1, 2_000))
        return linear_classifier(numpy.vstack([-weights, weights]), numpy.zeros(2), [0, 1], "LOGISTIC",
                                 self.dir / "wide.onnx")
