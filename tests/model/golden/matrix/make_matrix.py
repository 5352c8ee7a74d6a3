#!/usr/bin/env python3
"""Writes the fidelity matrix: models of every family, and for each rows with what onnxruntime and the library say.

    python -m venv venv && venv/bin/pip install -r python/requirements-test.txt ./python
    export PYTHONHASHSEED=0     # skl2onnx orders some nodes by the hashes of their names
    venv/bin/python tests/model/golden/matrix/make_matrix.py [NAME ...]     # all, or those whose names begin so

<name>.onnx, .json, .ubj, .txt is the model; <name>.jsonl has a line per row,

    [values, expected] or [values, expected, label] or [values, expected, label, library, spread]

values in the order of the first line, {"features":[...],"classes":[...]}; null is missing. `expected` are the numbers
of onnxruntime, of a native file those of its library; label the index of the class, or null. `library` is there where
the library (which computes in double) differs from onnxruntime by more than a tenth of 1e-6 + 1e-5 |b|, and with it how
far the library's numbers move when each input moves by one rounding of float32. What could not be converted is printed
at the end. Seeded: the same versions write the same files. To keep them small, results have seven digits, of which at
most seven are behind the point: off by a twentieth of the tolerance.
"""
import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
from rows import ROWS, make_rows, thresholds_of

import boosters
import families
import graphs
import modes
from troupe_model import ExportError, export
from troupe_model.checking import ABSOLUTE, RELATIVE, beyond, comparable, spread_of, take
from troupe_model.frame import read_frame
from troupe_model.graphs import Runner
from troupe_model.libraries import as_text, library_for
from troupe_model.metadata import cell

HERE = pathlib.Path(__file__).parent
STRICT = ("text_onehot_strict", "text_onehot_drop")  # their encoders fail on texts that they don't know
# Beyond the training rows these leave float32 soon; the small result of an SVR far out is what is left of terms that
# are a thousand times larger. How far to go, in ranges of the column.
STEEP = {"svr_poly": 0.2, "svc_poly": 1.0, "tweedie": 1.0, "poisson": 1.0}
refused = {}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def digits(value, count, decimals=20):
    rounded = round(float(f"{value:.{count}g}"), decimals)
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def exact(column, row):
    """A cell as JSON; what float32 does not hold with all its digits."""
    value = column.values[row]
    if column.kind == "number" and not column.shape and float(np.float32(value)) != value:
        return float(value)
    return cell(column, row)


def seed_of(name):
    return sum(ord(c) * (i + 1) for i, c in enumerate(name))


def signature_of(model):
    return next(json.loads(x.value) for x in model.metadata_props if x.key == "troupe.signature")


def write_rows(name, columns, expected, labels, classes, library=None, spread=None):
    """The lines of a model. `library` is None, or its numbers in the shape of `expected`; spread(rows) says how far
    they move."""
    head = {"features": [c.name for c in columns]} | ({"classes": [str(x) for x in classes]} if classes else {})
    differing = set() if library is None else set(np.flatnonzero(
        (np.abs(library - expected) > (ABSOLUTE + RELATIVE * np.abs(expected)) / 10).any(axis=1)))
    far = 0 if library is None else len(beyond(library, expected))
    moves = dict(zip(sorted(differing), spread(sorted(differing)))) if differing else {}
    finite = np.isfinite(expected).all(axis=1)
    with open(HERE / f"{name}.jsonl", "w") as out:
        out.write(compact(head) + "\n")
        for i in np.flatnonzero(finite):
            line = [[None if c.missing[i] else exact(c, i) for c in columns], [digits(x, 7, 7) for x in expected[i]]]
            if labels is not None:
                line.append(head["classes"].index(labels[i]))
            if i in differing:
                line += [None] * (3 - len(line)) + [[digits(x, 9) for x in library[i]], digits(moves[i], 3)]
            out.write(compact(line) + "\n")
    print(f"{name:32} {finite.sum():4} rows, {far:3} beyond float32", flush=True)


def whole_library(got, want):
    """The library's numbers in the shape of the file's: of two scores it gives one."""
    if want is None or comparable(got, want) is None:
        return None
    if got.shape == want.shape:
        return want
    mirrored = np.array_equal(comparable(got, want), got[:, :1])
    return np.hstack([want, -want] if mirrored else [-want, want])


def estimator(name, fitted, X, **options):
    """An estimator that is exported, and scored on rows made for it."""
    path = HERE / f"{name}.onnx"
    try:
        export(fitted, X, path, golden_rows=2)
    except ExportError as error:
        refused[name] = str(error)
        return
    model = onnx.load(path)
    taken = [x["name"] for x in signature_of(model)["features"]]
    rows = make_rows(X, thresholds_of(model), seed_of(name), **options)
    columns = read_frame(rows)
    by_name = {c.name: c for c in columns}
    numbers, labels = Runner(model).run([by_name[n] for n in taken])
    library = library_for(fitted)
    told = library.numbers(rows, columns)

    def spread(at):
        moved = spread_of(library, rows.iloc[at], take(list(by_name.values()), np.array(at)), told[at])
        return moved.max(axis=1)
    columns = [by_name[n] for n in taken]
    write_rows(name, columns, numbers, labels, library.classes, whole_library(numbers, told), spread)


def native(name, suffix, booster, X):
    """A file of the library itself; what it says is what is expected."""
    booster.save_model(HERE / f"{name}.{suffix}")
    kind = np.float32 if suffix != "txt" else np.float64  # LightGBM compares in double
    is_linear = suffix != "txt" and booster.get_dump()[0].startswith("bias")
    splits = {} if is_linear else native_thresholds(booster.trees_to_dataframe(), list(X.columns), kind)
    rows = make_rows(X, splits, seed_of(name), holes=list(X.columns), kind=kind)
    columns = read_frame(rows)
    write_rows(name, columns, *boosters.told(booster, rows))


def native_thresholds(split, names, kind):
    feature, value = ("Feature", "Split") if "Split" in split else ("split_feature", "threshold")
    found = {}
    for name, at in zip(split[feature], split[value]):
        if name in names and isinstance(at, float) and np.isfinite(at):
            found.setdefault(names.index(name), set()).add(at)
    return {column: np.array(sorted(values), kind) for column, values in found.items()}


def handmade(name, model, X):
    """A graph written with onnx.helper; onnxruntime says what is expected."""
    source = HERE / f"{name}.onnx"
    onnx.save(model, source)
    export(source, X, source, golden_rows=1)
    model = onnx.load(source)
    columns = read_frame(X)
    numbers, labels = Runner(model).run(columns)
    classes = signature_of(model)["outputs"][-1].get("classes")
    write_rows(name, columns, numbers, labels, classes)


def wanted(name):
    return len(sys.argv) < 2 or any(name.startswith(x) for x in sys.argv[1:])


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    for name, (model, (X, y)) in (families.all_of_them() | boosters.converted()).items():
        if wanted(name):
            fitted = model.fit(np.stack(X.iloc[:, 0]) if X.columns[0] == "pixels" else X, y)
            estimator(name, fitted, X, unseen=name not in STRICT, reach=STEEP.get(name, 4.0))
    for name, (suffix, booster, X) in (boosters.xgboost_files() | boosters.lightgbm_files()).items():
        if wanted(name):
            native(name, suffix, booster, X)
    for name, (model, X) in (graphs.all_of_them() | modes.all_of_them()).items():
        if wanted(name):
            handmade(name, model, X)
    for name, why in refused.items():
        print(f"not converted: {name}: {why}")


if __name__ == "__main__":
    main()
