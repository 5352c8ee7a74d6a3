"""What is refused, and that the message says why and what to do."""
import numpy as np
import onnx
import pandas as pd
import pytest
from conftest import net_file
from onnx import TensorProto, helper
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (FunctionTransformer, OneHotEncoder, OrdinalEncoder, QuantileTransformer,
                                   StandardScaler)
from sklearn.tree import DecisionTreeClassifier

import troupe_model.convert
from troupe_model import ExportError, export


@pytest.fixture
def refused(tmp_path):
    """Exports, expects a refusal, proves that nothing was written, and returns the message."""
    def call(model, X, **options):
        with pytest.raises(ExportError) as caught:
            export(model, X, tmp_path / "m.onnx", **options)
        assert not (tmp_path / "m.onnx").exists()
        return str(caught.value)
    return call


@pytest.fixture
def fitted(numbers, bought):
    return LogisticRegression().fit(numbers, bought)


def test_export__classes_that_do_not_fit__says_what_does(numbers, fitted, refused, tmp_path):
    assert "an estimator knows its classes" in refused(fitted, numbers, classes=["a", "b"])
    X, net = pd.DataFrame({"pixels": list(numbers.to_numpy())}), net_file(tmp_path)
    assert "gives 3 numbers a row, and classes= names 2" in refused(net, X, classes=["a", "b"])
    assert "two or more different texts" in refused(net, X, classes=["a", "b", "b"])
    assert "two or more different texts" in refused(net, X, classes=["a", 1, 2])
    labelled = export(fitted, numbers, tmp_path / "labelled.onnx").path
    assert "whose only output" in refused(labelled, numbers, classes=["a", "b"])


def test_export__not_fitted__says_so(numbers, refused):
    assert "LogisticRegression is not fitted" in refused(LogisticRegression(), numbers)
    assert "Pipeline is not fitted" in refused(make_pipeline(StandardScaler(), LogisticRegression()), numbers)
    assert "is a class" in refused(LogisticRegression, numbers)


@pytest.mark.parametrize("X, words", [
    (np.zeros((3, 2)), "is a ndarray, which does not name its columns"),
    (pd.DataFrame(np.zeros((3, 2))), "the column 0 of X has no name but a int"),
    (pd.DataFrame(np.zeros((3, 2)), columns=["a", ""]), "empty name"),
    (pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]), "twice: 'a'"),
    (pd.DataFrame({"a": [], "b": []}), "no rows"),
    (pd.DataFrame({"age": [1.0, 1e300], "kids": [1, 2]}), "'age' of X has the value 1e+300, which float32 can't hold"),
    (pd.DataFrame({"age": [1.0, np.inf], "kids": [1, 2]}), "'age' of X has the value inf"),
    (pd.DataFrame({"age": [np.nan, np.nan], "kids": [1, 2]}), "'age' of X has no value"),
    (pd.DataFrame({"age": pd.to_datetime(["2020-01-01", "2021-01-01"]), "kids": [1, 2]}), "holds datetime64 values"),
    (pd.DataFrame({"age": ["a", 1], "kids": [1, 2]}), "mixed"),
    (pd.DataFrame({"age": [[1, 2], [1]], "kids": [1, 2]}), "different shapes"),
], ids=lambda x: x[:20] if isinstance(x, str) else "")
def test_export__odd_frame__says_what_is_wrong(X, words, fitted, refused):
    assert words in refused(fitted, X)


def test_export__other_columns__names_them(fitted, numbers, refused):
    assert "has no 'kids'" in refused(fitted, numbers.rename(columns={"kids": "children"}))


def test_export__missing_values_that_the_model_can_not_take__library_is_quoted(people, fitted, refused):
    assert "itself can't predict X: Input X contains NaN" in refused(fitted, people[["age", "kids"]])


@pytest.mark.parametrize("estimator", [KMeans(2), StandardScaler()], ids=lambda x: type(x).__name__)
def test_export__no_model__says_so(estimator, numbers, refused):
    assert "neither a classifier nor a regressor" in refused(estimator.fit(numbers), numbers)


def test_export__several_labels__says_so(numbers, bought, refused):
    model = DecisionTreeClassifier(max_depth=2).fit(numbers, np.column_stack([bought, bought]))
    assert "predicts 2 labels a row" in refused(model, numbers)


def test_export__target_beyond_float32__says_so(numbers, refused):
    model = LinearRegression().fit(numbers, numbers.kids * 1e40)
    assert "which float32 can't hold" in refused(model, numbers)


# ---- steps that don't convert ----

