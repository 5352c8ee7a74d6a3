"""ONNX files: their inputs and outputs, and running them with onnxruntime."""
from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime

from troupe_model.errors import ExportError, first_line
from troupe_model.frame import Column

STRING, BOOL = onnx.TensorProto.STRING, onnx.TensorProto.BOOL
WHOLE = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


def load(path: Any) -> onnx.ModelProto:
    """Raises ExportError where it is no ONNX file."""
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
        onnx.checker.check_model(model)
    except Exception as error:
        raise ExportError(f"{path} is not a valid ONNX file: {first_line(error)}") from None
    return model


def inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller has to give."""
    given = {x.name for x in model.graph.initializer}
    return [x for x in model.graph.input if x.name not in given]


def used_names(model: onnx.ModelProto) -> set[str]:
    return {name for node in model.graph.node for name in node.input} | {x.name for x in model.graph.output}


def drop_unused_inputs(model: onnx.ModelProto) -> None:
    """skl2onnx leaves the inputs of columns that a ColumnTransformer drops; Troupe would ask rows for them."""
    used = used_names(model)
    kept = [x for x in model.graph.input if x.name in used]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def element_type(value: onnx.ValueInfoProto) -> int:
    return value.type.tensor_type.elem_type


def width(value: onnx.ValueInfoProto) -> int | None:
    """The columns of a row, or None where the file leaves them open."""
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
    return None if any(d <= 0 for d in dims) else int(np.prod(dims, dtype=int))


def class_labels(model: onnx.ModelProto) -> list[Any] | None:
    """The classes of the last node that names some, in the order of the probabilities."""
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                return list(attribute.ints)
            if attribute.name == "classlabels_strings" and attribute.strings:
                return [x.decode() for x in attribute.strings]
    return None


def add_label(model: onnx.ModelProto, classes: list[Any], path: str) -> None:
    """An output `label` in front of the only one: the class with the largest number."""
    outputs = model.graph.output
    if len(outputs) != 1 or element_type(outputs[0]) not in FLOATS or _rank(outputs[0]) not in (None, 2):
        raise ExportError(f"classes= is for a graph whose only output is a float for each class, [N, {len(classes)}]; "
                          f"{path} has {', '.join(repr(x.name) for x in outputs)}")
    is_text = all(isinstance(x, str) for x in classes)
    is_whole = all(isinstance(x, int) and not isinstance(x, bool) for x in classes)
    if len(set(classes)) != len(classes) or len(classes) < 2 or not (is_text or is_whole):
        raise ExportError(f"classes= has to be two or more different texts, or whole numbers; it is {classes!r}")
    if _opset(model, "ai.onnx.ml") == 1:
        raise ExportError(f"{path} uses version 1 of ai.onnx.ml, which can't name classes; convert it with 2 or later")
    if not _opset(model, "ai.onnx.ml"):
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    kind = "strings" if is_text else "int64s"
    names = {x for node in model.graph.node for x in node.output} | {x.name for x in model.graph.input}
    label, place = (next(x for x in (name, f"troupe_{name}") if x not in names) for name in ("label", "class_index"))
    model.graph.node.extend([
        onnx.helper.make_node("ArgMax", [outputs[0].name], [place], name="ClassIndex", axis=1, keepdims=0),
        onnx.helper.make_node("LabelEncoder", [place], [label], name="ClassLabel", domain="ai.onnx.ml",
                              keys_int64s=list(range(len(classes))), **{f"values_{kind}": classes})])
    outputs.insert(0, onnx.helper.make_tensor_value_info(label, STRING if is_text else onnx.TensorProto.INT64, [None]))


def _rank(value: onnx.ValueInfoProto) -> int | None:
    shape = value.type.tensor_type
    return len(shape.shape.dim) if shape.HasField("shape") else None


def _opset(model: onnx.ModelProto, domain: str) -> int:
    return next((x.version for x in model.opset_import if x.domain == domain), 0)


class Runner:
    """A file in onnxruntime, one thread."""

    def __init__(self, model: onnx.ModelProto):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                         providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ExportError(f"onnxruntime does not load the file: {first_line(error)}") from None
        self._inputs = inputs(model)
        kinds = [x.type for x in self._session.get_outputs()]
        self.numbers_at = next((i for i, kind in enumerate(kinds) if "float" in kind or "double" in kind), None)
        self.labels_at = next((i for i, kind in enumerate(kinds) if kind in ("tensor(int64)", "tensor(string)")), None)
        if self.numbers_at is None:
            raise ExportError("the file has no output of floats: neither probabilities nor values")
        self.output_names = [x.name for x in self._session.get_outputs()]

    def feeds(self, columns: list[Column]) -> dict[str, np.ndarray]:
        """The columns, one after another, into the inputs, one after another: as Troupe binds them."""
        waiting = list(columns)
        return {value.name: self._fill(value, waiting) for value in self._inputs}

    @staticmethod
    def _fill(value: onnx.ValueInfoProto, waiting: list[Column]) -> np.ndarray:
        rows = len(waiting[0].values)
        if element_type(value) == STRING:
            return waiting.pop(0).values.reshape(rows, 1)
        wanted = width(value) or sum(c.width for c in waiting)
        taken = []
        while sum(c.width for c in taken) < wanted:
            taken.append(waiting.pop(0))
        block = np.hstack([c.values.reshape(rows, -1) for c in taken])
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
        shape = (rows, *dims) if all(d > 0 for d in dims) else (rows, wanted)
        kind = onnx.helper.tensor_dtype_to_np_dtype(element_type(value))
        return block.astype(kind).reshape(shape)

    def run(self, columns: list[Column]) -> tuple[np.ndarray, np.ndarray | None]:
        """(probabilities, scores or values (rows, k) in float64, labels as text where there are some)."""
        try:
            results = self._session.run(None, self.feeds(columns))
        except Exception as error:
            raise ExportError(f"onnxruntime fails on X: {first_line(error)}") from None
        numbers = _table(results[self.numbers_at])
        if self.labels_at is None:
            return numbers, None
        return numbers, np.array([str(x) for x in results[self.labels_at].ravel()], dtype=object)


def _table(numbers: Any) -> np.ndarray:
    if isinstance(numbers, list):  # of maps: the file has a ZipMap
        numbers = np.array([list(row.values()) for row in numbers])
    numbers = np.asarray(numbers, dtype=np.float64)
    return numbers.reshape(len(numbers), -1)


def set_metadata(model: onnx.ModelProto, props: dict[str, str]) -> None:
    """Adds them; those of the same name give way."""
    kept = {x.key: x.value for x in model.metadata_props} | props
    onnx.helper.set_model_props(model, kept)


def operator_counts(nodes: Iterable[onnx.NodeProto]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return counts
