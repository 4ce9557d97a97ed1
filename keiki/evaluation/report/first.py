"""The parts of report.json that answer the three questions of the first screen: how good is it, can I use it, did
transfer help? Conventions are those of schema.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keiki.evaluation.report.part import Interval, Part

Role = Literal["majority", "control", "probe", "winner"]
Unreached = Literal["few", "short"]


@dataclass(frozen=True, kw_only=True)
class Partly(Part):
    """That only `n_judged` of `n_classes` classes were judged: some of them, and how good it is to know nothing.

    Of the judged items the share `constant_right` is of the class `constant`: always naming it would be that good.
    """

    judged: tuple[str, ...]
    n_judged: int
    n_classes: int
    constant: str
    constant_right: float


@dataclass(frozen=True, kw_only=True)
class Headline(Part):
    """How good, in the metric that the user asked for.

    `partly`: None where every class was judged. `n_correct` only for accuracy. `looks`: how often this test set has
    been used over all runs, this one included; None where there is no test set (cross-validation).
    """

    metric: str
    score: Interval
    n: int
    n_correct: int | None = None
    domain: Literal["source", "target"] = "source"
    estimate: Literal["held-out", "cross-validated procedure"] = "held-out"
    looks: int | None = None
    partly: Partly | None = None


@dataclass(frozen=True, kw_only=True)
class Usability(Part):
    """What happens if answers at or above `threshold` are accepted unseen and the others checked by a person.

    `threshold` is None where none is sure to reach `asked_accuracy`; then nothing is accepted. `unreached`: at none
    that was tried were so many of the held-out answers on the training side right ('short'), or at some they were, but
    of too few to be sure ('few'); None where a threshold was found, or the reason was not kept.
    """

    asked_accuracy: float
    threshold: float | None
    accepted: Interval
    n_accepted: int
    to_check: float
    n_to_check: int
    unreached: Unreached | None = None
    accuracy_among_accepted: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class ChartRow(Part):
    """One line of the dot-and-interval chart. `difference`: best pretrained model minus this, paired on the items.

    `label` is for people ("HOG + logistic regression"). A weak control (`weak`, with the reason) never enters the
    verdict; one that was not trained to the end (`unfinished`, with the reason) does where it leads the others.
    `shipped` marks the model in the bundle; it may be a control.
    """

    method: str
    label: str
    role: Role
    score: Interval
    difference: Interval | None = None
    weak: str | None = None
    unfinished: str | None = None
    shipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Transfer(Part):
    """Did pretraining help: the verdict over every strong control, and the rows behind it.

    `against`: label of the control that decided it (the strongest; for "hurt" the one that is better).
    `difference`: best pretrained model minus that control, above zero = pretraining is better. `items_to_decide`:
    for "undecided", how many test items would decide, if that can be said.
    """

    verdict: Literal["helped", "equivalent", "hurt", "undecided"]
    metric: str
    against: str
    difference: Interval
    margin: float
    items_to_decide: int | None = None
    rows: tuple[ChartRow, ...] = ()
