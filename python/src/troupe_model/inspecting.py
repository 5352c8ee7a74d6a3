"""What a file says about itself, for people."""
from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import onnx

from troupe_model import graphs, operators


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata of a file, each parsed: {"troupe.signature": {...}, ...}; others as text."""
    return metadata_of(graphs.load(path))


def metadata_of(model: onnx.ModelProto) -> dict[str, Any]:
    def parsed(key: str, text: str) -> Any:
        return json.loads(text) if key in ("troupe.signature", "troupe.golden", "troupe.baseline") else text
    return {x.key: parsed(x.key, x.value) for x in model.metadata_props}


def describe(path: str | os.PathLike[str]) -> str:
    """Signature, operators, outputs, golden rows and sizes of a file."""
    model = graphs.load(path)
    told = metadata_of(model)
    signature = told.get("troupe.signature", {})
    lines = [f"{path}: {pathlib.Path(path).stat().st_size} bytes, graph {model.graph.name!r}, "
             f"{model.producer_name} {model.producer_version}".rstrip()]
    lines += [f"model      {signature['model']}"] if "model" in signature else []
    lines += ["opsets     " + ", ".join(f"{x.domain or 'ai.onnx'} {x.version}" for x in model.opset_import)]
    lines += ["operators  " + ", ".join(f"{k} {v}" for k, v in graphs.operator_counts(model.graph.node).items())]
    refused = sorted({node.op_type for node in operators.unsupported(model)})
    lines += [f"           Troupe does not run: {', '.join(refused)}"] if refused else []
    lines += ["inputs     " + ", ".join(_input(x) for x in graphs.inputs(model))]
    lines += _feature_lines(signature.get("features", []))
    lines += _output_lines(model, signature)
    lines += _golden_lines(told.get("troupe.golden"))
    lines += _baseline_lines(told.get("troupe.baseline"))
    lines += [f"weights    {sum(len(x.SerializeToString()) for x in model.graph.initializer)} bytes of initializers, "
              f"{sum(len(x.SerializeToString()) for x in model.graph.node)} of nodes, "
              f"{sum(len(x.value) for x in model.metadata_props)} of metadata"]
    return "\n".join(lines)


def _input(value: onnx.ValueInfoProto) -> str:
    kind = onnx.TensorProto.DataType.Name(graphs.element_type(value)).lower()
    dims = [str(d.dim_value) if d.dim_value > 0 else "N" for d in value.type.tensor_type.shape.dim]
    return f"{value.name} {kind}[{','.join(dims)}]"


def _feature_lines(features: list[dict[str, Any]]) -> list[str]:
    if not features:
        return ["features   not named: rows can be bound only with --features"]
    return [f"features   {len(features)}"] + [f"  {feature_line(x)}" for x in features]


def feature_line(feature: dict[str, Any]) -> str:
    """"age number, required, 18 .. 90"."""
    shape = "x".join(map(str, feature.get("shape", [])))
    parts = [f"{feature['name']} {feature.get('type', 'number')}{f'[{shape}]' if shape else ''}"]
    parts.append("required" if feature.get("required", True) else "may be missing")
    if "missingValueReplacement" in feature:
        parts[-1] += f" (as {feature['missingValueReplacement']!r})"
    if "range" in feature:
        parts.append("{} .. {}".format(*feature["range"]))
    if "categories" in feature:
        known = feature["categories"]
        parts.append(f"{len(known)} categories: {', '.join(known[:8])}{', ...' if len(known) > 8 else ''}")
    if feature.get("invalidValueTreatment", "asIs") != "asIs":
        parts.append(f"others: {feature['invalidValueTreatment']}")
    return ", ".join(parts)


def _output_lines(model: onnx.ModelProto, signature: dict[str, Any]) -> list[str]:
    told = signature.get("outputs")
    if not told:
        return ["outputs    " + ", ".join(x.name for x in model.graph.output)]
    lines = [f"outputs    {len(told)}"]
    for output in told:
        line = f"  {output['name']}: {output['meaning']}"
        if "classes" in output:
            line += f" of {', '.join(map(str, output['classes']))}"
        lines.append(line)
    if "positive_class" in signature:
        lines.append(f"  positive class: {signature['positive_class']}")
    return lines


def _golden_lines(golden: dict[str, Any] | None) -> list[str]:
    if golden is None:
        return ["golden     none"]
    lines = [f"golden     {len(golden['rows'])} rows"]
    for row, expected in zip(golden["rows"], golden["expected"]):
        text = json.dumps(row, ensure_ascii=False)
        lines.append(f"  {text if len(text) <= 100 else text[:97] + '...'} -> {expected}")
    return lines


def _baseline_lines(baseline: dict[str, Any] | None) -> list[str]:
    if baseline is None:
        return ["baseline   none"]
    return [f"baseline   {baseline['rows']} rows, {len(baseline['features'])} features"]
