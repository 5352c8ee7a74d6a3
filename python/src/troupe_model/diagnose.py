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
    "VotingClassifier": "use voting='soft'",
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

CONTAINERS = (Pipeline, ColumnTransformer, FeatureUnion)


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
    for name, child, around in _parts(thing):
        place = f"{path} > {_kind(thing)} {name!r} ({type(child).__name__})"
        what = probe(around(child))
        if what is not None and isinstance(child, CONTAINERS):
            return _locate(child, place, lambda part, around=around: probe(around(part)))
        if what is not None:
            return place, child, what
    return path, thing, probe(thing) or "the steps convert one by one, but not together"


def _kind(container: Any) -> str:
    return "step" if isinstance(container, Pipeline) else "transformer"


def _parts(thing: Any) -> Iterator[tuple[str, Any, Callable[[Any], Any]]]:
    """(its name, a step, what puts the step or a part of it where it converts by itself), in their order."""
    if isinstance(thing, Pipeline):
        for i, (name, step) in enumerate(thing.steps):
            if step not in (None, "passthrough"):
                yield name, step, lambda part, i=i, name=name: Pipeline([*thing.steps[:i], (name, part)])
    elif isinstance(thing, ColumnTransformer):
        for name, step, columns in thing.transformers_:
            if not isinstance(step, str):
                yield name, step, lambda part, name=name, columns=columns: _only(thing, (name, part, columns))
    elif isinstance(thing, FeatureUnion):
        for name, step in thing.transformer_list:
            if not isinstance(step, str):
                yield name, step, lambda part: part


def _only(whole: ColumnTransformer, transformer: tuple[str, Any, Any]) -> ColumnTransformer:
    alone = copy.copy(whole)
    alone.transformers_ = [transformer]
    return alone
