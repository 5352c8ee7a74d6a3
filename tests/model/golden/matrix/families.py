"""The estimators of the matrix, by family: name -> (estimator, data). Few and shallow trees: the files are small."""
import numpy as np
from sklearn import calibration, decomposition, discriminant_analysis, ensemble, feature_selection, linear_model
from sklearn import multioutput, neural_network, svm, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (Binarizer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder,
                                   OrdinalEncoder, RobustScaler, StandardScaler)

import data

iris, cancer, wine = data.bundled("iris"), data.bundled("breast_cancer", 4), data.bundled("wine", 4)
diabetes, linnerud = data.diabetes(), data.bundled("linnerud")
named = (iris[0], np.array(["setosa", "versi\"color\"", "virginica"])[iris[1]])
signs = (cancer[0], np.array([-1, 1])[cancer[1]])
iris_holes, diabetes_holes = (data.with_holes(iris[0]), iris[1]), (data.with_holes(diabetes[0]), diabetes[1])
cancer_holes = (data.with_holes(cancer[0]), cancer[1])
logistic = linear_model.LogisticRegression


def scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


def seeded(family, **options):
    return family(random_state=3, **options)


def linear():
    lm = linear_model
    return {
        "logistic_binary": (scaled(logistic()), cancer),
        "logistic_signs": (scaled(logistic()), signs),
        "logistic_multinomial": (logistic(max_iter=2000), iris),
        "logistic_multinomial_two": (scaled(logistic(multi_class="multinomial")), cancer),
        "logistic_ovr": (scaled(logistic(multi_class="ovr")), wine),
        "logistic_strings": (logistic(max_iter=2000), named),
        "ridge_classifier_two": (scaled(lm.RidgeClassifier()), cancer),
        "sgd_hinge_two": (scaled(seeded(lm.SGDClassifier)), cancer),
        "sgd_log": (scaled(seeded(lm.SGDClassifier, loss="log_loss", alpha=0.1)), wine),
        "sgd_huber": (scaled(seeded(lm.SGDClassifier, loss="modified_huber", alpha=0.1)), iris),
        "perceptron": (scaled(seeded(lm.Perceptron)), iris),
        "discriminant": (discriminant_analysis.LinearDiscriminantAnalysis(), iris),
        "linear_regression": (lm.LinearRegression(), diabetes),
        "ridge": (lm.Ridge(), diabetes),
        "lasso": (lm.Lasso(), diabetes),
        "huber": (scaled(lm.HuberRegressor()), diabetes),
        "sgd_regressor": (scaled(seeded(lm.SGDRegressor)), diabetes),
        "poisson": (scaled(lm.PoissonRegressor()), diabetes),
        "tweedie": (scaled(lm.TweedieRegressor(power=1.5, link="log")), diabetes),
        "linear_three_targets": (lm.LinearRegression(), linnerud),
    }


def trees():
    small, three = {"max_depth": 3, "random_state": 3}, {"n_estimators": 4, "max_depth": 3, "random_state": 3}
    hist = {"max_iter": 6, "max_leaf_nodes": 8}
    forest, boosted = ensemble.RandomForestClassifier, ensemble.GradientBoostingClassifier
    hist_classifier, hist_regressor = ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor
    return {
        "tree_classifier": (tree.DecisionTreeClassifier(**small), iris),
        "tree_classifier_two": (tree.DecisionTreeClassifier(**small), cancer),
        "tree_strings": (tree.DecisionTreeClassifier(**small), named),
        "tree_one_leaf": (tree.DecisionTreeClassifier(max_depth=1, random_state=3), iris),
        "extra_tree": (tree.ExtraTreeClassifier(**small), wine),
        "tree_regressor": (tree.DecisionTreeRegressor(**small), diabetes),
        "tree_three_targets": (tree.DecisionTreeRegressor(**small), linnerud),
        "forest_classifier": (forest(**three), wine),
        "forest_regressor": (ensemble.RandomForestRegressor(**three), diabetes),
        "forest_three_targets": (ensemble.RandomForestRegressor(**three), linnerud),
        "extra_trees_classifier": (ensemble.ExtraTreesClassifier(**three), iris),
        "boosting_two": (boosted(**three), cancer),
        "boosting_exponential": (boosted(loss="exponential", **three), cancer),
        "boosting": (boosted(**three), iris),
        "boosting_regressor": (ensemble.GradientBoostingRegressor(**three), diabetes),
        "hist_two": (hist_classifier(**hist), cancer_holes),
        "hist": (hist_classifier(**hist), iris_holes),
        "hist_regressor": (hist_regressor(**hist), diabetes_holes),
        "hist_poisson": (hist_regressor(loss="poisson", **hist), diabetes_holes),
    }


