"""What to label next: scores against SciPy, k-center greedy against a slow one, the mix between both."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from keiki.core.errors import DataError, OptionError, UnknownName
from keiki.evaluation import acquisition
from keiki.evaluation.acquisition import (
    POOL_RATIO,
    STRATEGIES,
    Choice,
    entropy,
    k_center,
    margin,
    representatives,
)


def pool(n: int = 80, n_classes: int = 4, width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.ones(n_classes), size=n), draw.normal(size=(n, width)).astype(np.float32)


def choose(by: str, shares: np.ndarray, features: np.ndarray | None, n: int) -> Choice:
    return acquisition.choose(by, shares, features, n, np.random.default_rng(0))


def units(features: np.ndarray) -> np.ndarray:
    centred = features - features.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def slow_k_center(features: np.ndarray, n: int) -> list[int]:
    """Sener and Savarese, algorithm 1, word for word, from row 0."""
    rows = units(features.astype(np.float64))
    chosen = [0]
    while len(chosen) < n:
        gaps = [min(np.linalg.norm(rows[i] - rows[j]) for j in chosen) for i in range(len(rows))]
        chosen.append(int(np.argmax(gaps)))
    return chosen


def test_entropy_is_scipys_relative_to_the_largest() -> None:
    shares, _ = pool()
    np.testing.assert_allclose(entropy(shares), scipy_entropy(shares, axis=1) / np.log(4), atol=1e-12)


def test_margin_is_one_less_the_lead() -> None:
    shares, _ = pool()
    expected = [1 - (sorted(row)[-1] - sorted(row)[-2]) for row in shares.tolist()]
    np.testing.assert_allclose(margin(shares), expected, atol=1e-12)


def test_certain_answers_have_no_uncertainty() -> None:
    sure = np.eye(3)
    assert margin(sure).tolist() == [0.0] * 3
    assert entropy(sure).tolist() == [0.0] * 3
    assert margin(np.ones((2, 1))).tolist() == entropy(np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_k_center_equals_the_slow_one() -> None:
    _, features = pool(60)
    assert k_center(features, 15)[0].tolist() == slow_k_center(features, 15)


def test_k_center_covers_at_most_twice_as_badly_as_the_best_choice() -> None:
    _, features = pool(12, width=2)
    rows = units(features)
    gaps = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    best = min(gaps[:, list(centres)].min(axis=1).max() for centres in combinations(range(12), 3))
    assert gaps[:, k_center(features, 3)[0]].min(axis=1).max() <= 2 * best + 1e-6


def test_distances_fall_and_begin_at_one() -> None:
    _, distances = k_center(pool(40)[1], 10)
    assert np.isnan(distances[0])
    assert distances[1] == 1.0
    assert (np.diff(distances[1:]) <= 1e-6).all()


@pytest.mark.parametrize("by", STRATEGIES)
def test_every_row_comes_once_and_in_the_same_order_each_time(by: str) -> None:
    shares, features = pool(30)
    found = choose(by, shares, features, 100)
    assert sorted(found.rows.tolist()) == list(range(30))
    assert choose(by, shares, features, 100).rows.tolist() == found.rows.tolist()
    assert len(choose(by, shares, features, 1).rows) == 1


@pytest.mark.parametrize("by", ["mix", "coreset"])
def test_copies_come_last(by: str) -> None:
    shares, features = pool(20)
    twice = np.repeat(np.arange(20), 2)
    found = choose(by, shares[twice], features[twice], 20).rows // 2
    assert len(set(found.tolist())) == 20


def test_the_mix_takes_from_the_most_uncertain_alone() -> None:
    shares, features = pool(300)
    uncertain = set(np.argsort(-margin(shares))[: POOL_RATIO * 10].tolist())
    found = choose("mix", shares, features, 10)
    assert set(found.rows.tolist()) <= uncertain
    assert set(found.rows.tolist()) != set(choose("margin", shares, features, 10).rows.tolist())
    assert found.stands_for is not None
    assert found.stands_for.sum() == POOL_RATIO * 10


def test_representatives_stand_in_the_middle_of_clear_clusters() -> None:
    draw = np.random.default_rng(0)
    middles = 10 * np.eye(4, 8)
    owner = np.repeat(np.arange(4), [40, 20, 20, 10])
    features = middles[owner] + draw.normal(size=(90, 8))
    rows, sizes = representatives(features, np.ones(90), 4, draw)
    assert sizes.tolist() == [40, 20, 20, 10]
    directions = units(features)
    for row in rows.tolist():
        mine = np.flatnonzero(owner == owner[row])
        gaps = np.linalg.norm(directions[mine] - directions[mine].mean(axis=0), axis=1)
        assert mine[gaps.argmin()] == row


def test_a_heavy_item_draws_its_representative_near() -> None:
    features = np.array([[np.cos(a), np.sin(a)] for a in (0.0, 0.2, 0.4, 3.0, 3.2)])
    for heavy in (0, 2):
        weights = np.where(np.arange(5) == heavy, 1000.0, 1.0)
        assert heavy in representatives(features, weights, 2, np.random.default_rng(0))[0]


def test_the_order_of_the_pool_does_not_matter() -> None:
    shares, features = pool(50)
    order = np.random.default_rng(2).permutation(50)
    for by in STRATEGIES:
        there = choose(by, shares, features, 12).rows
        back = order[choose(by, shares[order], features[order], 12).rows]
        assert there.tolist() == back.tolist(), by


@pytest.mark.parametrize("by", ["mix", "coreset"])
def test_items_that_are_all_alike_are_no_problem(by: str) -> None:
    found = choose(by, np.full((5, 2), 0.5), np.ones((5, 3)), 3)
    assert len(set(found.rows.tolist())) == 3


def test_what_cannot_be_chosen_is_refused() -> None:
    shares, features = pool(5)
    with pytest.raises(UnknownName, match="Did you mean 'margin'"):
        choose("margins", shares, features, 2)
    with pytest.raises(OptionError, match="1 or more"):
        choose("mix", shares, features, 0)
    with pytest.raises(DataError, match="features"):
        choose("coreset", shares, None, 2)
    with pytest.raises(DataError, match="no item"):
        choose("margin", shares[:0], None, 2)
