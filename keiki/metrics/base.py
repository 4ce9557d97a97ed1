"""What a metric is, and the table of all of them.

A metric looks at labels (N,) and class probabilities (N, C); the decision is the most probable class, the first one of
equals. It is written once, over a matrix of item weights (R, N), and so costs one pass for a thousand bootstrap
resamples: `statistic` sorts and compares once, and the function that it returns only adds weights up.

Classes without test items: a mean over classes runs over the classes that have items (weight above 0), so that a class
which nobody could test neither helps nor hurts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError, RequestError, UnknownName
from keiki.core.registry import Registry

Labels = NDArray[np.integer[Any]]  # (N,) index of the true class
Probabilities = NDArray[np.floating[Any]]  # (N, C) rows add up to 1
Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # weights (R, N) -> one value a resample (R,); NaN where it is undefined
Prepare = Callable[..., Statistic]  # (labels, probabilities) -> statistic
PerItem = Callable[[Labels, Probabilities], Floats]  # -> (N,)


class UndefinedMetric(DataError):
    """The metric has no value on these items; no number is made up."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: how to compute it, which way is better, and between which limits it lies.

    `items` gives one value an item where the metric is their mean. A metric with `wants_positive` judges one class:
    `bind` it to that class's index first (unbound, class 1 of two is taken).
    """

    name: str
    help: str
    prepare: Prepare
    items: PerItem | None = None
    higher_is_better: bool = True
    needs: Literal["labels", "probabilities"] = "labels"
    limits: tuple[float, float] = (0.0, 1.0)
    smallest: int = 1  # fewest items on which the value means anything
    wants_positive: bool = False
    undefined: str = "No item has a weight above 0."

    @property
    def per_item(self) -> bool:
        """Whether the metric is a mean of one value an item."""
        return self.items is not None

    def statistic(self, labels: Labels, probabilities: Probabilities) -> Statistic:
        """The metric as a function of item weights (R, N) -> (R,), for bootstraps and jackknives."""
        return self.prepare(*checked(labels, probabilities))

    def value(self, labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
        """The metric of these items, each counted `weight` (N,) times; raises UndefinedMetric where it has no value."""
        weights = np.ones((1, len(labels))) if weight is None else np.asarray(weight, dtype=np.float64)[None]
        value = float(self.statistic(labels, probabilities)(weights)[0])
        if np.isnan(value):
            raise UndefinedMetric(
                f"Metric '{self.name}' is undefined on these {len(labels)} items.", hint=self.undefined
            )
        return float(np.clip(value, *self.limits))

    def bind(self, positive: int) -> Metric:
        """The same metric for the class of index `positive`; other metrics stay as they are."""
        if not self.wants_positive:
            return self
        return replace(self, prepare=partial(self.prepare, positive=positive), wants_positive=False)


METRICS: Registry[Metric] = Registry("metric", "keiki.metrics")


def named(name: str, classes: Sequence[str], positive: str | None = None) -> Metric:
    """The metric called `name`, bound to the class `positive` where it judges one class.

    Raises UnknownName for an unknown metric or class, RequestError where a positive class is needed and none is given.
    """
    metric = METRICS.get(name)
    if positive is not None and positive not in classes:
        raise UnknownName("class", positive, classes)
    if not metric.wants_positive:
        if positive is not None:
            raise RequestError(
                f"Metric '{name}' judges all classes alike; a positive class means nothing to it.",
                hint="Leave out --positive, or use --metric f1, precision or recall.",
            )
        return metric
    if positive is None:
        raise RequestError(
            f"Metric '{name}' judges one class, and none is named.",
            hint=f"Add --positive CLASS (one of {', '.join(classes)}), or use --metric macro_f1.",
        )
    return metric.bind(list(classes).index(positive))


def mean_of(items: PerItem) -> Prepare:
    """The statistic of a metric that is the mean of one value an item."""

    def prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
        values = items(labels, probabilities)
        return lambda weights: divide(weights @ values, weights.sum(axis=1))

    return prepare


def checked(labels: Labels, probabilities: Probabilities) -> tuple[Labels, Floats]:
    """Both as arrays; raises DataError where their shapes, classes or numbers do not fit each other."""
    labels, scores = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise DataError(f"A metric needs labels (N,) and probabilities (N, C), but got {labels.shape}, {scores.shape}.")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise DataError(
            f"Labels run from {labels.min()} to {labels.max()}, but there are only {scores.shape[1]} classes.",
            hint="Leave out the items whose class the model does not know.",
        )
    if not np.isfinite(scores).all() or scores.min() < 0:
        raise DataError("Probabilities must be finite numbers, not below 0.", hint="Give probabilities, not logits.")
    return labels, scores


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, NaN where the denominator is 0 (undefined, and never a made-up 0 or 1)."""
    unknown: Floats = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=unknown, where=denominator > 0)


def mean_over_classes(values: Floats, present: NDArray[np.bool_]) -> Floats:
    """The mean of `values` (R, C) over the classes that are `present` (R, C); NaN where none is.

    >>> mean_over_classes(np.array([[1.0, 0.5, 0.0]]), np.array([[True, True, False]]))
    array([0.75])
    """
    return divide(np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1).astype(np.float64))
