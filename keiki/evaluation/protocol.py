"""The evaluation of one model on one set of items: every number of the `test` block of run.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.evaluation.bootstrap import bca_bootstraps
from keiki.evaluation.calibration import reliability
from keiki.evaluation.intervals import ROUNDING, Interval, Json, wilson
from keiki.evaluation.shares import independent_groups, mean_recall, share
from keiki.metrics.accuracy import correct
from keiki.metrics.base import METRICS, Labels, Metric, Probabilities, checked
from keiki.metrics.confusion import confusion
from keiki.metrics.per_class import per_class

STANDARD = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "log_loss", "brier", "ece")
FEW_GROUPS = 10  # under this number of groups an interval over groups is itself a guess
FEW_WRONG = 10  # under this number of wrong answers what they weigh is known roughly at best (docs/coverage.md)
CELLS = 20_000_000  # items x resamples; beyond it fewer are drawn: many items need no fine resampling
FEWEST_RESAMPLES = 400


def evaluate(
    labels: Labels,
    probabilities: Probabilities,
    classes: Sequence[str],
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
    metrics: Sequence[Metric] = (),
    resamples: int = 2000,
) -> dict[str, Any]:
    """The standard metrics and `metrics` with their 95 % intervals, and what the report's tables and charts show.

    Items: labels (N,), probabilities (N, C), names of the C classes; `groups` (N,) tells which items belong together.
    Accuracy: Wilson's interval (`share`); balanced accuracy without groups: the classes' own intervals joined; all
    else: BCa over whole groups, stratified by class.
    A metric without a value here is None and its reason stands under "undefined"; a metric that needs more items than
    there are (`ece`: 200) is left out. Per class and in the reliability bins: `share`.

    >>> p = np.tile([0.8, 0.2], (10, 1))
    >>> test = evaluate(np.zeros(10, dtype=int), p, ["cat", "dog"], rng=np.random.default_rng(0))
    >>> test["accuracy"]["value"], round(test["accuracy"]["low"], 3), test["roc_auc"], test["undefined"]["roc_auc"]
    (1.0, 0.722, None, 'It needs items of at least two classes.')
    """
    labels, scores = checked(labels, probabilities)
    if len(classes) != scores.shape[1]:
        raise DataError(f"There are {len(classes)} class names, but probabilities for {scores.shape[1]} classes.")
    groups = dependent(groups)
    chosen = {metric.name: metric for metric in (*(METRICS.get(name) for name in STANDARD), *metrics)}
    judged = [metric for metric in chosen.values() if len(labels) >= metric.smallest]
    found = estimates(judged, labels, scores, groups=groups, rng=rng, resamples=resamples)
    return {
        **{name: None if np.isnan(interval.value) else interval.to_json() for name, interval in found.items()},
        "undefined": {metric.name: metric.undefined for metric in judged if np.isnan(found[metric.name].value)},
        "n": len(labels),
        **({} if groups is None else {"groups": len(np.unique(groups))}),
        "notes": _notes(correct(labels, scores), groups),
        "per_class": _per_class(labels, scores, classes, groups),
        "confusion": confusion(labels, scores).tolist(),
        "reliability": [each.to_json() for each in reliability(scores, labels, groups)],
    }


def estimates(
    metrics: Sequence[Metric],
    labels: Labels,
    probabilities: Probabilities,
    *,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
    resamples: int = 2000,
) -> dict[str, Interval]:
    """Each metric with its interval, by name; the value is NaN where the metric has none."""
    groups = dependent(groups)
    statistics = {metric.name: metric.statistic(labels, probabilities) for metric in metrics}
    right = correct(labels, probabilities)
    shares = {}
    if "accuracy" in statistics:
        shares["accuracy"] = share(right, groups)
    if "balanced_accuracy" in statistics and groups is None:
        shares["balanced_accuracy"] = mean_recall(labels, right)
    found = bca_bootstraps(
        {name: statistic for name, statistic in statistics.items() if name not in shares},
        len(labels),
        rng=rng,
        clusters=groups,
        strata=labels,
        n=affordable(resamples, len(labels)),
    )
    n_units = len(labels) if groups is None else independent_groups(groups)
    return {metric.name: _sound({**found, **shares}[metric.name], metric, n_units) for metric in metrics}


def dependent(groups: NDArray[Any] | None) -> NDArray[Any] | None:
    """The groups, or None where every item is a group of its own."""
    return None if groups is None or len(np.unique(groups)) == len(groups) else np.asarray(groups)


def affordable(resamples: int, n_items: int) -> int:
    """The number of resamples drawn for so many items: `resamples` up to 10,000 items, then fewer, at least 400.

    >>> affordable(2000, 10_000), affordable(2000, 20_000), affordable(2000, 1_000_000)
    (2000, 1000, 400)
    """
    return min(resamples, max(FEWEST_RESAMPLES, CELLS // n_items))


def _sound(interval: Interval, metric: Metric, n_units: int) -> Interval:
    """The interval within the metric's limits; an answer that is perfect (or never right) does not make it certain.

    Where all are right, no resample shows a mistake and the bootstrap interval is a point; Wilson's interval of as many
    right answers as there are units stands in.
    """
    at_limit = min(abs(interval.value), abs(interval.value - 1)) < ROUNDING
    if interval.is_point and metric.limits == (0.0, 1.0) and at_limit:
        return wilson(round(interval.value) * n_units, n_units)
    return interval.within(*metric.limits)


def _notes(right: NDArray[np.float64], groups: NDArray[Any] | None) -> list[str]:
    """Why intervals are to be taken as rough."""
    n = len(right) if groups is None else independent_groups(groups)
    wrong = round(float(1 - right.mean()) * n)
    notes = []
    if groups is not None and n < FEW_GROUPS:
        notes.append(f"Intervals rest on only {n} independent groups; take them as rough.")
    if wrong < FEW_WRONG:
        answers = {0: "No answer is", 1: "One answer is"}.get(wrong, f"{wrong} answers are")
        notes.append(
            f"{answers} wrong: the intervals of log loss, Brier score and F1 hang on these few, and are rough."
        )
    return notes


def _per_class(
    labels: Labels, probabilities: Probabilities, classes: Sequence[str], groups: NDArray[Any] | None
) -> list[dict[str, Any]]:
    decisions = np.argmax(probabilities, axis=1)
    right = correct(labels, probabilities)

    def judged(at: NDArray[np.bool_]) -> Interval | None:
        return share(right[at], None if groups is None else groups[at]) if at.any() else None

    return [
        {
            "class": classes[each.index],
            "support": each.support,
            "decided": each.decided,
            "precision": _json(judged(decisions == each.index)),
            "recall": _json(judged(labels == each.index)),
            "f1": _json(_f1(judged((decisions == each.index) | (labels == each.index)))) if each.support else None,
        }
        for each in per_class(labels, probabilities)
    ]


def _f1(overlap: Interval | None) -> Interval | None:
    """F1 from the share right among the items that are of a class or decided to be: 2 J / (1 + J) grows with J."""
    if overlap is None:
        return None
    return Interval(*(2 * end / (1 + end) for end in (overlap.value, overlap.low, overlap.high)))


def _json(interval: Interval | None) -> Json | None:
    return interval.to_json() if interval else None
