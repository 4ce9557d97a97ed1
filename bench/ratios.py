"""The arithmetic of the figures: medians of paired ratios and means of paired differences, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
FEWEST = 5  # pairs below which an interval would pretend to know more than it does
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval (None where there are too few measurements) and how many measurements it is from."""

    value: float
    low: float | None
    high: float | None
    n: int


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Median of ours / theirs over pairs; the interval resamples pairs.

    >>> median_ratio([1, 2, 30], [2, 2, 2]).value
    1.0
    """
    return _bootstrapped(_paired(ours) / _paired(theirs, len(ours)), _medians)


def mean_difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Mean of ours - theirs over pairs; the interval resamples pairs.

    >>> mean_difference([3.0, 5.0], [1.0, 1.0]).value
    3.0
    """
    return _bootstrapped(_paired(ours) - _paired(theirs, len(ours)), _means)


def median(values: Sequence[float]) -> Estimate:
    """Median of single measurements.

    >>> median([3, 1, 2]).value
    2.0
    """
    return _bootstrapped(_paired(values), _medians)


def mean(values: Sequence[float]) -> Estimate:
    """Mean of single measurements."""
    return _bootstrapped(_paired(values), _means)


def _paired(values: Sequence[float], n: int | None = None) -> Numbers:
    if not len(values) or (n is not None and len(values) != n):
        raise ValueError(f"pairs need as many values on both sides, and at least one; got {n} and {len(values)}")
    return np.asarray(values, dtype=np.float64)


def _bootstrapped(values: Numbers, statistic: Callable[[Numbers], Numbers]) -> Estimate:
    """The statistic and its percentile interval; always the same resamples, so the same cells give the same table."""
    value, n = float(statistic(values[None])[0]), len(values)
    if n < FEWEST:
        return Estimate(value, None, None, n)
    resampled = statistic(values[np.random.default_rng(0).integers(0, n, (RESAMPLES, n))])
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Estimate(value, float(low), float(high), n)


def _medians(rows: Numbers) -> Numbers:
    return np.median(rows, axis=1)


def _means(rows: Numbers) -> Numbers:
    return rows.mean(axis=1)
