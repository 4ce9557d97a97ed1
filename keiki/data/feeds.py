"""Batches for training by gradients: the order follows from the random stream and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keiki.core.random import Randomness
from keiki.data.task import Batch, Index, Items
from keiki.data.transforms.base import Array, Transform

KEPT_BYTES = 512 * 2**20  # prepared items kept in memory; what goes beyond is prepared anew each time
WINDOW = 50  # batches within which items of like length are brought together


class Feed:
    """Items as batches of `batch_size`, prepared by `transform`; a last batch of one item joins the one before.

    Where items differ in length (`transform.by_cost`) and are shuffled, each window of 50 batches is sorted by length
    before it is cut, and its batches come in random order.
    """

    def __init__(
        self,
        items: Items,
        labels: Index,
        transform: Transform,
        batch_size: int,
        *,
        shuffle: bool = True,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.items = items
        self.labels = labels
        self.transform = transform
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.steps = len(_cuts(len(items), batch_size))
        self._left = kept_bytes
        self._kept: dict[int, Array] = {}
        self._costs: Index | None = None

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, without the first `start`; raises UnreadableItem if an item that could be read
        before no longer can."""
        for positions in self._order(epoch, random)[start:]:
            prepared = [self._prepared(int(i)) for i in positions]
            yield Batch(dict(self.transform.collate(prepared)), self.labels[positions], positions)

    def _order(self, epoch: int, random: Randomness) -> list[Index]:
        n = len(self.items)
        if not self.shuffle:
            return [np.arange(a, b) for a, b in _cuts(n, self.batch_size)]
        rng = random.numpy("feed", epoch)
        order = rng.permutation(n)
        if not self.transform.by_cost:
            return [order[a:b] for a, b in _cuts(n, self.batch_size)]
        costs = self._all_costs()
        batches: list[Index] = []
        for first, last in _cuts(n, self.batch_size * WINDOW):
            window = order[first:last]
            window = window[np.argsort(costs[window], kind="stable")]
            pieces = [window[a:b] for a, b in _cuts(len(window), self.batch_size)]
            batches += [pieces[i] for i in rng.permutation(len(pieces))]
        return batches

    def _all_costs(self) -> Index:
        if self._costs is None:
            costs = [self.transform.cost(self._prepared(i)) for i in range(len(self.items))]
            self._costs = np.array(costs, dtype=np.int64)
        return self._costs

    def _prepared(self, i: int) -> Array:
        if i in self._kept:
            return self._kept[i]
        prepared = self.transform.prepare(self.items.raws[i])
        if prepared.nbytes <= self._left:
            self._left -= prepared.nbytes
            self._kept[i] = prepared
        return prepared


def _cuts(n: int, size: int) -> list[tuple[int, int]]:
    """Borders of batches; a remainder of one joins the batch before.

    >>> _cuts(7, 3), _cuts(1, 3)
    ([(0, 3), (3, 7)], [(0, 1)])
    """
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))
