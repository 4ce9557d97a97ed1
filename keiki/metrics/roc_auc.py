"""Area under the ROC curve, one class against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide, mean_over_classes


def roc_auc(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The chance that an item of a class gets a higher probability for it than an item of another class.

    Ties count one half; the mean runs over the classes that have test items. Undefined where all are of one class.
    Sources: Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve"; Provost and Domingos 2000,
    "Well-trained PETs" (one against the rest; there weighted by class size, here each class counts the same).

    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
    >>> roc_auc(np.array([0, 0, 1, 1]), p)
    0.75
    """
    return ROC_AUC.value(labels, probabilities, weight)


def _prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
    classes = [_one_class(labels == k, probabilities[:, k]) for k in np.unique(labels)]

    def statistic(weights: Floats) -> Floats:
        areas = np.stack([area(weights) for area in classes], axis=1)  # (R, classes with items)
        return mean_over_classes(areas, ~np.isnan(areas))

    return statistic


def _one_class(is_class: NDArray[np.bool_], scores: Probabilities) -> Statistic:
    """The weighted Mann-Whitney statistic of one class against the rest, NaN where one side has no weight.

    Sorted once. The rest is then summed only between the cuts where an item of the class stands, because what lies
    between two cuts counts alike: that makes a resample cost one addition an item.
    """
    inside, outside = np.flatnonzero(is_class), np.flatnonzero(~is_class)
    outside = outside[np.argsort(scores[outside], kind="stable")]
    below = np.searchsorted(scores[outside], scores[inside], side="left")
    up_to = np.searchsorted(scores[outside], scores[inside], side="right")
    cuts = np.unique(np.concatenate([[0], below, up_to]))
    cuts = cuts[cuts < len(outside)]
    below, up_to = np.searchsorted(cuts, below), np.searchsorted(cuts, up_to)

    def area(weights: Floats) -> Floats:
        own = np.take(weights, inside, axis=1)
        if not len(outside):
            return np.full(len(weights), np.nan)
        rest = np.zeros((len(weights), len(cuts) + 1))  # weight of the rest below each cut, then all of it
        np.cumsum(np.add.reduceat(np.take(weights, outside, axis=1), cuts, axis=1), axis=1, out=rest[:, 1:])
        beaten = (np.take(rest, below, axis=1) + np.take(rest, up_to, axis=1)) / 2
        return divide(np.einsum("rn,rn->r", own, beaten), own.sum(axis=1) * rest[:, -1])

    return area


ROC_AUC = METRICS.add("roc_auc")(
    Metric(
        name="roc_auc",
        help="area under the ROC curve, one class against the rest, mean over classes",
        prepare=_prepare,
        needs="probabilities",
        undefined="It needs items of at least two classes.",
    )
)
