"""Batches that begin at the border of what is frozen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keiki.backbones.boundary import Boundary, padded
from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Batch, Index
from keiki.nn.kept import KEPT


class BoundaryFeed:
    """The batches of a plain feed, each item's kept activation in the place of its pixels; texts keep their tokens too.

    Order and steps are those of `plain`. varied: every draw of an item is one of its variants, each (the clean one too)
    as likely as the others. Where the boundary cannot be had, the batches are those of `plain` itself.
    """

    def __init__(self, plain: Feed, boundary: Boundary, *, varied: bool = False) -> None:
        self._plain = plain
        self._boundary = boundary
        self._varied = varied
        self.steps = plain.steps

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, without the first `start`."""
        if self._boundary.why_not:
            yield from self._plain.batches(epoch, random, start)
            return
        self._boundary.ensure(self._plain.items)
        for number, positions in enumerate(self._plain.order(epoch, random)):
            if number >= start:
                yield self._batch(positions, self._variants(len(positions), random, epoch, number))

    def _variants(self, n: int, random: Randomness, epoch: int, number: int) -> Index:
        if not self._varied:
            return np.zeros(n, dtype=np.int64)
        return random.numpy("variants", epoch, number).integers(1 + self._boundary.border.variants, size=n)

    def _batch(self, positions: Index, variants: Index) -> Batch:
        border, items = self._boundary.border, self._plain.items.take(positions)
        rows = [self._boundary.rows(items.take([at]), int(v))[0] for at, v in enumerate(variants)]
        ragged = border.transform.by_cost
        inputs = {KEPT: padded(rows, ragged)}
        if ragged:
            pairs = zip(items.raws, items.digests, variants.tolist(), strict=True)
            inputs |= border.transform.collate([border.prepared(*each) for each in pairs])  # type: ignore[arg-type]
        return Batch(dict(inputs), self._plain.labels[positions], positions)
