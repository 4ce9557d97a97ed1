"""The temperature against a general solver."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn.datasets import load_wine

from keiki.core.errors import DataError
from keiki.nn.logistic_path import cross_validate_logistic
from keiki.nn.temperature import COLDEST, HOTTEST, fit_temperature, with_temperature


def items(n: int, n_classes: int, scale: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * 2
    labels = np.array([rng.choice(n_classes, p=row) for row in special.softmax(logits, axis=1)])
    return logits * scale, labels


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 8), st.integers(2, 6), st.integers(0, 5), st.integers(0, 1))
def test_the_temperature_has_the_least_log_loss(scale: float, n_classes: int, seed: int, unseen: int) -> None:
    logits, labels = items(80, n_classes, scale, seed)

    def loss(log_t: float) -> float:
        logs = special.log_softmax(logits / np.exp(log_t), axis=1)
        target = np.full((80, n_classes), unseen / 82 / (n_classes - 1))
        target[np.arange(80), labels] = 1 - unseen / 82
        return -float((target * logs).sum(axis=1).mean())

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    best = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    assert loss(np.log(fit_temperature(logits, labels, unseen))) <= best.fun + 1e-10


def test_it_recovers_how_much_too_sure_the_model_was() -> None:
    logits, labels = items(4000, 5, 3.0, 0)
    assert fit_temperature(logits, labels) == pytest.approx(3.0, rel=0.1)


def test_shifting_logits_changes_nothing_and_scaling_scales() -> None:
    logits, labels = items(200, 4, 1.0, 1)
    t = fit_temperature(logits, labels)
    assert fit_temperature(logits + np.arange(200)[:, None], labels) == pytest.approx(t, rel=1e-9)
    assert fit_temperature(logits * 2, labels) == pytest.approx(2 * t, rel=1e-9)


def test_separable_and_hopeless_logits_stop_at_the_bounds() -> None:
    logits = 5 * np.eye(3)
    assert fit_temperature(1e-3 * logits, np.arange(3)) == COLDEST
    assert fit_temperature(logits, np.array([1, 2, 0])) == HOTTEST
    assert fit_temperature(np.zeros((3, 2)), np.array([0, 1, 0])) == HOTTEST  # says nothing at any temperature
    assert fit_temperature(1e4 * logits, np.array([0, 1, 0])) == HOTTEST  # no overflow either


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_to_be_always_right_is_not_to_be_certain(n: int) -> None:
    """Laplace: after n right answers the next is wrong with chance 1 / (n + 2)."""
    labels = np.arange(n) % 4
    logits = 9 * np.eye(4)[labels]
    sure = with_temperature(logits, fit_temperature(logits, labels)).max(axis=1)
    assert sure == pytest.approx((n + 1) / (n + 2))


def test_one_far_item_costs_little_where_all_training_items_are_told_apart() -> None:
    """Wine, 89 items to learn from: by least loss alone the temperature made a log loss of 1.8 on the rest."""
    data = load_wine()
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    rows = np.random.default_rng(0).permutation(len(x))
    seen, new = rows[:89], rows[89:]
    path = cross_validate_logistic(x[seen], data.target[seen], 3, np.arange(89) % 5)
    temperature = fit_temperature(path.chosen_logits, data.target[seen])
    shares = with_temperature(path.head.logits(x[new]), temperature)
    assert -np.log(shares[np.arange(len(new)), data.target[new]]).mean() < 0.15


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        fit_temperature(np.array([[np.inf, 0.0]]), np.array([0]))


def test_softmax_agrees_with_scipy() -> None:
    logits, _ = items(20, 4, 300.0, 2)
    assert with_temperature(logits, 0.7) == pytest.approx(special.softmax(logits / 0.7, axis=1), abs=1e-12)
