"""Rows that a model has to get right: ordinary, mixed, extreme, on a threshold, with holes, with unseen texts."""
import numpy as np
import onnx
import pandas as pd

ROWS = 500
ROUNDINGS = [-np.inf, 0.0, np.inf]  # the number below a threshold, the threshold itself, the one above


def thresholds_of(model: onnx.ModelProto) -> dict[int, np.ndarray]:
    """Of each column the values that trees ask for, where the trees see the columns as they come."""
    reads_inputs = {x.name for x in model.graph.input}
    found: dict[int, set[float]] = {}
    for node in model.graph.node:
        attributes = {x.name: x for x in node.attribute}
        if not node.op_type.startswith("TreeEnsemble") or node.input[0] not in reads_inputs:
            continue
        modes = [x.decode() for x in attributes["nodes_modes"].strings]
        for mode, column, value in zip(modes, attributes["nodes_featureids"].ints, attributes["nodes_values"].floats):
            if mode != "LEAF":
                found.setdefault(column, set()).add(value)
    return {column: np.array(sorted(values), np.float32) for column, values in found.items()}


def make_rows(X: pd.DataFrame, thresholds: dict[int, np.ndarray], seed: int, holes=None, unseen=True,
              reach=4.0, kind=np.float32) -> pd.DataFrame:
    """ROWS rows around those of X, floats rounded to `kind`. `holes`: the columns that may be missing; None: those with
    holes in X. `unseen`: whether texts may come that X does not have. `reach`: how far beyond X numbers go, in
    ranges."""
    rng = np.random.default_rng(seed)
    holes = [c for c in X if X[c].isna().any()] if holes is None else holes
    frames = [X.iloc[rng.integers(0, len(X), 170)], shuffled(X, 110, rng), extreme(X, 70, rng, reach)]
    frames.append(on_thresholds(X, 90, rng, thresholds) if thresholds else shuffled(X, 90, rng))
    frames.append(with_holes(shuffled(X, 60, rng), rng, holes))
    rows = pd.concat(frames, ignore_index=True)
    if unseen:
        put_unseen(rows, rng)
    for column in rows:
        if rows[column].dtype.kind == "f":
            rows[column] = rows[column].astype(kind).astype(np.float64)
    assert len(rows) == ROWS
    return rows


def shuffled(X, count, rng):
    """Each column drawn by itself: combinations that were never trained on."""
    return pd.DataFrame({c: X[c].iloc[rng.integers(0, len(X), count)].to_numpy() for c in X})


def numeric(X):
    return [c for c in X if X[c].dtype.kind in "fi"]


def extreme(X, count, rng, reach):
    rows = shuffled(X, count, rng)
    for i in range(count):
        if "pixels" in X:
            rows.at[i, "pixels"] = rows.at[i, "pixels"] * rng.choice([0, -1, 2, reach])
        for c in rng.permutation(numeric(X))[: rng.integers(1, 4)]:
            low, high = X[c].min(), X[c].max()
            near = min(reach, 1)
            far = np.round(low + (high - low) * rng.choice([-reach, -near, 0, 1, 1 + near, 1 + reach]), 4)
            zero = np.clip(0.0, low - reach * (high - low), high + reach * (high - low))
            rows.loc[i, c] = int(far) if X[c].dtype.kind == "i" else rng.choice([far, zero])
    return rows


def on_thresholds(X, count, rng, thresholds):
    rows = shuffled(X, count, rng).astype({X.columns[c]: float for c in thresholds})
    for i in range(count):
        for c in rng.permutation(list(thresholds))[: rng.integers(1, 4)]:
            value = rng.choice(thresholds[c])
            toward = value.dtype.type(rng.choice(ROUNDINGS))
            rows.loc[i, X.columns[c]] = float(np.nextafter(value, toward) if toward else value)
    return rows


def with_holes(rows, rng, holes):
    for c in holes:
        marker = None if rows[c].dtype == object and None in list(rows[c]) else np.nan
        for i in np.flatnonzero(rng.random(len(rows)) < 0.4):
            rows.loc[i, c] = marker
    return rows


def put_unseen(rows, rng):
    for c in rows:
        if rows[c].dtype == object and isinstance(rows[c].dropna().iloc[0], str):
            for i in rng.integers(0, len(rows), 25):
                rows.loc[i, c] = rng.choice(["unseen", "", "Zürich \"x\"", "a" * 40])
