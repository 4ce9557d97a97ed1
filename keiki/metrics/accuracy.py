"""Accuracy: the share of items decided right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, mean_of


def accuracy(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The share of items whose most probable class is the true one.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> accuracy(np.array([0, 1, 1, 1]), p)
    0.75
    >>> accuracy(np.array([0, 1, 1, 1]), p, weight=np.array([1, 2, 1, 0]))
    0.5
    """
    return ACCURACY.value(labels, probabilities, weight)


def correct(labels: Labels, probabilities: Probabilities) -> Floats:
    """1 where the decision is right, else 0: (N,)."""
    right: Floats = (np.argmax(probabilities, axis=1) == labels).astype(np.float64)
    return right


ACCURACY = METRICS.add("accuracy")(
    Metric(name="accuracy", help="share of items decided right", prepare=mean_of(correct), items=correct)
)
