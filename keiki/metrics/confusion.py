"""Who is taken for whom: the confusion matrix, and the three counts that precision, recall and F1 are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import Floats, Labels, Probabilities, checked


def confusion(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """Counts (C, C): row = true class, column = decided class.

    >>> confusion(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])).tolist()
    [[1, 1], [0, 1]]
    """
    labels, scores = checked(labels, probabilities)
    n_classes = scores.shape[1]
    cells = labels.astype(np.int64) * n_classes + np.argmax(scores, axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class Counts:
    """Weights by class, each (R, C): decided right, truly of the class, decided to be of the class."""

    right: Floats
    support: Floats
    decided: Floats


def counts(labels: Labels, probabilities: Probabilities) -> Callable[[Floats], Counts]:
    """The three counts as a function of item weights (R, N)."""
    decisions = np.argmax(probabilities, axis=1)
    n_classes = probabilities.shape[1]
    right = _class_sums(labels, n_classes, decisions == labels)
    support = _class_sums(labels, n_classes)
    decided = _class_sums(decisions, n_classes)
    return lambda weights: Counts(right(weights), support(weights), decided(weights))


def _class_sums(
    index: NDArray[Any], n_classes: int, keep: NDArray[np.bool_] | None = None
) -> Callable[[Floats], Floats]:
    """Weights (R, N) -> their sums over the kept items of each class (R, C), by sorting the items once."""
    chosen = np.arange(len(index)) if keep is None else np.flatnonzero(keep)
    order = chosen[np.argsort(index[chosen], kind="stable")]
    present, starts = np.unique(index[order], return_index=True)

    def sums(weights: Floats) -> Floats:
        total = np.zeros((len(weights), n_classes))
        if len(order):
            total[:, present] = np.add.reduceat(np.take(weights, order, axis=1), starts, axis=1)
        return total

    return sums
