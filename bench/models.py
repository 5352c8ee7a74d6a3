#!/usr/bin/env python3
"""Times Troupe's evaluators beside onnxruntime: one thread each, the same models, the same rows, in alternation.

    python3 bench/models.py [NAME ...] [--smoke] [--build build/release]

Both are timed from features in memory to results in memory: Troupe by `troupe model bench --rows`, onnxruntime with one
intra-op thread and IO binding, so that copying through Python is not what is measured. XGBoost and LightGBM are scored
by Troupe from their own files, by onnxruntime as onnxmltools converts them. Writes build/bench/models.json and prints
the table of docs/benchmarks.md.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "python" / "requirements-test.txt"
VENV = ROOT / "build" / "venv-python"
BATCHES = (1, 64, 1024)


def ensure_packages():
    """Starts again in a virtual environment that has the packages."""
    if pathlib.Path(sys.prefix).resolve() == VENV.resolve():
        return
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    done = subprocess.run([str(python), "-c", "import onnxruntime, skl2onnx, xgboost, lightgbm"], capture_output=True)
    if done.returncode != 0:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                        str(REQUIREMENTS)], check=True, stdin=subprocess.DEVNULL)
    os.execv(python, [str(python), *sys.argv])


ensure_packages()

import numpy as np                                                      # noqa: E402  (after the packages are there)
import onnx
import onnxruntime as ort
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from networks import convolutional_net                                  # noqa: E402

ROWS = 4096
rng = np.random.default_rng(11)


class Case:
    """A model as both sides read it, with rows."""

    def __init__(self, file, oracle, columns, goal):
        self.file, self.oracle, self.columns, self.goal = file, oracle, columns, goal


def table(width, classes=2):
    x = rng.normal(size=(ROWS, width)).astype(np.float32)
    weights = rng.normal(size=width)
    y = x @ weights + np.sin(3 * x[:, 0]) + rng.normal(size=ROWS)
    return x, np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)


def signature(file, names, shape=None):
    features = [{"name": n, **({"shape": shape} if shape else {})} for n in names]
    onnx.helper.set_model_props(file, {"troupe.signature": json.dumps({"features": features})})


def from_sklearn(out, name, model, width, goal, rows=ROWS, classes=2):
    x, y = table(width, classes)
    model.fit(x[:rows], y[:rows])
    file = to_onnx(model, initial_types=[("X", FloatTensorType([None, width]))], target_opset={"": 17, "ai.onnx.ml": 3},
                   options={"zipmap": False})
    names = [f"f{i}" for i in range(width)]
    signature(file, names)
    path = out / f"{name}.onnx"
    path.write_bytes(file.SerializeToString())
    return Case(path, path, {"X": x}, goal)


def boosted(out, name, model, width, save, convert):
    """One that Troupe reads from the library's own file."""
    x, y = table(width)
    model.fit(x, y)
    ours, theirs = save(model, out), out / f"{name}.onnx"
    graph = convert(model, width)
    for output in graph.graph.output:       # onnxmltools says that LightGBM's label is of one row
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.dim[0].dim_param = "N"
    theirs.write_bytes(graph.SerializeToString())
    return Case(ours, theirs, {"input": x}, "tree")


def xgboost_case(out):
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Float

    def save(model, folder):
        model.get_booster().feature_names = [f"f{i}" for i in range(30)]
        model.get_booster().save_model(folder / "xgboost.json")
        model.get_booster().feature_names = None
        return folder / "xgboost.json"

    def convert(model, width):
        return onnxmltools.convert_xgboost(model, initial_types=[("input", Float([None, width]))], target_opset=15)
    return boosted(out, "xgboost", xgboost.XGBClassifier(n_estimators=100, max_depth=5, n_jobs=1), 30, save, convert)


def lightgbm_case(out):
    import lightgbm
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType as Float

    def save(model, folder):
        model.booster_.save_model(folder / "lightgbm.txt")
        return folder / "lightgbm.txt"

    def convert(model, width):
        return onnxmltools.convert_lightgbm(model, initial_types=[("input", Float([None, width]))], target_opset=15,
                                            zipmap=False)
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1)
    return boosted(out, "lightgbm", model, 30, save, convert)


