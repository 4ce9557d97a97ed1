"""Which method: every candidate's honest out-of-fold log loss on the same training items, and one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keiki.core.errors import DataError, TrainingError
from keiki.data.task import Items, TrainView
from keiki.evaluation.selection import Candidate, one_standard_error
from keiki.methods.base import FloatArray, Method
from keiki.nn.softmax import cross_entropy_per_item, softmax
from keiki.nn.temperature import fit_temperature
from keiki.selection.budget import Budget, try_tuning
from keiki.selection.workshop import Outcome, Workshop

HALF = 0.5  # of the time for training, which a dear control may take at most

BALANCED = (
    "{} was trained to answer classes of unlike size alike; it is chosen by plain log loss, in which the common "
    "classes count for more, so look at macro F1 and balanced accuracy too."
)


@dataclass
class Selection:
    """The candidates with their outcomes, the winner, and what was tried and lost.

    transfer: name of the best method that uses pretrained knowledge, which the verdict is about. `notes` say what was
    not tried and why.
    """

    outcomes: dict[str, Outcome]
    temperatures: dict[str, float]
    winner: str
    transfer: str
    explanation: str
    table: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def probabilities(self, name: str) -> FloatArray:
        """Calibrated test probabilities (M, C) of one candidate; NaN rows where it has no answer."""
        return softmax(self.outcomes[name].test / self.temperatures[name])

    def out_of_fold(self, name: str) -> FloatArray:
        """Calibrated out-of-fold probabilities (N, C) of one candidate; NaN rows where it has none."""
        return softmax(self.outcomes[name].out_of_fold / self.temperatures[name])


def select(
    shop: Workshop,
    view: TrainView,
    test: Items,
    transfer: Sequence[Method],
    controls: Sequence[Method],
    budget: Budget,
) -> Selection:
    """Fit every method on `view` and choose among those that may ship; `test` items are answered, never looked at.

    `transfer`: the one method that the user asked for, or the candidates of `auto` (the probe first).
    """
    if len(np.unique(view.folds[0])) < 2:
        raise DataError(
            f"The {len(view)} training items lie in one group, so none can be kept apart to choose by.",
            hint="Add items of other groups; with --test DATA all groups at hand are for training.",
        )
    compared = {}
    for method in controls:
        shop.deadline = None if method.quick else budget.deadline(HALF)  # quick ones cost about one forward pass
        compared[method.name] = shop.outcome(method, view, test)
    shop.deadline = budget.deadline()  # what is left when all else is done goes to what trains
    outcomes = {method.name: shop.outcome(method, view, test) for method in transfer} | compared
    notes: list[str] = []
    if budget.allows_tuning:
        found, note = try_tuning(shop, view, test, outcomes[transfer[0].name], budget)
        notes.append(note)
        if found is not None:
            outcomes[found.method.name] = found
    temperatures = {name: _temperature(outcome, view) for name, outcome in outcomes.items()}
    carried = [name for name, outcome in outcomes.items() if "transfer" in outcome.method.tags]
    best = _choose({name: outcomes[name] for name in carried}, temperatures, view)
    shippable = {n: o for n, o in outcomes.items() if n == best.winner or "candidate" in o.method.tags}
    choice = _choose(shippable, temperatures, view)
    notes += [BALANCED.format(best.winner)] if _is_balanced(outcomes[best.winner]) else []
    return Selection(outcomes, temperatures, choice.winner, best.winner, choice.explanation, choice.table, notes)


def _is_balanced(outcome: Outcome) -> bool:
    return bool(outcome.facts.get("balance", {}).get("kind", "none") != "none")


@dataclass
class _Choice:
    winner: str
    explanation: str
    table: list[dict[str, Any]]


def _choose(outcomes: dict[str, Outcome], temperatures: dict[str, float], view: TrainView) -> _Choice:
    """One standard error of the paired log loss, on the training items that every candidate has answered unseen."""
    rows = np.flatnonzero(np.all([np.isfinite(o.out_of_fold).all(axis=1) for o in outcomes.values()], axis=0))
    if not len(rows):
        raise TrainingError(f"No training item has out-of-fold predictions of all of: {', '.join(outcomes)}.")
    candidates = [
        Candidate(
            name,
            cross_entropy_per_item(outcome.out_of_fold[rows] / temperatures[name], view.labels[rows]),
            outcome.trained_parameters,
            outcome.prediction_seconds,
        )
        for name, outcome in outcomes.items()
    ]
    groups = view.groups[rows]
    choice = one_standard_error(candidates, groups if len(np.unique(groups)) < len(groups) else None)
    table = [
        {
            "name": each.name,
            "log_loss": float(each.losses.mean()),
            "difference": choice.differences[number],
            "standard_error": choice.errors[number],
            "trained_parameters": each.n_parameters,
            "prediction_ms": 1000 * each.seconds if len(outcomes[each.name].test) else None,
            "chosen": number == choice.index,
        }
        for number, each in enumerate(candidates)
    ]
    return _Choice(candidates[choice.index].name, choice.explanation, table)


def _temperature(outcome: Outcome, view: TrainView) -> float:
    rows = np.flatnonzero(np.isfinite(outcome.out_of_fold).all(axis=1))
    return fit_temperature(outcome.out_of_fold[rows], view.labels[rows]) if len(rows) else 1.0
