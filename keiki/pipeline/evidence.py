"""What the answers are worth: metrics with intervals, every control beside them, and the verdict on transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keiki.core.errors import RequestError
from keiki.core.random import Randomness
from keiki.data.task import Task
from keiki.evaluation.intervals import Interval
from keiki.evaluation.protocol import dependent, estimates, evaluate
from keiki.evaluation.report.schema import Unreached
from keiki.evaluation.thresholds import Acceptance, GridPoint, accept_grid, accepted, lowest
from keiki.evaluation.verdict import Verdict, paired_difference, verdict
from keiki.methods.base import FloatArray, Method
from keiki.metrics.base import Metric, UndefinedMetric, named
from keiki.pipeline.estimate import SHIPPED, TRANSFER, Estimate
from keiki.selection.select import Selection

FLAT = 0.05  # a loss that still falls by more than this share over its last fifth has not flattened


@dataclass(frozen=True)
class Rival:
    """One method beside the winner: its score, and the paired difference of transfer to it (positive: transfer wins).

    weak: why it does not count, or None. unfinished: why it could still become better, where it counts all the same.
    """

    method: Method
    score: Interval
    difference: Interval
    weak: str | None
    unfinished: str | None = None


@dataclass(frozen=True)
class Evidence:
    """All that the report and run.json say of quality."""

    metric: Metric
    test: dict[str, Any]
    score: Interval
    transfer_score: Interval
    rivals: tuple[Rival, ...]
    verdict: Verdict | None
    acceptance: Acceptance  # on the judging items, with the threshold of the training side
    threshold: float | None
    unreached: Unreached | None  # why there is no threshold

    def controls(self) -> list[Rival]:
        """The models without transfer."""
        return [rival for rival in self.rivals if is_without_transfer(rival.method)]


def is_without_transfer(method: Method) -> bool:
    """Whether a method is a control of what transfer does; another start is transfer, too."""
    return "control" in method.tags and "start" not in method.tags


def find_metric(name: str, positive: str | None, task: Task) -> Metric:
    """The metric that was asked for; raises where it lacks a positive class, or cannot have a value on these items."""
    metric = named(metric_name(name), task.target.classes, positive)
    rows = task.test if len(task.test) else np.flatnonzero(task.outer.max(axis=0) >= 0)
    if len(rows) < metric.smallest:
        raise RequestError(
            f"Metric '{metric.name}' means something from {metric.smallest} items on, but {len(rows)} can be judged.",
            hint="Add items, or use another --metric.",
        )
    try:
        metric.value(task.labels[rows], np.eye(len(task.target.classes))[task.labels[rows]])
    except UndefinedMetric as error:
        raise RequestError(
            f"Metric '{metric.name}' has no value on the {len(rows)} items that can be judged. {metric.undefined}",
            hint="Add such items, or use another --metric.",
        ) from error
    return metric


def metric_name(name: str) -> str:
    """A metric's name as it is registered; on the command line a dash will do."""
    return name.replace("-", "_")


def weigh(task: Task, estimate: Estimate, metric: Metric, wanted: float, random: Randomness) -> Evidence:
    """Judge the shipped procedure and every rival on the same items."""
    labels, groups = estimate.labels, dependent(estimate.groups)
    shipped, transfer = estimate.probabilities[SHIPPED], estimate.probabilities[TRANSFER]
    rng = random.numpy("intervals")
    test = evaluate(labels, shipped, task.target.classes, rng=rng, groups=groups, metrics=[metric])
    score = _known(metric, _stated(test[metric.name]))
    threshold, unreached = _threshold(task, estimate.final, wanted)
    rivals = admitted([_rival(name, estimate, metric, rng) for name in _rival_names(estimate)], metric)
    strong = [r for r in rivals if is_without_transfer(r.method) and r.weak is None]
    differences = [(rival.method.name, rival.difference) for rival in strong]
    asked = differences and not unasked(estimate.final)
    found = verdict(metric.name, differences, estimate.n_items) if asked else None
    return Evidence(
        metric,
        test,
        score,
        score if np.array_equal(shipped, transfer) else _known(metric, _score(metric, labels, transfer, groups, rng)),
        rivals,
        found,
        accepted(shipped, labels, threshold, wanted, groups),
        threshold,
        unreached,
    )


