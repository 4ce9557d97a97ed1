"""Batches that begin at the border of what is frozen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from keiki.backbones.boundary import Boundary, Floats, padded
from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Batch, Index, Items
from keiki.nn.kept import KEPT


class BoundaryFeed:
    """The batches of a plain feed, each item's kept activation in the place of its pixels; texts keep their tokens too.

    Order and steps are those of `plain`. varied: every draw of an item is one of its variants, each (the clean one too)
    as likely as the others. Where the boundary cannot be had, the batches are those of `plain` itself; so they are
    where `varied` items have no variant but the clean one, or training would go without augmentation unnoticed.
    """

    def __init__(self, plain: Feed, boundary: Boundary, *, varied: bool = False) -> None:
        self._plain = plain
        self._boundary = boundary
        self._varied = varied
        self.steps = plain.steps

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, without the first `start`."""
        if not self._kept:
            yield from self._plain.batches(epoch, random, start)
            return
        for number, positions in enumerate(self._plain.order(epoch, random)):
            if number >= start:
                yield self._batch(positions, self._variants(len(positions), random, epoch, number))

    @cached_property
    def _kept(self) -> int:
        """How many variants there are of every item: found on first use, since that may take long; 0 for none."""
        if self._boundary.why_not:
            return 0
        wanted = self._boundary.border.variants if self._varied else 0
        if self._varied and not wanted:
            return 0
        found = self._boundary.ensure(self._plain.items, wanted)
        return 0 if self._varied and found < 2 else found

    def _variants(self, n: int, random: Randomness, epoch: int, number: int) -> Index:
        if not self._varied:
            return np.zeros(n, dtype=np.int64)
        return random.numpy("variants", epoch, number).integers(self._kept, size=n)

    def _batch(self, positions: Index, variants: Index) -> Batch:
        border, items = self._boundary.border, self._plain.items.take(positions)
        rows = self._rows(items, variants)
        ragged = border.transform.by_cost
        inputs = {KEPT: padded(rows, ragged)}
        if ragged:
            pairs = zip(items.raws, items.digests, variants.tolist(), strict=True)
            inputs |= border.transform.collate([border.prepared(*each) for each in pairs])  # type: ignore[arg-type]
        return Batch(dict(inputs), self._plain.labels[positions], positions)

    def _rows(self, items: Items, variants: Index) -> list[Floats]:
        """The activation of each item in its variant, with one look-up a variant."""
        found: dict[int, Floats] = {}
        for variant in np.unique(variants).tolist():
            at = np.flatnonzero(variants == variant)
            found |= zip(at.tolist(), self._boundary.rows(items.take(at), variant), strict=True)
        return [found[place] for place in range(len(items))]
