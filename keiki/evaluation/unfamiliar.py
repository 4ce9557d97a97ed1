"""Is an item like those that the model learned from: a distance, and the threshold from which it is called unfamiliar.

The threshold comes from items that the distance was not fitted on, and says what it costs: of items like the training
items, about `expected` are called unfamiliar all the same. Among n such items the k-th smallest distance is exceeded by
one more item with chance (n + 1 - k) / (n + 1) exactly, whatever the distances' distribution.
Source: Bates et al. 2023, "Testing for outliers with conformal p-values", arXiv:2104.08279, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.evaluation.shares import independent_groups
from keiki.nn.gaussians import Gaussians
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, IntArray

FALSE_ALARMS = 0.01  # share of familiar items that may be called unfamiliar; more where few items tell


@dataclass(frozen=True)
class Yardstick:
    """A distance, the threshold above which an item is unfamiliar, and what is known of that threshold.

    expected: share of items like the training items that lie above it. n: independent items (or groups) that it was
    found on.
    """

    gaussians: Gaussians
    threshold: float
    expected: float
    n: int

    def distances(self, features: DenseFeatures) -> FloatArray:
        """The distance of each item, (N, D) -> (N,)."""
        return self.gaussians.distances(features)


def cross_fitted(
    features: DenseFeatures, labels: IntArray, folds: IntArray, groups: NDArray[Any] | None = None, *, unit: bool
) -> Yardstick:
    """The yardstick of frozen features (N, D) with classes (N,): its threshold from cross-fitted distances.

    unit: see `Gaussians.fit`. folds (N,): each item is measured by Gaussians of the other folds; the ones that are kept
    are fitted on all items. groups (N,): items that belong together, whole inside folds; they count as so many items
    as there are `independent_groups`.
    """
    if len(np.unique(folds)) < 2:
        raise DataError("A threshold for unfamiliar items needs two folds at least; one came.", hint="Add items.")
    distances = np.empty(len(labels))
    for fold in np.unique(folds):
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        distances[held] = Gaussians.fit(features[rest], labels[rest], unit=unit).distances(features[held])
    return Yardstick(Gaussians.fit(features, labels, unit=unit), *alarm_threshold(distances, groups))


def held_out(
    features: DenseFeatures, labels: IntArray, held: NDArray[np.bool_], groups: NDArray[Any] | None = None
) -> Yardstick:
    """The yardstick of a network that was trained on all items but the `held` (N,): those alone give the threshold.

    A network pulls the items that it learns from together, so that each new item looks far beside them.
    """
    if held.all() or not held.any():
        raise DataError(f"Of {len(held)} items, {int(held.sum())} are held out; some must be, and not all.")
    gaussians = Gaussians.fit(features[~held], labels[~held], unit=True)
    distances = gaussians.distances(features[held])
    return Yardstick(gaussians, *alarm_threshold(distances, None if groups is None else np.asarray(groups)[held]))


def alarm_threshold(distances: FloatArray, groups: NDArray[Any] | None = None) -> tuple[float, float, int]:
    """Threshold, expected share above it, and number of independent items, from distances (N,) of familiar items.

    The share is FALSE_ALARMS, or what so few items can tell: 1 / (n + 1), the chance to lie above the largest of n.

    >>> alarm_threshold(np.arange(1.0, 200.0))  # the 198th of 199: two of 200 places lie above it
    (198.0, 0.01, 199)
    >>> alarm_threshold(np.array([5.0, 1.0, 3.0]))
    (5.0, 0.25, 3)
    """
    n = len(distances)
    units = n if groups is None else independent_groups(groups)
    above = max(1, int(FALSE_ALARMS * (units + 1) + 1e-9))  # of units + 1 places
    rank = -(-(units + 1 - above) * n // units)  # with groups, the same share of the items
    return float(np.sort(distances)[rank - 1]), above / (units + 1), units
