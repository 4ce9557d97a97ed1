"""Geometry of the page's charts: from numbers to coordinates and ticks; the templates draw them as inline SVG.

Own drawings instead of a plotting library: they follow dark mode, scale with the page, print, and cost no import.
The dot-and-interval chart is laid out in percent of its width, so that its text keeps its size on a phone; the
others have a fixed drawing of 360 by 260 units, about the width of a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keiki.evaluation.report import words
from keiki.evaluation.report.schema import ChartRow, Interval, Path, Reliability, TrainingCurve, Transfer

WIDTH, HEIGHT = 360, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 350, 10, 214  # the plot's rectangle; outside it stand tick labels and axis titles


@dataclass(frozen=True)
class Tick:
    """A tick at `position` (percent or drawing units) with its label."""

    position: float
    label: str


@dataclass(frozen=True)
class Dot:
    """An estimate at `x` with limits, in percent of the track's width."""

    x: float
    low: float
    high: float
    row: ChartRow


@dataclass(frozen=True)
class DotChart:
    """The dot-and-interval chart: one `Dot` per row over common ticks."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    title: str


@dataclass(frozen=True)
class Mark:
    """A point of a series, its error bar (or None) in drawing units, and what it says when pointed at."""

    x: float
    y: float
    low: float | None
    high: float | None
    says: str
    chosen: bool = False


@dataclass(frozen=True)
class Series:
    """A line through marks; `style` numbers its colour, dash and marker; `name` stands in the legend.

    `band`: the outline of a shaded area behind it, or empty.
    """

    name: str
    style: int
    line: str
    marks: tuple[Mark, ...] = field(default=())
    band: str = ""


@dataclass(frozen=True)
class LineChart:
    """A plot with real axes: ticks, titles with units, series. `fine`: many marks, drawn small."""

    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    y_title: str
    says: str
    fine: bool = False


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About `n` round numbers that enclose [low, high].

    >>> ticks(0.13, 0.94)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high <= low:
        low, high = low - abs(low) * 0.5 - 0.01, high + abs(high) * 0.5 + 0.01
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.8)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within [low, high], every second or third where there are many; the ends where there are few.

    >>> log_ticks(0.0009, 12.0)
    [0.001, 0.01, 0.1, 1.0, 10.0]
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last <= first:
        return sorted({low, high})
    stride = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**power for power in range(first, last + 1, stride)]


def plain(marks: Sequence[float]) -> list[str]:
    """Labels of ticks with as many decimals as the finest needs.

    >>> plain([0.8, 1.0, 1.25])
    ['0.80', '1.00', '1.25']
    """
    digits = max(len(f"{mark:.6g}".partition(".")[2]) for mark in marks)
    return [words.decimal(mark, digits) for mark in marks]


def dots(transfer: Transfer) -> DotChart:
    """The chart of the transfer verdict: every row's score and interval in the chosen metric."""
    intervals = [row.score for row in transfer.rows]
    marks = ticks(min(i.low for i in intervals), max(i.high for i in intervals)) if intervals else [0.0, 1.0]
    low, high = marks[0], marks[-1]

    def place(value: float) -> float:
        return round(2 + 96 * (value - low) / (high - low), 2)

    percent = words.is_percent(transfer.metric)
    labels = plain([100 * mark for mark in marks] if percent else marks)
    title = words.metric_title(transfer.metric)
    return DotChart(
        dots=tuple(Dot(place(r.score.value), place(r.score.low), place(r.score.high), r) for r in transfer.rows),
        ticks=tuple(Tick(place(mark), label) for mark, label in zip(marks, labels, strict=True)),
        title=f"{title}, in percent" if percent else title,
    )


def reliability(reliability: Reliability) -> LineChart:
    """Stated probability against share right: on the diagonal the probabilities mean what they say."""
    x = y = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    across, up = scale(0, 1, LEFT, RIGHT), scale(0, 1, BOTTOM, TOP)
    filled = [bin_ for bin_ in reliability.bins if bin_.n]
    marks = tuple(
        Mark(
            across(bin_.confidence),
            up(bin_.accuracy.value),
            up(bin_.accuracy.low),
            up(bin_.accuracy.high),
            f"said {words.percent(bin_.confidence)}, right {words.percent(bin_.accuracy.value)} "
            f"({words.limits(bin_.accuracy, 'accuracy')}, {words.of(bin_.n, 'items')})",
        )
        for bin_ in filled
    )
    diagonal = Series("as it should be", 9, line([(LEFT, BOTTOM), (RIGHT, TOP)]))
    return LineChart(
        series=(diagonal, Series("measured", 0, line([(m.x, m.y) for m in marks]), marks)),
        x_ticks=tuple(Tick(across(v), f"{100 * v:.0f}") for v in x),
        y_ticks=tuple(Tick(up(v), f"{100 * v:.0f}") for v in y),
        x_title="probability it stated, in percent",
        y_title="share that was right, in percent",
        says=f"Reliability diagram with {len(filled)} bins.",
    )


