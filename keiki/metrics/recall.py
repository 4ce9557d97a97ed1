"""Recall of one class."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide
from keiki.metrics.confusion import counts


def recall(
    labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None, *, positive: int = 1
) -> float:
    """The share of the items of class `positive` that are decided so; undefined where there are none.

    >>> import numpy as np
    >>> p = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    >>> recall(np.array([1, 0, 1]), p)
    0.5
    """
    return RECALL.bind(positive).value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities, positive: int = 1) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        return divide(found.right[:, positive], found.support[:, positive])

    return statistic


RECALL = METRICS.add("recall")(
    Metric(
        name="recall",
        help="share of the items of the positive class that are found",
        prepare=_prepare,
        wants_positive=True,
        undefined="No item is of the positive class.",
    )
)
