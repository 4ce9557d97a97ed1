"""What the run can say beyond its score: weak slices, what more labels would bring, a map, what accepting costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keiki.core.random import Randomness
from keiki.data.facts import Fact
from keiki.data.task import Index, Task
from keiki.evaluation import learning_curve, slices
from keiki.evaluation.intervals import Interval
from keiki.evaluation.projection import project
from keiki.evaluation.protocol import dependent
from keiki.evaluation.report import insight
from keiki.evaluation.risk_coverage import RiskCoverage
from keiki.methods.base import Model
from keiki.metrics.base import METRICS, Metric
from keiki.nn.standardise import Features
from keiki.pipeline import figures
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.evidence import Evidence
from keiki.pipeline.rounds import first_repeat, rounds
from keiki.selection.workshop import Workshop

MOST_POINTS = 1000  # of the map: more would take seconds, and hide one another
SQUARE = 1.05  # sides that differ by less count as equal
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "F"})
PROBE = "linear-probe"


def weak_spots(
    shop: Workshop, task: Task, estimate: Estimate, evidence: Evidence, group: str | None, *, samples: bool
) -> insight.Slices | None:
    """The metric on slices of the judged items; accuracy where the metric has no value for a single item.

    Without samples the groups that the user named are numbered.
    """
    metric, total = _per_item(evidence)
    families = _families(shop, task, estimate, group or "group", samples)
    found = slices.judge(
        families,
        estimate.labels,
        estimate.probabilities[SHIPPED],
        metric,
        total,
        rng=shop.random.numpy("slices"),
        groups=dependent(estimate.groups),
        items=estimate.positions,
    )
    if not found:
        return None
    told = [_family(family, found, estimate) for family in families]
    return insight.Slices(
        metric=metric.name,
        better="higher" if metric.higher_is_better else "lower",
        total=figures.interval(total),
        smallest=slices.SMALLEST,
        tested=len(found),
        families=tuple(each for each in told if each.slices),
    )


def more_labels(
    shop: Workshop, task: Task, estimate: Estimate, shipped: Model, features: Features | None
) -> insight.LearningCurve | None:
    """The learning curve of the shipped head, or of the probe beside a tuned network; None where there is neither.

    `features` (N, D) of all items, by the shipped model.
    """
    final = estimate.final
    name = final.winner if shipped.network is None else PROBE
    if name not in final.outcomes or "null" in final.outcomes[name].method.tags:
        return None
    outcome = final.outcomes[name]
    paths: list[dict[str, Any]] = outcome.facts.get("paths") or []
    chosen = [path["chosen"] for path in paths if path["chosen"] is not None]
    if outcome.model is None or not chosen:
        return None
    if name != final.winner:
        features = outcome.model.features(task.items)
    if features is None:
        return None
    asked = first_repeat(task, rounds(task, estimate))
    answers = np.concatenate([each.answers for each in asked])
    given = estimate.probabilities[name][answers]
    if not np.isfinite(given).all():
        return None
    data = learning_curve.Learnable(features, task.labels, task.groups, len(task.target.classes), float(chosen[-1]))
    parts = [learning_curve.Round(each.train, estimate.positions[each.answers]) for each in asked]
    hits = (given.argmax(axis=1) == estimate.labels[answers]).astype(np.float64)
    random = shop.random.child("learning curve")
    measured = learning_curve.measure(data, parts, hits, random.numpy("draws"))
    if measured is None:
        return None
    n_labels = len(task.train) + len(task.val)
    groups = dependent(estimate.groups[answers])
    found = learning_curve.forecast(measured, n_labels, rng=random.numpy("resamples"), groups=groups)
    return insight.LearningCurve(
        model=outcome.method.title,
        n_labels=n_labels,
        gain=learning_curve.GAIN,
        points=_points(found.points),
        trend=_points(found.trend) if found.doubled else (),
        more_labels=figures.maybe(found.more),
        doubled=figures.maybe(found.doubled),
        why_not=found.why_not,
    )


def map_of(
    task: Task, estimate: Estimate, features: Features | None, of: str, random: Randomness, *, samples: bool
) -> insight.Map | None:
    """Judged items in two dimensions, by the features (N, D) of all items; None where they tell nothing."""
    if features is None:
        return None
    judged, said = decided(estimate)
    drawn = np.arange(len(judged))
    if len(judged) > MOST_POINTS:
        drawn = np.sort(random.numpy("sample").choice(len(judged), MOST_POINTS, replace=False))
    rows = judged[drawn]
    found = project(features[rows], random.number("layout"))
    if found is None:
        return None
    x, y = np.rint(1000 * found.points).astype(int).T
    return insight.Map(
        method=found.method,
        of=of,
        n=len(judged),
        kept=found.kept,
        x=tuple(x.tolist()),
        y=tuple(y.tolist()),
        true=tuple(task.labels[rows].tolist()),
        said=tuple(said[drawn].tolist()),
        ids=tuple(task.items.ids[row] for row in rows) if samples else (),
    )


def decided(estimate: Estimate) -> tuple[Index, Index]:
    """The judged items (M,), sorted, and what most of the answers of each say; of equals, what they are surer of."""
    judged, place = np.unique(estimate.positions, return_inverse=True)
    answers = estimate.probabilities[SHIPPED]
    votes = np.eye(answers.shape[1])[answers.argmax(axis=1)]
    total = np.zeros((len(judged), answers.shape[1]))
    np.add.at(total, place, votes + answers / (estimate.repeats + 1))  # all that it is sure of weighs less than a vote
    return judged, total.argmax(axis=1).astype(np.int64)


def risk(found: RiskCoverage | None) -> insight.RiskCurve | None:
    """The curve of what accepting costs."""
    if found is None or not found.points:
        return None
    points = tuple(
        insight.RiskPoint(coverage=p.coverage, risk=figures.interval(Interval(p.risk, p.low, p.high)))
        for p in found.points
    )
    return insight.RiskCurve(points=points, aurc=found.aurc, best=found.best)


def _per_item(evidence: Evidence) -> tuple[Metric, Interval]:
    """The metric of the slices and its value on all items."""
    if evidence.metric.items is not None:
        return evidence.metric, evidence.score
    found = evidence.test["accuracy"]
    return METRICS.get("accuracy"), Interval(found["value"], found["low"], found["high"])


def _families(shop: Workshop, task: Task, estimate: Estimate, group: str, samples: bool) -> list[slices.Family]:
    rows = estimate.positions
    judged, place = np.unique(rows, return_inverse=True)
    facts = [] if task.modality == "vector" else shop.bank.facts(task.items.take(judged), thumbnails=False)
    found = [
        _by_group(task, rows, group, samples),
        *_by_fact(task, [facts[at] for at in place] if facts else []),
        None if task.times is None else slices.calendar("time", np.array(task.times)[rows]),
    ]
    return [family for family in found if family is not None]


def _by_group(task: Task, rows: Index, title: str, samples: bool) -> slices.Family | None:
    if task.declared is None:
        return None
    found = slices.named(title, [task.declared[row] for row in rows])
    if found is None:
        return None
    names = found.names if samples else tuple(f"group {number}" for number in range(1, len(found.names) + 1))
    return slices.Family(found.name, found.codes, names, by_item=True)


def _by_fact(task: Task, facts: Sequence[Fact]) -> list[slices.Family | None]:
    if not facts:
        return []
    if task.modality == "text":
        return [slices.thirds("length", np.array([each.words for each in facts]), "words")]
    sides = np.rint(np.sqrt([float(each.width * each.height) for each in facts])).astype(np.int64)
    return [
        slices.thirds("size", sides, "pixels a side"),
        slices.named("shape", [_shape(each) for each in facts]),
        slices.named("file format", [each.format for each in facts]),
        slices.named("colour", ["grey" if each.mode in GREY_MODES else "coloured" for each in facts]),
    ]


def _shape(fact: Fact) -> str:
    if fact.width > SQUARE * fact.height:
        return "landscape"
    return "portrait" if fact.height > SQUARE * fact.width else "square"


def _family(family: slices.Family, found: list[slices.Slice], estimate: Estimate) -> insight.SliceFamily:
    units = slices.units_of(family, dependent(estimate.groups), estimate.positions)
    return insight.SliceFamily(
        name=family.name,
        n_small=slices.too_small(family, units),
        slices=tuple(
            insight.Slice(
                name=each.name,
                n=figures.items(each.n_rows, estimate),
                score=figures.interval(each.score),
                p_value=each.p_value,
                weak=each.weak,
            )
            for each in found
            if each.family == family.name
        ),
    )


def _points(found: Sequence[tuple[int, Interval]]) -> tuple[insight.LearningPoint, ...]:
    return tuple(insight.LearningPoint(n=n, accuracy=figures.interval(accuracy)) for n, accuracy in found)
