"""Log loss: the mean surprise at the true class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, mean_of

SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 counts as 2.2e-16, so a loss is at most 36.04 nats


def log_loss(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The mean of -ln p(true class), in nats; lower is better, ln C is what equal probabilities get.

    Source: Good 1952, "Rational Decisions".

    >>> round(log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])), 4)
    1.0397
    """
    return LOG_LOSS.value(labels, probabilities, weight)


def surprise(labels: Labels, probabilities: Probabilities) -> Floats:
    """-ln p(true class) of each item, in nats: (N,)."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(true, SMALLEST, 1.0))


LOG_LOSS = METRICS.add("log_loss")(
    Metric(
        name="log_loss",
        help="mean of -ln p(true class), in nats",
        prepare=mean_of(surprise),
        items=surprise,
        higher_is_better=False,
        needs="probabilities",
        limits=(0.0, -float(np.log(SMALLEST))),
    )
)
