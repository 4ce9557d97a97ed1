"""A comparison of runs -> compare.html: one file in the style of the report, without network, script or font."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keiki
from keiki.evaluation.comparison import Pair
from keiki.evaluation.intervals import Interval
from keiki.evaluation.report import charts, comparing, page, words
from keiki.evaluation.report.comparing import Comparison, Entry
from keiki.evaluation.report.schema import Interval as Shown

SHORT = 28  # characters of a run's name before its cell on a phone
MOST_CLASSES = 60  # rows of the table; the JSON has them all


@dataclass(frozen=True)
class Spot:
    """An estimate at `x` with limits, in percent of the track's width."""

    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Track:
    """Intervals on one scale; None where an end is not known. `zero`: the place of 0, None where it lies outside."""

    spots: tuple[Spot | None, ...]
    ticks: tuple[charts.Tick, ...]
    zero: float | None


@dataclass(frozen=True)
class Row:
    """A run in the chart: its score, and how far the best run lies ahead of it (None: it is the best)."""

    entry: Entry
    score: Shown | None
    spot: Spot | None
    behind: Pair | None
    lead: Shown | None
    best: bool


def render(comparison: Comparison, created: str) -> str:
    """The page; created: ISO 8601 with time zone."""
    percent = words.is_percent(comparison.metric)
    scores = track([run.score for run in comparison.runs], percent)
    leads = track([turned(pair).difference for pair in comparison.pairs], percent, zero=True)
    template = page.environment().get_template("compare.html")
    return template.render(
        comparison=comparison,
        comparing=comparing,
        shown=comparing.shown,
        created=created,
        keiki=keiki.__version__,
        best=comparing.best(comparison),
        rows=_rows(comparison, scores),
        scores=scores,
        leads=leads,
        names=[run.name if len(run.name) <= SHORT else f"{run.name[: SHORT - 1]}…" for run in comparison.runs],
        odd=[pair for pair in comparison.pairs if comparing.at_odds(pair)],
        pairs=[(turned(pair), spot) for pair, spot in zip(comparison.pairs, leads.spots, strict=True)],
        most_classes=MOST_CLASSES,
    )


def turned(pair: Pair) -> Pair:
    """The pair with the run that leads named first."""
    if pair.difference.value >= 0:
        return pair
    return Pair(
        pair.second,
        pair.first,
        pair.difference.flipped(),
        pair.both_right,
        pair.only_second,
        pair.only_first,
        pair.both_wrong,
        pair.p,
        pair.adjusted,
    )


def track(intervals: Sequence[Interval], percent: bool, *, zero: bool = False) -> Track:
    """Intervals on a common scale of round numbers; with `zero` the scale holds 0.

    >>> track([Interval(0.5, 0.4, 0.6)], percent=True).spots[0].x
    50.0
    """
    known = [comparing.shown(interval) for interval in intervals]
    ends = [end for each in known if each for end in (each.low, each.high)] + [0.0] * zero
    marks = charts.ticks(min(ends), max(ends)) if ends else [0.0, 1.0]

    def place(value: float) -> float:
        return round(2 + 96 * (value - marks[0]) / (marks[-1] - marks[0]), 2)

    labels = charts.plain([100 * mark for mark in marks] if percent else marks)
    return Track(
        spots=tuple(Spot(place(each.value), place(each.low), place(each.high)) if each else None for each in known),
        ticks=tuple(charts.Tick(place(mark), label) for mark, label in zip(marks, labels, strict=True)),
        zero=place(0.0) if marks[0] <= 0 <= marks[-1] else None,
    )


def _rows(comparison: Comparison, scores: Track) -> list[Row]:
    """The runs by score, the best last, as in the report."""
    leader = comparing.best(comparison)
    ahead = {pair.second: pair for pair in map(turned, comparison.pairs) if pair.first == leader.name}
    rows = []
    for entry, spot in zip(comparison.runs, scores.spots, strict=True):
        behind = ahead.get(entry.name)
        lead = comparing.shown(behind.difference) if behind else None
        rows.append(Row(entry, comparing.shown(entry.score), spot, behind, lead, entry is leader))
    return sorted(rows, key=lambda row: (row.best, -(row.lead.value if row.lead else 0.0)))
