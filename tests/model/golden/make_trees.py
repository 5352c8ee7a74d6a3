#!/usr/bin/env python3
"""Writes the trees_* models of this folder and, for each, rows with what the library itself says about them.

    pip install scikit-learn==1.5.2 skl2onnx==1.18.0 onnx==1.17.0 onnxruntime==1.32.0 xgboost==3.2.0 lightgbm==4.7.0
    python tests/model/golden/make_trees.py

trees_<name>.onnx, .json and .ubj (XGBoost) or .txt (LightGBM) is the model; trees_<name>.<format>.jsonl has a line per
row: {"row":{feature:value,...},"expected":[...]}, without the values that are missing. Among the rows are some with
missing and extreme values, and some whose values are exactly the thresholds. ONNX is compared with onnxruntime, the
others with their library. Seeded: the same versions write the same files.
"""
import json
import pathlib
import warnings

import lightgbm
import numpy as np
import onnx
import onnxruntime
import xgboost
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.ensemble import (ExtraTreesClassifier, GradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor)

HERE = pathlib.Path(__file__).parent
NAMES = ["a", "b", "c", "d"]
ROWS = 60


def data(seed=11):
    """Four columns, the last two of few whole values, and targets that depend on them."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.normal(size=400), rng.gamma(2, 3, 400), rng.integers(0, 8, 400),
                             rng.choice([0, 0, 1, 2], 400)])
    table = np.round(table, 3).astype(np.float32)
    drive = table[:, 0] - 0.3 * (table[:, 1] - 6) + table[:, 2] % 3 + table[:, 3] * table[:, 0]
    drive = drive + rng.normal(size=400) * 0.3
    gaps = table.copy()
    gaps[rng.random(table.shape) < 0.15] = np.nan
    return table, gaps, drive


def rows_for(table, gaps, thresholds, missing=True):
    """Usual rows, rows with gaps, rows at thresholds and next to them, rows far away."""
    rng = np.random.default_rng(5)
    thresholds = [(feature, value) for feature, value in thresholds if abs(value) < 1e30]
    at = table[rng.integers(0, len(table), ROWS)].copy()
    for row in at:
        for feature, value in (thresholds[i] for i in rng.integers(0, len(thresholds), 3)):
            row[feature] = rng.choice([value, np.nextafter(np.float32(value), np.float32(9e9))])
    far = rng.choice(np.float32([0, -0.0, 1e30, -1e30, 1e-36, 7, 8, 100]), size=(ROWS // 2, 4))
    kinds = [table[:ROWS], at, far]
    if missing:
        kinds += [gaps[:ROWS], np.where(rng.random(at.shape) < 0.3, np.nan, at)]
    return np.concatenate(kinds).astype(np.float32)


def write_rows(file, rows, expected):
    with open(HERE / f"{file}.jsonl", "w") as out:
        for row, result in zip(rows, np.asarray(expected, dtype=float).reshape(len(rows), -1)):
            values = {n: float(x) for n, x in zip(NAMES, row) if not np.isnan(x)}
            line = {"row": values, "expected": [float(f"{x:.9g}") for x in result]}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")


def write_onnx(name, model, table, gaps, missing=False):
    """`model`: of scikit-learn, or ONNX."""
    file = model
    if not isinstance(model, onnx.ModelProto):
        options = {"zipmap": False} if hasattr(model, "predict_proba") else None
        file = to_onnx(model, table[:1], target_opset=17, options=options)
    treatment = "asIs" if missing else "returnInvalid"
    features = [{"name": n, "missingValueTreatment": treatment} for n in NAMES]
    helper.set_model_props(file, {"troupe.signature": json.dumps({"features": features})})
    content = file.SerializeToString()
    (HERE / f"trees_{name}.onnx").write_bytes(content)
    trees = next(n for n in file.graph.node if n.op_type.startswith("TreeEnsemble"))
    told = {a.name: helper.get_attribute_value(a) for a in trees.attribute}
    nodes = zip(told["nodes_modes"], told["nodes_featureids"], told["nodes_values"])
    thresholds = [(feature, value) for mode, feature, value in nodes if mode != b"LEAF"]
    rows = rows_for(table, gaps, thresholds, missing)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    write_rows(f"trees_{name}.onnx", rows, session.run(None, {session.get_inputs()[0].name: rows})[-1])


def every_mode():
    """A tree for each mode of branch, each with missing values to either side, and three targets."""
    nodes = {k: [] for k in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids",
                             "missing_value_tracks_true")}
    weights = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    for tree, mode in enumerate(modes):
        for node in range(7):
            inner = node < 3
            row = (tree, node, mode if inner else "LEAF", (tree + node) % 4 if inner else 0,
                   [2.0, 0.5, 1.0][node] if inner else 0.0, 2 * node + 1 if inner else 0, 2 * node + 2 if inner else 0,
                   node % 2)
            for key, value in zip(nodes, row):
                nodes[key].append(value)
            for target in range(0 if inner else 3):
                for key, value in zip(weights, (tree, node, target, (node - 4.5) * (target + 1) / (tree + 2))):
                    weights[key].append(value)
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain="ai.onnx.ml", n_targets=3,
                            aggregate_function="AVERAGE", base_values=[0.5, -1.0, 2.0],
                            **{f"nodes_{k}": v for k, v in nodes.items()},
                            **{f"target_{k}": v for k, v in weights.items()})
    graph = helper.make_graph([node], "modes", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
                              [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 3])])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("ai.onnx.ml", 1)])


def write_xgboost(name, formats, table, gaps, target, types=None, **parameters):
    def matrix(rows, label=None):
        return xgboost.DMatrix(rows, label, feature_names=NAMES, feature_types=types,
                               enable_categorical=types is not None)

    settings = {"max_depth": 4, "tree_method": "hist", "nthread": 1, "seed": 3, **parameters}
    booster = xgboost.train(settings, matrix(gaps, target), 6)
    document = json.loads(booster.save_raw("json"))
    model = document["learner"]["gradient_booster"]
    trees = (model["gbtree"] if "gbtree" in model else model)["model"]["trees"]
    thresholds = [(tree["split_indices"][i], value) for tree in trees
                  for i, value in enumerate(tree["split_conditions"]) if tree["left_children"][i] != -1]
    rows = rows_for(table, gaps, thresholds)
    expected = booster.predict(matrix(rows))
    if settings["objective"] == "binary:logistic":
        expected = np.column_stack([1 - expected, expected])
    for form in formats:
        booster.save_model(HERE / f"trees_{name}.{form}")
        write_rows(f"trees_{name}.{form}", rows, expected)


def write_lightgbm(name, table, gaps, target, categories=(), **parameters):
    settings = {"num_leaves": 10, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1, "seed": 3, **parameters}
    train = lightgbm.Dataset(gaps, target, feature_name=NAMES, categorical_feature=list(categories))
    booster = lightgbm.train(settings, train, 6)
    thresholds = []

    def look(node):
        if "split_feature" not in node:
            return
        if node["decision_type"] == "<=":
            thresholds.append((node["split_feature"], node["threshold"]))
        look(node["left_child"])
        look(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        look(tree["tree_structure"])
    rows = rows_for(table, gaps, thresholds)
    expected = booster.predict(rows.astype(np.float64))
    if settings["objective"] == "binary":
        expected = np.column_stack([1 - expected, expected])
    booster.save_model(HERE / f"trees_{name}.txt")
    write_rows(f"trees_{name}.txt", rows, expected)


def main():
    warnings.filterwarnings("ignore")
    table, gaps, drive = data()
    binary = (drive > 1).astype(int)
    several = np.digitize(drive, [0, 2])
    counts = np.floor(np.exp(np.clip(drive, -3, 3) / 3)).astype(int)
    both = np.column_stack([drive, binary])

    seeded = {"random_state": 3}
    boosted = GradientBoostingClassifier(n_estimators=8, max_depth=3, **seeded).fit(table, binary)
    write_onnx("boosted", boosted, table, gaps)
    write_onnx("boosted_several", GradientBoostingClassifier(n_estimators=4, max_depth=3, **seeded).fit(table, several),
               table, gaps)
    write_onnx("forest", RandomForestClassifier(8, max_depth=5, **seeded).fit(table, several), table, gaps)
    write_onnx("forest_binary", ExtraTreesClassifier(8, max_depth=5, **seeded).fit(table, binary), table, gaps)
    write_onnx("forest_regressor", RandomForestRegressor(6, max_depth=6, **seeded).fit(table, drive), table, gaps)
    histogram = HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=10, min_samples_leaf=5, early_stopping=False,
                                              **seeded)
    write_onnx("histogram", histogram.fit(gaps, drive), table, gaps, missing=True)
    write_onnx("every_mode", every_mode(), table, gaps, missing=True)

    write_xgboost("binary", ["json", "ubj"], table, gaps, binary, objective="binary:logistic")
    write_xgboost("several", ["ubj"], table, gaps, several, objective="multi:softprob", num_class=3,
                  num_parallel_tree=2, max_depth=3)
    write_xgboost("dart", ["ubj"], table, gaps, drive, objective="reg:squarederror", booster="dart", rate_drop=0.4)
    write_xgboost("counts", ["json"], table, gaps, counts, objective="count:poisson", max_depth=3)
    write_xgboost("two_targets", ["json"], table, gaps, both, objective="reg:squarederror", max_depth=3,
                  multi_strategy="multi_output_tree")
    write_xgboost("categories", ["ubj"], table, gaps, drive, types=["float", "float", "c", "c"], max_cat_to_onehot=1,
                  objective="reg:squarederror")

    write_lightgbm("binary", table, gaps, binary, objective="binary", sigmoid=1.5)
    write_lightgbm("several", table, gaps, several, objective="multiclass", num_class=3)
    write_lightgbm("zero", table, gaps, drive, objective="regression", zero_as_missing=True)
    write_lightgbm("gapless", table, table, drive, objective="regression", reg_sqrt=True)
    write_lightgbm("averaged", table, gaps, binary, objective="binary", boosting="rf", bagging_freq=1,
                   bagging_fraction=0.6)
    write_lightgbm("categories", table, gaps, drive, [2, 3], objective="regression", max_cat_to_onehot=1, cat_smooth=1,
                   min_data_per_group=5)


if __name__ == "__main__":
    main()
