"""Sets hold the true class as often as asked: exactly in distribution, never less where ranks are rounded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keiki.core.errors import OptionError
from keiki.evaluation.conformal import MOST, SetScores, in_set, named_set, set_scores


def items(n: int, rng: np.random.Generator, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are not calibrated: they are too sure."""
    logits = rng.normal(size=(n, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=p) for p in shares])
    sure = np.exp(2 * logits)
    return sure / sure.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (50, 0.9), (99, 0.95), (200, 0.5)])
def test_the_share_covered_is_beta_binomial(n: int, level: float) -> None:
    """Vovk 2012: m new items are covered as often as m draws of a coin whose chance is Beta(k, n + 1 - k)."""
    rng, m, draws = np.random.default_rng(3), 40, 1500
    wanted = int(np.ceil(level * (n + 1) - 1e-9))
    band = stats.betabinom(m, wanted, n + 1 - wanted)
    true = rng.random((draws, n + m))  # probability of the true class, any distribution will do
    covered = np.empty(draws, dtype=int)
    for row, each in enumerate(true):
        known = np.stack([each[:n], 1 - each[:n]], axis=1)
        least = set_scores(known, np.zeros(n, dtype=int)).least(level)
        assert least is not None
        covered[row] = (each[n:] >= least - 1e-7).sum()
    assert covered.mean() / m == pytest.approx(wanted / (n + 1), abs=3.5 * band.std() / m / np.sqrt(draws))
    low, high = band.interval(0.95)
    inside = ((covered >= low) & (covered <= high)).mean()
    assert inside >= band.cdf(high) - band.cdf(low - 1) - 3 * np.sqrt(0.05 / draws)
    expected = band.pmf(np.arange(m + 1)) * draws
    common = expected >= 5
    found = np.bincount(covered, minlength=m + 1)
    pooled = np.append(found[common], found[~common].sum()), np.append(expected[common], expected[~common].sum())
    assert stats.chisquare(*pooled).pvalue > 1e-3


@pytest.mark.parametrize("level", [0.7, 0.9, 0.97])
def test_sets_hold_the_true_class_as_often_as_asked(level: float) -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        shares, labels = items(120, rng)
        new, truth = items(120, rng)
        inside = in_set(new, set_scores(shares, labels).least(level))
        covered.append(inside[np.arange(120), truth].mean())
    assert np.mean(covered) == pytest.approx(level, abs=0.02)


def test_a_set_is_what_the_slow_rule_says() -> None:
    rng = np.random.default_rng(1)
    shares, labels = items(70, rng)
    scores = sorted(1 - p[c] for p, c in zip(shares, labels, strict=True))
    quantile = scores[int(np.ceil(0.8 * 71)) - 1]
    new = items(30, rng)[0]
    expected = [{c for c in range(5) if 1 - p[c] <= quantile} | {int(p.argmax())} for p in new]
    found = in_set(new, set_scores(shares, labels).least(0.8))
    assert [set(np.flatnonzero(row)) for row in found] == expected


def test_of_many_items_a_thousand_scores_are_kept_and_no_set_shrinks() -> None:
    rng = np.random.default_rng(2)
    top = rng.random(12_345)
    shares = np.stack([top, 1 - top], axis=1)
    found = set_scores(shares, np.zeros(len(top), dtype=int))
    whole = np.sort(1 - top)
    assert len(found.scores) == MOST
    for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        least = found.least(level)
        exact = 1 - whole[int(np.ceil(level * 12_346)) - 1]
        assert least is not None
        assert exact - 0.002 <= least <= exact + 1e-7


def test_too_few_items_allow_no_less_than_all_classes() -> None:
    shares = np.tile([0.9, 0.1], (18, 1))
    found = set_scores(shares, np.zeros(18, dtype=int))
    assert found.least(0.9) is not None
    assert found.least(0.95) is None
    assert in_set(shares, None).all()
    grouped = set_scores(shares, np.zeros(18, dtype=int), np.arange(18) // 3)
    assert grouped.units == 6
    assert grouped.least(0.9) is None


def test_a_set_is_never_empty_and_starts_with_the_likeliest() -> None:
    shares = np.array([0.2, 0.35, 0.3, 0.15])
    assert named_set(shares, 0.99, "abcd") == ("b",)
    assert named_set(shares, 0.2, "abcd") == ("b", "c", "a")
    assert named_set(shares, None, "abcd") == ("b", "c", "a", "d")


def test_scores_survive_json() -> None:
    found = set_scores(*items(40, np.random.default_rng(4)))
    assert SetScores.from_json(found.to_json()) == found


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 90.0, float("nan")])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(OptionError, match="between 0 and 1"):
        SetScores((0.1,), 1, 1).least(level)
