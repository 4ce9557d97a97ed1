"""Balanced accuracy: the mean recall of the classes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide, mean_over_classes
from keiki.metrics.confusion import counts


def balanced_accuracy(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The mean over classes with test items of the share of their items decided right.

    Source: Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", section 2.

    >>> import numpy as np
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    >>> round(balanced_accuracy(np.array([0, 0, 1, 1]), p), 2)
    0.75
    """
    return BALANCED_ACCURACY.value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        return mean_over_classes(divide(found.right, found.support), found.support > 0)

    return statistic


BALANCED_ACCURACY = METRICS.add("balanced_accuracy")(
    Metric(name="balanced_accuracy", help="mean recall of the classes that have test items", prepare=_prepare)
)
