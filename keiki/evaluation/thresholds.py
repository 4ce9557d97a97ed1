"""Which answers to accept without a look: the threshold on the top probability.

`predict` says 'accept' from this threshold on and 'check' below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import OptionError
from keiki.evaluation.intervals import Interval, clopper_pearson_low, share
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Floats, Labels, Probabilities, checked

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


def accept_threshold(
    probabilities: Probabilities, labels: Labels, wanted: float = 0.95, groups: NDArray[Any] | None = None
) -> Acceptance:
    """The lowest threshold at which the accepted items are right at least as often as `wanted`, cautiously.

    Give out-of-fold probabilities: on training items every model looks right. Tried are the thresholds that accept 5 %,
    10 %, ... 100 % of the items; one passes when the exact 90 % lower bound (Clopper and Pearson) of the accuracy among
    the accepted reaches `wanted`; with `groups` (N,) the number of groups stands for that of items. So 'accept' needs
    at least 45 right answers without a mistake for 95 %. The best of 20 is taken without a correction: accepted sets
    are nested, and in simulations with 150 to 1,000 items the true accuracy fell short in at most 6 % of the cases.
    Where no threshold passes, `threshold` is None.
    Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks", section 3 (simplified).

    >>> sure = np.tile([0.99, 0.01], (60, 1))
    >>> unsure = np.tile([0.6, 0.4], (60, 1))
    >>> found = accept_threshold(np.concatenate([sure, unsure]), np.repeat([0, 1], 60))
    >>> found.threshold, found.share.value
    (0.99, 0.5)
    >>> accept_threshold(unsure, np.repeat([0, 1], 30)).threshold is None
    True
    """
    if not 0 < wanted < 1:
        raise OptionError(f"The wanted accuracy must lie between 0 and 1, but got {wanted}.", hint="Example: 0.95")
    labels, scores = checked(labels, probabilities)
    top, right = scores.max(axis=1), correct(labels, scores)
    places = -(-np.arange(1, SIZES + 1) * len(top) // SIZES) - 1
    for threshold in np.unique(np.sort(top)[::-1][places]):  # the lowest first: most accepted
        at = top >= threshold
        trials = int(at.sum()) if groups is None else len(np.unique(np.asarray(groups)[at]))
        if clopper_pearson_low(float(right[at].mean()) * trials, trials, CONFIDENCE) >= wanted:
            return _acceptance(top, right, float(threshold), wanted, groups)
    return _acceptance(top, right, None, wanted, groups)


def accepted(
    probabilities: Probabilities,
    labels: Labels,
    threshold: float | None,
    wanted: float = 0.95,
    groups: NDArray[Any] | None = None,
) -> Acceptance:
    """What a threshold that was fixed before does on these items: share accepted, and accuracy among them (Wilson).

    >>> accepted(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 0]), threshold=0.8).share.value
    0.5
    """
    labels, scores = checked(labels, probabilities)
    return _acceptance(scores.max(axis=1), correct(labels, scores), threshold, wanted, groups)


def _acceptance(
    top: Floats, right: Floats, threshold: float | None, wanted: float, groups: NDArray[Any] | None
) -> Acceptance:
    taken = np.zeros(len(top)) if threshold is None else (top >= threshold).astype(np.float64)
    at = np.flatnonzero(taken)
    accuracy = share(right[at], None if groups is None else np.asarray(groups)[at]) if len(at) else None
    return Acceptance(wanted, threshold, share(taken, groups), accuracy, len(at), len(top))