def ensembles():
    small = {"max_depth": 2, "random_state": 3}
    pair = [("a", logistic(max_iter=2000)), ("b", tree.DecisionTreeClassifier(**small))]
    values = [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(**small))]
    stump, three = tree.DecisionTreeClassifier(**small), {"n_estimators": 3, "random_state": 3}
    return {
        "adaboost": (ensemble.AdaBoostClassifier(stump, algorithm="SAMME.R", **three), iris),
        "adaboost_two": (ensemble.AdaBoostClassifier(stump, algorithm="SAMME.R", **three), cancer),
        "adaboost_samme": (ensemble.AdaBoostClassifier(stump, algorithm="SAMME", **three), iris),
        "adaboost_regressor": (ensemble.AdaBoostRegressor(tree.DecisionTreeRegressor(**small), **three), diabetes),
        "bagging": (ensemble.BaggingClassifier(stump, **three), iris),
        "bagging_logistic": (ensemble.BaggingClassifier(logistic(max_iter=2000), **three), iris),
        "bagging_regressor": (ensemble.BaggingRegressor(tree.DecisionTreeRegressor(**small), **three), diabetes),
        "voting_soft": (ensemble.VotingClassifier(pair, voting="soft"), iris),
        "voting_weighted": (ensemble.VotingClassifier(pair, voting="soft", weights=[2, 1]), cancer_scaled()),
        "voting_hard": (ensemble.VotingClassifier(pair), named),
        "voting_regressor": (ensemble.VotingRegressor(values), diabetes),
        "stacking": (ensemble.StackingClassifier(pair), iris),
        "stacking_regressor": (ensemble.StackingRegressor(values, linear_model.Ridge()), diabetes),
        "calibrated": (calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2), iris),
        "multi_output_svr": (multioutput.MultiOutputRegressor(svm.SVR()), linnerud),
    }


def cancer_scaled():
    X, y = cancer
    return ((X - X.mean()) / X.std()).round(2), y


def vectors():
    found = {}
    few = (iris[0].iloc[::3], iris[1].iloc[::3])
    two = tuple(x.iloc[::8] for x in cancer_scaled())
    small = (diabetes[0].iloc[::8], diabetes[1].iloc[::8])
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        options = {"kernel": kernel, "coef0": 0.5} if kernel in ("poly", "sigmoid") else {"kernel": kernel}
        found[f"svc_{kernel}_two"] = (svm.SVC(**options), two)
        given = (named[0].iloc[::3], named[1][::3]) if kernel == "rbf" else few
        found[f"svc_{kernel}_probability"] = (scaled(svm.SVC(probability=True, random_state=3, **options)), given)
        found[f"svr_{kernel}"] = (scaled(svm.SVR(C=30, **options)), small)
    return found | {
        "svc_rbf": (scaled(svm.SVC()), few),
        "svc_rbf_two_probability": (svm.SVC(probability=True, random_state=3), two),
        "svc_ovo": (scaled(svm.SVC(decision_function_shape="ovo")), few),
        "nusvc": (scaled(svm.NuSVC(nu=0.3)), few),
        "nusvc_two_probability": (svm.NuSVC(nu=0.3, probability=True, random_state=3), two),
        "nusvr": (scaled(svm.NuSVR(C=30)), small),
        "linear_svc_two": (scaled(svm.LinearSVC(random_state=3)), cancer),
        "linear_svc": (scaled(svm.LinearSVC(random_state=3)), iris),
        "linear_svr": (scaled(svm.LinearSVR(random_state=3, C=10)), diabetes),
    }


def nets():
    found = {}
    classifier, regressor = neural_network.MLPClassifier, neural_network.MLPRegressor
    for activation in ("relu", "tanh", "logistic", "identity"):
        options = {"activation": activation, "max_iter": 150, "random_state": 3}
        found[f"mlp_{activation}_regressor"] = (scaled(regressor((6,), **options)), diabetes)
        if activation in ("relu", "logistic"):
            found[f"mlp_{activation}"] = (scaled(classifier((6,), **options)), iris)
        if activation in ("relu", "tanh"):
            found[f"mlp_{activation}_two"] = (scaled(classifier((5, 4), **options)), cancer)
    X, _, y = data.pixels()
    options = {"max_iter": 150, "random_state": 3}
    return found | {"mlp_three_targets": (scaled(regressor((5,), **options)), linnerud),
                    "digits_mlp": (classifier((10,), max_iter=60, random_state=3), (X, y))}