def admitted(rivals: Sequence[Rival], metric: Metric) -> tuple[Rival, ...]:
    """The rivals; a control that has not finished learning counts all the same where it beats all that have.

    Its score is then the least that training without transfer reaches: without it the verdict would flatter. Where none
    has finished, none counts: to be better than an unfinished network alone says nothing.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    finished = [sign * each.score.value for each in rivals if is_without_transfer(each.method) and each.weak is None]
    least = max(finished, default=np.inf)
    return tuple(
        replace(each, weak=None, unfinished=each.weak) if each.weak and sign * each.score.value >= least else each
        for each in rivals
    )


def unasked(final: Selection) -> tuple[str, ...]:
    """A note where the verdict on transfer is not asked for, because nothing pretrained is known of; else empty."""
    model = final.outcomes[final.transfer].model
    if model is None or model.backbone.card.pretrained:
        return ()
    return (
        f"Whether transfer helped was not asked: backbone '{model.backbone.card.name}' takes features as they are, and "
        "where they come from is not known.",
    )


def _rival_names(estimate: Estimate) -> list[str]:
    return [name for name in estimate.final.outcomes if name in estimate.probabilities]


def _rival(name: str, estimate: Estimate, metric: Metric, rng: np.random.Generator) -> Rival:
    answers = estimate.probabilities[name]
    rows = np.flatnonzero(np.isfinite(answers).all(axis=1))
    labels, groups = estimate.labels[rows], dependent(estimate.groups[rows])
    outcome = estimate.final.outcomes[name]
    difference = paired_difference(
        metric, labels, estimate.probabilities[TRANSFER][rows], answers[rows], rng=rng, groups=groups
    )
    score = _score(metric, labels, answers[rows], groups, rng)
    weak = f"{metric.name} has no value for its answers" if np.isnan(score.value) else None
    if weak is None and is_without_transfer(outcome.method):
        weak = _weakness(outcome.facts)
    return Rival(outcome.method, score, difference, weak)


def _stated(found: dict[str, float | None] | None) -> Interval:
    """A figure of the test block as an interval; NaN stands for what it does not say."""
    ends = [None if found is None else found[name] for name in ("value", "low", "high")]
    return Interval(*(np.nan if end is None else end for end in ends))


def _known(metric: Metric, score: Interval) -> Interval:
    """The score; raises where it has no value, or nothing is known of how sure it is."""
    if np.isfinite([score.value, score.low, score.high]).all():
        return score
    why = metric.undefined if np.isnan(score.value) else "Too few independent items judge it."
    raise UndefinedMetric(
        f"Metric '{metric.name}' has no value with an interval here. {why}",
        hint="Add test items, or use another --metric.",
    )


def _score(metric: Metric, labels: Any, answers: FloatArray, groups: Any, rng: np.random.Generator) -> Interval:
    return estimates([metric], labels, answers, rng=rng, groups=groups)[metric.name]


def _threshold(task: Task, final: Selection, wanted: float) -> tuple[float | None, Unreached | None]:
    """The threshold for accepting, from out-of-fold answers of the shipped model on the training side, or why not."""
    view = task.training_view()
    answers = final.out_of_fold(final.winner)
    rows = np.flatnonzero(np.isfinite(answers).all(axis=1))
    scores, labels = answers[rows], view.labels[rows]
    grid = accept_grid(scores, labels, dependent(view.groups[rows]))
    return lowest(grid, wanted), unreached(grid, scores, labels, wanted)


def unreached(grid: Sequence[GridPoint], answers: FloatArray, labels: Any, wanted: float) -> Unreached | None:
    """Why no threshold of the grid will do: among the answers (N, C) that it accepts too few were right, or at some
    threshold enough were, but of so few answers that it could be luck; None where one will do.

    >>> right = np.tile([0.9, 0.1], (40, 1))
    >>> unreached(accept_grid(right, np.zeros(40, dtype=int)), right, np.zeros(40, dtype=int), 0.95)
    'few'
    >>> unreached(accept_grid(right, np.arange(40) % 2), right, np.arange(40) % 2, 0.95)
    'short'
    """
    if lowest(grid, wanted) is not None:
        return None
    top, right = answers.max(axis=1), answers.argmax(axis=1) == labels
    best = max((float(right[top >= point.threshold].mean()) for point in grid), default=1.0)
    return "few" if best >= wanted else "short"


def _weakness(facts: dict[str, Any]) -> str | None:
    """Why a control that was trained for a fixed number of steps does not count: its curve has not flattened."""
    for curve in facts.get("curves", []):
        losses = [epoch["train_loss"] for epoch in curve["epochs"] if "train_loss" in epoch]
        tail = max(1, len(losses) // 5)
        if len(losses) < 2 * tail:
            return "too few epochs to tell whether it had finished learning"
        before, after = float(np.mean(losses[-2 * tail : -tail])), float(np.mean(losses[-tail:]))
        if before - after > FLAT * max(before, 0.1):
            return "its training loss was still falling"
    return None
