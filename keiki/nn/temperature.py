"""The temperature at which logits mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.metrics.base import Floats, Labels
from keiki.nn.softmax import cross_entropy_per_item

COLDEST, HOTTEST = 0.05, 20.0  # outside, the logits say nothing (separable, or no better than chance)


def fit_temperature(logits: NDArray[np.floating[Any]], labels: Labels, unseen: float = 1.0) -> float:
    """The temperature T in [0.05, 20] at which softmax(logits / T) has the least log loss on these items and one error.

    Fit it on out-of-fold logits (N, C): on training items it comes out too cold. `unseen`: errors that nobody has seen
    yet. One is Laplace's, (errors + 1) / (N + 2): each item counts for its own class with 1 - 1 / (N + 2), for the
    others with the rest; without it, logits that separate a few items would be taken for certain. The loss is convex in
    1 / T, so its slope has one root, found by Newton steps kept inside a bracket. Logarithms of probabilities do, too.
    Sources: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2; Platt 1999,
    "Probabilistic Outputs for Support Vector Machines", section 2.2, for targets short of 1.

    >>> logits = np.log(np.array([[0.9, 0.1]] * 8))
    >>> t = fit_temperature(logits, np.array([0] * 7 + [1]))  # says 90 %, counts as right in 80 %: T = ln 9 / ln 4
    >>> round(t, 4)
    1.585
    """
    scores = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels) or not np.isfinite(scores).all():
        raise DataError(
            f"A temperature needs finite logits (N, C) and labels (N,), but got {scores.shape}, {labels.shape}."
        )
    margins = scores - scores[np.arange(len(labels)), labels][:, None]  # (N, C) lead of each class over the true one
    target = unseen * _one_error(margins)
    cold, hot = 1 / COLDEST, 1 / HOTTEST
    if _slope(margins, hot)[0] >= target:
        return HOTTEST
    if _slope(margins, cold)[0] <= target:
        return COLDEST
    return 1 / _newton(margins, target, hot, cold)


def with_temperature(logits: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """softmax(logits / T): (N, C).

    >>> with_temperature(np.array([[0.0, 0.0]]), 2.0).tolist()
    [[0.5, 0.5]]
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers: Floats = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def calibrated_losses(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Floats:
    """Log loss (N,) of logits (N, C) at the temperature that is best for these items.

    >>> calibrated_losses(np.array([[9.0, 0.0]] * 8), np.array([0] * 8)).round(3).tolist()  # nine of ten, by Laplace
    [0.105, 0.105, 0.105, 0.105, 0.105, 0.105, 0.105, 0.105]
    """
    return cross_entropy_per_item(logits / fit_temperature(logits, labels), labels)


def _one_error(margins: Floats) -> float:
    """What one unseen error adds to the slope: its share, times the mean lead of the wrong classes."""
    n, others = len(margins), max(1, int(margins.shape[1]) - 1)
    return float(margins.sum()) / (n * others * (n + 2))  # the true class leads itself by 0


def _newton(margins: Floats, target: float, hot: float, cold: float) -> float:
    """The inverse temperature between `hot` and `cold` where the slope of the log loss is `target`."""
    inverse = min(max(1.0, hot), cold)
    for _ in range(100):
        slope, curve = _slope(margins, inverse)
        slope -= target
        hot, cold = (inverse, cold) if slope < 0 else (hot, inverse)
        step = inverse - slope / curve if curve > 0 else np.inf
        following = step if hot < step < cold else (hot * cold) ** 0.5
        if abs(following - inverse) <= 1e-12 * inverse:
            return following
        inverse = following
    return inverse


def _slope(margins: Floats, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean log loss in the inverse temperature."""
    share = with_temperature(margins, 1 / inverse)
    mean = np.einsum("nc,nc->n", share, margins)
    square = np.einsum("nc,nc,nc->n", share, margins, margins)
    return float(mean.mean()), float((square - mean**2).mean())
