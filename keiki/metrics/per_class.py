"""Precision, recall, F1 and support of every class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.metrics.base import Labels, Probabilities, checked
from keiki.metrics.confusion import counts
from keiki.metrics.f1 import f1_by_class


@dataclass(frozen=True)
class ClassScores:
    """One class: None stands where nothing can be said (recall without items, precision without decisions)."""

    index: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    decided: int
    right: int


def per_class(labels: Labels, probabilities: Probabilities) -> list[ClassScores]:
    """The scores of all C classes, in their order.

    >>> first, second = per_class(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    >>> first.recall, first.support, second.recall
    (1.0, 2, None)
    """
    labels, scores = checked(labels, probabilities)
    found = counts(labels, scores)(np.ones((1, len(labels))))
    right, support, decided = (array[0].astype(int).tolist() for array in (found.right, found.support, found.decided))
    f1s = f1_by_class(found)[0]
    return [
        ClassScores(
            index=k,
            precision=right[k] / decided[k] if decided[k] else None,
            recall=right[k] / support[k] if support[k] else None,
            f1=float(f1s[k]) if support[k] else None,
            support=support[k],
            decided=decided[k],
            right=right[k],
        )
        for k in range(scores.shape[1])
    ]
