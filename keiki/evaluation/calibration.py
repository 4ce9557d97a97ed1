"""The bins of a reliability diagram: how often what is said with a certainty is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.evaluation.intervals import Interval
from keiki.evaluation.shares import share
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Labels, Probabilities, checked
from keiki.metrics.ece import equal_mass_bins


@dataclass(frozen=True)
class Bin:
    """Items of about equal top probability: its range and mean, and how many of them are right."""

    low: float
    high: float
    confidence: float
    accuracy: Interval
    n: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
            "accuracy": self.accuracy.to_json(),
            "n": self.n,
        }


def reliability(
    probabilities: Probabilities, labels: Labels, groups: NDArray[Any] | None = None, n_bins: int | None = None
) -> list[Bin]:
    """Bins of equal mass along the top probability, for a reliability diagram: up to 10, of 10 items or more.

    Intervals are Wilson's; with `groups` (N,) the number of groups in a bin stands for its number of items.

    >>> low, high = reliability(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), n_bins=2)
    >>> low.confidence, low.accuracy.value, high.accuracy.value
    (0.6, 0.0, 1.0)
    """
    labels, scores = checked(labels, probabilities)
    top, right = scores.max(axis=1), correct(labels, scores)
    bins = equal_mass_bins(top, n_bins or max(1, min(10, len(labels) // 10)))
    members = [np.flatnonzero(bins == each) for each in np.unique(bins)]
    return [
        Bin(
            float(top[at].min()),
            float(top[at].max()),
            float(top[at].mean()),
            share(right[at], None if groups is None else np.asarray(groups)[at]),
            len(at),
        )
        for at in members
    ]
