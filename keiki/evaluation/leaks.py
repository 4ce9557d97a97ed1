"""What a test set says without the items that were also trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.evaluation.intervals import Interval
from keiki.evaluation.protocol import dependent, estimates
from keiki.metrics.base import Labels, Metric, Probabilities

FEWEST = 10  # items that must be left


def without(
    metric: Metric,
    labels: Labels,
    probabilities: Probabilities,
    leaked: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
) -> Interval | None:
    """The metric of the items (N,) that are not `leaked`, with its interval; None where too few are left, or where it
    has no value on them.

    >>> from keiki.metrics.base import METRICS
    >>> p, leaked = np.tile([0.9, 0.1], (40, 1)), np.arange(40) < 20
    >>> labels = np.repeat([0, 0, 1], [20, 10, 10])
    >>> without(METRICS.get("accuracy"), labels, p, leaked, rng=np.random.default_rng(0)).value
    0.5
    """
    kept = np.flatnonzero(~leaked)
    if len(kept) < max(FEWEST, metric.smallest):
        return None
    own = None if groups is None else dependent(np.asarray(groups)[kept])
    found = estimates([metric], labels[kept], probabilities[kept], rng=rng, groups=own)[metric.name]
    return found if np.isfinite([found.value, found.low, found.high]).all() else None
