"""The bins of a reliability diagram."""

from __future__ import annotations

import numpy as np
from scipy import special

from keiki.evaluation.calibration import reliability
from keiki.evaluation.intervals import wilson


def probabilities(n: int, n_classes: int, seed: int) -> np.ndarray:
    return special.softmax(2 * np.random.default_rng(seed).normal(size=(n, n_classes)), axis=1)


def test_the_bins_hold_every_item_once_in_equal_numbers() -> None:
    p = probabilities(95, 3, seed=3)
    labels = p.argmax(axis=1)
    bins = reliability(p, labels)
    assert sum(each.n for each in bins) == 95
    assert len(bins) == 9
    assert max(each.n for each in bins) - min(each.n for each in bins) <= 1
    assert all(before.high <= after.low for before, after in zip(bins, bins[1:], strict=False))
    assert all(each.low <= each.confidence <= each.high for each in bins)
    assert bins[0].accuracy == wilson(bins[0].n, bins[0].n)


def test_groups_make_the_bins_less_sure() -> None:
    p = np.tile([[0.8, 0.2]], (40, 1))
    labels, groups = np.arange(40) % 4 // 3, np.repeat(np.arange(8), 5)
    (alone,), (grouped,) = reliability(p, labels, n_bins=1), reliability(p, labels, groups, n_bins=1)
    assert grouped.n == alone.n == 40
    assert grouped.accuracy.width > alone.accuracy.width
    assert set(grouped.to_json()) == {"low", "high", "confidence", "accuracy", "n"}
