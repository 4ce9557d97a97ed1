"""What a finished fit hands over: all that a bundle is made from, as plain arrays and JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.data.task import Raw, Target
from keiki.data.transforms.base import Transform
from keiki.nn.linear import LinearHead
from keiki.nn.standardise import Standardiser


@dataclass(frozen=True)
class Witness:
    """A few raw items and the logits (n, C) that the training side gives them: what the bundle must answer, too.

    Ten to twenty items are enough; each is run three times, in batches of different sizes.
    """

    raws: Sequence[Raw]
    logits: npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Handover:
    """All that a bundle is made from.

    graph: ONNX of the backbone, named inputs (B, ...) -> features (B, D), with a free batch size; None where preparing
    an item already gives its features (input "features" (B, D)). weights: the backbone's tensors by name (may be
    empty). card, method options and results are plain JSON values. thresholds: "accept" is the top probability from
    which an answer is accepted (None: never), "asked_accuracy" what it was chosen for. seen: SHA-256 of every item
    that the fit has seen. results: what the model card says of it (see `readme.write`).
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
    weights: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    seen: Sequence[str] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 32

    @property
    def modality(self) -> str:
        return str(self.card["modality"])
