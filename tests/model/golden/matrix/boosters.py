"""XGBoost and LightGBM, converted by onnxmltools and as the files they write themselves."""
import lightgbm
import numpy as np
import xgboost

import data
from families import cancer_holes, diabetes, diabetes_holes, iris, iris_holes

SMALL = {"max_depth": 3, "n_estimators": 5}
XGB = {"max_depth": 3, "seed": 3, "nthread": 1}
LGB = {"num_leaves": 6, "verbose": -1, "seed": 3, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 5}
positive = (diabetes_holes[0], diabetes_holes[1] / 100)
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


def xgboost_files():
    """name -> (suffix, booster, X)."""
    X, label, _ = codes()

    def train(given, rounds=5, **options):
        frame, target = given
        return xgboost.train(XGB | options, xgboost.DMatrix(frame, label=target), rounds), frame
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
        "dart": (cancer_holes, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3}),
        "forest": (diabetes_holes, {"num_parallel_tree": 3, "subsample": 0.7}),
    }
    found = {}
    for name, (given, options) in objectives.items():
        suffix = "ubj" if name in ("softprob", "poisson", "forest") else "json"
        found[f"xgboost_file_{name}"] = (suffix, *train(given, **options))
    kinds = xgboost.DMatrix(X, label=label, feature_types=["q", "q", "q", "c"], enable_categorical=True)
    options = {"objective": "binary:logistic", "max_cat_to_onehot": 2}
    found["xgboost_file_categories"] = ("json", xgboost.train(XGB | options, kinds, 5), X)
    return found


def lightgbm_files():
    """name -> ("txt", booster, X)."""
    def train(given, rounds=5, categories="auto", **options):
        frame, target = given
        table = lightgbm.Dataset(frame, label=target, categorical_feature=categories)
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
        "poisson": (positive, {"objective": "poisson"}),
        "gamma": (positive, {"objective": "gamma"}),
        "tweedie": (positive, {"objective": "tweedie"}),
        "cross_entropy": (shares, {"objective": "cross_entropy"}),
        "cross_entropy_lambda": (shares, {"objective": "cross_entropy_lambda"}),
        "forest": (diabetes_holes, {"objective": "regression", **bagged}),
        "dart": (cancer_holes, {"objective": "binary", "boosting": "dart"}),
        "zero_as_missing": (zeros, {"objective": "regression", "zero_as_missing": True}),
        "no_missing": (diabetes, {"objective": "regression", "use_missing": False}),
    }
    found = {f"lightgbm_file_{name}": train(given, **options) for name, (given, options) in objectives.items()}
    found["lightgbm_file_categories"] = train((X, amount), objective="regression", categories=["city", "kids"],
                                              min_data_per_group=5, cat_smooth=1)
    found["lightgbm_file_categories_two"] = train((X, label), objective="binary", categories=["city"],
                                                  min_data_per_group=5, max_cat_to_onehot=8)
    return found
