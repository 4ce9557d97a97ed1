"""Brier score: the mean squared distance of the probabilities from the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, mean_of


def brier(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """The mean over items of the *sum* over classes of (p - truth)^2; lower is better, 0 to 2.

    This is Brier's own form: with two classes it is twice the form that looks at one class only.
    Source: Brier 1950, "Verification of forecasts expressed in terms of probability", eq. 2.

    >>> round(brier(np.array([0]), np.array([[0.8, 0.2]])), 2)
    0.08
    """
    return BRIER.value(labels, probabilities, weight)


def squared_distance(labels: Labels, probabilities: Probabilities) -> Floats:
    """Sum over classes of (p - truth)^2 for each item: (N,)."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    length: Floats = np.einsum("nc,nc->n", probabilities, probabilities, dtype=np.float64)
    return length - 2 * true + 1  # |p - onehot|^2


BRIER = METRICS.add("brier")(
    Metric(
        name="brier",
        help="mean over items of the sum over classes of (p - truth)^2, 0 to 2",
        prepare=mean_of(squared_distance),
        items=squared_distance,
        higher_is_better=False,
        needs="probabilities",
        limits=(0.0, 2.0),
    )
)
