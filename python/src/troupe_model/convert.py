"""Estimators into ONNX, by skl2onnx and onnxmltools, with what they need to get it right."""
from __future__ import annotations

import copy
import re
import warnings
from typing import Any, Literal

import numpy as np
import onnx
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx._supported_operators import _get_sklearn_operator_name
from skl2onnx.common._registration import _converter_pool
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from skl2onnx.common.shape_calculator import (calculate_linear_classifier_output_shapes,
                                              calculate_linear_regressor_output_shapes)

from troupe_model.estimators import columns_by_name, encoded_only, is_booster, library_of, walk
from troupe_model.frame import Column
from troupe_model.simplify import simplify

OPSETS = {"": 17, "ai.onnx.ml": 3}
MATRIX = "X"  # the name of the input where there is only one
Layout = Literal["matrix", "columns"]


def layout_for(fitted: Any, columns: list[Column]) -> Layout:
    """One float matrix, or an input for each column where the estimator needs types or names."""
    if any(c.kind == "string" for c in columns) or (not is_booster(fitted) and columns_by_name(fitted)):
        return "columns"
    return "matrix"


def input_types(fitted: Any, columns: list[Column], layout: Layout) -> list[tuple[str, Any]]:
    """What skl2onnx calls initial_types."""
    if layout == "matrix":
        return [(MATRIX, FloatTensorType([None, sum(c.width for c in columns)]))]
    whole = encoded_only(fitted)

    def one(column: Column) -> Any:
        if column.kind == "string":
            return StringTensorType([None, 1])
        if column.kind == "integer" and column.name in whole:
            return Int64TensorType([None, 1])
        return FloatTensorType([None, column.width])
    return [(column.name, one(column)) for column in columns]


def to_onnx(prepared: Any, types: list[tuple[str, Any]], name: str) -> onnx.ModelProto:
    """Converts what prepare() made. Raises whatever the converters raise."""
    register(prepared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_booster(prepared):
            return booster_to_onnx(prepared, types, name)
        last = prepared.steps[-1][1] if hasattr(prepared, "steps") else prepared
        options = {id(last): {"zipmap": False}} if takes_zipmap(last) else None
        model = convert_sklearn(prepared, name=name, initial_types=types, target_opset=OPSETS, options=options)
    simplify(model)
    if type(last).__name__ == "MLPRegressor" and last.n_outputs_ > 1:
        _widen_result(model, last.n_outputs_)
    if type(last).__name__ == "HistGradientBoostingRegressor" and last.loss in ("poisson", "gamma"):
        _append(model, "Exp")
    return model


def _append(model: onnx.ModelProto, operator: str) -> None:
    """One more node at the end: skl2onnx leaves out the inverse of the link."""
    result = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = [f"{x}_raw" if x == result else x for x in node.output]
    model.graph.node.append(onnx.helper.make_node(operator, [f"{result}_raw"], [result], name=f"{operator}_link"))
    if not any(x.domain == "" for x in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", OPSETS[""]))


def _widen_result(model: onnx.ModelProto, targets: int) -> None:
    """skl2onnx lets the net of several targets end in a column of all of them."""
    result = model.graph.output[0]
    node = next(x for x in model.graph.node if result.name in x.output)
    shape = next((x for x in model.graph.initializer if node.op_type == "Reshape" and x.name == node.input[1]), None)
    if shape is None:
        return
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([-1, targets], dtype=np.int64), shape.name))
    result.type.tensor_type.shape.dim[1].dim_value = targets


def takes_zipmap(estimator: Any) -> bool:
    # skl2onnx asks for this option of every classifier, and forgot to allow it for this one.
    _converter_pool["SklearnLinearSVC"].get_allowed_options().setdefault("zipmap", [True, False])
    try:
        converter = _converter_pool[_get_sklearn_operator_name(type(estimator))]
    except (KeyError, RuntimeError):
        return False
    return "zipmap" in (converter.get_allowed_options() or {})


def booster_to_onnx(booster: Any, types: list[tuple[str, Any]], name: str) -> onnx.ModelProto:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    given = [(input_name, Floats(list(kind.shape))) for input_name, kind in types]
    if library_of(booster) == "xgboost":
        return onnxmltools.convert_xgboost(booster, name, given, target_opset=15)
    return onnxmltools.convert_lightgbm(booster, name, given, target_opset=15, zipmap=False)


