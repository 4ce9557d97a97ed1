"""F1 of one class, its mean over classes, and its mean over items' classes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide
from keiki.metrics.confusion import Counts, counts


def f1(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None, *, positive: int = 1) -> float:
    """2 TP / (2 TP + FP + FN) of the class `positive`; undefined where no item is of that class.

    Source: van Rijsbergen 1979, "Information Retrieval", chapter 7.

    >>> import numpy as np
    >>> p = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    >>> f1(np.array([1, 0, 1, 0]), p)
    0.5
    """
    return F1.bind(positive).value(labels, probabilities, weight)


def f1_by_class(found: Counts) -> Floats:
    """F1 of every class (R, C); NaN for a class that is neither there nor ever decided."""
    return divide(2 * found.right, found.support + found.decided)


def _prepare(labels: Labels, probabilities: Probabilities, positive: int = 1) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        support = found.support[:, positive]
        return divide(2 * found.right[:, positive], (support + found.decided[:, positive]) * (support > 0))

    return statistic


F1 = METRICS.add("f1")(
    Metric(
        name="f1",
        help="2 TP / (2 TP + FP + FN) of the positive class",
        prepare=_prepare,
        wants_positive=True,
        undefined="No item is of the positive class.",
    )
)
