"""export(): the whole way from a fitted estimator to a file."""
from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import pandas as pd

from troupe_model import checking, convert, diagnose, graphs, metadata, operators
from troupe_model.errors import ExportError, first_line
from troupe_model.estimators import is_booster, known_categories
from troupe_model.frame import Column, read_frame
from troupe_model.libraries import Library, library_for

ROWS_MAX = 20_000  # of X are compared and counted; more say no more


@dataclass
class Exported:
    """What export() wrote, and what it found on the way."""

    path: pathlib.Path
    bytes: int
    rows: int  #: of X that were compared
    worst: float  #: largest difference between onnxruntime and the library
    signature: dict[str, Any]
    notes: list[str] = field(default_factory=list)  #: differences that float32 explains

    def __str__(self) -> str:
        head = (f"{self.path}: {self.bytes} bytes, {len(self.signature['features'])} features; {self.rows} rows within "
                f"{self.worst:.2g} of the library")
        return "\n".join([head, *(f"note: {note}" for note in self.notes)])


def export(fitted: Any, X: pd.DataFrame, path: str | os.PathLike[str], *, name: str | None = None,
           classes: Sequence[str | int] | None = None, positive_class: Any = None,
           features: Mapping[str, Mapping[str, Any]] | None = None, golden_rows: int = 5) -> Exported:
    """Writes `fitted` as one ONNX file with everything that Troupe wants to know.

    fitted          a fitted scikit-learn classifier, regressor or Pipeline; a model of XGBoost or LightGBM (their
                    scikit-learn classes, or a Booster); or the path of an ONNX file, which gets the metadata
    X               the training data, or a good part of them: a DataFrame whose columns are called as the fields of the
                    rows will be. A column may hold arrays of one shape: one feature with that shape
    path            the file to write
    name            what the graph is called; the name of the file without its suffix when not given
    classes         of an ONNX file that gives a number for each class and no label, as neural nets do: what the classes
                    are called, in their order; the file then gives a label as well
    positive_class  of two classes: which one `pred` is about; the second when not given
    features        members of the signature to set or change, by feature:
                    {"age": {"missingValueTreatment": "asValue", "missingValueReplacement": 40}}
    golden_rows     how many rows with expected results the file carries

    Columns with missing values are allowed to be missing; the others are required. The file is run with onnxruntime on
    X and compared with the library before it is written. Raises ExportError where something is in the way, and writes
    nothing then.
    """
    target = pathlib.Path(path)
    if isinstance(X, pd.DataFrame) and len(X) > ROWS_MAX:
        X = X.iloc[np.linspace(0, len(X) - 1, ROWS_MAX).astype(int)]
    columns = read_frame(X)
    if isinstance(fitted, (str, os.PathLike)):
        draft = _from_file(fitted, columns, classes)
    elif classes is not None:
        raise ExportError("classes= is for the path of an ONNX file: an estimator knows its classes")
    else:
        draft = _from_estimator(fitted, X, columns, name or target.stem)
    if name is not None:
        draft.model.graph.name = name
    told = _signature(draft, X, positive_class, features or {})
    result_names = _result_names(draft)
    graphs.set_metadata(draft.model, {
        "troupe.format": metadata.FORMAT,
        "troupe.signature": metadata.compact(told),
        "troupe.golden": metadata.compact(metadata.golden(draft.columns, draft.numbers, golden_rows)),
        "troupe.baseline": metadata.compact(metadata.baseline(draft.columns, draft.numbers, result_names)),
    })
    content = draft.model.SerializeToString()
    target.write_bytes(content)
    return Exported(target, len(content), draft.report.rows, draft.report.worst, told, draft.report.notes)


@dataclass
class _Draft:
    """A graph that was run on X."""

    model: onnx.ModelProto
    columns: list[Column]  # those that the graph takes, in its order
    runner: graphs.Runner
    library: Library | None
    classes: list[Any] | None
    meaning: str
    title: str
    numbers: np.ndarray
    report: checking.Report
    source: Any = None


# ---- from an estimator ----

