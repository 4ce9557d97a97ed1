"""What a comparison of runs says: its content as plain values, and the sentences that judge."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from keiki.evaluation.comparison import LEVEL, Pair
from keiki.evaluation.intervals import Interval
from keiki.evaluation.report import words
from keiki.evaluation.report.schema import Interval as Shown

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run: how it came about, its score on the common items, and what it cost; None: not known.

    created: ISO 8601 with time zone. protocol: 'given', 'held-out' or 'nested'. n_train: items it was fitted on.
    """

    name: str
    folder: str
    created: str | None
    method: str
    backbone: str
    protocol: str
    n_train: int | None
    score: Interval
    total_seconds: float | None = None
    prediction_ms: float | None = None
    bundle_bytes: int | None = None
    peak_memory_bytes: int | None = None
    trained_parameters: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "score": self.score.to_json()}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something in which the runs were asked for different things, and what each was asked for."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class: items of it, and the share of them that each run decides right."""

    name: str
    support: int
    recalls: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """An item that some runs decide right and others do not; `said`: the class that each run names."""

    id: str
    label: str
    said: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two or more runs on the same items. repeats: answers an item, on average; notes: sentences to be read first."""

    metric: str
    noun: str
    n: int
    repeats: float
    classes: tuple[str, ...]
    runs: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]
    per_class: tuple[ClassRow, ...]
    disagreements: tuple[Disagreement, ...]
    n_disagreements: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        names = [run.name for run in self.runs]
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "items": self.n,
            "answers_per_item": self.repeats,
            "classes": list(self.classes),
            "runs": [run.to_json() for run in self.runs],
            "pairs": [pair.to_json() for pair in self.pairs],
            "differences": {each.name: dict(zip(names, each.values, strict=True)) for each in self.differences},
            "per_class": [asdict(each) for each in self.per_class],
            "disagreements": [asdict(each) for each in self.disagreements],
            "n_disagreements": self.n_disagreements,
            "notes": list(self.notes),
        }


def shown(interval: Interval) -> Shown | None:
    """The interval for the page; None where an end of it is not known."""
    if not all(map(math.isfinite, (interval.value, interval.low, interval.high))):
        return None
    return Shown(value=interval.value, low=interval.low, high=interval.high)


def verdict(pair: Pair, metric: str) -> str:
    """Which of two runs is better, in one line.

    >>> pair = Pair("a", "b", Interval(-0.05, -0.09, -0.01), 60, 2, 8, 30, 0.02, 0.04)
    >>> verdict(pair, "accuracy")
    "'b' is better than 'a': +5 points (1–9), p = 0.04"
    """
    if pair.difference == Interval(0.0, 0.0, 0.0):
        return f"'{pair.first}' and '{pair.second}' give the same answers"
    turned = pair.difference.value < 0
    better, worse = (pair.second, pair.first) if turned else (pair.first, pair.second)
    lead = lead_of(pair.difference.flipped() if turned else pair.difference, metric)
    if pair.settled:
        return f"'{better}' is better than '{worse}': {lead}, {chance(pair.adjusted)}"
    return f"no difference settled between '{better}' and '{worse}': {lead}, {chance(pair.adjusted)}"


def at_odds(pair: Pair) -> str:
    """Why a pair is not settled where its interval and its p-value say different things; empty where they agree.

    >>> at_odds(Pair("a", "b", Interval(0.12, 0.03, 0.32), 60, 8, 2, 30, 0.24, 0.24))
    "the interval leaves 0 out, but swapping the two runs' answers at random gives as large a difference too often"
    >>> at_odds(Pair("a", "b", Interval(0.12, 0.03, 0.32), 60, 8, 2, 30, 0.02, 0.12))
    'the interval leaves 0 out, but among so many pairs one like this comes up by chance (Holm)'
    """
    clear = pair.difference.low > 0 or pair.difference.high < 0
    if pair.settled or clear == (pair.adjusted < LEVEL):
        return ""
    if not clear:
        return "the p-value is small, but the interval still holds 0"
    if pair.p < LEVEL:
        return "the interval leaves 0 out, but among so many pairs one like this comes up by chance (Holm)"
    return (
        "the interval leaves 0 out, but swapping the two runs' answers at random gives as large a difference too often"
    )


def lead_of(difference: Interval, metric: str) -> str:
    """A difference with its limits: '+5 points (1–9)', or '0.05 better in log loss (0.01–0.09)'."""
    found = shown(difference)
    if found is None:
        return "too few independent items to say by how much"
    text, limits = words.difference(found, metric), words.difference_limits(found, metric)
    if words.is_percent(metric):
        return f"{text} ({limits})"
    return f"{text.removeprefix('+')} better in {words.metric_title(metric)} ({limits})"


def chance(p: float) -> str:
    """A p-value for people.

    >>> chance(0.0421), chance(0.00003), chance(1.0)
    ('p = 0.042', 'p < 0.001', 'p = 1')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def overview(comparison: Comparison) -> str:
    """The first run by score, and which others it is surely better than.

    With two runs this is their verdict.
    """
    if len(comparison.runs) == 2:
        return verdict(comparison.pairs[0], comparison.metric)
    leader = best(comparison)
    beaten = [_loser(pair, leader.name) for pair in comparison.pairs if leader.name in (pair.first, pair.second)]
    sure = [name for name in beaten if name]
    if not sure:
        return f"'{leader.name}' has the best score, but no lead of it is settled"
    if len(sure) == len(comparison.runs) - 1:
        return f"'{leader.name}' is better than every other run"
    names = ", ".join(f"'{name}'" for name in sure)
    return f"'{leader.name}' has the best score; settled against {names}, and not against the others"


def best(comparison: Comparison) -> Entry:
    """The run with the best score: the one that leads most pairs, the first of equals."""
    wins = {run.name: 0 for run in comparison.runs}
    for pair in comparison.pairs:
        if pair.difference.value:
            wins[pair.first if pair.difference.value > 0 else pair.second] += 1
    return max(comparison.runs, key=lambda run: wins[run.name])


def rule(comparison: Comparison) -> str:
    """How it was decided, in words."""
    items = words.of(comparison.n, comparison.noun)
    test = "McNemar's exact test" if comparison.metric == "accuracy" else "a swap test"
    many = len(comparison.pairs)
    family = f", adjusted over {many} pairs by Holm's method" if many > 1 else ""
    return (
        f"Every run answered the same {items}, none of which it had been fitted on. A difference is settled when its "
        f"95 % interval leaves 0 out and the p-value of {test}{family} lies below 0.05: the first draws the items "
        "anew, the second the answers, so with few items they can differ, and both must agree."
    )


def _loser(pair: Pair, winner: str) -> str:
    """The other run of a pair, if `winner` is surely better; else ''."""
    leads = pair.difference.value > 0 if pair.first == winner else pair.difference.value < 0
    other = pair.second if pair.first == winner else pair.first
    return other if leads and pair.settled else ""