def register(fitted: Any) -> None:
    """Tells skl2onnx of the converters of the libraries that `fitted` uses."""
    libraries = {library_of(thing) for thing in walk(fitted)}
    classifier, regressor = calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
    options: dict[str, Any] = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    if "xgboost" in libraries:
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
        for model, alias in ((xgboost.XGBClassifier, "XGBClassifier"), (xgboost.XGBRFClassifier, "XGBRFClassifier")):
            update_registered_converter(model, alias, classifier, convert_xgboost, options=options)
        for model, alias in ((xgboost.XGBRegressor, "XGBRegressor"), (xgboost.XGBRFRegressor, "XGBRFRegressor")):
            update_registered_converter(model, alias, regressor, convert_xgboost)
    if "lightgbm" in libraries:
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
        update_registered_converter(lightgbm.LGBMClassifier, "LgbmClassifier", classifier, convert_lightgbm,
                                    options=options)
        update_registered_converter(lightgbm.LGBMRegressor, "LgbmRegressor", regressor, convert_lightgbm)


# ---- making estimators fit for the converters ----

def prepare(fitted: Any) -> Any:
    """The same model, changed in places that its predictions don't depend on but the converters do. The original stays
    as it is."""
    if not any(_needs_change(thing) for thing in walk(fitted)):
        return fitted
    changed = copy.deepcopy(fitted)
    if is_booster(changed):
        return _nameless(changed) if library_of(changed) == "xgboost" else float32_thresholds(changed)
    for thing in walk(changed):
        if _needs_change(thing):
            _change(thing)
    return changed


def _needs_change(thing: Any) -> bool:
    if library_of(thing) in ("xgboost", "lightgbm"):
        return True
    name = type(thing).__name__
    return hasattr(thing, "_predictors") or name == "VotingClassifier" or _is_exponential(thing) or (
        name == "SimpleImputer" and not isinstance(thing.missing_values, str) and _imputes_strings(thing))


def _change(thing: Any) -> None:
    if hasattr(thing, "_predictors"):
        _round_hist(thing)
    elif _is_exponential(thing):
        _double(thing)
    elif type(thing).__name__ == "VotingClassifier":
        thing.flatten_transform = False  # of transform() only, which nobody calls
        thing.weights = None if thing.weights is None else np.asarray(thing.weights)
    elif type(thing).__name__ == "SimpleImputer":
        thing.missing_values = str(thing.missing_values)  # in ONNX a missing string is the text nan or None
    elif library_of(thing) == "xgboost" and hasattr(thing, "get_booster"):
        _nameless(thing.get_booster())
    elif library_of(thing) == "lightgbm" and getattr(thing, "_Booster", None) is not None:
        thing._Booster = float32_thresholds(thing._Booster)


def _is_exponential(thing: Any) -> bool:
    return type(thing).__name__ == "GradientBoostingClassifier" and thing.loss == "exponential"


def _double(boosting: Any) -> None:
    """Of the exponential loss the probability is that of twice the sum, for which skl2onnx has no words: the same
    trees, counted twice, with the loss whose probability is that of the sum. Twice what the sum begins with is what
    that loss begins with."""
    from sklearn._loss.loss import HalfBinomialLoss
    boosting.loss, boosting._loss = "log_loss", HalfBinomialLoss()
    boosting.learning_rate *= 2


def _round_hist(boosting: Any) -> None:
    """As float32_thresholds(), for HistGradientBoosting."""
    for predictor in (one for round_ in boosting._predictors for one in round_):
        predictor.nodes["num_threshold"] = [_floor32(x) for x in predictor.nodes["num_threshold"]]


def _imputes_strings(imputer: Any) -> bool:
    statistics = np.asarray(getattr(imputer, "statistics_", []))
    return statistics.dtype == object and all(isinstance(x, str) for x in statistics)


def _nameless(booster: Any) -> Any:
    """onnxmltools reads the index of a feature out of its name, f0, f1, ..., which is what it is without names."""
    booster.feature_names = None
    booster.feature_types = None
    return booster


def float32_thresholds(booster: Any) -> Any:
    """The same LightGBM model with each threshold rounded down to float32. For a float32 x, x <= t is x <= t rounded
    down; the converter would round to the nearest, which is another question where that is above t."""
    import lightgbm

    def rounded_down(match: re.Match[str]) -> str:
        return match.group(1) + " ".join(repr(_floor32(float(x))) for x in match.group(2).split())
    text = re.sub(r"^(threshold=)(.*)$", rounded_down, booster.model_to_string(), flags=re.MULTILINE)
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)  # in bytes, which are others now
    return lightgbm.Booster(model_str=text)


def _floor32(value: float) -> float:
    nearest = np.float32(value)
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-np.inf)))
