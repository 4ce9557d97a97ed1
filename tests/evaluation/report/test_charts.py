"""Geometry: marks stand where their numbers are, inside the plot, on axes with round ticks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiki.evaluation.report import charts, confusion, curves
from keiki.evaluation.report.schema import ConfusionCell, Report

Samples = dict[str, Callable[[], Report]]
finite = st.floats(-1e3, 1e3, allow_nan=False)


@given(finite, st.floats(1e-3, 1e4))
def test_ticks_enclose_the_data_and_are_few(low: float, span: float) -> None:
    marks = charts.ticks(low, low + span)
    step = marks[1] - marks[0]
    assert marks[0] <= low + step * 1e-6
    assert marks[-1] >= low + span - step * 1e-6
    assert 2 <= len(marks) <= 9


def test_dots_stand_in_the_order_of_their_scores(samples: Samples) -> None:
    transfer = samples["pictures"]().transfer
    assert transfer is not None
    chart = charts.dots(transfer)
    for dot in chart.dots:
        assert 0 <= dot.low <= dot.x <= dot.high <= 100
    by_place = sorted(chart.dots, key=lambda dot: dot.x)
    values = [dot.row.score.value for dot in by_place]
    assert values == sorted(values)


def test_a_dot_on_a_tick_stands_on_the_tick(samples: Samples) -> None:
    transfer = samples["pictures"]().transfer
    assert transfer is not None
    chart = charts.dots(transfer)
    [tick] = [tick for tick in chart.ticks if tick.label == "20"]
    assert chart.dots[0].row.score.value == 0.2
    assert chart.dots[0].x == tick.position


def test_line_charts_stay_inside_their_plot(sample: Report) -> None:
    drawn = [charts.training(curve) for curve in sample.training]
    drawn += [charts.paths(sample.paths)] if sample.paths else []
    drawn += [charts.reliability(sample.reliability)] if sample.reliability else []
    drawn += [curves.learning(sample.learning)] if sample.learning else []
    drawn += [curves.risk(sample.risk, sample.usability)] if sample.risk else []
    for chart in drawn:
        for mark in (mark for series in chart.series for mark in series.marks):
            assert charts.LEFT <= mark.x <= charts.RIGHT
            for y in (mark.y, mark.low, mark.high):
                assert y is None or charts.TOP - 0.01 <= y <= charts.BOTTOM + 0.01
        for series in chart.series:
            for point in series.band.split():
                x, y = map(float, point.split(","))
                assert charts.LEFT <= x <= charts.RIGHT
                assert charts.TOP - 0.01 <= y <= charts.BOTTOM + 0.01
        assert len(chart.x_ticks) >= 2
        assert len(chart.y_ticks) >= 2


def test_slices_lie_on_one_track_with_their_total(samples: Samples) -> None:
    slices = samples["pictures"]().slices
    assert slices is not None
    tracks = curves.tracks(slices)
    shown = [
        (one.score.value, dot)
        for family, dots in zip(slices.families, tracks.families, strict=True)
        for one, dot in zip(family.slices, dots, strict=True)
    ]
    for value, dot in shown:
        assert 0 <= dot.low <= dot.x <= dot.high <= 100
        assert (value < slices.total.value) == (dot.x < tracks.total)


def test_one_penalty_and_one_epoch_can_be_drawn(samples: Samples) -> None:
    report = samples["pictures"]()
    path = type(report.paths[0])(view="v", points=report.paths[0].points[:1], chosen=None)
    curve = type(report.training[0])(phase="p", epochs=report.training[0].epochs[:1])
    assert len(charts.paths([path]).x_ticks) == 1
    assert charts.paths([path]).series[0].marks[0].x >= charts.LEFT
    assert charts.training(curve).series[0].marks[0].x >= charts.LEFT


def test_the_confusion_table_keeps_the_classes_mixed_up_most() -> None:
    cells = [ConfusionCell(true=i, predicted=i, n=5) for i in range(6)] + [ConfusionCell(true=4, predicted=1, n=2)]
    table = confusion.table([f"c{i}" for i in range(6)], cells, most=2)
    assert table.columns == ("c1", "c4")
    assert table.n_left_out == 4
    assert [[cell.n for cell in row.cells] for row in table.rows] == [[5, 0], [2, 5]]
    assert table.rows[1].n == 7


@pytest.mark.parametrize(("n", "total", "level"), [(0, 10, 0), (1, 1000, 1), (5, 10, 3), (10, 10, 5)])
def test_shade_is_the_share_of_the_row_rounded_up(n: int, total: int, level: int) -> None:
    assert confusion._cell(n, total, True).level == level