def paths(paths: Sequence[Path]) -> LineChart:
    """Penalty (log scale) against out-of-fold log loss, one line per view."""
    penalties = [p.penalty for path in paths for p in path.points]
    ends = [(p.log_loss, p.standard_error or 0.0) for path in paths for p in path.points]
    y = ticks(min(loss - error for loss, error in ends), max(loss + error for loss, error in ends))
    across, up = _log_scale(min(penalties), max(penalties), LEFT, RIGHT), scale(y[0], y[-1], BOTTOM, TOP)
    series = tuple(_path_series(path, style, across, up) for style, path in enumerate(paths))
    return LineChart(
        series=series,
        x_ticks=tuple(Tick(across(v), words.power(v)) for v in log_ticks(min(penalties), max(penalties))),
        y_ticks=_ticks(y, up),
        x_title="penalty on the weights (log scale)",
        y_title="out-of-fold log loss (nats)",
        says="Penalty against out-of-fold log loss, one line per view; lower is better.",
    )


def training(curve: TrainingCurve) -> LineChart:
    """Epoch against loss on training and validation items."""
    losses = [loss for e in curve.epochs for loss in (e.train, e.validation) if loss is not None]
    x = [v for v in ticks(0, max(e.epoch for e in curve.epochs)) if v == int(v)]
    y = ticks(min(losses), max(losses))
    across, up = scale(x[0], x[-1], LEFT, RIGHT), scale(y[0], y[-1], BOTTOM, TOP)
    train = [(e.epoch, e.train) for e in curve.epochs]
    validation = [(e.epoch, e.validation) for e in curve.epochs if e.validation is not None]

    def series(name: str, style: int, values: Sequence[tuple[int, float]]) -> Series:
        at = [(across(epoch), up(loss)) for epoch, loss in values]
        marks = tuple(
            Mark(px, py, None, None, f"{name}, epoch {epoch}: {loss:.3g}", name == "validation" and epoch == curve.best)
            for (px, py), (epoch, loss) in zip(at, values, strict=True)
        )
        return Series(name, style, line(at), marks)

    both = (series("training", 1, train), series("validation", 0, validation))
    return LineChart(
        series=tuple(s for s in both if s.marks),
        x_ticks=tuple(Tick(across(v), f"{v:g}") for v in x),
        y_ticks=_ticks(y, up),
        x_title="epoch",
        y_title="loss (nats)",
        says="Loss by epoch on training and validation items; lower is better.",
    )


def track(interval: Interval) -> Dot:
    """A share in [0, 1] as a bare dot on a track from 0 to 100 %."""
    place = scale(0, 1, 2, 98)
    row = ChartRow(method="", label="", role="control", score=interval)
    return Dot(place(interval.value), place(interval.low), place(interval.high), row)


def _path_series(path: Path, style: int, across: Callable[[float], float], up: Callable[[float], float]) -> Series:
    marks = tuple(
        Mark(
            across(p.penalty),
            up(p.log_loss),
            None if p.standard_error is None else up(p.log_loss - p.standard_error),
            None if p.standard_error is None else up(p.log_loss + p.standard_error),
            f"{path.view}, penalty {words.number(p.penalty)}: log loss {p.log_loss:.3g}",
            p.penalty == path.chosen,
        )
        for p in sorted(path.points, key=lambda p: p.penalty)
    )
    return Series(path.view, style % 8, line([(m.x, m.y) for m in marks]), marks)


def _ticks(marks: Sequence[float], place: Callable[[float], float]) -> tuple[Tick, ...]:
    return tuple(Tick(place(mark), label) for mark, label in zip(marks, plain(marks), strict=True))


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The linear map that takes `low` to `start` and `high` to `end`."""

    def place(value: float) -> float:
        return round(start + (end - start) * (value - low) / ((high - low) or 1), 2)

    return place


def _log_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    place = scale(math.log10(low), math.log10(high), start + 8, end - 8)
    return lambda value: place(math.log10(value))


def line(at: Sequence[tuple[float, float]]) -> str:
    """Points as SVG writes them.

    >>> line([(1.0, 2.5), (3.0, 4.0)])
    '1,2.5 3,4'
    """
    return " ".join(f"{x:g},{y:g}" for x, y in at)
