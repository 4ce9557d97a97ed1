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
from keiki.artifacts.origin import OwnEstimate
from keiki.artifacts.outputs import LOGITS, UNFAMILIARITY
from keiki.artifacts.parity import Certificate, certify, certify_distances
from keiki.core.errors import ParityError, RequestError, UnreadableItem
from keiki.core.files import writing_folder

WEIGHTS_FILE = "model.safetensors"
README_FILE = "README.md"
MEANING = {
    "accept": "An answer with this probability or more is accepted unseen; null: none is.",
    "asked_accuracy": "The share of accepted answers that are to be right.",
    "grid": "Other thresholds on the probability: the accuracy of what each accepts (exact 90 % lower bound over"
    " out-of-fold answers), and the share of answers that it accepts.",
    "unfamiliar": "An item farther than this from the training items is called unfamiliar; null: not offered.",
    "expected_unfamiliar": "The share of items like the training items that lie farther all the same.",
    "n_unfamiliar": "The number of independent items from which that threshold was found.",
}


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
        "thresholds": _thresholds(handover),
        "out_of_fold": _out_of_fold(handover),
        "graph": {"file": graph.FILE, "outputs": list(graph.outputs(handover)), "width": handover.head.weight.shape[1]},
        "batch_size": handover.batch_size,
        "flips": handover.flips,
        "columns": handover.columns.to_json(),
        "estimate": _estimate(handover),
        "versions": {"keiki": keiki.__version__, **{name: version(name) for name in ("numpy", "onnx", "onnxruntime")}},
    }


def _estimate(handover: Handover) -> dict[str, Any] | None:
    """How good the fit says the model is, for whoever measures it anew."""
    own = OwnEstimate.of(handover.results.get("test"))
    return None if own is None else own.to_json()


def _thresholds(handover: Handover) -> dict[str, Any]:
    """The thresholds as plain JSON values, each with its meaning."""
    grid = handover.out_of_fold.grid if handover.out_of_fold else ()
    stick = handover.yardstick
    return {
        "accept": handover.thresholds.get("accept"),
        "asked_accuracy": handover.thresholds.get("asked_accuracy"),
        "grid": [{"threshold": each.threshold, "accuracy": each.accuracy, "share": each.share} for each in grid],
        "unfamiliar": stick.threshold if stick else None,
        "expected_unfamiliar": stick.expected if stick else None,
        "n_unfamiliar": stick.n if stick else 0,
        "why_no_unfamiliar": "" if stick else handover.no_yardstick,
        "meaning": MEANING,
    }


def _out_of_fold(handover: Handover) -> dict[str, Any] | None:
    """What is kept of the out-of-fold answers besides the grid, as plain JSON values."""
    kept = handover.out_of_fold
    return None if kept is None else {"sets": kept.sets.to_json(), "reference": kept.reference.to_json()}


def _prove(bundle: Bundle, handover: Handover) -> Certificate:
    witness = handover.witness
    try:
        prepared = [bundle.transform.prepare(raw) for raw in witness.raws]
    except UnreadableItem as error:
        raise ParityError(f"A witness of the bundle cannot be read: {error.reason}.") from error

    def run(positions: Sequence[int]) -> npt.NDArray[np.float32]:
        return bundle.run_prepared([prepared[i] for i in positions])[LOGITS]

    certificate = certify(np.asarray(witness.logits), run, "The bundle")
    if witness.distances is not None:
        found = bundle.run_prepared(prepared)[UNFAMILIARITY]
        certify_distances(np.asarray(witness.distances), found, "The bundle")
    return certificate
