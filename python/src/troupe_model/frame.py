"""The columns of a DataFrame: their names, what they hold, and how they are fed to a graph."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from troupe_model.errors import ExportError

Kind = Literal["number", "integer", "boolean", "string"]
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Column:
    """One feature: a column of single values, or of arrays that all have the same shape."""

    name: str
    kind: Kind
    shape: tuple[int, ...]  # (): single values
    values: np.ndarray  # float64 (rows,) or (rows, width); strings: objects, what stands for missing as its text
    missing: np.ndarray  # bool (rows,)
    marker: str = "nan"  # how a missing string reaches the graph

    @property
    def width(self) -> int:
        return int(np.prod(self.shape, dtype=int))


def read_frame(X: Any) -> list[Column]:
    """The columns of X. Raises ExportError where X is no DataFrame, or a column has no name or no use."""
    if not isinstance(X, pd.DataFrame):
        raise ExportError(f"X is a {type(X).__name__}, which does not name its columns; give a DataFrame: "
                          "pandas.DataFrame(X, columns=[...])")
    if len(X) == 0:
        raise ExportError("X has no rows; give the training data, or a good part of them")
    check_names(list(X.columns))
    return [read_column(str(name), X[name]) for name in X.columns]


def check_names(names: list[Any]) -> None:
    if not names:
        raise ExportError("X has no columns")
    for name in names:
        if not isinstance(name, str):
            raise ExportError(f"the column {name!r} of X has no name but a {type(name).__name__}; Troupe finds "
                              "features by name: give pandas.DataFrame(X, columns=[...])")
        if not name.strip():
            raise ExportError(f"a column of X has an empty name ({name!r})")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExportError(f"X names these columns twice: {', '.join(map(repr, twice))}")


def read_column(name: str, series: pd.Series) -> Column:
    missing = series.isna().to_numpy()
    if missing.all():
        raise ExportError(f"the column {name!r} of X has no value at all")
    what = pd.api.types.infer_dtype(series.dropna(), skipna=True)
    if what == "categorical":
        what = pd.api.types.infer_dtype(series.cat.categories, skipna=True)
        series = series.astype(object)
    if what == "string":
        marker = str(series[missing].iloc[0]) if missing.any() else "nan"
        return Column(name, "string", (), np.array([str(x) for x in series], dtype=object), missing, marker)
    if what == "boolean":
        return Column(name, "boolean", (), as_floats(name, series), missing)
    if what == "integer" and not missing.any():
        return Column(name, "integer", (), as_floats(name, series), missing)
    if what in ("integer", "floating", "mixed-integer-float", "decimal"):
        return Column(name, "number", (), as_floats(name, series), missing)
    first = series.dropna().iloc[0]
    if isinstance(first, (list, tuple, np.ndarray)):
        return read_arrays(name, series, missing)
    raise ExportError(f"the column {name!r} of X holds {what} values ({series.dtype}), for example {first!r}; "
                      "numbers, booleans, strings and arrays of numbers are supported")


def as_floats(name: str, series: pd.Series) -> np.ndarray:
    values = series.astype(object).where(series.notna(), np.nan).astype(np.float64).to_numpy()
    check_float32(name, values)
    return values


def check_float32(name: str, values: np.ndarray) -> None:
    beyond = np.abs(values) > FLOAT32_MAX  # infinities, too
    if beyond.any():
        raise ExportError(f"the column {name!r} of X has the value {values[beyond].flat[0]}, which float32 can't hold; "
                          "models are computed in float32")


def read_arrays(name: str, series: pd.Series, missing: np.ndarray) -> Column:
    if missing.any():
        raise ExportError(f"the column {name!r} of X holds arrays, and row {int(missing.argmax())} has none")
    arrays = [np.asarray(x, dtype=np.float64) for x in series]
    shapes = {x.shape for x in arrays}
    if len(shapes) > 1:
        raise ExportError(f"the column {name!r} of X holds arrays of different shapes: {sorted(shapes)[:3]}")
    values = np.stack(arrays).reshape(len(arrays), -1)
    check_float32(name, values)
    return Column(name, "number", shapes.pop(), values, missing | np.isnan(values).any(axis=1))


def as_matrix(columns: list[Column], dtype: type = np.float32) -> np.ndarray:
    """All columns side by side. REQUIRES: none holds strings."""
    return np.hstack([c.values.reshape(len(c.values), -1) for c in columns]).astype(dtype)


def rounded(X: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """X with its floats rounded to float32, as the graph sees them."""
    def one(column: Column) -> Any:
        if column.shape:
            return [x.reshape(column.shape) for x in column.values.astype(np.float32).astype(np.float64)]
        if X[column.name].dtype.kind == "f":
            return X[column.name].astype(np.float32).astype(X[column.name].dtype)
        return X[column.name]
    return pd.DataFrame({c.name: one(c) for c in columns}, index=X.index)


def jiggled(X: pd.DataFrame, columns: list[Column], seed: int) -> pd.DataFrame:
    """X with each float moved by about one unit in the last place of float32, up or down."""
    rng = np.random.default_rng(seed)

    def one(column: Column) -> Any:
        moved = column.values if column.kind != "string" else None
        if moved is None or column.kind in ("integer", "boolean"):
            return X[column.name]
        moved = moved * (1 + 2.0**-23 * rng.choice([-1.0, 1.0], size=moved.shape))
        return [x.reshape(column.shape) for x in moved] if column.shape else moved
    return pd.DataFrame({c.name: one(c) for c in columns}, index=X.index)
