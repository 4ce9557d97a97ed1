"""Intervals and tests against SciPy, published examples, slow solvers and exact coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from keiki.core.errors import DataError
from keiki.evaluation.intervals import (
    Interval,
    clopper_pearson_low,
    holm,
    mcnemar_exact,
    nadeau_bengio,
    tango,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (7, 9), (81, 263), (1, 1)])
def test_wilson_agrees_with_scipy(k: int, n: int) -> None:
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (wilson(k, n).low, wilson(k, n).high) == pytest.approx((theirs.low, theirs.high))


def test_wilson_covers_on_average_what_it_says() -> None:
    ends = [wilson(k, 40) for k in range(41)]
    truth = np.linspace(0.05, 0.95, 181)
    inside = np.array([[end.low <= p <= end.high for end in ends] for p in truth])
    coverage = (stats.binom.pmf(np.arange(41), 40, truth[:, None]) * inside).sum(axis=1)  # exact, no simulation
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)
    assert coverage.min() > 0.89


@pytest.mark.parametrize(("k", "n"), [(1, 10), (59, 59), (95, 100)])
def test_clopper_pearson_agrees_with_scipy(k: int, n: int) -> None:
    theirs = stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, method="exact")
    assert clopper_pearson_low(k, n) == pytest.approx(theirs.low)
    assert clopper_pearson_low(0, n) == 0


def slow_tango(b: int, c: int, n: int, side: float) -> float:
    """The limit by maximising the likelihood under each difference, with a general solver."""
    z = stats.norm.ppf(0.975)

    def score(delta: float) -> float:
        low, high = max(0.0, -delta), (1 - delta) / 2

        def surprise(q: float) -> float:  # q: share that only the second has right; q + delta: only the first
            cells = np.clip([q + delta, q, 1 - delta - 2 * q], 1e-300, 1)
            return -float(np.dot([b, c, n - b - c], np.log(cells)))

        q = optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
        return (b - c - n * delta) / np.sqrt(n * (2 * q + delta - delta**2)) - side * z

    estimate = (b - c) / n
    return float(optimize.brentq(score, *sorted((estimate, -side * 0.999)), xtol=1e-12))


@pytest.mark.parametrize(("b", "c", "n"), [(12, 2, 50), (1, 7, 21), (6, 16, 161), (3, 5, 30), (40, 20, 160)])
def test_tango_agrees_with_a_slow_solver(b: int, c: int, n: int) -> None:
    found = tango(b, c, n)
    assert found.low == pytest.approx(slow_tango(b, c, n, 1.0), abs=2e-6)
    assert found.high == pytest.approx(slow_tango(b, c, n, -1.0), abs=2e-6)


def test_tango_agrees_with_a_published_example() -> None:
    found = tango(1, 7, 21)  # airway hyper-responsiveness, Fagerland, Lydersen and Laake 2014
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)


def test_tango_without_a_differing_pair_has_its_closed_form() -> None:
    z2 = stats.norm.ppf(0.975) ** 2
    assert tango(0, 0, 30).high == pytest.approx(z2 / (30 + z2))
    assert tango(0, 0, 30).low == pytest.approx(-z2 / (30 + z2))


def test_tango_covers_what_it_says() -> None:
    n, first, second = 40, 0.15, 0.10
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    at = np.flatnonzero((b + c <= 20).ravel())  # more differing pairs have a chance under 0.1 %
    b, c = b.ravel()[at], c.ravel()[at]
    chance = stats.multinomial.pmf(np.stack([b, c, n - b - c], axis=1), n, [first, second, 1 - first - second])
    inside = [tango(i, j, n).low <= first - second <= tango(i, j, n).high for i, j in zip(b, c, strict=True)]
    assert chance.sum() > 0.999
    assert np.dot(chance, inside) == pytest.approx(0.95, abs=0.015)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))
def test_tango_is_ordered_bounded_and_antisymmetric(b: int, c: int, same: int) -> None:
    n = max(1, b + c + same)
    found, swapped = tango(b, c, n), tango(c, b, n)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_agrees_with_scipy(b: int, c: int) -> None:
    theirs = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(theirs)


def test_nadeau_bengio_is_its_formula_and_wider_than_naive() -> None:
    d = np.random.default_rng(0).normal(0.02, 0.03, 15)
    found = nadeau_bengio(d, n_train=90, n_test=10)
    half = stats.t.ppf(0.975, 14) * np.sqrt((1 / 15 + 1 / 9) * np.var(d, ddof=1))
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))
    assert found.width > 2 * stats.t.ppf(0.975, 14) * stats.sem(d)
    with pytest.raises(DataError):
        nadeau_bengio([0.1], 90, 10)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_its_definition(p: list[float]) -> None:
    ranked = sorted(range(len(p)), key=lambda i: p[i])
    slow = [min(1.0, max((len(p) - j) * p[ranked[j]] for j in range(ranked.index(i) + 1))) for i in range(len(p))]
    assert holm(p) == pytest.approx(slow)


def test_an_interval_without_an_end_says_so_in_json() -> None:
    assert Interval(0.5, float("-inf"), 1.0).to_json() == {"value": 0.5, "low": None, "high": 1.0}
    with pytest.raises(DataError):
        wilson(0, 0)