def pipeline_case(out):
    x, y = table(4)
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    frame["city"] = rng.choice(["paris", "rome", "oslo", "bern", "riga"], ROWS)
    steps = [("n", StandardScaler(), ["a", "b", "c", "d"]), ("s", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(frame, y)
    types = [(c, FloatTensorType([None, 1])) for c in "abcd"] + [("city", StringTensorType([None, 1]))]
    file = to_onnx(model, initial_types=types, target_opset={"": 17, "ai.onnx.ml": 3}, options={"zipmap": False})
    path = out / "pipeline.onnx"
    path.write_bytes(file.SerializeToString())
    columns = {c: frame[[c]].to_numpy(np.float32) for c in "abcd"}
    return Case(path, path, {**columns, "city": frame[["city"]].to_numpy(object)}, "rest")


def cnn_case(out):
    file = convolutional_net(rng)
    path = out / "cnn.onnx"
    path.write_bytes(file.SerializeToString())
    return Case(path, path, {"pixels": rng.random((ROWS, 1, 28, 28), dtype=np.float32)}, "cnn")


CASES = {
    "logistic regression, 10 features": lambda out: from_sklearn(out, "logistic", LogisticRegression(), 10, "linear"),
    "100 boosted trees of depth 5": lambda out: from_sklearn(
        out, "boosted", GradientBoostingClassifier(n_estimators=100, max_depth=5), 30, "tree", 1500),
    "random forest, 100 of depth 8": lambda out: from_sklearn(
        out, "forest", RandomForestClassifier(n_estimators=100, max_depth=8, n_jobs=1), 10, "tree"),
    "HistGradientBoosting, 100 x 31 leaves": lambda out: from_sklearn(
        out, "hist", HistGradientBoostingClassifier(max_iter=100), 30, "tree"),
    "XGBoost, 100 of depth 5": xgboost_case,
    "LightGBM, 100 x 31 leaves": lightgbm_case,
    "RBF SVM": lambda out: from_sklearn(out, "svm", SVC(kernel="rbf"), 10, "rest", 1000),
    "MLP 64-100-50-10": lambda out: from_sklearn(out, "mlp", MLPClassifier((100, 50), max_iter=30), 64, "rest",
                                                 classes=10),
    "Scaler + OneHot + linear": pipeline_case,
    "CNN, 28 x 28": cnn_case,
}

# At least so many times as fast as onnxruntime, at batches of 1, 64 and 1024.
GOALS = {"tree": (5, 3, 3), "linear": (5, 0.95, 0.95), "rest": (2, 0.95, 0.95), "cnn": (2, 0.7, 0.7)}


def write_rows(case, path):
    with open(path, "w") as out:
        for i in range(min(ROWS, 1024)):
            row = {}
            for name, values in case.columns.items():
                if values.dtype == object:
                    row[name] = values[i, 0]
                elif values.ndim == 2 and values.shape[1] == 1:
                    row[name] = float(values[i, 0])
                elif values.ndim == 2:
                    names = [f"Column_{k}" if case.file.suffix == ".txt" else f"f{k}" for k in range(values.shape[1])]
                    row.update(zip(names, map(float, values[i])))
                else:
                    row[name] = [float(v) for v in values[i].ravel()]
            out.write(json.dumps(row) + "\n")


def time_troupe(build, case, rows, seconds):
    done = subprocess.run([str(build / "troupe"), "model", "bench", str(case.file), "--rows", str(rows), "--json",
                           "--seconds", str(seconds)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit(f"{case.file.name}: {done.stderr.strip()}")
    return {int(k): v["median_us"] for k, v in json.loads(done.stdout).items()}


def time_onnxruntime(case, seconds):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(case.oracle), options, providers=["CPUExecutionProvider"])
    return {batch: time_session(session, case, batch, seconds) for batch in BATCHES}


def time_session(session, case, batch, seconds):
    pieces, texts = [], any(values.dtype == object for values in case.columns.values())
    for at in range(0, min(ROWS, 1024) - batch + 1, batch)[:64]:
        if texts:       # which IO binding does not take
            pieces.append({name: values[at:at + batch] for name, values in case.columns.items()})
            continue
        binding = session.io_binding()
        for name, values in zip((i.name for i in session.get_inputs()), case.columns.values()):
            piece = np.ascontiguousarray(values[at:at + batch])
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(piece))
        for output in session.get_outputs():
            binding.bind_output(output.name, "cpu")
        pieces.append(binding)
    run = (lambda piece: session.run(None, piece)) if texts else session.run_with_iobinding
    figures, end = [], time.perf_counter() + seconds * 1.2
    while time.perf_counter() < end:
        begun, runs = time.perf_counter(), 0
        while time.perf_counter() - begun < 0.001 or runs == 0:
            run(pieces[runs % len(pieces)])
            runs += 1
        figures.append((time.perf_counter() - begun) * 1e6 / (runs * batch))
    return statistics.median(figures[len(figures) // 5:])


def measure(name, make, out, build, rounds, seconds):
    case = make(out)
    rows = out / f"{case.file.name}.jsonl"
    write_rows(case, rows)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(time_troupe(build, case, rows, seconds))
        theirs.append(time_onnxruntime(case, seconds))
    result = {"goal": GOALS[case.goal], "troupe": ours, "onnxruntime": theirs}
    line = [name]
    for batch, goal in zip(BATCHES, GOALS[case.goal]):
        ratios = [t[batch] / o[batch] for o, t in zip(ours, theirs)]
        ratio = statistics.median(ratios)
        mark = "" if ratio >= goal else " (below)"
        figures = " / ".join(f"{statistics.median(f[batch] for f in side):.3g}" for side in (ours, theirs))
        line.append(f"{figures} = **{ratio:.1f}** ({min(ratios):.1f}-{max(ratios):.1f}), goal {goal}{mark}")
    return result, line


def main():
    parser = argparse.ArgumentParser(prog="bench/models.py")
    parser.add_argument("names", nargs="*", help="cases whose name contains one of these")
    parser.add_argument("--smoke", action="store_true", help="small budgets; the figures mean nothing")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    wanted = parser.parse_args()
    out = ROOT / "build" / "bench" / "models"
    out.mkdir(parents=True, exist_ok=True)
    rounds, seconds = (1, 0.05) if wanted.smoke else (5, 0.4)
    results, lines = {}, []
    for name, make in CASES.items():
        if wanted.names and not any(part in name for part in wanted.names):
            continue
        results[name], line = measure(name, make, out, wanted.build, rounds, seconds)
        lines.append("| " + " | ".join(line) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    (out.parent / "models.json").write_text(json.dumps({"smoke": wanted.smoke, "onnxruntime": ort.__version__,
                                                        "cases": results}, indent=1))
    print("| model | batch 1: Troupe / onnxruntime, us a row = ratio (least-most) | batch 64 | batch 1024 |")
    print("|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
