"""Which model answered which item: the rounds of an estimate, as `estimate` went through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.data.task import Index, Task
from keiki.methods.base import Model
from keiki.pipeline.estimate import Estimate
from keiki.selection.select import Selection
from keiki.selection.workshop import Workshop


@dataclass(frozen=True)
class Round:
    """Rows of the task that a selection learned from, rows of the estimate that it answered, and the selection."""

    train: Index
    answers: Index
    selection: Selection


def rounds(task: Task, estimate: Estimate) -> list[Round]:
    """One round where there is a test set; else one for each outer fold, repeat by repeat."""
    if task.protocol != "nested":
        train = np.sort(np.concatenate([task.train, task.val]))
        return [Round(train, np.arange(len(estimate.labels)), estimate.final)]
    found, start = [], 0
    folds = [(outer, fold) for outer in task.outer for fold in np.unique(outer) if fold >= 0]
    for (outer, fold), selection in zip(folds, estimate.selections, strict=True):
        end = start + int((outer == fold).sum())
        found.append(Round(np.flatnonzero(outer != fold), np.arange(start, end), selection))
        start = end
    return found


def first_repeat(task: Task, found: list[Round]) -> list[Round]:
    """The rounds in which every judged item is answered once."""
    return found if task.protocol != "nested" else found[: len(np.unique(task.outer[0][task.outer[0] >= 0]))]


def answering(shop: Workshop, task: Task, asked: Round) -> Model | None:
    """The model that gave the answers of a round; fitted again where only its answers were remembered.

    That happens only to models whose features come straight from the raws, which take no longer than their features.
    """
    outcome = asked.selection.outcomes[asked.selection.winner]
    if outcome.model is None:
        spent = dict(shop.seconds)
        outcome.model = shop.fit(outcome.method, task.training_view(asked.train), task.items.take([])).model
        shop.seconds.clear()
        shop.seconds.update(spent)  # what explaining takes is no cost of the method
    return outcome.model
