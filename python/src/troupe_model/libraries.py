"""The training libraries behind one face: what a fitted model says about rows, to compare the file with."""
from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from troupe_model.errors import ExportError, first_line
from troupe_model.estimators import describe, is_booster, library_of
from troupe_model.frame import FLOAT32_MAX, Column, as_matrix

Meaning = Literal["probability", "score", "value"]


class Library:
    """What a fitted model says. `classes` is None for regressors."""

    classes: list[Any] | None = None
    meaning: Meaning = "value"
    title = ""
    names: list[str] | None = None  # the columns it was fitted on

    def numbers(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        """Probabilities, scores or values, float64 (rows, k); None where it gives none to compare with."""
        raise NotImplementedError

    def labels(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        """The classes as text; None for regressors."""
        raise NotImplementedError


def library_for(fitted: Any) -> Library:
    """Raises ExportError where `fitted` is no model, or not fitted."""
    return (BoosterLibrary if is_booster(fitted) else EstimatorLibrary)(fitted)


def as_input(X: pd.DataFrame, columns: list[Column], names: bool) -> Any:
    """X as the estimator was fitted: arrays in cells become a matrix."""
    if any(c.shape for c in columns):
        return as_matrix(columns, np.float64)
    return X if names else X.to_numpy()


def two_dimensional(values: Any) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values.reshape(len(values), -1)


class EstimatorLibrary(Library):
    """An estimator with scikit-learn's interface: its own, XGBoost's and LightGBM's."""

    def __init__(self, fitted: Any):
        name = type(fitted).__name__
        if isinstance(fitted, type):
            raise ExportError(f"{fitted.__name__} is a class, not a fitted estimator: call it, then fit()")
        if not (hasattr(fitted, "predict") and (is_classifier(fitted) or is_regressor(fitted))):
            raise ExportError(f"{name} is neither a classifier nor a regressor, so there is nothing to predict; the "
                              "last step of a Pipeline has to be one")
        try:
            check_is_fitted(fitted)
        except NotFittedError:
            raise ExportError(f"{name} is not fitted yet: call fit() first") from None
        self.fitted = fitted
        self.title = describe(fitted)
        is_lightgbm = library_of(fitted) == "lightgbm"
        names = lightgbm_names(fitted) if is_lightgbm else getattr(fitted, "feature_names_in_", None)
        self.names = None if names is None else [str(x) for x in names]
        if is_classifier(fitted):
            self.set_classes(fitted)

    def set_classes(self, fitted: Any) -> None:
        classes = fitted.classes_
        if isinstance(classes, list):
            raise ExportError(f"{type(fitted).__name__} predicts {len(classes)} labels a row; one is supported: export "
                              "one estimator for each")
        self.classes = [x.item() if hasattr(x, "item") else x for x in classes]
        self.meaning = "probability" if hasattr(fitted, "predict_proba") else "score"

    def _call(self, method: str, X: pd.DataFrame, columns: list[Column]) -> np.ndarray:
        given = as_input(X[self.names] if self.names else X, columns, self.names is not None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return getattr(self.fitted, method)(given)
            except (ValueError, TypeError) as error:
                raise ExportError(f"{self.title} itself can't predict X: {first_line(error)}") from None

    def numbers(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        if self.classes is None:
            return two_dimensional(self._call("predict", X, columns))
        if self.meaning == "probability":
            return two_dimensional(self._call("predict_proba", X, columns))
        if hasattr(self.fitted, "decision_function"):
            return two_dimensional(self._call("decision_function", X, columns))
        return None

    def labels(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        return None if self.classes is None else as_text(self._call("predict", X, columns))


def lightgbm_names(fitted: Any) -> list[str] | None:
    """LightGBM calls the columns of an array Column_0, Column_1, ...: those are no names."""
    names = list(fitted.feature_name_)
    return None if names == [f"Column_{i}" for i in range(len(names))] else names


def as_text(labels: np.ndarray) -> np.ndarray:
    """Labels as ONNX has them, as text: 1.0 and True are 1."""
    def one(label: Any) -> str:
        return str(int(label)) if isinstance(label, (bool, np.bool_, float, np.floating)) else str(label)
    return np.array([one(x) for x in np.asarray(labels).ravel()], dtype=object)


class BoosterLibrary(Library):
    """XGBoost's or LightGBM's Booster, by its objective."""

    def __init__(self, booster: Any):
        self.booster = booster
        self.is_xgboost = library_of(booster) == "xgboost"
        self.title = f"{library_of(booster)}.Booster"
        self.objective, count = self._xgboost() if self.is_xgboost else self._lightgbm()
        if self.objective.startswith(("rank", "lambdarank", "survival")):
            raise ExportError(f"the objective {self.objective} of {self.title} is not supported")
        if self.objective.startswith(("binary", "multi", "reg:logistic")) and self.objective != "reg:logistic":
            self.classes = list(range(max(2, count)))
            self.meaning = "score" if self.objective == "binary:logitraw" else "probability"

    def _xgboost(self) -> tuple[str, int]:
        import json
        learner = json.loads(self.booster.save_config())["learner"]
        self.names = self.booster.feature_names
        return learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])

    def _lightgbm(self) -> tuple[str, int]:
        self.names = [str(x) for x in self.booster.feature_name()]
        if self.names == [f"Column_{i}" for i in range(len(self.names))]:
            self.names = None
        line = next((x for x in self.booster.model_to_string().splitlines() if x.startswith("objective=")), "")
        return line.removeprefix("objective=").split(" ")[0] or "custom", self.booster.num_model_per_iteration()

    def _predict(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray:
        given = as_input(X[self.names] if self.names else X, columns, self.names is not None)
        if not self.is_xgboost:
            return np.asarray(self.booster.predict(given))
        import xgboost
        return self.booster.predict(xgboost.DMatrix(given))

    def numbers(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        if self.objective == "multi:softmax":
            return None
        values = two_dimensional(self._predict(X, columns))
        one_column = self.classes is not None and values.shape[1] == 1 and self.meaning == "probability"
        return np.hstack([1 - values, values]) if one_column else values

    def labels(self, X: pd.DataFrame, columns: list[Column]) -> np.ndarray | None:
        if self.classes is None:
            return None
        if self.objective == "multi:softmax":
            return as_text(self._predict(X, columns))
        numbers = self.numbers(X, columns)
        assert numbers is not None
        return as_text(numbers.argmax(axis=1) if numbers.shape[1] > 1 else (numbers[:, 0] > 0).astype(int))


def check_results(values: np.ndarray | None, title: str) -> None:
    """Raises ExportError where the predictions are not what float32 can hold."""
    if values is None or (np.isfinite(values).all() and np.abs(values).max() <= FLOAT32_MAX):
        return
    worst = values[~(np.abs(values) <= FLOAT32_MAX)][0]
    raise ExportError(f"{title} predicts {worst}, which float32 can't hold; train it on a target of another unit")
