"""The bootstrap against theory, SciPy and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keiki.core.errors import DataError
from keiki.evaluation import bootstrap
from keiki.evaluation.bootstrap import bca_bootstrap, resampling
from keiki.metrics.base import Statistic


def mean_of(values: np.ndarray) -> Statistic:
    return lambda weights: weights @ values / weights.sum(axis=1)


def draws(clusters: np.ndarray | None, strata: np.ndarray | None, n_items: int, n: int = 200) -> np.ndarray:
    return np.concatenate(list(resampling(n_items, clusters, strata).draws(n, np.random.default_rng(0))))


def test_it_agrees_with_scipy_on_a_skewed_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_freedom", lambda jackknife: len(jackknife) - 1.0)  # SciPy knows nothing of tails
    x = np.random.default_rng(0).exponential(size=60)
    ours = bca_bootstrap(mean_of(x), 60, rng=np.random.default_rng(1), n=8000)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=8000, rng=np.random.default_rng(2)).confidence_interval
    width = theirs.high - theirs.low
    # ours is wider by sqrt(60 / 59) and by t against the normal quantile: 3 % together; the rest is simulation noise
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)
    assert ours.high - ours.value > ours.value - ours.low


def test_the_same_generator_gives_the_same_interval_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=50)
    whole = bca_bootstrap(mean_of(x), 50, rng=np.random.default_rng(1), n=300)
    monkeypatch.setattr(bootstrap, "CELLS", 50 * 7)
    cut = bca_bootstrap(mean_of(x), 50, rng=np.random.default_rng(1), n=300)
    assert (cut.low, cut.high) == pytest.approx((whole.low, whole.high), abs=1e-12)  # sums may round differently


def test_every_resample_keeps_the_size_of_every_stratum() -> None:
    strata = np.repeat(["a", "b", "c"], [2, 5, 30])
    for name, size in (("a", 2), ("b", 5), ("c", 30)):
        assert draws(None, strata, 37)[:, strata == name].sum(axis=1) == pytest.approx(np.full(200, size))


def test_the_variance_is_right_in_small_strata_too() -> None:
    x, strata = np.random.default_rng(0).normal(size=12), np.repeat(np.arange(4), 3)
    resampled = draws(None, strata, 12, n=40_000) @ x / 12
    textbook = sum((3 / 12) ** 2 * x[strata == s].var(ddof=1) / 3 for s in range(4))
    assert resampled.var() == pytest.approx(textbook, rel=0.05)


def test_clusters_are_drawn_as_wholes() -> None:
    clusters = np.array([3, 3, 3, 1, 1, 7, 8, 9])
    weights = draws(clusters, None, 8)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert len({tuple(row) for row in weights}) > 10


def test_a_cluster_belongs_to_its_most_frequent_stratum() -> None:
    plan = resampling(7, np.array([0, 0, 0, 1, 1, 2, 3]), np.array([1, 1, 0, 0, 0, 1, 0]))
    assert sorted(plan.size.tolist()) == [2, 2, 2, 2]
    assert {frozenset(plan.order[plan.start == s].tolist()) for s in (0, 2)} == {frozenset({0, 2}), frozenset({1, 3})}


@pytest.mark.parametrize(
    ("strata", "sizes"),
    [([0, 0, 0, 1, 2], [2, 2, 3, 3, 3]), ([0, 0, 0, 1, 1, 2], [3, 3, 3, 3, 3, 3]), ([0, 1], [2, 2])],
)
def test_lonely_strata_are_pooled(strata: list[int], sizes: list[int]) -> None:
    assert sorted(resampling(len(strata), None, np.array(strata)).size.tolist()) == sizes


def test_leaving_out_blocks_touches_every_item_once_and_keeps_strata() -> None:
    strata = np.repeat([0, 1], [700, 2])
    weights = np.concatenate(list(resampling(702, None, strata).left_out()))
    assert weights.shape == (200, 702)
    assert ((weights == 0).sum(axis=0) == 1).all()
    assert weights[:, strata == 0].sum(axis=1) == pytest.approx(np.full(200, 700))


def test_one_unit_says_nothing() -> None:
    found = bca_bootstrap(mean_of(np.ones(5)), 5, rng=np.random.default_rng(0), clusters=np.zeros(5))
    assert (found.value, found.low, found.high) == (1.0, -np.inf, np.inf)


def test_a_statistic_that_is_often_undefined_has_no_ends() -> None:
    def fragile(weights: np.ndarray) -> np.ndarray:
        return np.where(weights[:, 0] > 0, 1.0, np.nan)

    assert bca_bootstrap(fragile, 20, rng=np.random.default_rng(0)).low == -np.inf


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="cluster"):
        resampling(5, np.zeros(4))


@pytest.mark.parametrize("size", [1, 4])
def test_it_covers_the_truth_with_and_without_clusters(size: int) -> None:
    rng, inside = np.random.default_rng(0), 0
    clusters = None if size == 1 else np.repeat(np.arange(40), size)
    for _ in range(300):
        x = np.repeat(rng.exponential(size=40), size) + 0.3 * rng.exponential(size=40 * size)
        found = bca_bootstrap(mean_of(x), len(x), rng=rng, clusters=clusters, n=400)
        inside += found.low <= 1.3 <= found.high
    assert 0.90 <= inside / 300 <= 0.98  # standard error of 300 trials: 1.3 points; BCa runs 1 to 2 short here


@pytest.mark.parametrize(("name", "kurtosis"), [("normal", 3.0), ("uniform", 1.8), ("laplace", 6.0)])
def test_heavy_tails_have_few_degrees_of_freedom(name: str, kurtosis: float) -> None:
    """The variance of n squares is v^2 (kurtosis - 1) / n, so that 2 v^2 over it is 2 n / (kurtosis - 1)."""
    x = getattr(np.random.default_rng(0), name)(size=4000)
    assert bootstrap._freedom(x) == pytest.approx(min(3999, 2 * 4000 / (kurtosis - 1)), rel=0.12)


def test_one_item_that_decides_everything_leaves_one_or_two_degrees() -> None:
    assert bootstrap._freedom(np.append(np.zeros(99), 1.0)) < 2.1
    assert bootstrap._freedom(np.zeros(5)) == 4


def test_few_large_losses_do_not_make_a_mean_sure() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        x = np.exp(1.5 * rng.normal(size=60))
        found = bca_bootstrap(mean_of(x), 60, rng=rng, n=400)
        held.append(found.low <= np.exp(1.5**2 / 2) <= found.high)
    assert np.mean(held) > 0.87  # with as many degrees of freedom as items 85 %
