"""XGBoost and LightGBM: their scikit-learn classes, in pipelines, and Boosters."""
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from conftest import features, score, signature
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from troupe_model import export
from troupe_model.convert import float32_thresholds

SMALL = {"n_estimators": 5, "max_depth": 3}


@pytest.fixture(scope="module")
def three(numbers):
    return np.minimum(numbers.kids, 2)


@pytest.mark.parametrize("model", [xgboost.XGBClassifier(**SMALL), lightgbm.LGBMClassifier(**SMALL, verbose=-1)],
                         ids=["xgboost", "lightgbm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_export__classifier_with_missing_values__agrees(model, classes, people, bought, three, tmp_path):
    frame = people[["age", "kids"]]
    target = bought if classes == 2 else three
    path = export(model.fit(frame, target), frame, tmp_path / "m.onnx").path
    assert list(features(path)) == ["age", "kids"] and features(path)["age"]["required"] is False
    rows = [{"age": None, "kids": 1}, {"age": 41.5, "kids": 3}]
    want = model.predict_proba(pd.DataFrame(rows).astype(float))
    assert np.allclose(score(path, rows), want, atol=1e-6)
    assert signature(path)["outputs"][1]["meaning"] == "probability"


@pytest.mark.parametrize("model", [xgboost.XGBRegressor(**SMALL), lightgbm.LGBMRegressor(**SMALL, verbose=-1),
                                   make_pipeline(StandardScaler(), xgboost.XGBRegressor(**SMALL)),
                                   make_pipeline(StandardScaler(), lightgbm.LGBMRegressor(**SMALL, verbose=-1))],
                         ids=["xgboost", "lightgbm", "scaled xgboost", "scaled lightgbm"])
def test_export__regressor__agrees(model, numbers, price, tmp_path):
    path = export(model.fit(numbers, price), numbers, tmp_path / "m.onnx").path
    want = model.predict(numbers)
    assert np.allclose(score(path, numbers.to_dict("records"))[:, 0], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective, classes", [("binary:logistic", 2), ("multi:softprob", 3), ("multi:softmax", 3),
                                                ("reg:squarederror", 0)])
def test_export__xgboost_booster__agrees(objective, classes, numbers, bought, three, price, tmp_path):
    target = {0: price, 2: bought, 3: three}[classes]
    options = {"objective": objective, "max_depth": 3} | ({"num_class": 3} if classes == 3 else {})
    booster = xgboost.train(options, xgboost.DMatrix(numbers, label=target), 5)
    done = export(booster, numbers, tmp_path / "m.onnx")
    assert booster.feature_names == ["age", "kids"]
    assert done.signature["outputs"][-1].get("classes", []) == list(range(classes))


@pytest.mark.parametrize("objective, classes", [("binary", 2), ("multiclass", 3), ("regression", 0)])
def test_export__lightgbm_booster__agrees(objective, classes, numbers, bought, three, price, tmp_path):
    target = {0: price, 2: bought, 3: three}[classes]
    options = {"objective": objective, "verbose": -1} | ({"num_class": 3} if classes == 3 else {})
    booster = lightgbm.train(options, lightgbm.Dataset(numbers, label=target), 5)
    done = export(booster, numbers, tmp_path / "m.onnx")
    assert done.signature["outputs"][-1].get("classes", []) == list(range(classes))


def test_export__hist_boosting__decides_alike_on_its_thresholds(tmp_path):
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.random((300, 2)), columns=["a", "b"])  # float64: midpoints are no float32
    model = HistGradientBoostingRegressor(max_iter=8).fit(table, table.a)
    path = export(model, table, tmp_path / "m.onnx").path
    ats = np.concatenate([p[0].nodes["num_threshold"] for p in model._predictors]).astype(np.float32).astype(float)
    rows = pd.DataFrame({"a": ats, "b": ats[::-1]})
    assert np.allclose(score(path, rows.to_dict("records"))[:, 0], model.predict(rows), atol=1e-6)


def test_thresholds__rounded_down__decide_alike_for_every_float32():
    rng = np.random.default_rng(1)
    table = rng.random((400, 2))  # float64: midpoints are no float32
    booster = lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(table, label=table[:, 0]), 10)
    changed = float32_thresholds(booster)
    thresholds = booster.trees_to_dataframe().threshold.dropna().to_numpy()
    around = np.concatenate([np.nextafter(thresholds.astype(np.float32), np.float32(s)) for s in (-9, 9)] +
                            [thresholds.astype(np.float32)]).astype(np.float64)
    rows = np.column_stack([around, np.roll(around, 1)])
    assert (booster.predict(rows) == changed.predict(rows)).all()
