"""The confusion matrix for people: the pairs mixed up most, and a shaded table that stays usable at 100 classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from keiki.evaluation.report.schema import ConfusionCell

MOST_CLASSES = 100  # a table of more is neither readable nor small; the classes mixed up most are kept
MOST_PAIRS = 10
LEVELS = 5  # shades


@dataclass(frozen=True)
class Pair:
    """`n` items of `true` were called `predicted`; `share` of all items of `true`."""

    true: str
    predicted: str
    n: int
    share: float


@dataclass(frozen=True)
class Cell:
    """One cell: count, shade from 0 to LEVELS, and whether it lies on the diagonal."""

    n: int
    level: int
    right: bool


@dataclass(frozen=True)
class Row:
    """The items of one true class."""

    name: str
    n: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """The shaded table; `n_left_out` classes do not stand in it."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    n_left_out: int


def pairs(names: Sequence[str], cells: Sequence[ConfusionCell]) -> tuple[Pair, ...]:
    """The pairs of classes mixed up most, most items first.

    >>> cell = ConfusionCell
    >>> pairs(["rust", "scab"], [cell(true=0, predicted=1, n=2), cell(true=0, predicted=0, n=6)])
    (Pair(true='rust', predicted='scab', n=2, share=0.25),)
    """
    totals = _totals(cells)
    wrong = sorted((c for c in cells if c.true != c.predicted and c.n), key=lambda c: (-c.n, c.true, c.predicted))
    return tuple(Pair(names[c.true], names[c.predicted], c.n, c.n / totals[c.true]) for c in wrong[:MOST_PAIRS])


def table(names: Sequence[str], cells: Sequence[ConfusionCell], most: int = MOST_CLASSES) -> Table:
    """The matrix of true class by predicted class, shaded by the share of the true class."""
    kept = _most_mixed_up(len(names), cells, most)
    counts = {(c.true, c.predicted): c.n for c in cells}
    totals = _totals(cells)
    rows = tuple(
        Row(names[i], totals[i], tuple(_cell(counts.get((i, j), 0), totals[i], i == j) for j in kept)) for i in kept
    )
    return Table(tuple(names[j] for j in kept), rows, len(names) - len(kept))


def _cell(n: int, total: int, right: bool) -> Cell:
    level = -(-LEVELS * n // total) if n else 0  # rounded up: the smallest share still shows
    return Cell(n, level, right)


def _totals(cells: Sequence[ConfusionCell]) -> Counter[int]:
    totals: Counter[int] = Counter()
    for cell in cells:
        totals[cell.true] += cell.n
    return totals


def _most_mixed_up(n_classes: int, cells: Sequence[ConfusionCell], most: int) -> list[int]:
    if n_classes <= most:
        return list(range(n_classes))
    wrong: Counter[int] = Counter()
    for cell in cells:
        if cell.true != cell.predicted:
            wrong[cell.true] += cell.n
            wrong[cell.predicted] += cell.n
    return sorted(sorted(range(n_classes), key=lambda i: -wrong[i])[:most])