def _from_estimator(fitted: Any, X: pd.DataFrame, columns: list[Column], name: str) -> _Draft:
    library = library_for(fitted)
    columns = _in_order(columns, library.names)
    if not is_booster(fitted):
        diagnose.refuse_known_traps(fitted)
    model = _convert(fitted, columns, name)
    taken = _taken(model, columns)
    graphs.drop_unused_inputs(model)
    runner = graphs.Runner(model)
    report = checking.check(_Narrow(runner, taken), library, X, columns)
    numbers, _ = runner.run(taken)
    return _Draft(model, taken, runner, library, library.classes, library.meaning, library.title, numbers, report,
                  fitted)


class _Narrow(graphs.Runner):
    """A runner that picks the columns its graph takes."""

    def __init__(self, runner: graphs.Runner, taken: list[Column]):
        self._runner = runner
        self._names = [c.name for c in taken]

    def run(self, columns: list[Column]) -> tuple[np.ndarray, np.ndarray | None]:
        by_name = {c.name: c for c in columns}
        return self._runner.run([by_name[name] for name in self._names])


def _in_order(columns: list[Column], names: list[str] | None) -> list[Column]:
    """The columns as the estimator was fitted on them."""
    if names is None or any(c.shape for c in columns):
        return columns
    by_name = {c.name: c for c in columns}
    absent = [name for name in names if name not in by_name]
    if absent:
        raise ExportError(f"the estimator was fitted on the columns {', '.join(map(repr, names))}, and X has no "
                          f"{', '.join(map(repr, absent))}")
    return [by_name[name] for name in names]


def _convert(fitted: Any, columns: list[Column], name: str) -> onnx.ModelProto:
    prepared = convert.prepare(fitted)
    types = convert.input_types(fitted, columns, convert.layout_for(fitted, columns))

    def probe(part: Any) -> str | None:
        try:
            refused = next(operators.unsupported(convert.to_onnx(part, types, name)), None)
        except Exception as error:  # of whatever kind the converters raise
            return f"the converter says: {first_line(error)}"
        return refused and f"it converts to the operator {refused.op_type}, which Troupe does not run"
    try:
        model = convert.to_onnx(prepared, types, name)
    except Exception:
        raise diagnose.blame(prepared, probe) from None
    if next(operators.unsupported(model), None) is not None:
        raise diagnose.blame(prepared, probe)
    return model


def _taken(model: onnx.ModelProto, columns: list[Column]) -> list[Column]:
    """Those whose inputs are used; by their places, as skl2onnx renames a column that is called like an output."""
    given = graphs.inputs(model)
    if len(given) != len(columns):
        return columns  # one matrix
    used = graphs.used_names(model)
    return [column for column, value in zip(columns, given) if value.name in used]


# ---- from an ONNX file ----

def _from_file(path: Any, columns: list[Column], names: Sequence[str | int] | None) -> _Draft:
    model = graphs.load(path)
    refused = next(operators.unsupported(model), None)
    if refused is not None:
        raise ExportError(f"{path}: the node {refused.name!r} is a {refused.op_type}, which Troupe does not run")
    columns = _match(model, columns, str(path))
    if names is not None:
        graphs.add_label(model, list(names), str(path))
    runner = graphs.Runner(model)
    numbers, labels = runner.run(columns)
    classes = None if labels is None else list(names) if names is not None else graphs.class_labels(model)
    if names is not None and (labels is None or (len(labels), len(names)) != numbers.shape):
        raise ExportError(f"{path} gives {numbers.shape[1]} numbers a row, and classes= names {len(names)}")
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise ExportError(f"{path}: row {row} of X gives {numbers[row].tolist()}, which is no prediction")
    probable = labels is not None and bool((np.abs(numbers.sum(axis=1) - 1) < 1e-3).all())
    meaning = "probability" if probable else "value" if labels is None else "score"
    return _Draft(model, columns, runner, None, classes, meaning, str(path), numbers, checking.Report(len(numbers)))


