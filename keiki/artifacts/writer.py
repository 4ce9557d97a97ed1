"""Writing a bundle: whole and proven to answer like the model it was made from, or not at all.

Nothing in it depends on the day or the folder, so two builds from equal input are equal byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import keiki
from keiki.artifacts import graph, manifest, readme
from keiki.artifacts.bundle import SEEN_FILE, Bundle
from keiki.artifacts.handover import Handover
from keiki.artifacts.parity import Certificate, certify
from keiki.core.errors import ParityError, RequestError, UnreadableItem
from keiki.core.files import writing_folder

WEIGHTS_FILE = "model.safetensors"
README_FILE = "README.md"


def write_bundle(folder: Path, handover: Handover) -> Certificate:
    """Write the bundle to `folder`, which must be absent, empty or an older bundle; returns its parity certificate.

    It is written beside `folder`, opened as a user would open it, compared with the witness, and only then renamed.
    Raises ParityError where it answers differently, and leaves nothing behind.
    """
    if folder.exists() and not _may_replace(folder):
        raise RequestError(f"'{folder}' exists and is no bundle.", hint="Name a new folder, or remove this one.")
    with writing_folder(folder) as temporary:
        _write_parts(temporary, handover)
        manifest.write(temporary, _facts(handover))
        return _prove(Bundle.open(temporary), handover)


def _may_replace(folder: Path) -> bool:
    return folder.is_dir() and ((folder / manifest.FILE).is_file() or not any(folder.iterdir()))


def _write_parts(folder: Path, handover: Handover) -> None:
    from safetensors.numpy import save

    graph.write(handover, folder)
    (folder / WEIGHTS_FILE).write_bytes(save(_tensors(handover)))
    for name, data in handover.transform.files().items():
        if Path(name).name != name or (folder / name).exists():
            raise RequestError(f"The preprocessing wants to write {name!r}, which no bundle may hold.")
        (folder / name).write_bytes(data)
    seen = json.dumps({"digests": sorted(set(handover.seen))}, indent=0) + "\n"
    (folder / SEEN_FILE).write_text(seen, encoding="utf-8")
    (folder / README_FILE).write_text(readme.write(handover), encoding="utf-8")
    for file in folder.iterdir():
        file.chmod(0o644)  # some libraries write for the owner alone


def _tensors(handover: Handover) -> dict[str, npt.NDArray[Any]]:
    homes = {"weight": "head", "bias": "head", "mean": "standardiser", "scale": "standardiser"}
    ours = {
        f"{homes[name]}.{name}" if name in homes else name: values for name, values in graph.numbers(handover).items()
    }
    theirs = {f"backbone.{name}": np.asarray(values) for name, values in handover.weights.items()}
    return {name: np.asarray(values, order="C") for name, values in {**theirs, **ours}.items()}


def _facts(handover: Handover) -> dict[str, Any]:
    target = handover.target
    return {
        "name": handover.name,
        "modality": handover.modality,
        "target": {"name": target.name, "kind": target.kind, "classes": list(target.classes)},
        "transform": handover.transform.to_json(),
        "backbone": dict(handover.card),
        "method": handover.method,
        "options": dict(handover.options),
        "calibration": {"temperature": float(handover.temperature)},
        "thresholds": dict(handover.thresholds),
        "graph": {"file": graph.FILE, "outputs": list(graph.OUTPUTS)},
        "batch_size": handover.batch_size,
        "versions": {"keiki": keiki.__version__, **{name: version(name) for name in ("numpy", "onnx", "onnxruntime")}},
    }


def _prove(bundle: Bundle, handover: Handover) -> Certificate:
    witness = handover.witness
    try:
        prepared = [bundle.transform.prepare(raw) for raw in witness.raws]
    except UnreadableItem as error:
        raise ParityError(f"A witness of the bundle cannot be read: {error.reason}.") from error

    def run(positions: Sequence[int]) -> npt.NDArray[np.float32]:
        return bundle.run_prepared([prepared[i] for i in positions])["logits"]

    return certify(np.asarray(witness.logits), run, "The bundle")
