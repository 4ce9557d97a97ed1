"""Swap tests against enumeration and SciPy, and what settles a pair."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from keiki.evaluation.comparison import Pair, exact_swaps, pairs, swap_test
from keiki.evaluation.intervals import Interval, holm, mcnemar_exact
from keiki.metrics.base import METRICS

ACCURACY, LOG_LOSS, MACRO_F1 = (METRICS.get(name) for name in ("accuracy", "log_loss", "macro_f1"))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def decided(labels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Probabilities of two classes that are right where `right` says so."""
    return np.eye(2)[np.where(right, labels, 1 - labels)]


def enumerated(leads: list[int]) -> float:
    """The p-value by writing down every pattern of signs."""
    sums = [
        sum(sign * lead for sign, lead in zip(signs, leads, strict=True))
        for signs in product((1, -1), repeat=len(leads))
    ]
    return float(np.mean(np.abs(sums) >= abs(sum(leads))))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_exact_swaps_equal_the_enumeration_of_all_signs(leads: list[int]) -> None:
    assert exact_swaps(np.array(leads)) == pytest.approx(enumerated(leads), abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_exact_swaps_of_single_items_are_mcnemars_test(first: int, second: int, same: int) -> None:
    leads = np.repeat([1, -1, 0], [first, second, same])
    assert exact_swaps(leads) == pytest.approx(mcnemar_exact(first, second), abs=1e-12)


def test_exact_swaps_stay_exact_for_many_items() -> None:
    leads = np.repeat([1, -1], [5300, 5000])
    assert exact_swaps(leads) == pytest.approx(binomtest(5000, 10300).pvalue, rel=1e-9)


def test_copies_of_an_item_in_one_group_change_nothing() -> None:
    labels = np.zeros(12, dtype=int)
    good, bad = decided(labels, np.arange(12) < 11), decided(labels, np.arange(12) < 4)
    once = swap_test(ACCURACY, labels, good, bad, rng=rng())
    thrice = np.repeat(np.arange(12), 3)
    assert once == pytest.approx(mcnemar_exact(7, 0))
    assert swap_test(ACCURACY, labels[thrice], good[thrice], bad[thrice], rng=rng(), groups=thrice) == pytest.approx(
        once
    )


@pytest.mark.parametrize("metric", [LOG_LOSS, MACRO_F1], ids=lambda metric: metric.name)
def test_random_swaps_approach_the_enumeration_of_all_swaps(metric: object) -> None:
    draw = np.random.default_rng(3)
    labels = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    a, b = (draw.dirichlet([2, 2], size=8) for _ in range(2))

    def lead(kept: np.ndarray) -> float:
        one, other = np.where(kept[:, None], a, b), np.where(kept[:, None], b, a)
        return float(metric.value(labels, one) - metric.value(labels, other))  # type: ignore[attr-defined]

    leads = np.abs([lead(np.array(kept)) for kept in product((True, False), repeat=8)])
    expected = float(np.mean(leads >= abs(lead(np.ones(8, dtype=bool))) - 1e-12))
    assert swap_test(metric, labels, a, b, rng=rng()) == pytest.approx(expected, abs=0.04)  # type: ignore[arg-type]


def test_the_same_model_is_not_told_from_itself() -> None:
    labels = np.repeat([0, 1], 20)
    answers = decided(labels, np.arange(40) % 3 > 0)
    (found,) = pairs(ACCURACY, labels, {"a": answers, "b": answers.copy()}, rng=rng())
    assert found.difference == Interval(0.0, 0.0, 0.0)
    assert (found.p, found.adjusted, found.settled) == (1.0, 1.0, False)


def test_p_values_are_adjusted_over_all_pairs() -> None:
    labels = np.repeat([0, 1], 60)
    place = np.arange(120)
    right = {"a": place % 20 < 19, "b": place % 20 < 16, "c": (place % 20 < 16) & (place > 2)}
    answers = {name: decided(labels, each) for name, each in right.items()}
    found = pairs(ACCURACY, labels, answers, rng=rng())
    assert [(each.first, each.second) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [each.adjusted for each in found] == holm([each.p for each in found])
    assert [each.settled for each in found] == [True, True, False]
    assert found[0].only_first == 18
    assert sum((found[0].both_right, found[0].only_first, found[0].only_second, found[0].both_wrong)) == 120


def test_turning_a_pair_turns_the_sign_alone() -> None:
    labels = np.repeat([0, 1], 30)
    draw = np.random.default_rng(1)
    a, b = (draw.dirichlet([3, 1], size=60) for _ in range(2))
    (there,) = pairs(LOG_LOSS, labels, {"a": a, "b": b}, rng=rng())
    (back,) = pairs(LOG_LOSS, labels, {"b": b, "a": a}, rng=rng())
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.p == back.p


def test_a_lower_loss_is_better() -> None:
    labels = np.zeros(40, dtype=int)
    sure, unsure = (np.tile([p, 1 - p], (40, 1)) + 0.0 for p in (0.9, 0.6))
    (found,) = pairs(LOG_LOSS, labels, {"sure": sure, "unsure": unsure}, rng=rng())
    assert found.difference.value == pytest.approx(np.log(0.9) - np.log(0.6))


@pytest.mark.parametrize(
    ("interval", "adjusted", "settled"),
    [
        (Interval(0.1, 0.01, 0.2), 0.049, True),
        (Interval(-0.1, -0.2, -0.01), 0.01, True),
        (Interval(0.1, 0.01, 0.2), 0.05, False),  # the interval is of this pair alone, the p-value of all
        (Interval(0.1, -0.01, 0.2), 0.01, False),
        (Interval(0.1, 0.0, 0.2), 0.01, False),
    ],
)
def test_settled_asks_the_interval_and_the_adjusted_p_value(interval: Interval, adjusted: float, settled: bool) -> None:
    assert Pair("a", "b", interval, 1, 1, 1, 1, adjusted, adjusted).settled is settled


def test_equal_models_are_seldom_told_apart() -> None:
    """400 draws of two models of one quality: at most 5 % below 0.05, up to three standard errors of the draws."""
    draw = np.random.default_rng(5)
    labels = np.zeros(60, dtype=int)
    groups = np.repeat(np.arange(30), 2)  # both items of a group are right together
    p = [
        swap_test(
            ACCURACY,
            labels,
            *(decided(labels, np.repeat(draw.random(30) < 0.8, 2)) for _ in "ab"),
            rng=draw,
            groups=groups,
        )
        for _ in range(400)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
