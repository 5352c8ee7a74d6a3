"""What export() writes, and that it computes what the library does."""
import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from conftest import features, net_file, props, score, signature
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (AdaBoostClassifier, AdaBoostRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, StackingRegressor, VotingClassifier)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from troupe_model import export

CLASSIFIERS = [
    LogisticRegression(), LinearSVC(), make_pipeline(StandardScaler(), LinearSVC()),
    make_pipeline(StandardScaler(), SGDClassifier(random_state=0)),
    RandomForestClassifier(5, max_depth=3),
    AdaBoostClassifier(n_estimators=3), AdaBoostClassifier(n_estimators=3, algorithm="SAMME"), SVC(),
    SVC(probability=True), MLPClassifier((4,), max_iter=30),
    VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(3, max_depth=2))], voting="soft",
                     weights=[2, 1]),
    make_pipeline(MinMaxScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=4)),
]
REGRESSORS = [
    LinearRegression(), Ridge(), DecisionTreeRegressor(max_depth=3), GradientBoostingRegressor(n_estimators=4),
    AdaBoostRegressor(n_estimators=4, random_state=0),
    HistGradientBoostingRegressor(max_iter=4, loss="poisson"),
    StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=2))], final_estimator=Ridge()),
]


def title(estimator):
    return "_".join(type(step).__name__ for _, step in getattr(estimator, "steps", [("", estimator)]))


def mixed(encoder=None, strings=("city",)):
    """A pipeline for people: numbers are imputed and scaled, strings encoded."""
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    steps = [("n", numeric, ["age", "kids"]), ("c", encoder or OneHotEncoder(handle_unknown="ignore"), list(strings))]
    return make_pipeline(ColumnTransformer(steps), LogisticRegression())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=title)
