"""What a model of the user's own is worth as a start: beside the public one, and beside itself before the fit."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.data.task import Task
from keiki.evaluation.leaks import FEWEST, without
from keiki.evaluation.protocol import dependent, estimates
from keiki.evaluation.report import start_words
from keiki.evaluation.report.start import AgainstPublic, AsItWas, Start
from keiki.evaluation.verdict import paired_difference, verdict
from keiki.methods.base import FloatArray, Method
from keiki.methods.public_start import PublicStart
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.evidence import Evidence
from keiki.pipeline.figures import interval, maybe
from keiki.pipeline.source import Source


def judge_start(
    source: Source,
    method: Method,
    task: Task,
    found: Estimate,
    evidence: Evidence,
    bank: FeatureBank,
    digest: str,
    random: Randomness,
) -> Start:
    """Everything that is said of the start but for the old task. digest: what the source is known by."""
    seen, names = source.seen(), task.target.classes
    learned = np.array([each in seen for each in task.items.digests], dtype=np.bool_)
    judged, leaked = np.unique(found.positions), learned[found.positions]
    view = task.training_view()
    start = Start(
        name=source.name,
        digest=digest,
        base=source.backbone.public.card.name,
        own_body=source.moved,
        known=len(set(names) & set(source.classes)) if source.classes else None,
        n_classes=len(names),
        judged=len(judged),
        judged_seen=int(learned[judged].sum()),
        learned_seen=sum(each in seen for each in view.items.digests),
        against_public=_against_public(method, found, evidence, random),
        as_it_was=_as_it_was(source, task, found, evidence, bank, ~leaked, random),
        notes=source.notes,
    )
    if not start.judged_seen:
        return start
    rng, groups = random.numpy("start", "seen"), dependent(found.groups)
    left = without(evidence.metric, found.labels, found.probabilities[SHIPPED], leaked, rng=rng, groups=groups)
    return replace(start, without_them=maybe(left))


def to_json(start: Start | None) -> dict[str, Any] | None:
    """The `start` block of run.json."""
    if start is None:
        return None
    facts = asdict(start)
    return {"from": facts.pop("name"), **facts}


def cautions(start: Start | None, metric: str, noun: str) -> list[dict[str, str]]:
    """Warnings of a run as {'what', 'remedy'}."""
    found = () if start is None else start_words.warnings(start, metric, noun)
    return [{"what": what, "remedy": remedy} for what, remedy in found]


def notes(start: Start | None) -> list[str]:
    """What is said of the start besides its figures."""
    if start is None:
        return []
    seen = (
        f"{start.learned_seen} training items had been learned from by the model that the fit starts from: what is "
        "chosen and set by them (the method, the threshold for accepting) may be too sure of itself."
    )
    return [*start.notes, *([seen] if start.learned_seen else [])]


def _against_public(method: Method, found: Estimate, evidence: Evidence, random: Randomness) -> AgainstPublic | None:
    """The same method from both starts; None where it was not run from the public one, or has no value there."""
    own, public = found.probabilities.get(method.name), found.probabilities.get(PublicStart.name)
    if own is None or public is None:
        return None
    metric, groups, rng = evidence.metric, dependent(found.groups), random.numpy("start")
    difference = paired_difference(metric, found.labels, own, public, rng=rng, groups=groups)
    ranges = [estimates([metric], found.labels, each, rng=rng, groups=groups)[metric.name] for each in (own, public)]
    word = verdict(metric.name, [(PublicStart.name, difference)], found.n_items)
    scores = [maybe(each) for each in (*ranges, difference)]
    if scores[0] is None or scores[1] is None or scores[2] is None:
        return None
    return AgainstPublic(
        verdict=word.verdict,
        metric=metric.name,
        method=method.title,
        own=scores[0],
        public=scores[1],
        difference=scores[2],
        margin=word.margin,
    )


def _as_it_was(
    source: Source,
    task: Task,
    found: Estimate,
    evidence: Evidence,
    bank: FeatureBank,
    fresh: Any,
    random: Randomness,
) -> AsItWas | None:
    """The source model on the judged items that it has not learned from (`fresh`, (M,)), where it knows all classes."""
    if not set(task.target.classes) <= set(source.classes):
        return None
    judged = np.unique(found.positions)
    answers = np.full((len(task.items), len(task.target.classes)), np.nan)
    answers[judged] = among(source.probabilities(task.items.take(judged), bank), source.classes, task.target.classes)
    theirs = answers[found.positions]
    rows = np.flatnonzero(fresh & np.isfinite(theirs).all(axis=1))
    metric, labels = evidence.metric, found.labels[rows]
    if len(rows) < max(FEWEST, metric.smallest):
        return None
    groups, rng = dependent(found.groups[rows]), random.numpy("start", "as it was")
    ours = found.probabilities[SHIPPED][rows]
    difference = paired_difference(metric, labels, ours, theirs[rows], rng=rng, groups=groups)
    score = estimates([metric], labels, theirs[rows], rng=rng, groups=groups)[metric.name]
    if maybe(score) is None or maybe(difference) is None:
        return None
    n = len(np.unique(found.positions[rows]))
    return AsItWas(metric=metric.name, score=interval(score), difference=interval(difference), n=n)


def among(probabilities: FloatArray, theirs: tuple[str, ...], ours: tuple[str, ...]) -> FloatArray:
    """Probabilities (N, C) of the classes `ours` from those of `theirs`, which hold them all, made to add up to 1.

    >>> among(np.array([[0.5, 0.3, 0.2]]), ("a", "b", "c"), ("c", "a")).round(3).tolist()
    [[0.286, 0.714]]
    """
    some = probabilities[:, [theirs.index(name) for name in ours]]
    sums = some.sum(axis=1, keepdims=True)
    return np.asarray(np.where(sums > 0, some / np.where(sums > 0, sums, 1.0), 1.0 / len(ours)))
