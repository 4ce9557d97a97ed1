"""How good the procedure is: every choice made without the items that judge it.

given, held-out: one selection on the training items; the test items are answered once. nested: for each outer fold a
selection on the rest, from the first choice on; the shipped model then comes from a selection on all items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from keiki.core.record import Record
from keiki.data.task import Index, Items, Task, TrainView
from keiki.methods.base import FloatArray
from keiki.selection.budget import Budget
from keiki.selection.select import Selection

Select = Callable[[TrainView, Items, Budget], Selection]
SHIPPED, TRANSFER = "shipped", "transfer"  # what the procedure ships; what it makes of pretrained knowledge


@dataclass(frozen=True)
class Estimate:
    """Answers for the items that judge: positions into the task (M,), labels, groups, probabilities by name (M, C).

    Besides one entry a method there are SHIPPED and TRANSFER. Rows that a control has no answer for are NaN. With
    repeats an item stands several times, kept together by its group.
    """

    positions: Index
    labels: Index
    groups: Index
    probabilities: dict[str, FloatArray]
    final: Selection
    selections: tuple[Selection, ...]

    @property
    def n_items(self) -> int:
        return len(np.unique(self.positions))

    @property
    def repeats(self) -> float:
        """How often an item stands here, on average."""
        return len(self.positions) / self.n_items


def estimate(task: Task, select: Select, budget: Budget, record: Record) -> Estimate:
    """Run the task's protocol."""
    if task.protocol != "nested":
        final = select(task.training_view(), task.items.take(task.test), budget)
        return Estimate(task.test, task.labels[task.test], task.groups[task.test], _answers(final), final, (final,))
    rounds = outer_rounds(task)
    shared = replace(budget, share=len(rounds) + 1)
    selections, held = [], [judged for _, judged in rounds]
    for number, (rest, judged) in enumerate(rounds):
        record.progress("outer folds", number, len(rounds))
        selections.append(select(task.training_view(rest), task.items.take(judged), shared))
    record.progress("outer folds", len(rounds), len(rounds))
    final = select(task.training_view(), task.items.take([]), replace(budget, share=1))
    at = np.concatenate(held)
    return Estimate(at, task.labels[at], task.groups[at], _joined(selections), final, tuple(selections))


def outer_rounds(task: Task) -> list[tuple[Index, Index]]:
    """Of a nested estimate: the rows to learn from and the rows that judge, repeat by repeat and fold by fold."""
    return [
        (np.flatnonzero(own != fold), np.flatnonzero(own == fold))
        for own in task.outer
        for fold in np.unique(own)
        if fold >= 0
    ]


def _answers(selection: Selection) -> dict[str, FloatArray]:
    found = {name: selection.probabilities(name) for name in selection.outcomes}
    return {**found, SHIPPED: found[selection.winner], TRANSFER: found[selection.transfer]}


def _joined(selections: list[Selection]) -> dict[str, FloatArray]:
    parts = [_answers(selection) for selection in selections]
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
