"""Did transfer help? The paired difference to every control, and the one word that follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import RequestError
from keiki.evaluation.bootstrap import bca_bootstrap
from keiki.evaluation.intervals import Interval, tango
from keiki.evaluation.protocol import affordable, dependent
from keiki.metrics.accuracy import correct
from keiki.metrics.base import Labels, Metric, Probabilities, checked

Word = Literal["helped", "equivalent", "hurt", "undecided"]
MOST_TIMES, MOST_ITEMS = 200, 100_000  # the items at hand, and items in all: a longer way to a decision is none


def paired_difference(
    metric: Metric,
    labels: Labels,
    first: Probabilities,
    second: Probabilities,
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
    resamples: int = 2000,
) -> Interval:
    """How much better `first` (N, C) is than `second` (N, C) on the same items, with its 95 % interval.

    Above 0 means better, for log loss too. Accuracy: Tango's score interval; with `groups` (N,), and for all other
    metrics, BCa over whole groups, stratified by class, both models on the same resamples. Equal probabilities are the
    same model: the difference is 0 and certain. Where all *decisions* agree by chance no resample shows a difference;
    then Tango's interval of as many agreeing pairs as there are units stands in. Where the metric has no value for one
    of the two, the value is NaN and the ends are as far apart as they can be.

    >>> from keiki.metrics.accuracy import ACCURACY
    >>> good, bad = np.eye(2)[np.repeat([0, 1], 50)], np.tile([0.9, 0.1], (100, 1))
    >>> found = paired_difference(ACCURACY, np.repeat([0, 1], 50), good, bad, rng=np.random.default_rng(0))
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.5, 0.4, 0.6)
    """
    labels, a = checked(labels, first)
    _, b = checked(labels, second)
    if np.array_equal(a, b):
        return Interval(0.0, 0.0, 0.0)
    groups = dependent(groups)
    if metric.name == "accuracy" and groups is None:
        return _tango(labels, a, b)
    sign = 1.0 if metric.higher_is_better else -1.0
    of_first, of_second = metric.statistic(labels, a), metric.statistic(labels, b)
    found = bca_bootstrap(
        lambda weights: sign * (of_first(weights) - of_second(weights)),
        len(labels),
        rng=rng,
        clusters=groups,
        strata=labels,
        n=affordable(resamples, len(labels)),
    )
    units = len(labels) if groups is None else len(np.unique(groups))
    if found.is_point and metric.needs == "labels":
        found = tango(max(found.value, 0.0) * units, max(-found.value, 0.0) * units, units)
    span = metric.limits[1] - metric.limits[0]
    return found.within(-span, span)


@dataclass(frozen=True)
class Verdict:
    """The word, the metric, the control that it rests on, the difference to it, and what would decide."""

    verdict: Word
    metric: str
    against: str
    difference: Interval
    margin: float
    items_needed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The `transfer` block of run.json; `items_needed` only where the verdict is undecided."""
        facts = {
            "verdict": self.verdict,
            "metric": self.metric,
            "against": self.against,
            "difference": self.difference.to_json(),
            "margin": self.margin,
        }
        return {**facts, "items_needed": self.items_needed} if self.verdict == "undecided" else facts


def verdict(metric: str, differences: Sequence[tuple[str, Interval]], n: int, margin: float = 0.01) -> Verdict:
    """The verdict on the paired differences (positive = the model is better) to each named control, on `n` items.

    helped: every interval lies above 0. hurt: some interval lies below 0. equivalent: neither, and every interval lies
    above 0 or inside +-margin. Else undecided, with the number of items that would decide: that at which intervals
    like these, shrinking with the square root of the number, give one of the three words (None where the values do not
    say, or it takes more than anyone collects). 'helped' asks every control, so it needs no correction for their
    number. `against` is the strongest control (for 'hurt' the strongest of those that are better).

    >>> verdict("accuracy", [("tfidf", Interval(0.31, 0.22, 0.40)), ("hog", Interval(0.8, 0.7, 0.9))], n=118).verdict
    'helped'
    >>> unsure = verdict("accuracy", [("tfidf", Interval(0.02, -0.02, 0.06))], n=100)
    >>> unsure.verdict, unsure.items_needed  # half the width is needed: four times the items
    ('undecided', 401)
    """
    if not differences:
        raise RequestError("A verdict needs at least one control.", hint="Use --controls quick or full.")
    word = _word([interval for _, interval in differences], margin)
    deciding = [pair for pair in differences if pair[1].high < 0] if word == "hurt" else differences
    against, difference = min(deciding, key=lambda pair: (not math.isnan(pair[1].value), pair[1].value))
    needed = _items_needed([interval for _, interval in differences], n, margin) if word == "undecided" else None
    return Verdict(word, metric, against, difference, margin, needed)


def _word(intervals: Sequence[Interval], margin: float) -> Word:
    if all(interval.low > 0 for interval in intervals):
        return "helped"
    if any(interval.high < 0 for interval in intervals):
        return "hurt"
    if all(interval.low > 0 or -margin < interval.low <= interval.high < margin for interval in intervals):
        return "equivalent"
    return "undecided"


def _items_needed(intervals: Sequence[Interval], n: int, margin: float) -> int | None:
    """The fewest items at which, if the values stay and the half widths shrink with sqrt(n), a word would be found."""
    ways = [_growth(interval, margin) for interval in intervals]
    hurt = min(down for _, _, down in ways)
    settled = max(min(up, inside) for up, inside, _ in ways)
    items = n * max(1.0, min(hurt, settled))
    most = min(MOST_TIMES * n, max(MOST_ITEMS, 10 * n))
    return math.floor(items) + 1 if items <= most else None


def _growth(interval: Interval, margin: float) -> tuple[float, float, float]:
    """How many times the items it takes until the interval lies above 0, inside +-margin, or below 0."""
    value, down, up = interval.value, interval.value - interval.low, interval.high - interval.value
    inside = max(_times(down, margin + value), _times(up, margin - value))
    return _times(down, value), inside, _times(up, -value)


def _times(half: float, room: float) -> float:
    """How many times the items it takes to shrink a half width to the `room` for it."""
    return (half / room) ** 2 if room > 1e-6 * half else math.inf


def _tango(labels: Labels, first: Probabilities, second: Probabilities) -> Interval:
    a, b = correct(labels, first), correct(labels, second)
    return tango(float(np.sum(a > b)), float(np.sum(b > a)), len(labels))
