"""python -m troupe_model inspect, and the list of operators."""
import pathlib
import re

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from troupe_model import export, operators, read
from troupe_model.__main__ import main as run

TABLE = pathlib.Path(__file__).resolve().parents[2] / "model" / "operators" / "table.cpp"


def test_inspect__exported_file__prints_all_of_it(numbers, bought, tmp_path, capsys):
    path = export(LogisticRegression().fit(numbers, bought), numbers, tmp_path / "m.onnx").path
    assert run(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    for words in ("model      LogisticRegression", "LinearClassifier 1", "X float[N,2]",
                  "kids number, required, 0 .. 3", "probabilities: probability of 0, 1", "positive class: 1",
                  "golden     5 rows", "baseline   300 rows",
                  f"{path.stat().st_size} bytes"):
        assert words in text, text


def test_inspect__file_without_metadata__says_so(numbers, price, tmp_path, capsys):
    import onnx
    path = export(LinearRegression().fit(numbers, price), numbers, tmp_path / "m.onnx").path
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    assert run(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    assert "features   not named" in text and "golden     none" in text and "baseline   none" in text


def test_inspect__no_file__fails_with_one_line(tmp_path, capsys):
    assert run(["inspect", str(tmp_path / "absent.onnx")]) == 1
    assert capsys.readouterr().err.endswith("No such file or directory\n")


def test_read__exported_file__metadata_parsed(numbers, price, tmp_path):
    told = read(export(LinearRegression().fit(numbers, price), numbers, tmp_path / "m.onnx").path)
    assert set(told) == {"troupe.format", "troupe.signature", "troupe.golden", "troupe.baseline"}
    assert told["troupe.signature"]["model"] == "LinearRegression"


@pytest.mark.skipif(not TABLE.exists(), reason="only beside the C++ code")
def test_operators__list__is_that_of_the_engine():
    entries = re.findall(r'operator_entry\{"([^"]*)", "(\w+)"', TABLE.read_text())
    assert {name for domain, name in entries if domain == "ai.onnx.ml"} == operators.ML
    assert {name for domain, name in entries if domain == ""} == operators.TENSOR
