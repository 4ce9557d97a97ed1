"""A shift is found when it is there, rarely when it is not; groups do not pass for one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keiki.evaluation.shift import MOST, area, sampled, two_sample


def cut(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n), np.arange(n) + n


def test_the_area_is_scikit_learns_and_its_error_delongs() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(120) < 0.4
    scores = np.round(rng.normal(size=120) + positive, 1)  # with ties
    found = area(scores, positive, np.zeros(120, dtype=np.int64), np.arange(120))
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    x, y = scores[positive], scores[~positive]
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(x) + wins.mean(axis=0).var(ddof=1) / len(y))
    half = 1.959964 * error / (found.value * (1 - found.value))
    logit = np.log(found.value / (1 - found.value))
    assert found.low == pytest.approx(1 / (1 + np.exp(half - logit)), abs=2e-3)  # m - 1 there, the sum here
    assert found.high == pytest.approx(1 / (1 + np.exp(-half - logit)), abs=2e-3)


def test_the_area_counts_pairs_within_folds_only() -> None:
    scores = np.array([0.0, 1, 10, 11])
    positive = np.array([False, True, False, True])
    folds = np.array([0, 0, 1, 1])
    found = area(scores - 20 * folds, positive, folds, np.arange(4))
    assert found is not None
    assert found.value == 1.0
    assert found.low < 1
    assert area(scores, np.ones(4, dtype=bool), folds, np.arange(4)) is None


def test_grouped_items_count_as_few() -> None:
    rng = np.random.default_rng(3)
    positive = np.repeat(rng.random(30) < 0.5, 20)
    scores = np.repeat(rng.normal(size=30), 20) + positive
    folds = np.zeros(600, dtype=np.int64)
    grouped, single = area(scores, positive, folds, np.arange(600) // 20), area(scores, positive, folds, np.arange(600))
    assert grouped is not None
    assert single is not None
    assert grouped.width > 3 * single.width


@pytest.mark.parametrize("n", [60, 400])
def test_no_shift_is_seldom_called_one(n: int) -> None:
    called = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = two_sample(rng.normal(size=(n, 100)), rng.normal(size=(n, 100)), *cut(n), rng)
        assert found is not None
        called += found.shifted
    assert called <= 1


def test_a_shift_is_found_and_a_negligible_one_is_not_called_so() -> None:
    rng = np.random.default_rng(0)
    base, other = rng.normal(size=(2, 500, 30))
    found = two_sample(base, other + 0.3, *cut(500), rng)
    assert found is not None
    assert found.shifted
    assert (found.n_train, found.n_test) == (500, 500)
    slight = two_sample(base, other + np.eye(30)[0] * 0.1, *cut(500), rng)
    assert slight is not None
    assert not slight.shifted


def test_groups_that_are_whole_do_not_pass_for_a_shift() -> None:
    called = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        people = rng.normal(size=(40, 20))
        rows = people[np.repeat(np.arange(40), 10)] + 0.1 * rng.normal(size=(400, 20))
        groups = np.repeat(np.arange(40), 10)
        found = two_sample(rows[:200], rows[200:], groups[:200], groups[200:], rng)
        assert found is not None
        called += found.shifted
    assert called <= 2


def test_too_few_items_or_groups_give_no_answer() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 4))
    assert two_sample(rows, rows[:10], np.arange(30), np.arange(10) + 30, rng) is None
    assert two_sample(rows, rows, np.arange(30) // 10, np.arange(30) + 30, rng) is None


def test_constant_features_show_nothing() -> None:
    rows = np.ones((40, 3))
    found = two_sample(rows, rows, *cut(40), np.random.default_rng(0))
    assert found is not None
    assert not found.shifted


def test_samples_are_bounded_and_sorted() -> None:
    rows = sampled(np.arange(5 * MOST), np.random.default_rng(0))
    assert len(rows) == MOST
    assert (np.diff(rows) > 0).all()
    assert sampled(np.arange(9), np.random.default_rng(0)).tolist() == list(range(9))
