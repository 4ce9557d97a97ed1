"""Two models, or more, on the same items: how far apart they are, and whether chance could have done it.

Every pair gets the paired difference with its interval (`verdict.paired_difference`) and a p-value of the hypothesis
that it does not matter which of the two answers: then the answers of the two could be swapped, item by item, or whole
cluster by whole cluster where items depend on one another. For accuracy that test is exact, and with independent items
it is McNemar's. The p-values of all pairs are adjusted together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.evaluation.bootstrap import CELLS
from keiki.evaluation.intervals import ROUNDING, Interval, holm
from keiki.evaluation.protocol import affordable, dependent
from keiki.evaluation.verdict import paired_difference
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Floats, Labels, Metric, Probabilities, checked

LEVEL = 0.05  # an adjusted p-value below it, and an interval that leaves 0 out, settle a pair
SWAPS = 2000


@dataclass(frozen=True)
class Pair:
    """Two models by name. difference: of the metric, above 0 = `first` is better, whatever way the metric points.

    both_right ... both_wrong: rows by who decided right. p: of the swap test; adjusted: by Holm, over all pairs.
    """

    first: str
    second: str
    difference: Interval
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p: float
    adjusted: float

    @property
    def settled(self) -> bool:
        """Whether the interval leaves 0 out and the adjusted p-value lies below 5 %."""
        return (self.difference.low > 0 or self.difference.high < 0) and self.adjusted < LEVEL

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_json(),
            "both_right": self.both_right,
            "only_first_right": self.only_first,
            "only_second_right": self.only_second,
            "both_wrong": self.both_wrong,
            "p": self.p,
            "p_adjusted": self.adjusted,
            "settled": self.settled,
        }


def pairs(
    metric: Metric,
    labels: Labels,
    answers: Mapping[str, Probabilities],
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
) -> tuple[Pair, ...]:
    """Every pair of `answers`, probabilities (N, C) by name, on the same items; `groups` (N,): what belongs together.

    >>> from keiki.metrics.accuracy import ACCURACY
    >>> labels, good = np.repeat([0, 1], 50), np.eye(2)[np.repeat([0, 1], 50)]
    >>> found, = pairs(ACCURACY, labels, {"good": good, "bad": good[:, ::-1]}, rng=np.random.default_rng(0))
    >>> found.difference.value, found.only_first, found.p < 1e-6, found.settled
    (1.0, 100, True, True)
    """
    groups = dependent(groups)
    names = list(combinations(answers, 2))
    tests = [swap_test(metric, labels, answers[a], answers[b], rng=rng, groups=groups) for a, b in names]
    found = []
    for (a, b), p, adjusted in zip(names, tests, holm(tests), strict=True):
        difference = paired_difference(metric, labels, answers[a], answers[b], rng=rng, groups=groups)
        first, second = correct(labels, answers[a]) > 0, correct(labels, answers[b]) > 0
        found.append(
            Pair(
                first=a,
                second=b,
                difference=difference,
                both_right=int((first & second).sum()),
                only_first=int((first & ~second).sum()),
                only_second=int((~first & second).sum()),
                both_wrong=int((~first & ~second).sum()),
                p=p,
                adjusted=adjusted,
            )
        )
    return tuple(found)


def swap_test(
    metric: Metric,
    labels: Labels,
    first: Probabilities,
    second: Probabilities,
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
    swaps: int = SWAPS,
) -> float:
    """The two-sided p-value that it does not matter which of two models answers an item, or a whole group of them.

    Accuracy: exact (`exact_swaps`). Other metrics: the difference is computed again with the answers of each group
    swapped or not at random, and p = (1 + swaps with a difference at least as large) / (1 + swaps).
    Sources: Noreen 1989, "Computer-intensive methods for testing hypotheses", section 2; Phipson and Smyth 2010,
    "Permutation p-values should never be zero".

    >>> from keiki.metrics.log_loss import LOG_LOSS
    >>> sure, unsure = np.tile([0.9, 0.1], (12, 1)), np.tile([0.8, 0.2], (12, 1))
    >>> swap_test(LOG_LOSS, np.zeros(12, dtype=int), sure, unsure, rng=np.random.default_rng(0)) < 0.01
    True
    """
    labels, a = checked(labels, first)
    _, b = checked(labels, second)
    if np.array_equal(a, b):
        return 1.0
    unit = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if metric.name == "accuracy":
        leads = np.bincount(unit, weights=correct(labels, a) - correct(labels, b))
        return exact_swaps(np.rint(leads).astype(np.int64))
    statistic = metric.statistic(np.concatenate([labels, labels]), np.concatenate([a, b]))

    def leads_of(kept: Floats) -> Floats:  # (R, N) of 0 and 1: whether the first model's answer stays the first's
        return statistic(np.hstack([kept, 1 - kept])) - statistic(np.hstack([1 - kept, kept]))

    observed = abs(float(leads_of(np.ones((1, len(labels))))[0]))
    drawn = affordable(swaps, 2 * len(labels))
    extreme, n_units = 0, int(unit.max()) + 1
    for rows in _chunks(drawn, 2 * len(labels)):
        leads = np.abs(leads_of(rng.integers(0, 2, (rows, n_units)).astype(np.float64)[:, unit]))
        extreme += int(np.sum(~(leads < observed - ROUNDING)))  # an undefined one counts as extreme
    return (1 + extreme) / (1 + drawn)


def exact_swaps(leads: NDArray[np.int64]) -> float:
    """The two-sided p-value of the sum of `leads` (G,) when each could as well have had the other sign.

    A lead is by how many items of one group the first model decides more of them right. The distribution of the sum of
    G signs times leads is found from its characteristic function, prod_g cos(t lead_g), at 2 T + 1 frequencies, where
    T is the largest possible sum; so it is exact but for rounding (1e-13). Where every lead is -1, 0 or 1 this is
    McNemar's exact test. Sources: Fisher 1935, "The Design of Experiments", section 21; McNemar 1947.

    >>> from keiki.evaluation.intervals import mcnemar_exact
    >>> round(exact_swaps(np.array([1, -1, -1, -1, -1, -1, -1, -1, 0])), 5), round(mcnemar_exact(1, 7), 5)
    (0.07031, 0.07031)
    """
    sizes, counts = np.unique(np.abs(leads[leads != 0]), return_counts=True)
    total, observed = int(sizes @ counts), abs(int(leads.sum()))
    if observed == 0:
        return 1.0
    length = 2 * total + 1
    frequencies = 2 * np.pi * np.arange(total + 1) / length
    transform = np.ones(total + 1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        transform *= np.cos(frequencies * size) ** count
    chances = np.fft.irfft(transform, length)  # of the sums 0, 1, ..., T, -T, ..., -1
    return float(np.clip(chances[observed : length - observed + 1].sum(), 2.0 ** (1 - counts.sum()), 1.0))


def _chunks(rows: int, columns: int) -> list[int]:
    """Numbers of rows that add up to `rows`, each so that rows x columns stays within CELLS."""
    most = max(1, CELLS // columns)
    return [most] * (rows // most) + [rows % most] * (rows % most > 0)
