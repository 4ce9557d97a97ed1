"""ONNX: one graph, its preprocessing as JSON, and an example that needs nothing of keiki."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.formats.base import FORMATS, Format
from keiki.artifacts.parity import Certificate, certify
from keiki.core.errors import ParityError
from keiki.core.files import write_json, write_text
from keiki.data.task import Raw
from keiki.engines.onnx import OnnxEngine

EXAMPLES = "keiki.artifacts.examples"  # one file for each kind of preprocessing that needs no keiki
EXAMPLE = "example.py"
_EXAMPLES = {  # argument, needs
    "image": ("photo.jpg", " and Pillow"),
    "text": ('"a text"', " and tokenizers"),
    "vector": ("5.1,3.5,1.4,0.2", ""),
}
_GRAPH = ("model.onnx", "model.onnx.data")

Logits = npt.NDArray[np.float32]


@FORMATS.add("onnx")
class Onnx(Format):
    """The graph of the bundle as it is; parity is proven through the very example that is written beside it."""

    name = "onnx"
    about = "model.onnx, preprocessing.json and an example that needs only onnxruntime, numpy and Pillow or tokenizers"

    @classmethod
    def write(cls, bundle: Bundle, folder: Path, samples: Sequence[Raw]) -> Certificate:
        kind = str(bundle.facts["transform"]["kind"])
        example = resources.files(EXAMPLES).joinpath(f"{kind}.py")
        for name in (*_GRAPH, *bundle.transform.files()):
            if (bundle.folder / name).exists():
                shutil.copyfile(bundle.folder / name, folder / name)
        write_json(folder / "preprocessing.json", _preprocessing(bundle))
        if example.is_file():
            write_text(folder / EXAMPLE, example.read_text(encoding="utf-8"))
        write_text(folder / "README.md", _readme(bundle, example.is_file()))
        found = bundle.predict(samples)
        if found.errors:
            reasons = "; ".join(sorted(set(found.errors.values())))
            raise ParityError(f"{len(found.errors)} samples cannot be read: {reasons}.", hint="Name others: --samples")
        run = _runner(bundle, folder, kind if example.is_file() else None, samples)
        return certify(bundle.logits(samples), run, "The export")


def _preprocessing(bundle: Bundle) -> dict[str, Any]:
    chosen = ("name", "modality", "transform", "thresholds", "calibration")
    return {"classes": list(bundle.target.classes), **{name: bundle.facts[name] for name in chosen}}


def _runner(
    bundle: Bundle, folder: Path, example: str | None, samples: Sequence[Raw]
) -> Callable[[Sequence[int]], Logits]:
    if example is not None:
        model = import_module(f"{EXAMPLES}.{example}").Model(folder)
        return lambda positions: np.asarray(model.run([samples[i] for i in positions])["logits"])
    engine = OnnxEngine(folder / _GRAPH[0])
    prepared = [bundle.transform.prepare(raw) for raw in samples]
    return lambda positions: engine.run_all(bundle.transform.collate([prepared[i] for i in positions]))["logits"]


def _readme(bundle: Bundle, has_example: bool) -> str:
    argument, needs = _EXAMPLES.get(bundle.modality, ("INPUT", ""))
    use = (
        f"    python {EXAMPLE} {argument}\n\n`{EXAMPLE}` needs onnxruntime, numpy{needs}, nothing else.\n"
        if has_example
        else "This model's preprocessing is part of keiki: prepare inputs with it, then run the graph.\n"
    )
    return (
        f"# {bundle.name}, as ONNX\n\n{use}\n"
        "`model.onnx` keeps its weights in `model.onnx.data`; leave both in one folder. Outputs: `logits` (N, C)\n"
        "before calibration, `probabilities` (N, C) after it; the order of classes stands in `preprocessing.json`.\n"
        f"{_unfamiliar(bundle)}\n"
        "`parity.json` certifies how far the answers lie from those of the model it was made from.\n"
    )


def _unfamiliar(bundle: Bundle) -> str:
    threshold, expected = bundle.thresholds.unfamiliar, bundle.thresholds.expected
    if threshold is None or expected is None:
        return f"Whether an item is unfamiliar is not told: {bundle.thresholds.why_no_unfamiliar}.\n"
    return (
        f"`unfamiliarity` (N,) is the distance to the training items; above {threshold:.4g} an item is unfamiliar, as\n"
        f"about {expected[0]:.1%} of items like the training items are.\n"
    )