def prepared():
    """Pipelines with a preprocessor each, of numbers."""
    steps = {
        "standard": StandardScaler(), "robust": RobustScaler(),
        "minmax": MinMaxScaler(), "minmax_clip": MinMaxScaler((-1, 1), clip=True), "maxabs": MaxAbsScaler(),
        "normalizer_l1": Normalizer("l1"), "normalizer_l2": Normalizer("l2"), "normalizer_max": Normalizer("max"),
        "binarizer": Binarizer(threshold=1.5), "kbins": KBinsDiscretizer(3, encode="ordinal", subsample=None),
        "pca_whitened": decomposition.PCA(3, whiten=True),
        "svd": decomposition.TruncatedSVD(2),
        "variance": feature_selection.VarianceThreshold(0.5),
        "union": FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]),
    }
    found = {f"pre_{name}": (make_pipeline(step, linear_model.Ridge()), iris) for name, step in steps.items()}
    for strategy in ("mean", "median", "most_frequent"):
        found[f"imputer_{strategy}"] = (make_pipeline(SimpleImputer(strategy=strategy), linear_model.Ridge()),
                                        iris_holes)
    constant = SimpleImputer(strategy="constant", fill_value=-1.0)
    below = make_pipeline(constant, tree.DecisionTreeRegressor(max_depth=3))
    return found | {"imputer_constant": (below, diabetes_holes)}


def typed():
    """Pipelines with an input a column: texts, whole numbers, booleans, holes."""
    X, label, amount = data.people()
    nan_X = data.people(np.nan)[0]
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    ignore = OneHotEncoder(handle_unknown="ignore")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)

    def columns(*steps, last=None, **options):
        transformer = ColumnTransformer([(str(i), *step) for i, step in enumerate(steps)], **options)
        return make_pipeline(transformer, logistic() if last is None else last)
    text_imputer = SimpleImputer(strategy="most_frequent", missing_values=None)
    nan_imputer = SimpleImputer(strategy="constant", fill_value="none")
    hist = ensemble.HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=8)
    forest = ensemble.RandomForestRegressor(4, max_depth=3, random_state=3)
    both = ["city", "job"]
    return {
        "text_onehot": (columns((numeric, ["age", "income"]), (ignore, ["city"])), (X, label)),
        "text_onehot_strict": (columns((numeric, ["age"]), (OneHotEncoder(), ["city"])), (X, label)),
        "text_onehot_drop": (columns((numeric, ["age", "kids"]), (OneHotEncoder(drop="first"), ["city"])), (X, label)),
        "text_onehot_missing": (columns((numeric, ["age"]), (ignore, both)), (X, label)),
        "text_onehot_nan": (columns((numeric, ["age"]), (ignore, both)), (nan_X, label)),
        "text_imputer": (columns((numeric, ["age"]), (make_pipeline(text_imputer, ignore), both)), (X, label)),
        "text_imputer_constant": (columns((make_pipeline(nan_imputer, ignore), both)), (nan_X, label)),
        "text_ordinal": (columns((codes, ["city"]), ("passthrough", ["age", "member"]), last=hist), (X, label)),
        "text_ordinal_imputed": (columns((make_pipeline(text_imputer, codes), both), (SimpleImputer(), ["age", "kids"]),
                                         last=forest), (X, amount)),
        "text_only": (make_pipeline(ignore, logistic()), (X[["city"]], label)),
        "whole_onehot": (columns((ignore, ["kids", "city"]), (numeric, ["income"])), (X, label)),
        "whole_ordinal": (columns((codes, ["kids"]), ("passthrough", ["income"]), last=hist), (X, label)),
        "booleans": (columns(("passthrough", ["member", "kids"]), (MinMaxScaler(), ["income"])), (X, label)),
        "ridge_of_texts": (columns((numeric, ["age", "income", "kids"]), (ignore, both),
                                   last=linear_model.Ridge()), (X, amount)),
        "svc_of_texts": (columns((numeric, ["age", "income"]), (ignore, ["city"]), last=svm.SVC(C=0.3)),
                         (X.iloc[:90], label[:90])),
        "mlp_of_texts": (columns((numeric, ["age", "income"]), (ignore, both),
                                 last=neural_network.MLPClassifier((5,), max_iter=150, random_state=3)), (X, label)),
    }


def all_of_them():
    return linear() | trees() | ensembles() | vectors() | nets() | prepared() | typed()