def _match(model: onnx.ModelProto, columns: list[Column], path: str) -> list[Column]:
    """The columns in the order of the inputs: by name where each input has one, in their own order for a matrix."""
    wanted = graphs.inputs(model)
    by_name = {c.name: c for c in columns}
    if all(x.name in by_name for x in wanted):
        columns = [by_name[x.name] for x in wanted]
    elif len(wanted) > 1:
        absent = [x.name for x in wanted if x.name not in by_name]
        raise ExportError(f"{path} has the inputs {', '.join(repr(x.name) for x in wanted)}, and X has no column "
                          f"{', '.join(map(repr, absent))}")
    widths = [graphs.width(x) for x in wanted]
    given = sum(c.width for c in columns)
    if None not in widths and sum(w or 0 for w in widths) != given:
        raise ExportError(f"{path} takes {sum(w or 0 for w in widths)} columns, and X has {given}")
    return columns


# ---- what the file says ----

def _signature(draft: _Draft, X: pd.DataFrame, positive_class: Any,
               changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {"model": draft.title, "features": _features(draft, X, changes)}
    told |= _positive(draft.classes, positive_class)
    told["outputs"] = metadata.outputs(draft.runner.output_names, draft.runner.numbers_at or 0, draft.runner.labels_at,
                                       draft.classes, draft.meaning, draft.numbers.shape[1], None)
    return told


def _features(draft: _Draft, X: pd.DataFrame, changes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    unknown = [name for name in changes if name not in {c.name for c in draft.columns}]
    if unknown:
        raise ExportError(f"features= speaks of {', '.join(map(repr, unknown))}, which the model does not take")
    learned = {} if draft.source is None or is_booster(draft.source) else known_categories(draft.source)
    told = []
    for column in draft.columns:
        is_text = column.kind == "string"
        categories = _categories(column, learned.get(column.name, [])) if is_text else []
        refuses = is_text and draft.library is not None and _refuses_unseen(draft.library, X, column)
        feature = metadata.feature(_typed(column, draft.model), categories, refuses)
        told.append(feature | dict(changes.get(column.name, {})))
    return told


def _typed(column: Column, model: onnx.ModelProto) -> Column:
    """Whole numbers that go into a float input are numbers: the model takes others as well."""
    whole = {x.name for x in graphs.inputs(model) if graphs.element_type(x) in graphs.WHOLE}
    is_whole = column.name in whole or (convert.MATRIX in whole and len(whole) == 1)
    return replace(column, kind="number") if column.kind == "integer" and not is_whole else column


def _categories(column: Column, learned: list[Any]) -> list[str]:
    known = {str(x) for x in learned if isinstance(x, str)} | set(column.values[~column.missing])
    return sorted(known) if len(known) <= metadata.CATEGORIES_MAX else []


def _refuses_unseen(library: Library, X: pd.DataFrame, column: Column) -> bool:
    """Whether the library itself fails on a text that it has not been trained on."""
    row = X.iloc[:1].copy()
    row[column.name] = "\u2205 unseen"
    try:
        library.labels(row, []) if library.classes is not None else library.numbers(row, [])
    except Exception:
        return True
    return False


def _positive(classes: list[Any] | None, wanted: Any) -> dict[str, Any]:
    if classes is None or len(classes) != 2:
        if wanted is not None:
            raise ExportError("positive_class is for classifiers of two classes")
        return {}
    names = [_label_text(x) for x in classes]
    if wanted is not None and _label_text(wanted) not in names:
        raise ExportError(f"positive_class is {wanted!r}, and the classes are {', '.join(map(repr, classes))}")
    return {"positive_class": names[1] if wanted is None else _label_text(wanted)}


def _label_text(label: Any) -> str:
    return str(int(label)) if isinstance(label, (bool, float)) else str(label)


def _result_names(draft: _Draft) -> list[str]:
    count = draft.numbers.shape[1]
    if draft.classes is not None and len(draft.classes) == count:
        return [f"{draft.meaning}({_label_text(x)})" for x in draft.classes]
    return [f"{draft.meaning}({i})" for i in range(count)]
