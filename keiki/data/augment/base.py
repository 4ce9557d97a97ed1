"""Augmentation: from what is kept of an item, another variant in every epoch; from a batch, a mixed one.

Where the numbers come from: a variant depends on the stream of its epoch and item alone, a mixture on that of its epoch
and batch, so that a resumed run, or a start in the middle of an epoch, sees the same bits.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from keiki.data.task import Batch
from keiki.data.transforms.base import Array, Transform


class Augment(Protocol):
    """How a variant of an item is drawn. May be called from several threads; touches no global state."""

    @property
    def source(self) -> Transform:
        """Prepares what is kept of an item between epochs."""

    def draw(self, kept: Array, rng: np.random.Generator) -> Array:
        """A variant of a kept item, an array of its own, as `collate` of the network's transform wants it."""


class Mixing(Protocol):
    """How the items of a batch are mixed with each other; see `Batch.partners`."""

    def mix(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The mixed batch, in arrays of its own."""
