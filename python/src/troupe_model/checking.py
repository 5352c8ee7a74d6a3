"""Proves that the file says what the library says, on the rows of X."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from troupe_model.errors import ExportError
from troupe_model.frame import Column, jiggled, rounded
from troupe_model.graphs import Runner
from troupe_model.libraries import Library, check_results

ABSOLUTE, RELATIVE = 1e-6, 1e-5
ARITHMETIC = 10  # times the tolerance: what sums and exponentials in float32 may add up to
ROUNDING = 16  # differences up to so many times what one rounding of the inputs makes are roundings, too


@dataclass
class Report:
    """What the comparison found."""

    rows: int = 0
    worst: float = 0.0  # largest difference between the file and the library
    notes: list[str] = field(default_factory=list)


def take(columns: list[Column], rows: np.ndarray) -> list[Column]:
    return [replace(c, values=c.values[rows], missing=c.missing[rows]) for c in columns]


def beyond(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """The rows in which a value differs by more than 1e-6 + 1e-5 |want|."""
    near = np.abs(got - want) <= ABSOLUTE + RELATIVE * np.abs(want)
    same = near | (got == want) | (np.isnan(got) & np.isnan(want))
    return np.flatnonzero(~same.all(axis=1))


def comparable(got: np.ndarray, want: np.ndarray) -> np.ndarray | None:
    """The columns of `got` that `want` speaks about. Scores of two classes are one number in scikit-learn, and in ONNX
    the second of two; of an SVC the first of two."""
    if want.shape[1] == 1 and got.shape[1] == 2:
        return got[:, :1] if is_mirrored(got[:, 1:], want) else got[:, 1:]
    return got if got.shape == want.shape else None


def is_mirrored(got: np.ndarray, want: np.ndarray) -> bool:
    return bool(np.abs(got + want).max() < np.abs(got - want).max())


def check(runner: Runner, library: Library, X: pd.DataFrame, columns: list[Column]) -> Report:
    """Raises ExportError, with a row and both values, where file and library disagree and float32 is not why."""
    report = Report(rows=len(X))
    X32 = rounded(X, columns)
    numbers, labels = runner.run(columns)
    want = library.numbers(X32, columns)
    check_results(want, library.title)
    _check_shape(numbers, want, library, len(X))
    if want is not None and (got := comparable(numbers, want)) is not None:
        if got.shape[1] < numbers.shape[1] and got[0, 0] == numbers[0, 0] != numbers[0, 1]:
            report.notes.append("score(0) is the library's decision_function, for the second class, and score(1) its "
                                "negative: that is how onnxruntime computes an SVC of two classes")
        report.worst = float(np.nanmax(np.abs(got - want), initial=0.0))
        _check_numbers(got, want, library, X32, columns, report)
        _check_rounding(want, library, X, columns, report)
    want_labels = library.labels(X32, columns)
    if labels is not None and want_labels is not None:
        _check_labels(labels, want_labels, numbers, library, X32, columns)
    return report


def _check_shape(got: np.ndarray, want: np.ndarray | None, library: Library, rows: int) -> None:
    """Scores may be counted in other ways; probabilities and values may not."""
    if len(got) != rows or (want is not None and library.meaning != "score" and got.shape != want.shape):
        shape = (rows,) if want is None else want.shape
        raise ExportError(f"the converter writes a graph that gives {got.shape} numbers for X where {library.title} "
                          f"gives {shape}; nothing was written")


def spread_of(library: Library, X: pd.DataFrame, columns: list[Column], want: np.ndarray) -> np.ndarray:
    """How far the predictions move when each input moves by one rounding of float32."""
    spread = np.zeros_like(want)
    for seed in range(4):
        moved = jiggled(X, columns, seed)
        other = [replace(c, values=np.stack([np.ravel(x) for x in moved[c.name]])) if c.shape else c for c in columns]
        numbers = library.numbers(moved, other)
        assert numbers is not None
        spread = np.maximum(spread, np.abs(numbers - want))
    return spread


def _check_numbers(got: np.ndarray, want: np.ndarray, library: Library, X: pd.DataFrame,
                   columns: list[Column], report: Report) -> None:
    rows = beyond(got, want)
    if len(rows) == 0:
        return
    spread = spread_of(library, X.iloc[rows], take(columns, rows), want[rows])
    allowed = ARITHMETIC * (ABSOLUTE + RELATIVE * np.abs(want[rows])) + ROUNDING * spread
    unexplained = rows[~(np.abs(got[rows] - want[rows]) <= allowed).all(axis=1)]
    if len(unexplained):
        i = int(unexplained[0])
        raise ExportError(f"the file does not compute what {library.title} does: row {i} of X gives {got[i].tolist()} "
                          f"in onnxruntime and {want[i].tolist()} in the library, and {len(unexplained)} of {len(X)} "
                          "rows differ; nothing was written")
    report.notes.append(f"{len(rows)} of {len(X)} rows differ by more than 1e-6 + 1e-5 |b|, by up to "
                        f"{report.worst:.1g}: the file computes in float32, the library in double (moving the inputs "
                        f"by one rounding of float32 moves the library's own predictions by up to {spread.max():.1g})")


def _check_rounding(want: np.ndarray, library: Library, X: pd.DataFrame, columns: list[Column],
                    report: Report) -> None:
    exact = library.numbers(X, columns)
    rows = [] if exact is None else beyond(want, exact)
    if len(rows):
        report.notes.append(f"{len(rows)} of {len(X)} rows predict otherwise in the library itself once their numbers "
                            "are rounded to float32: they lie within a rounding of a threshold")


def _check_labels(got: np.ndarray, want: np.ndarray, numbers: np.ndarray, library: Library, X: pd.DataFrame,
                  columns: list[Column]) -> None:
    rows = np.flatnonzero(got != want)
    if len(rows) == 0:
        return
    tied = np.zeros(len(rows), dtype=bool)
    if numbers.shape[1] > 1:
        best = np.sort(numbers[rows], axis=1)
        tied = best[:, -1] - best[:, -2] <= 2 * (ABSOLUTE + RELATIVE * np.abs(best[:, -1]))
    for seed in range(4):
        sub = take(columns, rows)
        moved = library.labels(jiggled(X.iloc[rows], sub, seed), sub)
        tied |= moved != want[rows]
    if not tied.all():
        i = int(rows[~tied][0])
        raise ExportError(f"the file does not say what {library.title} does: row {i} of X is {got[i]!r} in onnxruntime "
                          f"and {want[i]!r} in the library ({numbers[i].tolist()}); nothing was written")
