"""Weighted F1: the mean F1 of the classes, each weighted by its number of test items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide
from keiki.metrics.confusion import counts
from keiki.metrics.f1 import f1_by_class


def weighted_f1(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """Sum over classes of (share of the test items) x F1.

    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    >>> round(weighted_f1(np.array([0, 0, 0, 1]), p), 2)
    1.0
    """
    return WEIGHTED_F1.value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        scores = np.where(found.support > 0, f1_by_class(found), 0.0)
        return divide((scores * found.support).sum(axis=1), found.support.sum(axis=1))

    return statistic


WEIGHTED_F1 = METRICS.add("weighted_f1")(
    Metric(name="weighted_f1", help="mean F1, each class weighted by its number of test items", prepare=_prepare)
)
