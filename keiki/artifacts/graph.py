"""One ONNX graph from preparing to answers: backbone, standardiser, head, temperature, distance to the training items.

    features = backbone(inputs)                                   (B, D)
    logits = ((features - mean) / scale) @ weight.T + bias        (B, C)
    probabilities = softmax(logits / temperature)                 (B, C)
    unfamiliarity = distance to the nearest class                 (B,), see nn/gaussians.py; where there is a yardstick

`features` is an output where the graph computes them; where preparing an item gives them, they are the input.
`onnx` is needed to write a bundle; it is never imported to use one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.handover import Handover
from keiki.artifacts.outputs import FEATURES, LOGITS, PROBABILITIES, UNFAMILIARITY
from keiki.core.errors import BundleError
from keiki.nn.gaussians import SHORTEST

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"
DATA_FILE = "model.onnx.data"
_OPSET = 18  # of graphs that start here; the backbone's own is kept
_IR_VERSION = 10
_LEAST_OPSET = 13  # Softmax works along one axis, and ReduceSum takes its axes as an input, from here on
_OURS = "keiki."  # prefix of every name that is added
_FARTHEST = 1e6  # standard deviations: beyond, a sum of squares might overflow, and what is no number is no answer
_EXTERNAL_FROM = 1024  # bytes; smaller tensors stay in model.onnx, where shape inference needs some of them

Steps = list[tuple[str, tuple[str, ...], str, dict[str, Any]]]  # kind, inputs, output, attributes
Numbers = dict[str, npt.NDArray[Any]]


def outputs(handover: Handover) -> tuple[str, ...]:
    """The graph's outputs, in order."""
    features = () if handover.graph is None else (FEATURES,)
    return LOGITS, PROBABILITIES, *features, *(() if handover.yardstick is None else (UNFAMILIARITY,))


def write(handover: Handover, folder: Path) -> None:
    """model.onnx and, where there are large tensors, model.onnx.data in `folder`; equal input gives equal bytes."""
    import onnx

    model = _backbone(handover)
    _drop_traces(model)
    _append(model.graph, handover)
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


def _append(graph: onnx.GraphProto, handover: Handover) -> None:
    """Everything after the features, and the outputs."""
    from onnx import TensorProto, helper, numpy_helper

    features = graph.output[0].name
    steps = [*_head_steps(handover, features), *_distance_steps(handover, features)]
    if handover.graph is not None and features != FEATURES:
        steps.append(("Identity", (features,), FEATURES, {}))
    theirs = {features, *outputs(handover)}  # names that stay as they are
    named = {name: name if name in theirs else _OURS + name for step in steps for name in (*step[1], step[2])}
    for name, values in {**numbers(handover), **_distance_numbers(handover)}.items():
        graph.initializer.append(numpy_helper.from_array(values, named[name]))
    for kind, inputs, output, attributes in steps:
        made = [named[output], f"{named[output]}.place"] if kind == "TopK" else [named[output]]
        node = f"{_OURS}node.{output}"
        graph.node.append(helper.make_node(kind, [named[i] for i in inputs], made, name=node, **attributes))
    del graph.output[:]
    sizes = {FEATURES: [handover.head.weight.shape[1]], UNFAMILIARITY: []}
    for output in outputs(handover):
        shape: list[str | int | None] = ["batch", *sizes.get(output, [len(handover.head.bias)])]
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))


def _head_steps(handover: Handover, features: str) -> Steps:
    steps: Steps = []
    if handover.standardiser is not None:
        steps += [("Sub", (features, "mean"), "centred", {}), ("Div", ("centred", "scale"), "standardised", {})]
    return [
        *steps,
        ("Gemm", (steps[-1][2] if steps else features, "weight", "bias"), LOGITS, {"transB": 1}),
        ("Div", (LOGITS, "temperature"), "tempered", {}),
        ("Softmax", ("tempered",), PROBABILITIES, {"axis": 1}),
    ]


def _distance_steps(handover: Handover, features: str) -> Steps:
    """max(0, (|z|^2 - |G z|^2) / level - max_c (pull_c' z - offset_c)), with the 2 of the square inside pull."""
    if handover.yardstick is None:
        return []
    steps: Steps = []
    if handover.yardstick.gaussians.unit:
        steps = [
            ("Mul", (features, features), "far.lengths", {}),
            ("ReduceSum", ("far.lengths", "far.axis"), "far.length.square", {"keepdims": 1}),
            ("Sqrt", ("far.length.square",), "far.length", {}),
            ("Max", ("far.length", "far.shortest"), "far.divisor", {}),
            ("Div", (features, "far.divisor"), "far.direction", {}),
        ]
    return [
        *steps,
        ("Sub", (steps[-1][2] if steps else features, "far.mean"), "far.centred", {}),
        ("Div", ("far.centred", "far.scale"), "far.unbound", {}),
        ("Clip", ("far.unbound", "far.low", "far.high"), "far.z", {}),
        ("Mul", ("far.z", "far.z"), "far.squares", {}),
        ("ReduceSum", ("far.squares", "far.axis"), "far.all", {"keepdims": 0}),
        ("Gemm", ("far.z", "far.axes"), "far.inside", {"transB": 1}),
        ("Mul", ("far.inside", "far.inside"), "far.inside.squares", {}),
        ("ReduceSum", ("far.inside.squares", "far.axis"), "far.known", {"keepdims": 0}),
        ("Sub", ("far.all", "far.known"), "far.left", {}),
        ("Div", ("far.left", "far.level"), "far.origin", {}),
        ("Gemm", ("far.z", "far.pull", "far.offset"), "far.nearness", {"transB": 1}),
        ("TopK", ("far.nearness", "far.one"), "far.nearest", {"axis": 1}),
        ("ReduceSum", ("far.nearest", "far.axis"), "far.best", {"keepdims": 0}),
        ("Sub", ("far.origin", "far.best"), "far.distance", {}),
        ("Relu", ("far.distance",), UNFAMILIARITY, {}),
    ]


def _distance_numbers(handover: Handover) -> Numbers:
    if handover.yardstick is None:
        return {}
    found = handover.yardstick.gaussians
    values = {
        "far.mean": found.standardiser.mean,
        "far.scale": found.standardiser.scale,
        **({"far.shortest": np.array(SHORTEST)} if found.unit else {}),
        "far.low": np.array(-_FARTHEST),
        "far.high": np.array(_FARTHEST),
        "far.axes": found.precision.axes,
        "far.level": np.array(found.precision.level),
        "far.pull": 2.0 * found.pull,
        "far.offset": -found.offset,
    }
    one = np.array([1], dtype=np.int64)
    return {**{name: np.asarray(value, np.float32) for name, value in values.items()}, "far.axis": one, "far.one": one}


def numbers(handover: Handover) -> Numbers:
    """What was fitted, as float32: weight (C, D), bias (C,), temperature (), and mean and scale (D,) if there."""
    values = {"weight": handover.head.weight, "bias": handover.head.bias, "temperature": np.array(handover.temperature)}
    if handover.standardiser is not None:
        values |= {"mean": handover.standardiser.mean, "scale": handover.standardiser.scale}
    return {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