@pytest.mark.parametrize("classes", [2, 3])
def test_export__classifier__agrees_with_the_library(estimator, classes, numbers, bought, tmp_path):
    target = bought if classes == 2 else np.array(["low", "mid", "top"])[np.minimum(numbers.kids, 2)]
    done = export(estimator.fit(numbers, target), numbers, tmp_path / "m.onnx")
    assert done.rows == len(numbers) and done.worst < 1e-4
    onnx.checker.check_model(onnx.load(done.path))
    assert not [node for node in onnx.load(done.path).graph.node if node.op_type == "ZipMap"]
    told = signature(done.path)
    assert [x["meaning"] for x in told["outputs"]][0] == "label"
    assert ("positive_class" in told) == (classes == 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_export__voting__classes_stay_whole(voting, numbers, bought, tmp_path):
    """A class that goes through float is a number to Troupe, and no label any more."""
    pair = [("a", LogisticRegression()), ("b", RandomForestClassifier(3, max_depth=2))]
    done = export(VotingClassifier(pair, voting=voting).fit(numbers, bought), numbers, tmp_path / "m.onnx")
    graph = onnx.load(done.path).graph
    taken = next(x for x in graph.node if x.op_type == "ArrayFeatureExtractor").output[0]
    assert [x.op_type for x in graph.node if taken in x.input] == ["Reshape"]


@pytest.mark.parametrize("init", [None, "zero"])
def test_export__exponential_loss__agrees_with_the_library_and_stays_as_it_is(init, numbers, bought, tmp_path):
    model = GradientBoostingClassifier(loss="exponential", init=init, n_estimators=4)
    done = export(make_pipeline(StandardScaler(), model).fit(numbers, bought), numbers, tmp_path / "m.onnx")
    assert done.worst < 1e-5 and model.loss == "exponential" and model.learning_rate == 0.1


@pytest.mark.parametrize("estimator", REGRESSORS, ids=title)
def test_export__regressor__agrees_with_the_library(estimator, numbers, price, tmp_path):
    done = export(estimator.fit(numbers, price), numbers, tmp_path / "m.onnx")
    assert signature(done.path)["outputs"] == [{"name": "variable", "meaning": "value", "type": "number", "shape": [1]}]
    rows = numbers.to_dict("records")
    assert np.allclose(score(done.path, rows)[:, 0], estimator.predict(numbers), rtol=1e-5, atol=1e-5)


def test_export__several_targets__one_value_each(numbers, price, tmp_path):
    model = LinearRegression().fit(numbers, np.column_stack([price, -price]))
    done = export(model, numbers, tmp_path / "m.onnx")
    assert done.signature["outputs"][0]["shape"] == [2]


def test_export__net_of_several_targets__one_row_a_row(numbers, price, tmp_path):
    model = make_pipeline(StandardScaler(), MLPRegressor((4,), max_iter=30))
    model.fit(numbers, np.column_stack([price, -price]))
    path = export(model, numbers, tmp_path / "m.onnx").path
    assert np.allclose(score(path, numbers.to_dict("records")), model.predict(numbers), rtol=1e-4, atol=1e-5)


def test_export__plain_estimator__one_matrix_and_all_names(numbers, bought, tmp_path):
    path = export(LogisticRegression().fit(numbers, bought), numbers, tmp_path / "games.onnx").path
    model = onnx.load(path)
    assert [x.name for x in model.graph.input] == ["X"]
    assert model.graph.name == "games"
    told = signature(path)
    assert props(path)["troupe.format"] == "1" and told["positive_class"] == "1"
    assert features(path)["kids"] == {"name": "kids", "type": "number", "required": True, "range": [0, 3],
                                      "missingValueTreatment": "returnInvalid", "invalidValueTreatment": "asIs"}


def test_export__opsets__those_that_troupe_reads(people, bought, tmp_path):
    model = onnx.load(export(mixed().fit(people, bought), people, tmp_path / "m.onnx").path)
    assert all(x.version <= {"": 17, "ai.onnx.ml": 3}[x.domain] for x in model.opset_import)


def test_export__typed_columns__one_input_each_and_unused_ones_left_out(people, bought, tmp_path):
    path = export(mixed().fit(people, bought), people, tmp_path / "m.onnx").path
    assert [x.name for x in onnx.load(path).graph.input] == ["age", "kids", "city"]
    told = features(path)
    assert told["city"]["type"] == "string" and told["city"]["categories"] == ["Bern", "Oslo", "Rome"]
    assert told["city"]["invalidValueTreatment"] == "asIs"
    assert told["age"]["required"] is False and told["age"]["missingValueTreatment"] == "asIs"
    assert told["kids"]["required"] is True


def test_export__encoder_that_fails_on_others__refuses_them(people, bought, tmp_path):
    path = export(mixed(OneHotEncoder()).fit(people, bought), people, tmp_path / "m.onnx").path
    assert features(path)["city"]["invalidValueTreatment"] == "returnInvalid"


def test_export__whole_numbers_that_are_encoded__are_integers(people, bought, tmp_path):
    steps = [("c", OneHotEncoder(handle_unknown="ignore"), ["kids", "city"]), ("n", SimpleImputer(), ["age"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(people, bought)
    path = export(model, people, tmp_path / "m.onnx").path
    assert features(path)["kids"]["type"] == "integer"


@pytest.mark.parametrize("nothing", [None, np.nan], ids=["None", "nan"])
def test_export__missing_strings__arrive_as_the_text_that_the_graph_knows(nothing, people, bought, tmp_path):
    people = people.assign(job=people.job.where(people.job.notna(), nothing).astype(object))
    people["job"] = [nothing if x is None or x is np.nan else x for x in people.job]
    model = mixed(strings=["city", "job"]).fit(people, bought)
    path = export(model, people, tmp_path / "m.onnx").path
    assert features(path)["job"]["missingValueReplacement"] == str(nothing)
    rows = [{"age": 30, "kids": 1, "city": "Rome"}, {"age": 30, "kids": 1, "city": "Rome", "job": "cook"}]
    frame = pd.DataFrame([r | {"job": r.get("job", nothing), "member": True} for r in rows])
    assert np.allclose(score(path, rows), model.predict_proba(frame), atol=1e-6)


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_export__imputed_strings__agree_with_the_library(strategy, people, bought, tmp_path):
    fill = "none" if strategy == "constant" else None
    imputer = SimpleImputer(strategy=strategy, missing_values=None, fill_value=fill)
    encoder = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
    model = mixed(encoder, ["city", "job"]).fit(people, bought)
    path = export(model, people, tmp_path / "m.onnx").path
    assert model.named_steps["columntransformer"].named_transformers_["c"][0].missing_values is None
    row = {"age": 30, "kids": 1, "city": "Rome"}
    frame = pd.DataFrame([row | {"job": None, "member": True}])
    assert np.allclose(score(path, [row]), model.predict_proba(frame), atol=1e-6)


def test_export__ordinal_codes_and_selectors__agree_with_the_library(people, bought, tmp_path):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    steps = [("n", "passthrough", ["age", "member"]), ("c", encoder, make_column_selector(dtype_include=object))]
    frame = people.drop(columns="job")
    model = make_pipeline(ColumnTransformer(steps), HistGradientBoostingClassifier(max_iter=5)).fit(frame, bought)
    path = export(model, frame, tmp_path / "m.onnx").path
    assert features(path)["member"]["type"] == "boolean"
    rows = [{"age": None, "member": True, "city": "Paris"}, {"age": 20, "member": False, "city": "Oslo"}]
    want = model.predict_proba(pd.DataFrame(rows).assign(kids=0).astype({"age": float}))
    assert np.allclose(score(path, rows), want, atol=1e-6)


def test_export__columns_in_another_order__are_bound_by_name(numbers, bought, tmp_path):
    model = LogisticRegression().fit(numbers, bought)
    path = export(model, numbers[["kids", "age"]], tmp_path / "m.onnx").path
    assert list(features(path)) == ["age", "kids"]


def test_export__column_called_like_an_output__agrees_with_the_library(people, bought, tmp_path):
    frame = people.rename(columns={"age": "label", "kids": "probabilities"})
    steps = [("n", SimpleImputer(), ["label", "probabilities"]), ("c", OneHotEncoder(), ["city"])]
    path = export(make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(frame, bought), frame,
                  tmp_path / "m.onnx").path
    assert list(features(path)) == ["label", "probabilities", "city"]


def test_export__arrays_in_cells__one_feature_with_a_shape(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (200, 2, 3)).astype(float)
    model = MLPClassifier((4,), max_iter=20).fit(images.reshape(200, 6), rng.integers(0, 3, 200))
    path = export(model, pd.DataFrame({"pixels": list(images)}), tmp_path / "m.onnx").path
    assert signature(path)["features"][0]["shape"] == [2, 3]
    golden = json.loads(props(path)["troupe.golden"])
    assert np.array(golden["rows"][0]["pixels"]).shape == (2, 3)


def test_export__positive_class_and_changed_features__are_written(numbers, bought, tmp_path):
    model = LogisticRegression().fit(numbers, bought)
    changed = {"age": {"missingValueTreatment": "asValue", "missingValueReplacement": 40}}
    done = export(model, numbers, tmp_path / "m.onnx", positive_class=0, features=changed, name="two")
    assert done.signature["positive_class"] == "0"
    assert features(done.path)["age"]["missingValueReplacement"] == 40
    assert onnx.load(done.path).graph.name == "two"


# ---- golden and baseline ----

def test_golden__rows__are_as_they_would_arrive_and_expect_what_the_library_says(people, bought, tmp_path):
    model = mixed(strings=["city", "job"]).fit(people, bought)
    path = export(model, people, tmp_path / "m.onnx", golden_rows=7).path
    golden = json.loads(props(path)["troupe.golden"])
    assert len(golden["rows"]) == len(golden["expected"]) == 7
    assert any("age" not in row or "job" not in row for row in golden["rows"])
    assert np.allclose(score(path, golden["rows"]), golden["expected"], atol=1e-7)


def test_baseline__numbers_and_strings__are_counted(people, bought, tmp_path):
    path = export(mixed().fit(people, bought), people, tmp_path / "m.onnx").path
    baseline = json.loads(props(path)["troupe.baseline"])
    told = {x["name"]: x for x in baseline["features"]}
    assert baseline["rows"] == len(people)
    assert told["age"]["missing"] == pytest.approx(people.age.isna().mean(), abs=1e-6)
    assert sum(told["age"]["counts"]) == people.age.notna().sum()
    assert len(told["age"]["counts"]) == len(told["age"]["edges"]) + 1
    assert told["city"]["categories"] == people.city.value_counts().to_dict() and told["city"]["other"] == 0
    assert [x["name"] for x in baseline["outputs"]] == ["probability(0)", "probability(1)"]


def test_baseline__counts__are_between_the_edges(numbers, price, tmp_path):
    path = export(LinearRegression().fit(numbers, price), numbers, tmp_path / "m.onnx").path
    kids = json.loads(props(path)["troupe.baseline"])["features"][1]
    bounds = [-np.inf, *kids["edges"], np.inf]
    assert kids["counts"] == [int(((numbers.kids > a) & (numbers.kids <= b)).sum()) for a, b in zip(bounds, bounds[1:])]


# ---- files ----

def test_export__onnx_file__gets_the_metadata(numbers, bought, tmp_path):
    model = LogisticRegression().fit(numbers, bought)
    plain = export(model, numbers, tmp_path / "plain.onnx").path
    stripped = onnx.load(plain)
    del stripped.metadata_props[:]
    plain.write_bytes(stripped.SerializeToString())
    done = export(plain, numbers, tmp_path / "m.onnx")
    told = signature(done.path)
    assert [x["name"] for x in told["features"]] == ["age", "kids"] and told["positive_class"] == "1"
    assert told["outputs"][1]["meaning"] == "probability"
    golden = json.loads(props(done.path)["troupe.golden"])
    assert np.allclose(score(done.path, golden["rows"]), golden["expected"], atol=1e-7)


def test_export__onnx_file_with_an_input_a_column__binds_by_name(people, bought, tmp_path):
    plain = export(mixed().fit(people, bought), people, tmp_path / "plain.onnx").path
    done = export(str(plain), people[["city", "kids", "age"]], tmp_path / "m.onnx")
    assert [x["name"] for x in done.signature["features"]] == ["age", "kids", "city"]


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64])
def test_export__onnx_file_that_takes_whole_numbers__says_so(kind, numbers, tmp_path):
    node = helper.make_node("Cast", ["kids"], ["kids_as_float"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "whole", [helper.make_tensor_value_info("kids", kind, [None, 1])],
                              [helper.make_tensor_value_info("kids_as_float", TensorProto.FLOAT, [None, 1])])
    plain = tmp_path / "plain.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), plain)
    done = export(plain, numbers[["kids"]], tmp_path / "m.onnx")
    assert [x["type"] for x in done.signature["features"]] == ["integer"]


@pytest.mark.parametrize("classes", [["cat", "dog", "fox"], [7, 3, 5]])
def test_export__onnx_file_with_classes__gives_a_label_too(classes, numbers, tmp_path):
    X = pd.DataFrame({"pixels": list(((numbers - numbers.mean()) / numbers.std()).to_numpy())})
    done = export(net_file(tmp_path), X, tmp_path / "m.onnx", classes=classes)
    label, shares = done.signature["outputs"]
    assert label["meaning"] == "label" and shares == {
        "name": "shares", "meaning": "probability", "type": "number", "shape": [3], "classes": classes}
    session = onnxruntime.InferenceSession(done.path.read_bytes(), providers=["CPUExecutionProvider"])
    labels, given = session.run(None, {"pixels": np.stack(X.pixels).astype(np.float32)})
    assert [classes[i] for i in given.argmax(axis=1)] == labels.tolist() and len(set(labels)) > 1


def test_export__same_arguments__same_bytes(numbers, bought, tmp_path):
    model = LogisticRegression().fit(numbers, bought)
    one, two = (export(model, numbers, tmp_path / x / "m.onnx").path.read_bytes() for x in map(made(tmp_path), "ab"))
    assert one == two


def made(folder):
    def make(name):
        (folder / name).mkdir()
        return name
    return make
