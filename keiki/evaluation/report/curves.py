"""Geometry of the page's deeper charts: what more labels bring, what accepting costs, how slices lie on one track."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keiki.evaluation.report import words
from keiki.evaluation.report.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Dot,
    LineChart,
    Mark,
    Series,
    Tick,
    line,
    plain,
    scale,
    ticks,
)
from keiki.evaluation.report.insight import LearningCurve, LearningPoint, RiskCurve, Slices
from keiki.evaluation.report.schema import ChartRow, Interval, Usability


def learning(curve: LearningCurve) -> LineChart:
    """Labels (log scale) against accuracy: measured points with intervals, and the power law with its band."""
    known = [*curve.points, *curve.trend]
    marks = ticks(min(p.accuracy.low for p in known), min(1.0, max(p.accuracy.high for p in known)))
    first, last = (math.log2(end(p.n for p in known)) for end in (min, max))
    across, up = scale(first, last, LEFT + 8, RIGHT - 8), scale(marks[0], marks[-1], BOTTOM, TOP)

    def place(point: LearningPoint) -> tuple[float, float]:
        return across(math.log2(point.n)), up(point.accuracy.value)

    measured = tuple(Mark(*place(p), up(p.accuracy.low), up(p.accuracy.high), _labels(p)) for p in curve.points)
    series = [Series("measured", 0, line([(m.x, m.y) for m in measured]), measured)]
    if curve.trend:
        x = [across(math.log2(p.n)) for p in curve.trend]
        edge = [(a, up(p.accuracy.low)) for a, p in zip(x, curve.trend, strict=True)]
        back = [(a, up(p.accuracy.high)) for a, p in zip(x, curve.trend, strict=True)]
        law = line([place(p) for p in curve.trend])
        series.insert(0, Series("power law, with its band", 9, law, band=line(edge + back[::-1])))
    return LineChart(
        series=tuple(series),
        x_ticks=tuple(Tick(across(math.log2(n)), words.count(n)) for n in _sizes(curve)),
        y_ticks=tuple(Tick(up(v), t) for v, t in zip(marks, plain([100 * m for m in marks]), strict=True)),
        x_title="labels to learn from (each step doubles)",
        y_title="accuracy, in percent",
        says=f"Accuracy after learning from {len(curve.points)} numbers of labels.",
    )


def risk(curve: RiskCurve, usability: Usability | None) -> LineChart:
    """Share of the answers accepted, surest first, against the share of them that is right."""
    points = sorted(curve.points, key=lambda p: p.coverage)
    lowest = min(1 - p.risk.high for p in points)
    marks = ticks(min(lowest, 0.95), 1.0)
    across, up = scale(0, 1, LEFT, RIGHT), scale(marks[0], marks[-1], BOTTOM, TOP)
    at = [(across(p.coverage), up(1 - p.risk.value)) for p in points]
    low = [(across(p.coverage), up(1 - p.risk.high)) for p in points]
    high = [(across(p.coverage), up(1 - p.risk.low)) for p in points]
    dots = tuple(
        Mark(x, y, None, None, f"the surest {words.percent(p.coverage)}: {words.percent(1 - p.risk.value)} right")
        for (x, y), p in zip(at, points, strict=True)
    )
    series = [Series("right among the accepted, with interval", 0, line(at), dots, band=line(low + high[::-1]))]
    if usability is not None:
        wanted = up(usability.asked_accuracy)
        series = [Series("wanted", 9, line([(LEFT, wanted), (RIGHT, wanted)])), *series]
        among = usability.accuracy_among_accepted
        if among is not None and among.value >= marks[0]:
            share, reach = words.percent(usability.accepted.value), (up(max(among.low, marks[0])), up(among.high))
            says = f"accepts {share}: {words.score(among, 'accuracy')} right ({words.limits(among, 'accuracy')})"
            threshold = Mark(across(usability.accepted.value), up(among.value), *reach, says, True)
            series.append(Series("the threshold in the bundle", 1, "", (threshold,)))
    return LineChart(
        series=tuple(series),
        x_ticks=tuple(Tick(across(v), f"{100 * v:.0f}") for v in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        y_ticks=tuple(Tick(up(v), t) for v, t in zip(marks, plain([100 * m for m in marks]), strict=True)),
        x_title="share accepted, surest first, in percent",
        y_title="right among them, in percent",
        says="Share of answers accepted against the share of them that is right.",
        fine=True,
    )


@dataclass(frozen=True)
class Tracks:
    """Slices on a common track: a dot for each score, by family; `total` is where all items lie."""

    families: tuple[tuple[Dot, ...], ...]
    total: float
    ticks: tuple[Tick, ...]


def tracks(slices: Slices) -> Tracks:
    """Every slice as a dot on one scale, in percent of the track's width."""
    scores = [each.score for family in slices.families for each in family.slices] + [slices.total]
    marks = ticks(min(s.low for s in scores), max(s.high for s in scores), 4)
    place = scale(marks[0], marks[-1], 2, 98)
    percent = words.is_percent(slices.metric)
    labels = plain([100 * mark for mark in marks] if percent else marks)
    return Tracks(
        tuple(tuple(_dot(each.score, place) for each in family.slices) for family in slices.families),
        place(slices.total.value),
        tuple(Tick(place(mark), label) for mark, label in zip(marks, labels, strict=True)),
    )


def _dot(score: Interval, place: Callable[[float], float]) -> Dot:
    row = ChartRow(method="", label="", role="control", score=score)
    return Dot(place(score.value), place(score.low), place(score.high), row)


def _sizes(curve: LearningCurve) -> Sequence[int]:
    """Labels on the axis: those measured, and the end of the law."""
    return sorted({*(p.n for p in curve.points), *(p.n for p in curve.trend[-1:])})


def _labels(point: LearningPoint) -> str:
    accuracy, between = words.score(point.accuracy, "accuracy"), words.limits(point.accuracy, "accuracy")
    return f"{words.of(point.n, 'labels')}: {accuracy} right ({between})"
