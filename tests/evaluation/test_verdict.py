"""The truth table of the verdict, and paired differences against their witnesses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiki.core.errors import RequestError
from keiki.evaluation.intervals import Interval, tango
from keiki.evaluation.verdict import paired_difference, verdict
from keiki.metrics.base import METRICS, Metric

UP, DOWN = Interval(0.3, 0.2, 0.4), Interval(-0.3, -0.4, -0.2)
SAME, WIDE = Interval(0.001, -0.004, 0.006), Interval(0.02, -0.02, 0.06)


@pytest.mark.parametrize(
    ("intervals", "word", "against"),
    [
        ([UP], "helped", 0),
        ([UP, Interval(0.1, 0.001, 0.2)], "helped", 1),
        ([Interval(0.004, 0.001, 0.007)], "helped", 0),  # above 0 comes before inside the margin
        ([DOWN], "hurt", 0),
        ([UP, DOWN], "hurt", 1),
        ([Interval(-0.2, -0.5, 0.1), Interval(-0.1, -0.15, -0.05)], "hurt", 1),  # the one that decides, not the lowest
        ([Interval(-0.004, -0.007, -0.001)], "hurt", 0),
        ([SAME], "equivalent", 0),
        ([UP, SAME], "equivalent", 1),
        ([Interval(0.0, 0.0, 0.0)], "equivalent", 0),
        ([WIDE], "undecided", 0),
        ([UP, WIDE], "undecided", 1),
        ([SAME, WIDE], "undecided", 0),
        ([Interval(0.02, 0.0, 0.04)], "undecided", 0),  # touching 0 is not above it
        ([Interval(0.0, -0.01, 0.01)], "undecided", 0),  # touching the margin is not inside
    ],
)
def test_the_truth_table(intervals: list[Interval], word: str, against: int) -> None:
    found = verdict("accuracy", [(str(k), each) for k, each in enumerate(intervals)], n=100)
    assert (found.verdict, found.against) == (word, str(against))
    assert found.difference == intervals[against]
    assert ("items_needed" in found.to_json()) == (word == "undecided")
    json.dumps(found.to_json(), allow_nan=False)


def test_a_verdict_without_controls_is_refused() -> None:
    with pytest.raises(RequestError, match="--controls"):
        verdict("accuracy", [], n=10)


@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.001, 0.5)), min_size=1, max_size=4), st.integers(10, 1000))
def test_the_items_that_are_said_to_decide_do(pairs: list[tuple[float, float]], n: int) -> None:
    found = verdict("accuracy", [("c", Interval(v, v - half, v + half)) for v, half in pairs], n)
    if found.verdict != "undecided" or found.items_needed is None:
        return
    assert found.items_needed > n
    shrink = (n / found.items_needed) ** 0.5
    then = [("c", Interval(v, v - half * shrink, v + half * shrink)) for v, half in pairs]
    assert verdict("accuracy", then, found.items_needed).verdict != "undecided"


def test_no_number_of_items_is_invented() -> None:
    assert verdict("accuracy", [("c", Interval(0.01, -0.1, 0.12))], 50).items_needed == 50 * 11**2 + 1
    assert verdict("accuracy", [("c", Interval(0.01, -0.1, 0.12))], 50, margin=0.01).verdict == "undecided"
    assert verdict("f1", [("c", Interval(float("nan"), -1.0, 1.0))], 50).items_needed is None


def test_a_number_of_items_that_nobody_collects_is_not_said() -> None:
    assert verdict("accuracy", [("c", Interval(0.0, -0.17, 0.17))], 54).items_needed is None  # 289 times as many
    assert verdict("accuracy", [("c", Interval(0.0, -0.09, 0.09))], 2000).items_needed is None  # 162,000
    assert verdict("accuracy", [("c", Interval(0.0, -0.015, 0.015))], 80_000).items_needed == 180_001


def models(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities of a better model and of a worse one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    powers = [np.exp(rng.normal(size=(n, 4)) + gain * np.eye(4)[labels]) for gain in (2.0, 1.0)]
    return labels, *(each / each.sum(axis=1, keepdims=True) for each in powers)


@pytest.mark.parametrize("metric", [pytest.param(m, id=name) for name, m in METRICS.items() if name != "ece"])
def test_above_zero_means_better_and_swapping_flips(metric: Metric) -> None:
    labels, good, bad = models()
    found = paired_difference(metric, labels, good, bad, rng=np.random.default_rng(0), resamples=500)
    swapped = paired_difference(metric, labels, bad, good, rng=np.random.default_rng(0), resamples=500)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(abs(metric.value(labels, good) - metric.value(labels, bad)))
    assert found.value > 0
    assert (swapped.value, swapped.low, swapped.high) == pytest.approx(
        (-found.value, -found.high, -found.low), abs=0.01
    )


def test_accuracy_is_tangos_interval() -> None:
    labels, good, bad = models()
    a, b = good.argmax(axis=1) == labels, bad.argmax(axis=1) == labels
    found = paired_difference(METRICS.get("accuracy"), labels, good, bad, rng=np.random.default_rng(0))
    assert found == tango(np.sum(a & ~b), np.sum(b & ~a), 200)


def test_items_of_one_group_count_once() -> None:
    labels, good, bad = models(60)
    eightfold = [np.repeat(each, 8, axis=0) for each in (labels, good, bad)]
    groups = np.repeat(np.arange(60), 8)
    args = {"rng": np.random.default_rng(0), "groups": groups}
    grouped = paired_difference(METRICS.get("accuracy"), *eightfold, **args)
    once = paired_difference(METRICS.get("accuracy"), labels, good, bad, rng=np.random.default_rng(0))
    assert grouped.value == pytest.approx(once.value)
    assert grouped.width == pytest.approx(once.width, rel=0.15)


def test_the_same_model_differs_by_exactly_nothing() -> None:
    labels, good, _ = models()
    for metric in ("accuracy", "log_loss", "macro_f1"):
        found = paired_difference(METRICS.get(metric), labels, good, good.copy(), rng=np.random.default_rng(0))
        assert found == Interval(0.0, 0.0, 0.0)


def test_models_that_happen_to_agree_are_not_proven_equal() -> None:
    labels, good, _ = models(40)
    sharper = good**2 / (good**2).sum(axis=1, keepdims=True)  # the same decisions
    found = paired_difference(METRICS.get("macro_f1"), labels, good, sharper, rng=np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((-0.0876, 0.0876), abs=1e-3)


def test_where_a_metric_has_no_value_nothing_is_decided() -> None:
    labels, good, _ = models(40)
    never = np.tile([0.4, 0.0, 0.3, 0.3], (40, 1))
    found = paired_difference(METRICS.get("precision").bind(1), labels, good, never, rng=np.random.default_rng(0))
    assert np.isnan(found.value)
    assert (found.low, found.high) == (-1, 1)
    assert verdict("precision", [("never", found), ("other", UP)], 40).against == "never"


def test_the_bootstrap_of_log_loss_agrees_with_the_paired_t_interval() -> None:
    from scipy import stats

    labels, good, bad = models(400)
    rows = np.arange(400)
    gain = np.log(good[rows, labels]) - np.log(bad[rows, labels])
    theirs = stats.ttest_1samp(gain, 0).confidence_interval()
    found = paired_difference(METRICS.get("log_loss"), labels, good, bad, rng=np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.15 * (theirs.high - theirs.low))
