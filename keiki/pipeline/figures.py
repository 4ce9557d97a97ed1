"""The figures of report.json that come straight from the answers: metrics, tables, bins, curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.data.task import Task
from keiki.evaluation.calibration import Bin
from keiki.evaluation.calibration import reliability as reliability_bins
from keiki.evaluation.intervals import Interval as Range
from keiki.evaluation.protocol import dependent
from keiki.evaluation.report import schema, words
from keiki.methods.tuning import kept_epoch
from keiki.metrics.base import METRICS
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.evidence import Evidence

Counts = npt.NDArray[np.int64]


def interval(found: Range) -> schema.Interval:
    return schema.Interval(value=float(found.value), low=float(found.low), high=float(found.high))


def maybe(found: Range | dict[str, float | None] | None) -> schema.Interval | None:
    """The interval, or None where the figure or one of its ends is not known."""
    if found is None:
        return None
    data = found if isinstance(found, dict) else found.to_json()
    value, low, high = data["value"], data["low"], data["high"]
    if value is None or low is None or high is None:
        return None
    return schema.Interval(value=value, low=low, high=high)


def items(n: float, estimate: Estimate) -> int:
    """A number of answers as a number of items: with repeats an item is answered several times."""
    return max(round(n / estimate.repeats), int(n > 0))


def in_items(matrix: Counts, estimate: Estimate) -> Counts:
    """A confusion matrix (C, C) of answers as one of items: with repeats an item is answered several times.

    Each row adds up to the judged items of its class, and what is off the diagonal to the mistakes of all classes: the
    average over the repeats, rounded as a whole (cells by the method of the largest remainder). There is no other count
    of mistakes.
    """
    _, first = np.unique(estimate.positions, return_index=True)
    judged = np.bincount(estimate.labels[first], minlength=len(matrix))
    answers = np.asarray(matrix, dtype=np.float64)
    cells = answers * (judged / np.maximum(answers.sum(axis=1), 1.0))[:, None]
    off = cells * ~np.eye(len(cells), dtype=bool)
    wrong = off.sum()
    of_class = _rounded(off.sum(axis=1), max(round(float(wrong)), int(wrong > 0)))
    found = np.stack([_rounded(row, n) for row, n in zip(off, of_class.tolist(), strict=True)])
    found[np.diag_indices_from(found)] = judged - of_class
    return found


def _rounded(values: npt.NDArray[np.float64], total: int) -> Counts:
    """Whole numbers near `values` that add up to `total`, by the method of the largest remainder."""
    whole = np.floor(values + 1e-9).astype(np.int64)
    order = np.argsort(whole - values, kind="stable")
    whole[order[: max(0, total - int(whole.sum()))]] += 1
    return whole


def metrics(evidence: Evidence) -> tuple[schema.MetricRow, ...]:
    rows = []
    for name, metric in METRICS.items():
        if name not in evidence.test:
            continue
        found = evidence.test[name]
        rows.append(
            schema.MetricRow(
                name=name,
                better="higher" if metric.higher_is_better else "lower",
                score=maybe(found),
                meaning=metric.help,
            )
        )
    return tuple(rows)


def confusion(estimate: Estimate, evidence: Evidence) -> tuple[schema.ConfusionCell, ...]:
    matrix = in_items(np.array(evidence.test["confusion"]), estimate)
    return tuple(
        schema.ConfusionCell(true=int(t), predicted=int(p), n=int(matrix[t, p])) for t, p in np.argwhere(matrix > 0)
    )


def reliability(task: Task, estimate: Estimate, evidence: Evidence) -> schema.Reliability:
    bins = _told_apart(estimate)
    ece = evidence.test.get("ece")
    return schema.Reliability(
        bins=tuple(
            schema.ReliabilityBin(
                low=each.low,
                high=each.high,
                n=items(each.n, estimate),
                confidence=each.confidence,
                accuracy=interval(each.accuracy),
            )
            for each in bins
        ),
        ece=maybe(ece),
        temperature=estimate.final.temperatures[estimate.final.winner],
    )


def _told_apart(estimate: Estimate) -> list[Bin]:
    """As many bins as there are up to ten whose ranges read differently: of a model that is always sure, few."""
    scores, labels, groups = estimate.probabilities[SHIPPED], estimate.labels, dependent(estimate.groups)
    bins = reliability_bins(scores, labels, groups)
    while len(bins) > 1 and len({words.percent_range(each.low, each.high) for each in bins}) < len(bins):
        bins = reliability_bins(scores, labels, groups, n_bins=len(bins) - 1)
    return bins


def per_class(estimate: Estimate, evidence: Evidence) -> tuple[schema.ClassResult, ...]:
    return tuple(
        schema.ClassResult(
            name=each["class"],
            support=items(each["support"], estimate),
            precision=maybe(each["precision"]),
            recall=maybe(each["recall"]),
            f1=maybe(each["f1"]),
        )
        for each in evidence.test["per_class"]
    )


def paths(facts: dict[str, Any], estimate: Estimate) -> tuple[schema.Path, ...]:
    probe = estimate.final.outcomes.get("linear-probe")
    found = facts.get("paths") or (probe.facts.get("paths") if probe else None) or []
    return tuple(
        schema.Path(
            view=path["view"],
            points=tuple(
                schema.PathPoint(penalty=p, log_loss=loss, standard_error=error)
                for p, loss, error in zip(path["penalties"], path["log_loss"], path["standard_error"], strict=True)
            ),
            chosen=path["chosen"],
        )
        for path in found
    )


def training(estimate: Estimate) -> tuple[schema.TrainingCurve, ...]:
    curves = []
    for outcome in estimate.final.outcomes.values():
        for curve in outcome.facts.get("curves", []):
            epochs = tuple(
                schema.Epoch(epoch=int(e["epoch"]), train=e["train_loss"], validation=e.get("validation_loss"))
                for e in curve["epochs"]
                if "train_loss" in e
            )
            best = kept_epoch(curve) if any("validation_loss" in e for e in curve["epochs"]) else None
            curves.append(
                schema.TrainingCurve(phase=f"{outcome.method.title}: {curve['phase']}", epochs=epochs, best=best)
            )
    return tuple(curves)
