"""Macro F1: the mean F1 of the classes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, mean_over_classes
from keiki.metrics.confusion import counts
from keiki.metrics.f1 import f1_by_class


def macro_f1(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The mean F1 over the classes that have test items, each class counting the same.

    A class that is decided but has no test items does not enter the mean (scikit-learn counts it as 0).
    Source: Opitz and Burst 2019, "Macro F1 and Macro F1", arXiv:1911.03347.

    >>> import numpy as np
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    >>> round(macro_f1(np.array([0, 0, 1, 1]), p), 4)
    0.7333
    """
    return MACRO_F1.value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
    count = counts(labels, probabilities)

    def statistic(weights: Floats) -> Floats:
        found = count(weights)
        return mean_over_classes(f1_by_class(found), found.support > 0)

    return statistic


MACRO_F1 = METRICS.add("macro_f1")(
    Metric(name="macro_f1", help="mean F1 of the classes that have test items", prepare=_prepare)
)
