"""How often accepted answers are wrong, for every share that could be accepted: the risk-coverage curve.

Answers are accepted from the surest down. Source: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective
Classification"; the area under it: Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206, section 2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.evaluation.shares import share
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Floats, Labels, Probabilities, checked

MOST = 50  # points


@dataclass(frozen=True)
class RiskPoint:
    """Accepting from `threshold` on takes the share `coverage` of the items; `risk` (low to high) of them are wrong."""

    threshold: float
    coverage: float
    risk: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class RiskCoverage:
    """Points by rising coverage, the last one at 1; intervals are pointwise, at 95 %.

    aurc: area under the curve, the mean risk over all shares accepted. best: the area if every wrong answer were less
    sure than every right one, the least that so many wrong answers allow. n: items.
    """

    points: tuple[RiskPoint, ...]
    aurc: float
    best: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"points": [asdict(point) for point in self.points]}


def risk_coverage(probabilities: Probabilities, labels: Labels, groups: NDArray[Any] | None = None) -> RiskCoverage:
    """The curve of probabilities (N, C) and labels (N,), in at most 50 points.

    Items of equal top probability are accepted together; the area counts them as if in random order. Intervals are
    Wilson's; items in `groups` (N,) count as so many as `trials` says.

    >>> found = risk_coverage(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]), np.array([0, 0, 1, 0]))
    >>> [(point.coverage, round(point.risk, 3)) for point in found.points]
    [(0.25, 0.0), (0.5, 0.0), (0.75, 0.333), (1.0, 0.25)]
    >>> round(found.aurc, 4), round(found.best, 4)  # (0 + 0 + 1/3 + 1/4) / 4, and (0 + 0 + 0 + 1/4) / 4
    (0.1458, 0.0625)
    """
    labels, shares = checked(labels, probabilities)
    top, wrong = shares.max(axis=1), 1.0 - correct(labels, shares)
    n = len(top)
    descending = np.sort(top)[::-1]
    places = np.unique(-(-np.arange(1, MOST + 1) * n // MOST) - 1)
    thresholds = np.unique(descending[places])[::-1]
    points = tuple(_point(float(each), top, wrong, groups) for each in thresholds)
    return RiskCoverage(points, _area(top, wrong), _area(-wrong, wrong), n)


def _point(threshold: float, top: Floats, wrong: Floats, groups: NDArray[Any] | None) -> RiskPoint:
    at = np.flatnonzero(top >= threshold)
    found = share(wrong[at], None if groups is None else np.asarray(groups)[at])
    return RiskPoint(threshold, len(at) / len(top), found.value, found.low, found.high, len(at))


def _area(sureness: Floats, wrong: Floats) -> float:
    """Mean over k of the share wrong among the k surest, ties in random order."""
    _, number, counts = np.unique(-sureness, return_inverse=True, return_counts=True)
    expected = (np.bincount(number, weights=wrong) / counts)[np.sort(number)]
    return float((np.cumsum(expected) / np.arange(1, len(wrong) + 1)).mean())
