"""Who may not be parted, and how items are dealt to sides so that each class is everywhere in its share."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


def clusters(*keys: Sequence[Hashable | None]) -> Index:
    """Cluster numbers (N,): rows that share any key (a digest, a group) are in one cluster, and so are their partners.

    None shares with nothing. Numbers follow the first appearance.

    >>> clusters(["a", "b", "a", "c"], [None, 1, None, 1]).tolist()
    [0, 1, 0, 1]
    """
    n = len(keys[0])
    parent = list(range(n))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in keys:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(column):
            if key is not None:
                one, other = root(first.setdefault(key, row)), root(row)
                parent[max(one, other)] = min(one, other)
    return np.unique([root(row) for row in range(n)], return_inverse=True)[1].astype(np.int64)


def deal(labels: Index, groups: Index, shares: Sequence[float], rng: np.random.Generator) -> Index:
    """Side numbers (N,): whole clusters go to sides so that each class divides by `shares` as well as can be.

    Clusters that are hard to balance come first (sum over classes c of v_c^2 / N_c, with v_c of the N_c items), equals
    in random order. Each goes where its classes are most below their share (cost: sum over c of
    v_c (2 n_sc + v_c) / (share_s N_c), with n_sc items of c on side s already), among equals where fewest items are.
    Single items of one class thus follow Sainte-Lague's rule, and with equal shares no class differs by more than one
    item between sides.
    """
    totals = np.bincount(labels)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(row)
    contents = [(rows, Counter(labels[rows].tolist())) for rows in members.values()]
    hardness = [sum(count**2 / totals[c] for c, count in content.items()) for _, content in contents]
    order = rng.permutation(len(contents))
    table = _Table(shares, totals)
    sides = np.empty(len(labels), dtype=np.int64)
    for at in order[np.argsort(-np.array(hardness)[order], kind="stable")].tolist():
        rows, content = contents[at]
        sides[rows] = table.place(content)
    return sides


def draw(labels: Index, groups: Index, share: float, rng: np.random.Generator) -> Index:
    """Rows (M,), sorted, of whole clusters that make up `share` of all items and, as well as can be, of each class.

    They are dealt first. Then each class of which everything was drawn gets a cluster back, the smallest; and as long
    as the whole falls short, clusters of the classes that fall short most are added (the method of the largest
    remainder), but never the last one of a class. At most half of such a cluster may go beyond the share.

    >>> labels = np.repeat(np.arange(10), 4)
    >>> len(draw(labels, np.arange(40), 0.1, np.random.default_rng(0)))
    4
    """
    drawn = deal(labels, groups, [share, 1 - share], rng) == 0
    clusters = _Clusters(labels, groups, drawn)
    order = rng.permutation(len(clusters.rows))
    clusters.give_back(order)
    clusters.top_up(order, share)
    return np.flatnonzero(clusters.drawn)


class _Clusters:
    """Clusters by number: their rows and how many items of each class they hold; and which rows are drawn so far."""

    def __init__(self, labels: Index, groups: Index, drawn: npt.NDArray[np.bool_]) -> None:
        members: dict[int, list[int]] = {}
        for row, group in enumerate(groups.tolist()):
            members.setdefault(group, []).append(row)
        self.rows = list(members.values())
        self.contents = [Counter(labels[rows].tolist()) for rows in self.rows]
        self.drawn = drawn.copy()
        self.is_drawn = [bool(drawn[rows[0]]) for rows in self.rows]
        self.totals = np.bincount(labels)
        self.left = Counter(labels[~drawn].tolist())  # items of each class that are not drawn

    def give_back(self, order: Index) -> None:
        """Undo the smallest cluster of each class that was drawn whole, the first in `order` among equals."""
        for at in sorted(order.tolist(), key=lambda at: len(self.rows[at])):
            if self.is_drawn[at] and any(not self.left[c] for c in self.contents[at]):
                self._put(at, False)

    def top_up(self, order: Index, share: float) -> None:
        """Draw more clusters, those of the classes that fall short most first, until `share` of all is drawn."""
        missing = share * len(self.drawn) - int(self.drawn.sum())
        heap = [
            (-self._shortfall(at, share), place, at) for place, at in enumerate(order.tolist()) if not self.is_drawn[at]
        ]
        heapq.heapify(heap)
        while heap and missing >= 0.5:
            known, place, at = heapq.heappop(heap)
            now = -self._shortfall(at, share)
            if now > known:  # others of its classes were drawn since
                heapq.heappush(heap, (now, place, at))
            elif len(self.rows[at]) <= 2 * missing and all(self.left[c] > n for c, n in self.contents[at].items()):
                self._put(at, True)
                missing -= len(self.rows[at])

    def _shortfall(self, at: int, share: float) -> float:
        """How many items its classes fall short of their share, the mean over the items of a cluster."""
        short = sum(n * (self.left[c] - (1 - share) * self.totals[c]) for c, n in self.contents[at].items())
        return float(short) / len(self.rows[at])

    def _put(self, at: int, drawn: bool) -> None:
        self.is_drawn[at] = drawn
        self.drawn[self.rows[at]] = drawn
        for c, n in self.contents[at].items():
            self.left[c] += -n if drawn else n


class _Table:
    """Items on each side so far, by class."""

    def __init__(self, shares: Sequence[float], totals: npt.NDArray[np.int64]) -> None:
        self.shares = list(shares)
        self.weights = (1 / np.maximum(totals, 1)).tolist()
        self.counts = [[0] * len(totals) for _ in shares]
        self.sizes = [0] * len(self.shares)

    def place(self, classes: Mapping[int, int]) -> int:
        """The best side for a cluster with so many items of each class; they are counted there."""
        side = min(range(len(self.shares)), key=lambda s: self._cost(s, classes))
        for c, count in classes.items():
            self.counts[side][c] += count
        self.sizes[side] += sum(classes.values())
        return side

    def _cost(self, side: int, classes: Mapping[int, int]) -> tuple[float, float]:
        counts, share = self.counts[side], self.shares[side]
        cost = sum(count * (2 * counts[c] + count) * self.weights[c] for c, count in classes.items())
        return cost / share, self.sizes[side] / share
