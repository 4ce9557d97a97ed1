"""Slices: numbers against slow ones, flags that hold up, and no flag where nothing is to be found."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from scipy import stats

from keiki.core.errors import DataError
from keiki.evaluation.intervals import Interval, wilson
from keiki.evaluation.protocol import estimates
from keiki.evaluation.slices import SMALLEST, Family, calendar, judge, named, thirds, too_small, units_of
from keiki.metrics.accuracy import ACCURACY
from keiki.metrics.base import METRICS

DAY = 86400.0


def answers(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of two classes with these hits."""
    labels = np.arange(len(right)) % 2
    said = np.where(right, labels, 1 - labels)
    return labels, np.eye(2)[said] * 0.8 + 0.1


def total_of(labels: np.ndarray, p: np.ndarray) -> Interval:
    return estimates([ACCURACY], labels, p, rng=np.random.default_rng(0))["accuracy"]


def test_scores_and_p_values_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(200) < np.where(np.arange(200) < 50, 0.5, 0.85)
    labels, p = answers(right)
    family = Family("part", (np.arange(200) >= 50).astype(np.int64), ("first", "rest"))
    first, rest = judge([family], labels, p, ACCURACY, total_of(labels, p), rng=rng)
    assert first.score == wilson(right[:50].sum(), 50)
    z = (right[:50].mean() - right[50:].mean()) / (right.std(ddof=1) * np.sqrt(1 / 50 + 1 / 150))
    assert first.p_value == pytest.approx(min(1.0, 2 * 2 * stats.norm.sf(abs(z))))  # Holm over two
    assert first.weak
    assert not rest.weak


def test_nothing_is_flagged_where_nothing_is_wrong() -> None:
    """Under the null the whole family is flagged in about 2.5 % of the cases (one side of 5 %), never in many."""
    rng = np.random.default_rng(2)
    flagged = 0
    for _ in range(200):
        labels, p = answers(rng.random(120) < 0.8)
        family = Family("part", rng.integers(0, 5, 120), tuple("abcde"))
        found = judge([family], labels, p, ACCURACY, total_of(labels, p), rng=rng)
        flagged += any(each.weak for each in found)
    assert flagged <= 12


def test_clusters_count_as_units_and_small_slices_are_left_out() -> None:
    labels, p = answers(np.ones(60, dtype=bool))
    family = Family("part", np.repeat([0, 1], [40, 20]), ("large", "small"))
    groups = np.arange(60) // 4  # 10 and 5 clusters
    found = judge([family], labels, p, ACCURACY, wilson(15, 15), rng=np.random.default_rng(0), groups=groups)
    assert [each.name for each in found] == ["large"]
    assert found[0].n_units == SMALLEST
    assert too_small(family, groups) == 1
    own = Family("group", family.codes, family.names, by_item=True)
    both = judge([own], labels, p, ACCURACY, wilson(15, 15), rng=np.random.default_rng(0), groups=groups)
    assert [each.n_units for each in both] == [40, 20]


def test_items_judged_several_times_count_once() -> None:
    labels, p = answers(np.ones(60, dtype=bool))
    family = Family("group", np.zeros(60, dtype=np.int64), ("all",), by_item=True)
    found = judge([family], labels, p, ACCURACY, wilson(20, 20), rng=np.random.default_rng(0), items=np.arange(60) % 20)
    assert found[0].n_units == 20
    assert found[0].p_value == 1.0
    assert units_of(family, None, np.arange(60)) is None


def test_a_metric_where_lower_is_better_is_weak_above_the_total() -> None:
    rng = np.random.default_rng(3)
    right = np.repeat([True, False], [80, 40])
    labels, p = answers(right)
    log_loss = METRICS.get("log_loss")
    total = estimates([log_loss], labels, p, rng=rng)["log_loss"]
    family = Family("part", (np.arange(120) >= 80).astype(np.int64), ("good", "bad"))
    good, bad = judge([family], labels, p, log_loss, total, rng=rng)
    assert bad.weak
    assert not good.weak


def test_a_metric_without_a_value_for_an_item_is_refused() -> None:
    labels, p = answers(np.ones(20, dtype=bool))
    with pytest.raises(DataError, match="macro_f1"):
        judge([], labels, p, METRICS.get("macro_f1"), wilson(1, 2), rng=np.random.default_rng(0))


def test_thirds_hold_together_what_is_equal() -> None:
    assert thirds("size", np.full(9, 72), "px") is None
    assert thirds("size", np.array([]), "px") is None
    family = thirds("size", np.array([5, 5, 5, 5, 9]), "px")
    assert family is not None
    assert family.names == ("5 px", "6 px or more")
    assert family.codes.tolist() == [0, 0, 0, 0, 1]


def test_values_that_are_named_once_make_no_family() -> None:
    assert named("format", ["PNG", "PNG", None]) is None
    many = named("site", [f"s{i % 20}" for i in range(100)])
    assert many is not None
    assert len(many.names) == 12
    assert (many.codes == -1).sum() == 40


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (np.array([0, 366, 800]), ("1970", "1971", "1972")),
        (np.array([0, 40, 70]), ("1970-01", "1970-02", "1970-03")),
        (np.array([0, 8, 15]), ("1970, week 01", "1970, week 02", "1970, week 03")),
        (np.array([0, 1, 2]), ("1970-01-01", "1970-01-02", "1970-01-03")),
        (np.array([-400, -40, 0, 100]), ("1968", "1969", "1970")),
    ],
)
def test_the_calendar_takes_the_coarsest_unit_that_tells_apart(days: np.ndarray, expected: tuple[str, ...]) -> None:
    family = calendar("time", days * DAY)
    assert family is not None
    assert family.names == expected


def test_what_fits_no_unit_is_cut_into_quarters() -> None:
    days = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])  # thirteen days in two weeks
    family = calendar("time", days * DAY)
    assert family is not None
    assert len(family.names) in (3, 4)
    assert calendar("time", np.array([0.0, 60.0, 120.0])) is None
    assert calendar("time", np.array([])) is None


def test_a_slice_holds_the_items_of_its_time() -> None:
    days = np.arange(0, 365, 7)
    family = calendar("time", days * DAY)
    assert family is not None
    for code, day in zip(family.codes, days, strict=True):
        moment = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day))
        assert family.names[code] == f"1970 Q{(moment.month + 2) // 3}"
