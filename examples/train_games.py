#!/usr/bin/env python3
"""Trains the demo's models: a logistic regression on the schema of the games data, exported to ONNX.

    python -m venv .venv && .venv/bin/pip install -r examples/requirements.txt
    .venv/bin/python examples/train_games.py                        # writes examples/games.onnx and games_v2.onnx
    .venv/bin/python examples/train_games.py --csv games.csv        # the same from a CSV: G1,...,G10,label

Without --csv the data are synthetic and seeded: G1 .. G10 say which games a user has bought (0 or 1), label says
whether they bought the next one. games_v2.onnx is trained on other rows and regularised harder, so that its predictions
differ.
"""
import argparse
import csv
import json
import pathlib

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

FEATURES = [f"G{i}" for i in range(1, 11)]
POPULARITY = np.array([0.23, 0.13, 0.22, 0.09, 0.21, 0.12, 0.27, 0.31, 0.06, 0.13])
WEIGHTS = np.array([0.4, 0.9, -0.3, 1.1, 0.2, 0.8, -0.6, -0.4, 1.7, 1.2])


def synthetic(rows, seed):
    """Bought games and the label; who has bought much buys more."""
    rng = np.random.default_rng(seed)
    eagerness = rng.gamma(2.0, 0.5, size=(rows, 1))
    games = (rng.random((rows, len(FEATURES))) < np.minimum(POPULARITY * eagerness, 0.95)).astype(np.float64)
    chance = 1 / (1 + np.exp(2.6 - games @ WEIGHTS))
    return games, (rng.random(rows) < chance).astype(np.int64)


def from_csv(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise SystemExit(f"{path} has no rows")
    missing = [name for name in FEATURES + ["label"] if name not in rows[0]]
    if missing:
        raise SystemExit(f"{path} has no column {', '.join(missing)}; expected {', '.join(FEATURES)}, label")
    games = np.array([[float(row[name]) for name in FEATURES] for row in rows])
    return games, np.array([int(row["label"]) for row in rows])


def export(model, path, golden):
    """The model with its feature names and some rows whose results Troupe checks when it loads the file."""
    file = to_onnx(model, initial_types=[("games", FloatTensorType([None, len(FEATURES)]))], target_opset=17,
                   options={"zipmap": False})
    file.graph.name = "games"
    signature = {"features": [{"name": name} for name in FEATURES]}
    rows = [{name: int(value) for name, value in zip(FEATURES, row)} for row in golden]
    expected = [[round(float(p), 7) for p in row] for row in model.predict_proba(golden)]
    onnx.helper.set_model_props(file, {
        "troupe.signature": json.dumps(signature, separators=(",", ":")),
        "troupe.golden": json.dumps({"rows": rows, "expected": expected}, separators=(",", ":")),
    })
    path.write_bytes(file.SerializeToString())
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", help="train on this file: G1,...,G10,label")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent, help="folder for the models")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, seed, strength in (("games.onnx", options.seed, 1.0), ("games_v2.onnx", options.seed + 1, 0.01)):
        games, label = from_csv(options.csv) if options.csv else synthetic(20_000, seed)
        model = LogisticRegression(C=strength, max_iter=1000).fit(games, label)
        export(model, options.out / name, games[:1])


if __name__ == "__main__":
    main()
