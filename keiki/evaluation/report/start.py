"""The part of report.json about a model of the user's own that a fit started from. Conventions are those of schema.py.

Start
├── against_public  the same method from the public backbone, on the same items
├── as_it_was       the model before this fit, where it knows all classes
└── old             what the new model still knows of the old task
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keiki.evaluation.report.part import Interval, Part


@dataclass(frozen=True, kw_only=True)
class AgainstPublic(Part):
    """The method called `method` from the user's model and from the public one; above zero speaks for the user's."""

    verdict: Literal["helped", "equivalent", "hurt", "undecided"]
    metric: str
    method: str
    own: Interval
    public: Interval
    difference: Interval
    margin: float


@dataclass(frozen=True, kw_only=True)
class AsItWas(Part):
    """The user's model without this fit, on the `n` judged items that it had not learned from.

    Its answers are taken among the new classes. `difference`: what was shipped minus the model as it was.
    """

    metric: str
    score: Interval
    difference: Interval
    n: int


@dataclass(frozen=True, kw_only=True)
class Old(Part):
    """Accuracy on labelled data of the old task, before and after, on the same `n` items.

    They are of classes that both models can name. Left out and counted: items of classes that the new model cannot name
    (`unnamed`, with the first of `unnamed_classes`), that the old one could not (`foreign`), and `unreadable` ones.
    `seen_by_source`, `seen_by_fit`: items that were learned from; left out as well where enough others are there
    (`only_unseen`). Where no class is shared, `before` is of all classes of the old model, and there is no `after`.
    """

    data: str
    n: int
    before: Interval | None
    after: Interval | None = None
    difference: Interval | None = None
    verdict: Literal["forgot", "kept", "undecided", "not comparable"]
    unnamed: int = 0
    unnamed_classes: tuple[str, ...] = ()
    foreign: int = 0
    unreadable: int = 0
    seen_by_source: int = 0
    seen_by_fit: int = 0
    only_unseen: bool = True


@dataclass(frozen=True, kw_only=True)
class Start(Part):
    """Where a fit started from: `name` of the run, bundle or file, and the public backbone `base` under it.

    `own_body`: whether its network differs from the public one (a probe has a head alone). `known`: how many of the new
    classes it knew; None where nobody knows its classes. `judged_seen`: judged items that it had learned from, of
    `judged`; `without_them`: the metric of the headline without these. `learned_seen`: training items that it had.
    """

    name: str
    digest: str
    base: str
    own_body: bool
    known: int | None
    n_classes: int
    judged: int
    judged_seen: int = 0
    learned_seen: int = 0
    without_them: Interval | None = None
    against_public: AgainstPublic | None = None
    as_it_was: AsItWas | None = None
    old: Old | None = None
    notes: tuple[str, ...] = ()
