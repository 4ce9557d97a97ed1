"""The most confident mistakes: what was said, what is near in training, and what the answer hung on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keiki.backbones.passes import Engines
from keiki.data.task import Index, Task
from keiki.evaluation.report import insight, schema
from keiki.methods.base import FloatArray, Model
from keiki.metrics.confusion import confusion
from keiki.nn.standardise import Features
from keiki.pipeline import figures
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.explaining import SHOWN, explain
from keiki.pipeline.findings import Cluster
from keiki.pipeline.neighbours import Near, nearest
from keiki.pipeline.rounds import Round, answering, rounds
from keiki.pipeline.showing import Showing
from keiki.selection.workshop import Workshop

MOST = 6


@dataclass(frozen=True)
class Mistake:
    """A mistake: its row in the estimate and in the task, the round that made it, its neighbours in training."""

    answer: int
    row: int
    round: Round
    near: tuple[Near, ...] = ()
    why: insight.Why | None = None


def count(estimate: Estimate) -> int:
    """How many judged items were answered wrongly: what the confusion matrix in items holds beside its diagonal."""
    found = figures.in_items(confusion(estimate.labels, estimate.probabilities[SHIPPED]), estimate)
    return int(found.sum() - np.trace(found))


def surest(estimate: Estimate, clusters: Sequence[Cluster] = ()) -> Index:
    """Rows of the estimate with its most confident mistakes; of an item, and of a set of copies, the surest one."""
    answers, wrong = estimate.probabilities[SHIPPED], _wrong(estimate)
    ranked = wrong[np.argsort(-answers[wrong].max(axis=1), kind="stable")]
    stands_for = {row: each.rows[0] for each in clusters for row in each.rows}
    shown = [stands_for.get(row, row) for row in estimate.positions[ranked].tolist()]
    _, first = np.unique(np.array(shown, dtype=np.int64), return_index=True)
    chosen: Index = ranked[np.sort(first)][:MOST]
    return chosen


def find(
    shop: Workshop,
    task: Task,
    estimate: Estimate,
    shipped: Model,
    features: Features | None,
    clusters: Sequence[Cluster] = (),
) -> tuple[Mistake, ...]:
    """The six most confident mistakes, one of each of the `clusters` of copies.

    `features` (N, D) of all items, by the shipped model; None: no neighbours.
    """
    answers = estimate.probabilities[SHIPPED]
    made_in = rounds(task, estimate)
    found = [
        Mistake(int(at), int(estimate.positions[at]), next(each for each in made_in if at in each.answers))
        for at in surest(estimate, clusters)
    ]
    near: list[tuple[Near, ...]] = [()] * len(found)
    if features is not None:
        near = nearest(features, [each.row for each in found], [each.round.train for each in found])
    engines = Engines(shop.plan, shop.cache)
    return tuple(
        Mistake(each.answer, each.row, each.round, alike, _why(shop, task, each, answers, engines))
        for each, alike in zip(found, near, strict=True)
    )


def rows(found: tuple[Mistake, ...]) -> list[int]:
    """All rows of the task that are to be shown."""
    return [row for each in found for row in (each.row, *(near.row for near in each.near))]


def tell(found: tuple[Mistake, ...], estimate: Estimate, showing: Showing) -> tuple[schema.Mistake, ...]:
    """The mistakes as the page shows them."""
    return tuple(_tell(each, estimate, showing) for each in found)


def _wrong(estimate: Estimate) -> Index:
    decided = estimate.probabilities[SHIPPED].argmax(axis=1)
    return np.flatnonzero(decided != estimate.labels).astype(np.int64)


def _why(shop: Workshop, task: Task, mistake: Mistake, answers: FloatArray, engines: Engines) -> insight.Why | None:
    selection = mistake.round.selection
    if "null" in selection.outcomes[selection.winner].method.tags:
        return None  # it never looks
    model = answering(shop, task, mistake.round)
    said = int(answers[mistake.answer].argmax())
    if model is None:
        return None
    return explain(shop, model, task.items.raws[mistake.row], said, engines)


def _tell(mistake: Mistake, estimate: Estimate, showing: Showing) -> schema.Mistake:
    answers, names = estimate.probabilities[SHIPPED][mistake.answer], showing.task.target.classes
    order = np.argsort(-answers, kind="stable")
    return schema.Mistake(
        id=showing.task.items.ids[mistake.row],
        true=names[estimate.labels[mistake.answer]],
        predicted=names[order[0]],
        probability=float(answers[order[0]]),
        runner_up=names[order[1]],
        runner_up_probability=float(answers[order[1]]),
        thumbnail=showing.thumbnails.get(mistake.row),
        text=showing.text(mistake.row, SHOWN),
        neighbours=tuple(
            insight.Neighbour(item=showing.item(near.row), similarity=near.similarity) for near in mistake.near
        ),
        why=mistake.why,
    )
