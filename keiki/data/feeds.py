"""Batches for training by gradients: the order follows from the random stream and the epoch alone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from keiki.core.errors import OptionError
from keiki.core.random import Randomness
from keiki.data.augment.base import Augment, Mixing
from keiki.data.task import Batch, Index, Items
from keiki.data.transforms.base import Array, Transform
from keiki.engines.plan import usable_cores

KEPT_BYTES = 512 * 2**20  # prepared items kept in memory; what goes beyond is prepared anew each time
WINDOW = 50  # batches within which items of like length are brought together
AHEAD = 1  # batches that are made ready while one is learned from
MOST_WORKERS = 8  # threads that decode and draw; both let go of the interpreter's lock

Weights = npt.NDArray[np.float64]
_Made = tuple[int, Array, Array]  # position of the item, the array to keep, the array for the batch
_NOTHING: Array = np.empty(0, dtype=np.uint8)


class Feed:
    """Items as batches of `batch_size`, prepared by `transform`; a last batch of one item joins the one before.

    Where items differ in length (`transform.by_cost`) and are shuffled, each window of 50 batches is sorted by length
    before it is cut, and its batches come in random order.

    augment: what is kept of an item is what its `source` prepares, and each epoch draws a variant of that.
    weights (N,): an epoch has N draws with replacement in proportion to them, instead of every item once, and is always
    shuffled. mixing: the last step of a batch.
    """

    def __init__(
        self,
        items: Items,
        labels: Index,
        transform: Transform,
        batch_size: int,
        *,
        shuffle: bool = True,
        augment: Augment | None = None,
        weights: npt.ArrayLike | None = None,
        mixing: Mixing | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.items = items
        self.labels = labels
        self.transform = transform
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.augment = augment
        self.mixing = mixing
        self.steps = len(_cuts(len(items), batch_size))
        self._source = transform if augment is None else augment.source
        self._shares = None if weights is None else _shares(weights, len(items))
        self._left = kept_bytes
        self._kept: dict[int, Array] = {}
        self._costs: Index | None = None

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, without the first `start`; raises UnreadableItem if an item that could be read
        before no longer can.

        The items of the batches left out are not prepared, unless all of them must be for their lengths.
        """
        order = self.order(epoch, random)
        turns = _turns(order)
        workers = min(MOST_WORKERS, usable_cores())
        waiting: deque[tuple[int, list[Future[list[_Made]]]]] = deque()
        with ThreadPoolExecutor(workers, "feed") as pool:
            for number in range(start, len(order)):
                draws = [(i, self._stream(epoch, random, i, turn)) for i, turn in turns[number]]
                waiting.append((number, [pool.submit(self._make, draws[at::workers]) for at in range(workers)]))
                if len(waiting) > AHEAD:
                    yield self._batch(epoch, random, order, *waiting.popleft())
            while waiting:
                yield self._batch(epoch, random, order, *waiting.popleft())

    def _stream(self, epoch: int, random: Randomness, i: int, turn: int) -> np.random.Generator | None:
        """What a variant of the item is drawn with: of its own, whatever else is drawn, and in whichever batch."""
        if self.augment is None:
            return None
        return random.numpy("augment", epoch, i, *([turn] if turn else []))

    def _make(self, draws: Sequence[tuple[int, np.random.Generator | None]]) -> list[_Made]:
        """Items as they may be kept, and as they go into the batch; called from the threads of the pool."""
        made = []
        for i, rng in draws:
            kept = self._prepared(i)
            made.append((i, kept, kept if self.augment is None or rng is None else self.augment.draw(kept, rng)))
        return made

    def _batch(
        self, epoch: int, random: Randomness, order: list[Index], number: int, parts: list[Future[list[_Made]]]
    ) -> Batch:
        positions = order[number]
        prepared: list[Array] = [_NOTHING] * len(positions)
        for first, part in enumerate(parts):
            for at, (i, kept, drawn) in enumerate(part.result()):
                self._keep(i, kept)
                prepared[first + at * len(parts)] = drawn
        batch = Batch(dict(self.transform.collate(prepared)), self.labels[positions], positions)
        return batch if self.mixing is None else self.mixing.mix(batch, random.numpy("mixing", epoch, number))

    def order(self, epoch: int, random: Randomness) -> list[Index]:
        """The positions of the items of every batch of an epoch."""
        n = len(self.items)
        if not self.shuffle and self._shares is None:
            return [np.arange(a, b) for a, b in _cuts(n, self.batch_size)]
        rng = random.numpy("feed", epoch)
        order = rng.permutation(n) if self._shares is None else rng.choice(n, size=n, p=self._shares)
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
        """What each kept item costs (N,): the order must not hang on what is drawn."""
        if self._costs is None:
            costs = []
            for i in range(len(self.items)):
                kept = self._prepared(i)
                self._keep(i, kept)
                costs.append(self._source.cost(kept))
            self._costs = np.array(costs, dtype=np.int64)
        return self._costs

    def _prepared(self, i: int) -> Array:
        kept = self._kept.get(i)
        return self._source.prepare(self.items.raws[i]) if kept is None else kept

    def _keep(self, i: int, prepared: Array) -> None:
        """Keep an item while there is room; called from one thread, so that the room is counted right."""
        if i not in self._kept and prepared.nbytes <= self._left:
            self._left -= prepared.nbytes
            self._kept[i] = prepared


def _turns(order: list[Index]) -> list[list[tuple[int, int]]]:
    """For every draw of an epoch the item, and how often it was drawn before.

    >>> _turns([np.array([4, 2]), np.array([4, 4])])
    [[(4, 0), (2, 0)], [(4, 1), (4, 2)]]
    """
    seen: Counter[int] = Counter()
    out: list[list[tuple[int, int]]] = []
    for positions in order:
        out.append([])
        for i in positions.tolist():
            out[-1].append((i, seen[i]))
            seen[i] += 1
    return out


def _shares(weights: npt.ArrayLike, n: int) -> Weights:
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (n,) or not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise OptionError(
            f"Sampling wants a weight for each of {n} items, none below 0 and not all of them 0, but got an array of "
            f"shape {values.shape} with values from {values.min(initial=np.inf)} to {values.max(initial=-np.inf)}."
        )
    return np.asarray(values / values.sum())


def _cuts(n: int, size: int) -> list[tuple[int, int]]:
    """Borders of batches; a remainder of one joins the batch before.

    >>> _cuts(7, 3), _cuts(1, 3)
    ([(0, 3), (3, 7)], [(0, 1)])
    """
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))
