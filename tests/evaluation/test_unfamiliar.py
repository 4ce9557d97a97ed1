"""What is called unfamiliar: about as few familiar items as stated, and nearly all that lie far away."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.core.errors import DataError
from keiki.evaluation.unfamiliar import FALSE_ALARMS, alarm_threshold, cross_fitted, held_out


def items(n: int, seed: int, width: int = 12, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Heavy-tailed classes at fixed places."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = 3 * np.random.default_rng(99).normal(size=(classes, width))
    return centres[labels] + rng.standard_t(5, size=(n, width)), labels


@pytest.mark.parametrize("n", [20, 60, 300])
def test_as_few_familiar_items_are_unfamiliar_as_expected(n: int) -> None:
    shares, expected = [], 0.0
    for seed in range(30):
        x, labels = items(n, seed)
        stick = cross_fitted(x, labels, np.arange(n) % 5, unit=False)
        shares.append(float((stick.distances(items(500, 1000 + seed)[0]) > stick.threshold).mean()))
        expected = stick.expected
    assert expected == pytest.approx(max(FALSE_ALARMS, 1 / (n + 1)), rel=0.4)
    assert 0.25 * expected <= np.mean(shares) <= 1.5 * expected


def test_what_lies_far_away_is_unfamiliar() -> None:
    x, labels = items(300, 0)
    stick = cross_fitted(x, labels, np.arange(300) % 5, unit=False)
    elsewhere = np.random.default_rng(5).normal(scale=5, size=(200, 12))
    assert (stick.distances(elsewhere) > stick.threshold).mean() > 0.95


@pytest.mark.parametrize("n", [5, 60, 99, 100, 250, 1000])
def test_the_share_above_the_threshold_is_exact(n: int) -> None:
    """One more draw lies above it as often as stated: averaged over all places that the draw can take."""
    places = np.arange(n + 1, dtype=float)
    above = 0.0
    for new in range(0, n + 1, max(1, n // 50)):
        threshold, expected, units = alarm_threshold(np.delete(places, new))
        above += new > threshold
    assert units == n
    assert above / len(range(0, n + 1, max(1, n // 50))) == pytest.approx(expected, abs=0.02)
    threshold, expected, _ = alarm_threshold(places[:-1])
    assert expected == pytest.approx((places[:-1] >= threshold).sum() / (n + 1))


def test_groups_count_as_one() -> None:
    distances = np.arange(400.0)
    _, alone, n = alarm_threshold(distances)
    threshold, together, groups = alarm_threshold(distances, np.arange(400) // 40)
    assert (n, groups) == (400, 10)
    assert alone == pytest.approx(0.01, abs=2e-3)
    assert together == pytest.approx(1 / 11)
    assert threshold == 399


def test_a_threshold_never_comes_from_items_that_the_distance_was_fitted_on() -> None:
    """Trained features lie at their class; only the held-out ones show how far new items lie."""
    x, labels = items(200, 0)
    held = np.arange(200) % 4 == 0
    trained = np.where(
        held[:, None], x, 0.1 * x + 0.9 * np.array([x[labels == c].mean(axis=0) for c in range(3)])[labels]
    )
    stick = held_out(trained, labels, held)
    fresh = stick.distances(items(500, 7)[0])
    assert stick.n == 50
    assert (fresh > stick.threshold).mean() < 0.1
    naive = alarm_threshold(stick.distances(trained[~held]))[0]
    assert (fresh > naive).mean() > 0.9


def test_nobody_can_tell_without_two_sides() -> None:
    x, labels = items(20, 0)
    with pytest.raises(DataError, match="two folds"):
        cross_fitted(x, labels, np.zeros(20, dtype=int), unit=False)
    for held in (np.zeros(20, dtype=bool), np.ones(20, dtype=bool)):
        with pytest.raises(DataError, match="held out"):
            held_out(x, labels, held)
