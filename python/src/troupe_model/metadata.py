"""What the file says about itself: docs/model_format.md describes each member."""
from __future__ import annotations

import json
from typing import Any

import numpy as np

from troupe_model.frame import Column

FORMAT = "1"  # of docs/model_format.md
CATEGORIES_MAX = 1000  # a column with more kinds of text is free text: its list would say nothing
GOLDEN_CELLS_MAX = 20_000
TOP_CATEGORIES = 50


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def short(value: float) -> float | int:
    """The shortest number that reads back as the same float32; whole ones without a point."""
    single = np.float32(value)
    if single == np.trunc(single) and abs(single) < 2**24:
        return int(single)
    return float(str(single))


# ---- troupe.signature ----

def feature(column: Column, categories: list[str], unseen_is_error: bool) -> dict[str, Any]:
    """What the signature says of a column."""
    told: dict[str, Any] = {"name": column.name, "type": column.kind}
    if column.shape:
        told["shape"] = list(column.shape)
    told["required"] = not bool(column.missing.any())
    if column.kind == "string":
        _tell_text(told, column, categories, unseen_is_error)
    else:
        _tell_number(told, column)
    return told


def _tell_text(told: dict[str, Any], column: Column, categories: list[str], unseen_is_error: bool) -> None:
    if told["required"]:
        told["missingValueTreatment"] = "returnInvalid"
    else:
        told |= {"missingValueTreatment": "asValue", "missingValueReplacement": column.marker}
    told["invalidValueTreatment"] = "returnInvalid" if unseen_is_error else "asIs"
    if categories:
        told["categories"] = categories


def _tell_number(told: dict[str, Any], column: Column) -> None:
    told["missingValueTreatment"] = "returnInvalid" if told["required"] else "asIs"
    told["invalidValueTreatment"] = "asIs"
    if column.kind != "boolean":
        told["range"] = [short(np.nanmin(column.values)), short(np.nanmax(column.values))]


def outputs(names: list[str], numbers_at: int, labels_at: int | None, classes: list[Any] | None, meaning: str,
            columns: int, targets: list[str] | None) -> list[dict[str, Any]]:
    """What the signature says of the outputs of the graph."""
    told = []
    for i, name in enumerate(names):
        if i == labels_at and classes is not None:
            kind = "string" if isinstance(classes[0], str) else "integer"
            told.append({"name": name, "meaning": "label", "type": kind})
        if i == numbers_at:
            one: dict[str, Any] = {"name": name, "meaning": meaning, "type": "number", "shape": [columns]}
            if classes is not None and len(classes) == columns:
                one["classes"] = classes
            if targets:
                one["targets"] = targets
            told.append(one)
    return told


# ---- troupe.golden ----

def golden_rows(columns: list[Column], numbers: np.ndarray, count: int) -> list[int]:
    """Rows worth keeping: the lowest, the middle and the highest prediction, and one with missing values."""
    count = max(1, min(count, GOLDEN_CELLS_MAX // max(1, sum(c.width for c in columns)), len(numbers)))
    missing = np.any([c.missing for c in columns], axis=0)
    order = np.argsort(numbers[:, -1], kind="stable")
    picked = [int(np.flatnonzero(missing)[0])] if missing.any() else []
    for at in np.linspace(0, len(order) - 1, count):
        if int(order[int(at)]) not in picked:
            picked.append(int(order[int(at)]))
    return picked[:count]


def row_object(columns: list[Column], row: int) -> dict[str, Any]:
    """A row as it would arrive: what is missing is left out."""
    return {c.name: cell(c, row) for c in columns if not c.missing[row]}


def cell(column: Column, row: int) -> Any:
    if column.kind == "string":
        return column.values[row]
    if column.shape:
        return np.array([short(x) for x in column.values[row]], dtype=object).reshape(column.shape).tolist()
    value = column.values[row]
    return bool(value) if column.kind == "boolean" else int(value) if column.kind == "integer" else short(value)


def golden(columns: list[Column], numbers: np.ndarray, count: int) -> dict[str, Any]:
    rows = golden_rows(columns, numbers, count)
    return {"rows": [row_object(columns, i) for i in rows], "expected": [[short(x) for x in numbers[i]] for i in rows]}


# ---- troupe.baseline ----

def baseline(columns: list[Column], numbers: np.ndarray, result_names: list[str]) -> dict[str, Any]:
    """The distribution of each feature and of each result over the rows of X."""
    results = [{"name": name} | histogram(numbers[:, i]) for i, name in enumerate(result_names)]
    return {"rows": len(numbers), "features": [_of_column(c) for c in columns], "outputs": results}


def _of_column(column: Column) -> dict[str, Any]:
    told = {"name": column.name, "missing": round(float(column.missing.mean()), 6)}
    if column.kind == "string":
        return told | _top_categories(column.values[~column.missing])
    return told | histogram(column.values[~np.isnan(column.values)])


def _top_categories(values: np.ndarray) -> dict[str, Any]:
    names, counts = np.unique(values.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    top = {str(names[i]): int(counts[i]) for i in order[:TOP_CATEGORIES]}
    return {"categories": top, "other": int(counts[order[TOP_CATEGORIES:]].sum())}


def histogram(values: np.ndarray) -> dict[str, Any]:
    """Counts between the deciles: counts[i] is of edges[i-1] < x <= edges[i], open at both ends."""
    flat = np.asarray(values, dtype=np.float32).ravel()
    edges = np.unique(np.quantile(flat, np.arange(1, 10) / 10, method="lower")).astype(np.float32)
    counts = np.bincount(np.searchsorted(edges, flat, side="left"), minlength=len(edges) + 1)
    exact = flat.astype(np.float64)
    return {"min": short(flat.min()), "max": short(flat.max()), "mean": short(exact.mean()), "std": short(exact.std()),
            "edges": [short(x) for x in edges], "counts": [int(x) for x in counts]}
