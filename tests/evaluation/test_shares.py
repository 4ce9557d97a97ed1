"""Intervals of shares: against slow formulas, and by how often they hold the truth, in groups of any size too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from keiki.evaluation.intervals import wilson
from keiki.evaluation.shares import independent_groups, mean_recall, share, trials

Draw = np.random.Generator


def test_between_it_is_wilsons() -> None:
    hits = np.repeat([1.0, 0.0], [30, 20])
    assert share(hits) == wilson(30, 50)
    assert share(np.ones(12)) == wilson(12, 12)


@pytest.mark.parametrize(("n", "few"), [(40, 2), (100, 3)])
def test_near_the_ends_it_has_the_poisson_limit(n: int, few: int) -> None:
    for k in range(1, 6):
        found = share(np.repeat([1.0, 0.0], [k, n - k]))
        poisson = stats.chi2.ppf(0.05, 2 * k) / 2 / n
        assert found.low == pytest.approx(poisson if k <= few else wilson(k, n).low)
        assert found.high == wilson(k, n).high
        mirrored = share(np.repeat([1.0, 0.0], [n - k, k]))
        assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high))


def test_it_holds_what_it_says_near_the_ends() -> None:
    """Exactly, over all counts; Wilson's own interval falls to 84 % here."""
    held = {}
    for p in (0.998, 0.9982, 0.9985):
        counts = np.arange(101)
        chance = stats.binom.pmf(counts, 100, p)
        ours = [share(np.repeat([1.0, 0.0], [k, 100 - k])) for k in counts]
        held[p] = sum(c for c, each in zip(chance, ours, strict=True) if each.low <= p <= each.high)
    assert min(held.values()) > 0.95


def slow_trials(hits: np.ndarray, groups: np.ndarray) -> float:
    """Pair by pair."""
    members = [hits[groups == g].tolist() for g in dict.fromkeys(groups.tolist())]
    n, independent = len(hits), len(hits) ** 2 / sum(len(m) ** 2 for m in members)
    several = [m for m in members if len(m) > 1]
    p = sum(hits.tolist()) / n
    # the chance that two of a group differ, each group as often as it has items
    differ = sum(len(m) * np.mean([a != b for a, b in combinations(m, 2)]) for m in several) / sum(map(len, several))
    agreement = min(1.0, max(0.0, 1 - differ / (2 * p * (1 - p))))
    pairs = 2 * independent * p * (1 - p)
    agreement = (pairs * agreement + 1) / (pairs + 1)
    t = stats.t.ppf(0.975, max(1.0, independent - 1))
    return n / (1 + (n / independent - 1) * agreement) * (stats.norm.ppf(0.975) / t) ** 2


@pytest.mark.parametrize("seed", range(5))
def test_trials_agree_with_the_slow_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 12, 60)
    hits = (rng.random(60) < 0.7).astype(float)
    assert trials(hits, groups) == pytest.approx(slow_trials(hits, groups))
    assert trials(hits, np.arange(60)) == 60


def test_groups_that_agree_fully_are_trials_but_for_t() -> None:
    hits, groups = np.repeat([1.0, 0.0], 50), np.repeat(np.arange(10), 10)
    assert trials(hits, groups) == pytest.approx(10 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 9)) ** 2)
    assert trials(np.ones(100), groups) == 10
    assert independent_groups(groups) == 10
    assert independent_groups(np.repeat([0, 1], [99, 1])) == 1
    assert independent_groups(np.array([])) == 0


def sizes_equal(rng: Draw) -> np.ndarray:
    return np.full(40, 5)


def sizes_unequal(rng: Draw) -> np.ndarray:
    """A few patients with a hundred scans, many with one."""
    return np.maximum(1, np.round(rng.pareto(1.2, 40) * 3)).astype(int).clip(1, 100)


@pytest.mark.parametrize("sizes", [sizes_equal, sizes_unequal])
@pytest.mark.parametrize("agreement", [1.0, 0.5, 0.0])
def test_groups_of_any_size_leave_the_coverage_whole(sizes, agreement) -> None:  # type: ignore[no-untyped-def]
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        groups = np.repeat(np.arange(40), sizes(rng))
        of_group, own = rng.random(40) < 0.8, rng.random(len(groups)) < 0.8
        hits = np.where(rng.random(len(groups)) < np.sqrt(agreement), of_group[groups], own).astype(float)
        found = share(hits, groups)
        held.append(found.low <= 0.8 <= found.high)
    assert np.mean(held) > 0.93


def test_mean_recall_is_the_mean_and_its_distances_add_in_squares() -> None:
    labels = np.repeat([0, 1, 4], [50, 20, 30])
    hits = np.concatenate([np.repeat([1.0, 0.0], [40, 10]), np.repeat([1.0, 0.0], [12, 8]), np.ones(30)])
    found = mean_recall(labels, hits)
    parts = [wilson(40, 50), wilson(12, 20), wilson(30, 30)]
    value = np.mean([part.value for part in parts])
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(value - np.sqrt(sum((p.value - p.low) ** 2 for p in parts)) / 3)
    assert found.high == pytest.approx(value + np.sqrt(sum((p.high - p.value) ** 2 for p in parts)) / 3)


def test_a_rare_class_is_not_called_surer_than_it_is() -> None:
    """12 of 120 items in the rarer class, 95 % and 97 % of each right: the bootstrap held 68 %."""
    rng, held = np.random.default_rng(0), []
    for _ in range(1000):
        labels = (rng.random(120) < 0.1).astype(int)
        hits = (rng.random(120) < np.where(labels, 0.95, 0.97)).astype(float)
        if labels.any():
            found = mean_recall(labels, hits)
            held.append(found.low <= 0.96 <= found.high)
    assert 0.93 < np.mean(held) < 0.99
