"""What a finished fit hands over: all that a bundle is made from, as plain arrays and JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.origin import Columns
from keiki.data.task import Raw, Target
from keiki.data.transforms.base import Transform
from keiki.evaluation.conformal import SetScores
from keiki.evaluation.drift import Reference
from keiki.evaluation.thresholds import GridPoint
from keiki.evaluation.unfamiliar import Yardstick
from keiki.nn.linear import LinearHead
from keiki.nn.standardise import Standardiser


@dataclass(frozen=True)
class Witness:
    """A few raw items and the logits (n, C) that the training side gives them: what the bundle must answer, too.

    distances (n,): how far from the training items each lies, where there is a yardstick for it. Ten to twenty items
    are enough; each is run three times, in batches of different sizes. Nothing of them is kept in the bundle.
    """

    raws: Sequence[Raw]
    logits: npt.NDArray[np.floating]
    distances: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True)
class OutOfFold:
    """What answers for training items that the model had not seen are worth knowing for: thresholds for other wishes,
    sets of classes, and what to compare new data with. Numbers over all items, none of a single one but its score."""

    grid: tuple[GridPoint, ...]
    sets: SetScores
    reference: Reference


@dataclass(frozen=True, kw_only=True)
class Handover:
    """All that a bundle is made from.

    graph: ONNX of the backbone, named inputs (B, ...) -> features (B, D), with a free batch size; None where preparing
    an item already gives its features (input "features" (B, D)). weights: the backbone's tensors by name (may be
    empty). card, method options and results are plain JSON values. thresholds: "accept" is the top probability from
    which an answer is accepted (None: never), "asked_accuracy" what it was chosen for. yardstick: how unfamiliar an
    item is, from its features (None: not offered, and `no_yardstick` says why). seen: SHA-256 of every item that the
    fit has seen. results: what the model card says of it (see `readme.write`). columns: of the table it was fitted on.
    flips: whether a mirrored picture is of the same class; None where nothing but the classes' names tells.
    """

    name: str
    target: Target
    transform: Transform
    card: Mapping[str, Any]
    method: str
    options: Mapping[str, Any]
    graph: Path | None
    standardiser: Standardiser | None
    head: LinearHead
    temperature: float
    thresholds: Mapping[str, Any]
    witness: Witness
    yardstick: Yardstick | None = None
    no_yardstick: str = "no distance to the training items was measured"
    out_of_fold: OutOfFold | None = None
    weights: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    seen: Sequence[str] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 32
    columns: Columns = field(default_factory=Columns)
    flips: bool | None = None

    @property
    def modality(self) -> str:
        return str(self.card["modality"])
