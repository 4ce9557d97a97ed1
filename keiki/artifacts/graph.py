"""One ONNX graph from preparing to probabilities: backbone, standardiser, head and temperature.

    features = backbone(inputs)                                   (B, D)
    logits = ((features - mean) / scale) @ weight.T + bias        (B, C)
    probabilities = softmax(logits / temperature)                 (B, C)

`onnx` is needed to write a bundle; it is never imported to use one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.handover import Handover
from keiki.core.errors import BundleError

if TYPE_CHECKING:
    import onnx

OUTPUTS = ("logits", "probabilities")
FILE = "model.onnx"
DATA_FILE = "model.onnx.data"
_OPSET = 18  # of graphs that start here; the backbone's own is kept
_IR_VERSION = 10
_LEAST_OPSET = 13  # Softmax works along one axis from here on
_OURS = "keiki."  # prefix of every name that is added
_EXTERNAL_FROM = 1024  # bytes; smaller tensors stay in model.onnx, where shape inference needs some of them


def write(handover: Handover, folder: Path) -> None:
    """model.onnx and, where there are large tensors, model.onnx.data in `folder`; equal input gives equal bytes."""
    import onnx

    model = _backbone(handover)
    features = model.graph.output[0].name
    _drop_traces(model)
    _append(model.graph, handover, features)
    model.producer_name, model.producer_version, model.doc_string = "keiki", "", ""
    onnx.save_model(
        model,
        str(folder / FILE),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=DATA_FILE,
        size_threshold=_EXTERNAL_FROM,
    )
    onnx.checker.check_model(str(folder / FILE))


def _backbone(handover: Handover) -> onnx.ModelProto:
    import onnx

    if handover.graph is None:
        return _features_in(handover)
    model = onnx.load(str(handover.graph))
    version = max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if version < _LEAST_OPSET or len(model.graph.output) != 1:
        raise BundleError(
            f"The graph '{handover.graph.name}' has opset {version} and {len(model.graph.output)} outputs;"
            f" a bundle needs opset {_LEAST_OPSET} or later and one output, the features.",
            hint="Convert the backbone again: keiki cache --clear --graphs",
        )
    return model


def _features_in(handover: Handover) -> onnx.ModelProto:
    """The graph of a backbone that has none: what preparing gives, as rows (B, D)."""
    from onnx import TensorProto, helper

    transform = handover.transform
    ((name, sample),) = transform.collate([transform.prepare(handover.witness.raws[0])]).items()
    rows = helper.make_tensor_value_info(_OURS + "rows", TensorProto.FLOAT, ["batch", handover.head.weight.shape[1]])
    taken = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sample.shape[1:]])
    flatten = helper.make_node("Flatten", [name], [_OURS + "rows"], name=_OURS + "node.rows", axis=1)
    graph = helper.make_graph([flatten], "keiki", [taken], [rows])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _drop_traces(model: onnx.ModelProto) -> None:
    """Remove what converters leave behind: source paths and stack traces of the machine that converted."""
    parts: list[Any] = [model, model.graph, *model.graph.node, *model.graph.initializer]
    parts += [*model.graph.value_info, *model.graph.input, *model.functions]
    parts += [node for function in model.functions for node in function.node]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]


def _append(graph: onnx.GraphProto, handover: Handover, features: str) -> None:
    from onnx import TensorProto, helper, numpy_helper

    logits, probabilities = OUTPUTS
    steps: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = []
    if handover.standardiser is not None:
        steps += [("Sub", (features, "mean"), "centred", {}), ("Div", ("centred", "scale"), "standardised", {})]
    steps += [
        ("Gemm", (steps[-1][2] if steps else features, "weight", "bias"), logits, {"transB": 1}),
        ("Div", (logits, "temperature"), "tempered", {}),
        ("Softmax", ("tempered",), probabilities, {"axis": 1}),
    ]
    theirs = {features, *OUTPUTS}  # names that stay as they are
    named = {name: name if name in theirs else _OURS + name for step in steps for name in (*step[1], step[2])}
    for name, values in numbers(handover).items():
        graph.initializer.append(numpy_helper.from_array(values, named[name]))
    for kind, inputs, output, attributes in steps:
        node = f"{_OURS}node.{output}"
        graph.node.append(helper.make_node(kind, [named[i] for i in inputs], [named[output]], name=node, **attributes))
    del graph.output[:]
    for output in OUTPUTS:
        shape: list[str | int | None] = ["batch", len(handover.head.bias)]
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))


def numbers(handover: Handover) -> dict[str, npt.NDArray[np.float32]]:
    """What was fitted, as float32: weight (C, D), bias (C,), temperature (), and mean and scale (D,) if there."""
    values = {"weight": handover.head.weight, "bias": handover.head.bias, "temperature": np.array(handover.temperature)}
    if handover.standardiser is not None:
        values |= {"mean": handover.standardiser.mean, "scale": handover.standardiser.scale}
    return {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
