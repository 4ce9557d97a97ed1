"""The calibration error against its formula, and what debiasing is for."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.metrics.ece import ECE, ece, equal_mass_bins


def says_and_is(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Items whose top probability p is right with chance p - shift."""
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.6, 1.0, n)
    labels = (rng.random(n) > top - shift).astype(int)
    return labels, np.stack([top, 1 - top], axis=1)


def slow(labels: np.ndarray, p: np.ndarray, n_bins: int, debias: bool = True) -> float:
    order = np.argsort(p.max(axis=1))
    total = 0.0
    for part in np.array_split(order, n_bins):
        y = (p[part].argmax(axis=1) == labels[part]).mean()
        total += (
            len(part) / len(labels) * ((p[part].max(axis=1).mean() - y) ** 2 - debias * y * (1 - y) / (len(part) - 1))
        )
    return float(np.sqrt(max(0.0, total)))


def test_it_is_the_formula() -> None:
    labels, p = says_and_is(300, seed=0, shift=0.2)
    assert ece(labels, p) == pytest.approx(slow(labels, p, 15), abs=1e-12)


def test_a_calibrated_model_gets_zero_on_average() -> None:
    squares = []
    for seed in range(300):
        labels, p = says_and_is(300, seed)
        signed = float(ECE.statistic(labels, p)(np.ones((1, 300)))[0])
        squares.append(np.sign(signed) * signed**2)
    assert abs(np.mean(squares)) < 4 * np.std(squares) / np.sqrt(len(squares))
    assert np.mean([slow(*says_and_is(300, seed), 15, debias=False) for seed in range(20)]) > 0.07  # what is taken out


def test_counting_all_items_twice_is_no_new_evidence() -> None:
    labels, p = says_and_is(300, seed=1, shift=0.1)
    assert ece(labels, p, weight=np.full(300, 2)) == pytest.approx(ece(labels, p))


def test_equal_probabilities_share_a_bin_in_any_order() -> None:
    values = np.array([0.5] * 30 + [0.7] * 10 + [0.9] * 20)
    order = np.random.default_rng(0).permutation(60)
    bins = equal_mass_bins(values, 3)
    assert [len(set(bins[values == v])) for v in (0.5, 0.7, 0.9)] == [1, 1, 1]
    assert equal_mass_bins(values[order], 3).tolist() == bins[order].tolist()


def test_it_asks_for_200_items() -> None:
    assert ECE.smallest == 200
