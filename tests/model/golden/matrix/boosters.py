"""XGBoost and LightGBM, converted by onnxmltools and as the files they write themselves."""
import json
import re

import lightgbm
import numpy as np
import xgboost
from scipy.special import softmax

import data
from families import cancer_holes, diabetes, diabetes_holes, iris, iris_holes

SMALL = {"max_depth": 3, "n_estimators": 5}
XGB = {"max_depth": 3, "seed": 3, "nthread": 1}
LGB = {"num_leaves": 6, "verbose": -1, "seed": 3, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 5}
GROUPS = [17] * 26  # of the rows of diabetes
positive = (diabetes_holes[0], diabetes_holes[1] / 100)
graded = (diabetes_holes[0], np.digitize(diabetes_holes[1], [90, 140, 210]))
shares = (diabetes_holes[0], (diabetes_holes[1] / 400).clip(0, 1))


def converted():
    """name -> (estimator, data): both libraries through onnxmltools."""
    light = {"num_leaves": 6, "n_estimators": 5, "verbose": -1, "n_jobs": 1, "random_state": 3}
    return {
        "xgboost_two": (xgboost.XGBClassifier(**SMALL), cancer_holes),
        "xgboost": (xgboost.XGBClassifier(**SMALL), iris_holes),
        "xgboost_regressor": (xgboost.XGBRegressor(**SMALL), diabetes_holes),
        "xgboost_forest_two": (xgboost.XGBRFClassifier(n_estimators=4, max_depth=3), cancer_holes),
        "lightgbm_two": (lightgbm.LGBMClassifier(**light), cancer_holes),
        "lightgbm": (lightgbm.LGBMClassifier(**light), iris_holes),
        "lightgbm_strings": (lightgbm.LGBMClassifier(**light), (iris[0], np.array(["a", "b", "c"])[iris[1]])),
        "lightgbm_regressor": (lightgbm.LGBMRegressor(**light), diabetes_holes),
    }


def codes():
    """A column of categories as codes, with holes, beside numbers."""
    X, label, amount = data.people()
    X = X[["age", "income", "kids", "city"]].astype({"kids": float})
    X["city"] = X.city.map({"Bern": 0, "Oslo": 1, "Rome": 2, "Zürich": 3}).astype(float)
    X.loc[::11, "city"] = np.nan
    return X, label, amount


CLASSIFIERS = ("binary", "binary:logistic", "multiclass", "multiclassova", "multi:softmax", "multi:softprob")


def told(booster, rows):
    """What the library says about rows: numbers (rows, k), labels as text, classes; without classes the latter are
    None."""
    if isinstance(booster, lightgbm.Booster):
        named = re.search(r"^objective=(\w+)", booster.model_to_string(), re.MULTILINE)
        objective = named and named[1]
        numbers = booster.predict(rows)
    else:
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
        table = xgboost.DMatrix(rows)
        if objective == "multi:softmax":  # gives the labels alone
            numbers = softmax(booster.predict(table, output_margin=True).astype(float), axis=1)
        else:
            numbers = booster.predict(table)
    numbers = np.asarray(numbers, float).reshape(len(rows), -1)
    if objective not in CLASSIFIERS:
        return numbers, None, None
    numbers = np.hstack([1 - numbers, numbers]) if numbers.shape[1] == 1 else numbers
    return numbers, numbers.argmax(axis=1).astype(str), list(range(numbers.shape[1]))