@pytest.mark.parametrize("step, advice", [
    (QuantileTransformer(n_quantiles=10), "RobustScaler"),
    (FunctionTransformer(np.square), "do in the rows"),
    (KNNImputer(), "SimpleImputer"),
], ids=lambda x: type(x).__name__ if not isinstance(x, str) else "")
def test_export__step_without_a_converter__is_named_with_advice(step, advice, numbers, bought, refused):
    model = Pipeline([("scale", StandardScaler()), ("odd", step), ("last", LogisticRegression())])
    message = refused(model.fit(numbers, bought), numbers)
    assert f"Pipeline > step 'odd' ({type(step).__name__}) can't be exported" in message
    assert advice in message


def test_export__step_deep_inside__is_named_with_its_way(people, bought, refused):
    inner = Pipeline([("fill", SimpleImputer()), ("rank", QuantileTransformer(n_quantiles=10))])
    union = FeatureUnion([("a", StandardScaler()), ("b", inner)])
    steps = [("text", OneHotEncoder(), ["city"]), ("num", union, ["kids"])]
    model = Pipeline([("prepare", ColumnTransformer(steps)), ("last", LogisticRegression())]).fit(people, bought)
    assert ("Pipeline > step 'prepare' (ColumnTransformer) > transformer 'num' (FeatureUnion) > transformer 'b' "
            "(Pipeline) > step 'rank' (QuantileTransformer) can't be exported") in refused(model, people)


def test_export__operator_that_troupe_lacks__names_step_and_operator(numbers, bought, refused):
    model = Pipeline([("scale", StandardScaler()), ("near", KNeighborsClassifier(3))]).fit(numbers, bought)
    message = refused(model, numbers)
    assert "step 'near' (KNeighborsClassifier)" in message and "which Troupe does not run" in message


def test_export__whole_model_without_a_converter__is_named(numbers, price, refused):
    model = TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1).fit(numbers, price)
    assert "TransformedTargetRegressor can't be exported" in refused(model, numbers)


# ---- settings that convert to something else ----

def test_export__indicators__are_refused(people, bought, refused):
    frame = people[["age", "kids"]]
    model = make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()).fit(frame, bought)
    assert "add_indicator=True" in refused(model, frame)


def test_export__native_categories__are_refused(numbers, bought, refused):
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[1]).fit(numbers, bought)
    assert "categorical_features" in refused(model, numbers)


def test_export__unknown_as_nan__is_refused(people, bought, refused):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    model = make_pipeline(ColumnTransformer([("c", encoder, ["city"])]), HistGradientBoostingClassifier(max_iter=2))
    assert "unknown_value=nan" in refused(model.fit(people, bought), people)


def test_export__graph_that_computes_something_else__is_refused(numbers, bought, fitted, refused, monkeypatch):
    other = LogisticRegression().fit(numbers, 1 - bought)
    monkeypatch.setattr(troupe_model.convert, "prepare", lambda _: other)
    message = refused(fitted, numbers)
    assert "does not compute what LogisticRegression does: row 0" in message and "nothing was written" in message


def test_export__graph_of_another_shape__is_refused(numbers, price, refused, monkeypatch):
    model = LinearRegression().fit(numbers, np.column_stack([price, price]))
    other = LinearRegression().fit(numbers, price)
    monkeypatch.setattr(troupe_model.convert, "prepare", lambda _: other)
    assert "gives (300, 1) numbers for X where LinearRegression gives (300, 2)" in refused(model, numbers)


# ---- options and files ----

def test_export__options_that_do_not_fit__are_refused(fitted, numbers, price, refused):
    assert "positive_class is 7" in refused(fitted, numbers, positive_class=7)
    assert "'shoe', which the model does not take" in refused(fitted, numbers, features={"shoe": {}})
    regressor = LinearRegression().fit(numbers, price)
    assert "positive_class is for classifiers" in refused(regressor, numbers, positive_class=1)


def test_export__file_that_is_none__says_so(numbers, refused, tmp_path):
    assert "No such file" in refused(tmp_path / "absent.onnx", numbers)
    (tmp_path / "text.onnx").write_text("hello")
    assert "is not a valid ONNX file" in refused(tmp_path / "text.onnx", numbers)


def graph(path, op, width=2):
    node = helper.make_node(op, ["x"], ["y"], name="odd")
    given, result = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, width]) for n in "xy")
    model = helper.make_model(helper.make_graph([node], "g", [given], [result]),
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, path)
    return path


def test_export__file_with_an_operator_that_troupe_lacks__names_the_node(numbers, refused, tmp_path):
    assert "the node 'odd' is a Acosh" in refused(graph(tmp_path / "acosh.onnx", "Acosh"), numbers)


def test_export__file_of_another_width__says_so(numbers, refused, tmp_path):
    assert "takes 3 columns, and X has 2" in refused(graph(tmp_path / "wide.onnx", "Relu", 3), numbers)


def test_export__file_that_gives_no_numbers__says_so(numbers, refused, tmp_path):
    message = refused(graph(tmp_path / "log.onnx", "Log"), numbers.assign(kids=0))
    assert "which is no prediction" in message
