"""The threshold for accepting keeps what it promises, and admits when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from keiki.core.errors import OptionError
from keiki.evaluation.shares import trials
from keiki.evaluation.thresholds import CONFIDENCE, SIZES, accept_grid, accept_threshold, accepted, lowest


def items(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Top probabilities that are right as often as they say."""
    rng = np.random.default_rng(seed)
    top = 0.5 + 0.5 * rng.beta(5, 0.6, n)
    return np.stack([top, 1 - top], axis=1), (rng.random(n) > top).astype(int)


@settings(max_examples=30, deadline=None)
@given(st.integers(60, 300), st.integers(0, 50), st.floats(0.6, 0.95))
def test_the_lower_bound_among_the_accepted_reaches_the_wanted_accuracy(n: int, seed: int, wanted: float) -> None:
    p, labels = items(n, seed)
    found = accept_threshold(p, labels, wanted)
    if found.threshold is None:
        assert (found.n_accepted, found.accuracy, found.share.value) == (0, None, 0.0)
        return
    at = p.max(axis=1) >= found.threshold
    right = int((p.argmax(axis=1) == labels)[at].sum())
    bound = stats.binomtest(right, int(at.sum()), alternative="greater").proportion_ci(CONFIDENCE, method="exact").low
    assert bound >= wanted
    assert found.accuracy is not None
    assert (found.n_accepted, found.accuracy.value) == (at.sum(), pytest.approx(right / at.sum()))


def test_wanting_more_accepts_less() -> None:
    p, labels = items(400, 0)
    shares = [accept_threshold(p, labels, wanted).share.value for wanted in (0.7, 0.8, 0.9, 0.95, 0.999)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[-1] == 0.0


def test_the_true_accuracy_rarely_falls_short() -> None:
    short, top = 0, np.sort(items(20_000, 1)[0].max(axis=1))
    for seed in range(200):
        p, labels = items(200, seed)
        found = accept_threshold(p, labels, 0.95)
        short += found.threshold is not None and top[top >= found.threshold].mean() < 0.95
    assert short / 200 <= 0.1


def test_few_items_are_never_accepted_unseen() -> None:
    sure = np.tile([1.0, 0.0], (44, 1))
    assert accept_threshold(sure, np.zeros(44, dtype=int)).threshold is None
    assert accept_threshold(np.tile([1.0, 0.0], (45, 1)), np.zeros(45, dtype=int)).threshold == 1.0


def test_items_of_few_groups_are_few() -> None:
    p, labels = np.tile([0.9, 0.1], (100, 1)), np.zeros(100, dtype=int)
    assert accept_threshold(p, labels).threshold == 0.9
    assert accept_threshold(p, labels, groups=np.arange(100) // 5).threshold is None


def test_a_fixed_threshold_is_judged_on_other_items() -> None:
    p, labels = items(500, 3)
    found = accepted(p, labels, 0.9, 0.95)
    at = p.max(axis=1) >= 0.9
    assert found.share.value == at.mean()
    assert found.to_json()["accuracy"]["value"] == pytest.approx((labels[at] == 0).mean())
    assert accepted(p, labels, None).to_json()["accuracy"] is None


def test_a_wanted_accuracy_of_1_is_refused() -> None:
    with pytest.raises(OptionError):
        accept_threshold(*items(10, 0), wanted=1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 300), st.integers(0, 50), st.floats(0.5, 0.99), st.booleans())
def test_the_grid_answers_every_wish_as_if_it_had_been_asked(n: int, seed: int, wanted: float, grouped: bool) -> None:
    p, labels = items(n, seed)
    groups = np.arange(n) // 3 if grouped else None
    grid = accept_grid(p, labels, groups)
    assert 1 <= len(grid) <= SIZES
    assert lowest(grid, wanted) == accept_threshold(p, labels, wanted, groups).threshold
    top = p.max(axis=1)
    for point in grid:
        at = top >= point.threshold
        hits = (p.argmax(axis=1) == labels)[at].astype(float)
        units = len(hits) if groups is None else trials(hits, groups[at])
        right = hits.mean() * units
        bound = stats.beta.ppf(1 - CONFIDENCE, right, units - right + 1) if right else 0.0
        assert (point.share, point.accuracy) == (at.mean(), pytest.approx(bound))


def test_what_is_unfamiliar_is_never_accepted() -> None:
    p, labels = items(100, 0)
    strange = np.arange(100) < 10
    found = accepted(p, labels, 0.0, unfamiliar=strange)
    assert found.n_accepted == 90
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx((labels[10:] == 0).mean())
