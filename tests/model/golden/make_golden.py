#!/usr/bin/env python3
"""Writes the models of this folder and, for each, rows with what scikit-learn says about them.

    pip install -r examples/requirements.txt
    python tests/model/golden/make_golden.py

<name>.onnx is the model, <name>.jsonl has a line per row: {"row":{feature:value,...},"expected":[...]} with
predict_proba or predict.
Seeded: the same versions write the same files.
"""
import json
import pathlib
import warnings

import numpy as np
import onnx
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

HERE = pathlib.Path(__file__).parent
ROWS = 120
COLUMNS = ["age", "income", "visits", "score"]


def data():
    """Four columns of different size, and labels and targets that depend on them. Rounded, to keep the files small."""
    rng = np.random.default_rng(7)
    table = np.column_stack([rng.normal(40, 12, 600), rng.gamma(2, 3, 600), rng.poisson(3, 600), rng.normal(0, 1, 600)])
    table = np.round(table, 3)
    drive = 0.08 * (table[:, 0] - 40) - 0.3 * (table[:, 1] - 6) + 0.4 * (table[:, 2] - 3) + table[:, 3]
    binary = (drive + rng.logistic(size=600) > 0).astype(int)
    several = np.digitize(drive + rng.logistic(size=600), [-1.5, 1.5])
    targets = np.column_stack([drive, 100 * table[:, 3] - table[:, 1]])
    return table, binary, several, targets


def write(name, model, table, target_names=None, types=None, **convert):
    types = types or [("X", FloatTensorType([None, table.shape[1]]))]
    file = to_onnx(model, initial_types=types, target_opset=17, **convert)
    if target_names is not None:
        signature = {"features": [{"name": n} for n in target_names]}
        onnx.helper.set_model_props(file, {"troupe.signature": json.dumps(signature)})
    (HERE / f"{name}.onnx").write_bytes(file.SerializeToString())
    names = target_names or COLUMNS
    frame = pd.DataFrame(table[:ROWS], columns=COLUMNS) if hasattr(model, "feature_names_in_") else table[:ROWS]
    expected = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    with open(HERE / f"{name}.jsonl", "w") as out:
        for row, result in zip(table[:ROWS], expected.reshape(ROWS, -1)):
            line = {"row": dict(zip(names, (float(x) for x in row))), "expected": [round(float(x), 12) for x in result]}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")


def main():
    warnings.filterwarnings("ignore")
    table, binary, several, targets = data()
    names = np.array(["low", "mid", "high \"q\""])[several]
    plain = {"zipmap": False}
    columns = [(c, FloatTensorType([None, 1])) for c in COLUMNS]
    frame = pd.DataFrame(table, columns=COLUMNS)
    logistic = lambda **k: LogisticRegression(max_iter=5000, **k)

    write("logistic_binary", logistic().fit(table, binary), table, COLUMNS, options=plain)
    write("logistic_zipmap", logistic().fit(table, binary), table, COLUMNS)
    softmax = logistic(multi_class="multinomial")
    write("logistic_softmax_binary", softmax.fit(table, binary), table, COLUMNS, options=plain)
    write("logistic_multinomial", logistic().fit(table, several), table, COLUMNS, options=plain)
    write("logistic_ovr_strings", logistic(multi_class="ovr").fit(table, names), table, COLUMNS, options=plain)
    write("logistic_strings_zipmap", logistic().fit(table, names), table, COLUMNS)
    write("linear", LinearRegression().fit(table, targets[:, 0]), table, COLUMNS)
    write("linear_two_targets", LinearRegression().fit(table, targets), table, COLUMNS)
    scaled = make_pipeline(StandardScaler(), Normalizer(), logistic())
    write("scaled_l2", scaled.fit(table, binary), table, COLUMNS, options=plain)
    write("l1", make_pipeline(Normalizer("l1"), logistic()).fit(table, several), table, COLUMNS, options=plain)
    separate = make_pipeline(StandardScaler(), logistic())
    write("one_input_per_column", separate.fit(table, binary), table, types=columns, options=plain)
    steps = [("s", StandardScaler(), ["income", "score"]), ("p", "passthrough", ["age", "visits"])]
    transformed = make_pipeline(ColumnTransformer(steps), logistic())
    write("column_transformer", transformed.fit(frame, binary), table, types=columns, options=plain)
    counts = np.round(table)
    integers = [("X", Int64TensorType([None, 4]))]
    write("integers", logistic().fit(counts, binary), counts, COLUMNS, types=integers, options=plain)


if __name__ == "__main__":
    main()