def xgboost_files():
    """name -> (suffix, booster, X)."""
    X, label, _ = codes()
    line = {"booster": "gblinear", "updater": "coord_descent", "max_depth": None}

    def train(given, rounds=5, **options):
        frame, target = given
        table = xgboost.DMatrix(frame, label=target)
        if options["objective"].startswith("rank:"):
            table.set_group(GROUPS)
        if options["objective"] == "survival:aft":
            table.set_float_info("label_lower_bound", target)
            table.set_float_info("label_upper_bound", target.where(target < 2.5, np.inf))
        return xgboost.train(XGB | options, table, rounds), frame
    objectives = {
        "squared": (diabetes_holes, {"objective": "reg:squarederror"}),
        "logistic": (cancer_holes, {"objective": "binary:logistic"}),
        "logitraw": (cancer_holes, {"objective": "binary:logitraw"}),
        "hinge": (cancer_holes, {"objective": "binary:hinge"}),
        "reg_logistic": (shares, {"objective": "reg:logistic"}),
        "softprob": (iris_holes, {"objective": "multi:softprob", "num_class": 3}),
        "poisson": (positive, {"objective": "count:poisson"}),
        "gamma": (positive, {"objective": "reg:gamma"}),
        "tweedie": (positive, {"objective": "reg:tweedie"}),
        "absoluteerror": (diabetes_holes, {"objective": "reg:absoluteerror"}),
        "quantileerror": (diabetes_holes, {"objective": "reg:quantileerror", "quantile_alpha": 0.8}),
        "quantileerrors": (diabetes_holes, {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}),
        "pseudohubererror": (positive, {"objective": "reg:pseudohubererror"}),
        "squaredlogerror": (positive, {"objective": "reg:squaredlogerror"}),
        "softmax": (iris_holes, {"objective": "multi:softmax", "num_class": 3}),
        "cox": (positive, {"objective": "survival:cox"}),
        "aft": (positive, {"objective": "survival:aft"}),
        "rank_map": ((graded[0], graded[1] > 1), {"objective": "rank:map"}),
        "rank_ndcg": (graded, {"objective": "rank:ndcg"}),
        "rank_pairwise": (graded, {"objective": "rank:pairwise"}),
        "linear": (diabetes_holes, {"objective": "reg:squarederror", **line}),
        "linear_logistic": (cancer_holes, {"objective": "binary:logistic", **line}),
        "linear_softprob": (iris_holes, {"objective": "multi:softprob", "num_class": 3, **line}),
        "dart": (cancer_holes, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3}),
        "forest": (diabetes_holes, {"objective": "reg:squarederror", "num_parallel_tree": 3, "subsample": 0.7}),
    }
    found = {}
    for name, (given, options) in objectives.items():
        suffix = "ubj" if name in ("softprob", "poisson", "forest", "softmax", "quantileerrors", "aft") else "json"
        found[f"xgboost_file_{name}"] = (suffix, *train(given, **options))
    kinds = xgboost.DMatrix(X, label=label, feature_types=["q", "q", "q", "c"], enable_categorical=True)
    options = {"objective": "binary:logistic", "max_cat_to_onehot": 2}
    found["xgboost_file_categories"] = ("json", xgboost.train(XGB | options, kinds, 5), X)
    return found


def lightgbm_files():
    """name -> ("txt", booster, X)."""
    def train(given, rounds=5, categories="auto", **options):
        frame, target = given
        groups = GROUPS if "rank" in str(options["objective"]) else None
        table = lightgbm.Dataset(frame, label=target, group=groups, categorical_feature=categories)
        return "txt", lightgbm.train(LGB | options, table, rounds), frame
    X, label, amount = codes()
    zeros = (diabetes_holes[0].fillna(0.0), diabetes_holes[1])
    bagged = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
    objectives = {
        "regression": (diabetes_holes, {"objective": "regression"}),
        "regression_sqrt": (positive, {"objective": "regression", "reg_sqrt": True}),
        "binary": (cancer_holes, {"objective": "binary"}),
        "binary_sigmoid": (cancer_holes, {"objective": "binary", "sigmoid": 0.7}),
        "multiclass": (iris_holes, {"objective": "multiclass", "num_class": 3}),
        "multiclassova": (iris_holes, {"objective": "multiclassova", "num_class": 3}),
        "l1": (diabetes_holes, {"objective": "regression_l1"}),
        "huber": (positive, {"objective": "huber"}),
        "fair": (positive, {"objective": "fair"}),
        "quantile": (diabetes_holes, {"objective": "quantile", "alpha": 0.8}),
        "mape": (positive, {"objective": "mape"}),
        "lambdarank": (graded, {"objective": "lambdarank"}),
        "rank_xendcg": (graded, {"objective": "rank_xendcg"}),
        "poisson": (positive, {"objective": "poisson"}),
        "gamma": (positive, {"objective": "gamma"}),
        "tweedie": (positive, {"objective": "tweedie"}),
        "cross_entropy": (shares, {"objective": "cross_entropy"}),
        "cross_entropy_lambda": (shares, {"objective": "cross_entropy_lambda"}),
        "forest": (diabetes_holes, {"objective": "regression", **bagged}),
        "forest_two": (cancer_holes, {"objective": "binary", **bagged}),
        "forest_classes": (iris_holes, {"objective": "multiclass", "num_class": 3, **bagged}),
        "dart": (cancer_holes, {"objective": "binary", "boosting": "dart"}),
        "custom": (diabetes_holes, {"objective": lambda sums, table: (sums - table.get_label(), np.ones(len(sums)))}),
        "zero_as_missing": (zeros, {"objective": "regression", "zero_as_missing": True}),
        "no_missing": (diabetes, {"objective": "regression", "use_missing": False}),
    }
    found = {f"lightgbm_file_{name}": train(given, **options) for name, (given, options) in objectives.items()}
    found["lightgbm_file_categories"] = train((X, amount), objective="regression", categories=["city", "kids"],
                                              min_data_per_group=5, cat_smooth=1)
    found["lightgbm_file_categories_two"] = train((X, label), objective="binary", categories=["city"],
                                                  min_data_per_group=5, max_cat_to_onehot=8)
    return found
