"""Shares of items that are decided right, and the mean of such shares over classes: score intervals, not resampled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.evaluation.intervals import Interval, wilson

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile of LEVEL


def share(hits: NDArray[np.float64], groups: NDArray[Any] | None = None) -> Interval:
    """Wilson's 95 % interval of the mean of `hits` (N,), each 0 or 1; `groups` (N,) tells which items hang together.

    Up to three hits (or misses) Wilson's outer end misses too often; there it is the Poisson limit of Brown, Cai and
    DasGupta 2001, "Interval estimation for a binomial proportion", section 4.1.1.
    Items in groups count as so many as `trials` says.

    >>> share(np.array([1.0, 1.0, 1.0, 0.0])).value
    0.75
    >>> alike = np.repeat([1, 1, 1, 1, 0, 1, 1, 1, 0, 1], 5)
    >>> share(alike * 1.0).width < share(alike * 1.0, np.repeat(np.arange(10), 5)).width
    True
    """
    value = float(np.mean(hits))
    n = float(len(hits)) if groups is None else trials(hits, groups)
    return _widened(wilson(value * n, n, LEVEL), n)


def mean_recall(labels: NDArray[np.integer[Any]], hits: NDArray[np.float64]) -> Interval:
    """The mean over the classes in `labels` (N,) of their shares of `hits` (N,), from the classes' own intervals.

    Its distance to an end is the root of the summed squares of theirs, over the number of classes. So a rare class of
    which nothing was missed by luck widens it, as in no resample. Source: Zou and Donner 2008, "Construction of
    confidence limits about effect measures: a general approach" (MOVER).

    >>> found = mean_recall(np.repeat([0, 1], [100, 8]), np.ones(108))
    >>> found.value, round(found.low, 2)
    (1.0, 0.84)
    """
    shares = [share(hits[labels == one]) for one in np.unique(labels)]
    value = sum(one.value for one in shares) / len(shares)
    below = math.hypot(*(one.value - one.low for one in shares)) / len(shares)
    above = math.hypot(*(one.high - one.value for one in shares)) / len(shares)
    return Interval(value, value - below, value + above).within(0.0, 1.0)


def independent_groups(groups: NDArray[Any]) -> int:
    """How many groups of equal size tell as much as these: N^2 over the sum of squared sizes, rounded down.

    It is at most the number of groups, and less where a few hold most of the items. Source: Kish 1965, "Survey
    Sampling", section 8.2.

    >>> [independent_groups(np.array(list(names))) for names in ("aabb", "aaab")]
    [2, 1]
    """
    return int(_equally_large(np.unique(groups, return_counts=True)[1]) + 1e-9) if len(groups) else 0


def trials(hits: NDArray[np.float64], groups: NDArray[Any]) -> float:
    """How many independent items tell as much of the share of `hits` (N,) as these items in `groups` (N,).

    N over the design effect 1 + (m - 1) r, with m the mean group size that an item sees and r how strongly the items of
    a group agree (`_agreement`); less what t wants beyond the normal quantile for so few groups. Between 0 and N.
    Sources: Kish 1965, "Survey Sampling", section 5.4; Korn and Graubard 1998, "Confidence intervals for proportions
    with small expected number of positive counts", for t.

    >>> trials(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])) < 2
    True
    """
    from scipy.special import stdtrit

    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, independent = len(hits), _equally_large(sizes)
    if len(sizes) == n:
        return float(n)
    if float(np.mean(hits)) in (0.0, 1.0):
        return independent
    effect = 1 + (n / independent - 1) * _agreement(
        np.bincount(group, weights=hits).astype(np.float64), sizes, independent
    )
    return n / effect * (Z / float(stdtrit(max(1.0, independent - 1), (1 + LEVEL) / 2))) ** 2


def _equally_large(sizes: NDArray[np.int64]) -> float:
    return float(sizes.sum() ** 2 / np.sum(sizes.astype(np.float64) ** 2))


def _agreement(hits: NDArray[np.float64], sizes: NDArray[np.int64], independent: float) -> float:
    """The intraclass correlation, 0 to 1, of groups with `hits` (G,) among `sizes` (G,) items; 1 where all agree.

    1 less the chance that two items of a group differ over the chance that any two do. Few groups that differ say
    little, so it is drawn toward 1, as strongly as one of the groups' 2 u p (1 - p). Source: Fleiss and Cuzick 1979,
    "The reliability of dichotomous judgments: unequal numbers of judges per subject".
    """
    several = sizes > 1
    hit, size = hits[several], sizes[several]
    value = float(hits.sum() / sizes.sum())
    differ = 2 * independent * value * (1 - value)
    within = float(np.sum(hit * (size - hit) / (size - 1)) / size.sum())
    found = min(1.0, max(0.0, 1 - within / (value * (1 - value))))
    return (differ * found + 1) / (differ + 1)


def _widened(found: Interval, n: float) -> Interval:
    """The interval with Poisson's limit for its outer end where hits or misses are few."""
    from scipy.special import gammaincinv

    few = (2 if n <= 50 else 3) + 1e-9
    hits, misses = found.value * n, (1 - found.value) * n
    low, high = found.low, found.high
    if 0 < hits <= min(few, misses):
        low = min(low, float(gammaincinv(hits, 1 - LEVEL)) / n)
    if 0 < misses <= min(few, hits):
        high = max(high, 1 - float(gammaincinv(misses, 1 - LEVEL)) / n)
    return Interval(found.value, low, high)
