"""Precision of one class."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide
from keiki.metrics.confusion import counts


def precision(
    labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None, *, positive: int = 1
) -> float:
    """The share of items decided to be `positive` that are; undefined where none is decided so.

    >>> import numpy as np
    >>> p = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    >>> precision(np.array([1, 0, 1]), p)
    0.5
    """
    return PRECISION.bind(positive).value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities, positive: int = 1) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        return divide(found.right[:, positive], found.decided[:, positive])

    return statistic


PRECISION = METRICS.add("precision")(
    Metric(
        name="precision",
        help="share of the items decided to be of the positive class that are",
        prepare=_prepare,
        wants_positive=True,
        undefined="No item is decided to be of the positive class.",
    )
)
