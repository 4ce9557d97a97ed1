"""Which answers to accept without a look: the threshold on the top probability.

`predict` says 'accept' from this threshold on and 'check' below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import OptionError
from keiki.evaluation.intervals import Interval, clopper_pearson_low
from keiki.evaluation.shares import share, trials
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Labels, Probabilities, checked

SIZES = 20  # accepted shares tried: 5 %, 10 %, ... 100 %
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Acceptance:
    """What a threshold does on some items: the share accepted and the accuracy among them, both with Wilson's interval.

    `threshold` None: nothing is accepted, every answer is 'check'."""

    wanted: float
    threshold: float | None
    share: Interval
    accuracy: Interval | None
    n_accepted: int
    n: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "wanted": self.wanted,
            "threshold": self.threshold,
            "share": self.share.to_json(),
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "accepted": self.n_accepted,
            "n": self.n,
        }


@dataclass(frozen=True)
class GridPoint:
    """Accepting from `threshold` on takes the share `share` of the out-of-fold answers; of such answers at least
    `accuracy` are right, cautiously (the exact 90 % lower bound)."""

    threshold: float
    accuracy: float
    share: float


def accept_grid(
    probabilities: Probabilities, labels: Labels, groups: NDArray[Any] | None = None
) -> tuple[GridPoint, ...]:
    """What each of up to 20 thresholds keeps, the lowest (most accepted) first: 5 %, 10 %, ... 100 % accepted.

    Give out-of-fold probabilities: on training items every model looks right. The accuracy is the exact 90 % lower
    bound (Clopper and Pearson) among the accepted; items in `groups` (N,) count as so many as `trials` says.

    >>> [(point.threshold, point.share) for point in accept_grid(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 0]))]
    [(0.6, 1.0), (0.9, 0.5)]
    """
    labels, scores = checked(labels, probabilities)
    top, right = scores.max(axis=1), correct(labels, scores)
    places = -(-np.arange(1, SIZES + 1) * len(top) // SIZES) - 1
    grid = []
    for threshold in np.unique(np.sort(top)[::-1][places]):
        at = top >= threshold
        n = float(at.sum()) if groups is None else trials(right[at], np.asarray(groups)[at])
        cautious = clopper_pearson_low(float(right[at].mean()) * n, n, CONFIDENCE)
        grid.append(GridPoint(float(threshold), cautious, float(at.mean())))
    return tuple(grid)


def lowest(grid: Sequence[GridPoint], wanted: float) -> float | None:
    """The lowest threshold of the grid that keeps the wanted accuracy, cautiously; None where none does.

    >>> lowest((GridPoint(0.6, 0.8, 1.0), GridPoint(0.9, 0.97, 0.5)), 0.95)
    0.9
    """
    if not 0 < wanted < 1:
        raise OptionError(f"The wanted accuracy must lie between 0 and 1, but got {wanted:g}.", hint="Example: 0.95")
    return min((point.threshold for point in grid if point.accuracy >= wanted), default=None)


def accept_threshold(
    probabilities: Probabilities, labels: Labels, wanted: float = 0.95, groups: NDArray[Any] | None = None
) -> Acceptance:
    """The lowest threshold at which the accepted items are right at least as often as `wanted`, cautiously.

    It is `lowest` of the `accept_grid`. So 'accept' needs at least 45 right answers without a mistake for 95 %. The
    best of 20 is taken without a correction: accepted sets are nested, and in simulations with 150 to 1,000 items the
    true accuracy fell short in at most 6 % of the cases. Where no threshold passes, `threshold` is None.
    Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks", section 3 (simplified).

    >>> sure = np.tile([0.99, 0.01], (60, 1))
    >>> unsure = np.tile([0.6, 0.4], (60, 1))
    >>> found = accept_threshold(np.concatenate([sure, unsure]), np.repeat([0, 1], 60))
    >>> found.threshold, found.share.value
    (0.99, 0.5)
    >>> accept_threshold(unsure, np.repeat([0, 1], 30)).threshold is None
    True
    """
    threshold = lowest(accept_grid(probabilities, labels, groups), wanted)
    return accepted(probabilities, labels, threshold, wanted, groups)


def accepted(
    probabilities: Probabilities,
    labels: Labels,
    threshold: float | None,
    wanted: float = 0.95,
    groups: NDArray[Any] | None = None,
    unfamiliar: NDArray[np.bool_] | None = None,
) -> Acceptance:
    """What a threshold that was fixed before does on these items: share accepted, and accuracy among them (Wilson).

    unfamiliar (N,): items that are never accepted, however high their probability.

    >>> accepted(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 0]), threshold=0.8).share.value
    0.5
    """
    labels, scores = checked(labels, probabilities)
    top, right = scores.max(axis=1), correct(labels, scores)
    taken = np.zeros(len(top)) if threshold is None else (top >= threshold).astype(np.float64)
    if unfamiliar is not None:
        taken[unfamiliar] = 0.0
    at = np.flatnonzero(taken)
    accuracy = share(right[at], None if groups is None else np.asarray(groups)[at]) if len(at) else None
    return Acceptance(wanted, threshold, share(taken, groups), accuracy, len(at), len(top))
