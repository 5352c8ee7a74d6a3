"""Which step of a pipeline is in the way, and what to do about it."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from troupe_model.errors import ExportError
from troupe_model.estimators import walk

Probe = Callable[[Any], "str | None"]  # what is wrong with converting this, or nothing

ADVICE = {
    "CountVectorizer": "text has to become numbers before it is sent",
    "TfidfVectorizer": "text has to become numbers before it is sent",
    "FunctionTransformer": "do in the rows what the function does, or write the graph yourself and export its path",
    "KBinsDiscretizer": "use encode='ordinal', or a tree, which needs no bins",
    "KNNImputer": "use SimpleImputer, or HistGradientBoosting, which takes missing values as they are",
    "IterativeImputer": "use SimpleImputer, or HistGradientBoosting, which takes missing values as they are",
    "PowerTransformer": "use StandardScaler, or QuantileTransformer's ranks computed before the rows are sent",
    "QuantileTransformer": "use RobustScaler or StandardScaler",
    "TransformedTargetRegressor": "export its regressor_, and apply the inverse of the function to the predictions",
    "KNeighborsClassifier": "train an SVC or a forest instead: neighbours need all training rows at scoring time",
    "KNeighborsRegressor": "train an SVR or a forest instead: neighbours need all training rows at scoring time",
}
ELSE = "replace it by another class, or write its ONNX graph yourself and export the path of that file"


def refuse_known_traps(fitted: Any) -> None:
    """Settings for which the converters write a graph that computes something else, without a word."""
    for thing in walk(fitted):
        name = type(thing).__name__
        if name == "SimpleImputer" and thing.add_indicator:
            raise ExportError("the converter ignores add_indicator=True of SimpleImputer: set it to False, and add the "
                              "indicators to the rows if the model needs them")
        if name.startswith("HistGradientBoosting") and getattr(thing, "is_categorical_", None) is not None:
            if np.any(thing.is_categorical_):
                raise ExportError(f"{name} has categorical_features, which ONNX's trees don't have: train it on codes "
                                  "(OrdinalEncoder) with categorical_features=None, or use LightGBM")
        if name == "OrdinalEncoder" and thing.handle_unknown == "use_encoded_value" and np.isnan(thing.unknown_value):
            raise ExportError("OrdinalEncoder has unknown_value=nan, which its integers can't be in ONNX: use -1")


def blame(fitted: Any, probe: Probe) -> ExportError:
    """The error for a model that does not convert, naming the innermost step that does not."""
    path, culprit, what = _locate(fitted, type(fitted).__name__, probe)
    advice = ADVICE.get(type(culprit).__name__, ELSE)
    return ExportError(f"{path} can't be exported: {what}. What to do: {advice}")


def _locate(thing: Any, path: str, probe: Probe) -> tuple[str, Any, str]:
    for place, child, part in _parts(thing):
        what = probe(part)
        if what is not None and _is_container(child):
            return _locate(child, f"{path} > {place}", probe)
        if what is not None:
            return f"{path} > {place}", child, what
    return path, thing, probe(thing) or "the steps convert one by one, but not together"


def _is_container(thing: Any) -> bool:
    return isinstance(thing, (Pipeline, ColumnTransformer, FeatureUnion))


def _parts(thing: Any) -> Iterator[tuple[str, Any, Any]]:
    """(where, the step, the smallest thing with this step that converts by itself), in the order of the computation."""
    if isinstance(thing, Pipeline):
        for i, (name, step) in enumerate(thing.steps):
            if step not in (None, "passthrough"):
                yield f"step {name!r} ({type(step).__name__})", step, Pipeline(thing.steps[: i + 1])
    elif isinstance(thing, ColumnTransformer):
        for name, step, columns in thing.transformers_:
            if not isinstance(step, str):
                yield f"transformer {name!r} ({type(step).__name__})", step, _only(thing, (name, step, columns))
    elif isinstance(thing, FeatureUnion):
        for name, step in thing.transformer_list:
            if not isinstance(step, str):
                yield f"transformer {name!r} ({type(step).__name__})", step, step


def _only(whole: ColumnTransformer, transformer: tuple[str, Any, Any]) -> ColumnTransformer:
    alone = copy.copy(whole)
    alone.transformers_ = [transformer]
    return alone
