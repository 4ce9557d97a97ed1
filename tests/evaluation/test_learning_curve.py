"""The learning curve: refits against scikit-learn, laws recovered, and silence where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keiki.evaluation.learning_curve import (
    GAIN,
    HORIZON,
    Learnable,
    Measured,
    Round,
    _fit,
    forecast,
    measure,
    refit,
)


def easy(n: int, seed: int = 0, noise: float = 2.0) -> Learnable:
    """Three classes around three points, with enough noise that more labels help."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.normal(size=(n, 20)) * noise
    x[np.arange(n), labels] += 3
    return Learnable(x, labels.astype(np.int64), np.arange(n), 3, 0.05)


def hits_along(law: np.ndarray, n_items: int, seed: int) -> np.ndarray:
    """Share of draws right (S, M): the same items are hard at every size, as in life."""
    hard = np.random.default_rng(seed).random(n_items)
    return (hard >= law[:, None]).astype(np.float64)


def measured(sizes: np.ndarray, errors: np.ndarray, n_items: int = 4000, seed: int = 0) -> Measured:
    return Measured(sizes, hits_along(errors, n_items, seed), np.array([3, 3, 3, 1]), spread=0.02)


SIZES = np.array([100.0, 200.0, 400.0, 800.0])


def test_a_refit_is_the_logistic_optimum_on_standardised_rows(moderated_scaler: type) -> None:
    data, rows = easy(90), np.arange(0, 90, 2)
    head = refit(data, rows, data.penalty)
    scaler = moderated_scaler().fit(data.features[rows])
    oracle = LogisticRegression(C=1 / (data.penalty * len(rows)), tol=1e-10, max_iter=10_000)
    oracle.fit(scaler.transform(data.features[rows]), data.labels[rows])
    expected = oracle.predict_proba(scaler.transform(data.features))
    logits = head.logits(data.features)
    ours = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours /= ours.sum(axis=1, keepdims=True)
    assert np.abs(ours - expected).max() < 1e-4


def test_measured_on_whole_clusters_and_all_classes() -> None:
    data = easy(400)
    clustered = Learnable(data.features, data.labels, np.arange(400) // 2, 3, data.penalty)
    found = measure(clustered, [Round(np.arange(300), np.arange(300, 400))], np.ones(100), np.random.default_rng(0))
    assert found is not None
    assert found.sizes.tolist() == [37.5, 75.0, 150.0, 300.0]
    assert found.hits.shape == (4, 100)
    assert np.all(found.hits[-1] == 1)
    assert found.hits[0].mean() < found.hits[2].mean()


def test_nested_rounds_judge_each_item_by_a_head_that_has_not_seen_it() -> None:
    """Labels that are noise: out of fold no head does better than chance."""
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(300, 200)), rng.integers(0, 2, 300)
    data = Learnable(x, labels, np.arange(300), 2, 1e-3)
    folds = np.arange(300) % 5
    rounds = [Round(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(5)]
    found = measure(data, rounds, np.zeros(300), rng)
    assert found is not None
    assert abs(found.hits[:3].mean() - 0.5) < 0.08


def test_too_few_labels_make_no_curve() -> None:
    data = easy(100)
    assert measure(data, [Round(np.arange(80), np.arange(80, 100))], np.ones(20), np.random.default_rng(0)) is None


@pytest.mark.parametrize(("a", "b", "c"), [(2.0, 0.5, 0.0), (1.0, 0.6, 0.05), (0.8, 0.3, 0.0)])
def test_the_law_is_recovered_from_exact_errors(a: float, b: float, c: float) -> None:
    errors = a * SIZES**-b + c
    law = _fit(SIZES, errors[None])
    assert law.at(1600.0)[0] == pytest.approx(a * 1600.0**-b + c, abs=0.004)


def test_more_labels_are_those_of_the_true_law() -> None:
    a, b = 2.0, 0.5
    true = (a / (a * 800**-b - GAIN)) ** (1 / b) - 800  # 296 labels
    found = forecast(measured(SIZES, a * SIZES**-b), 800, rng=np.random.default_rng(0))
    assert found.why_not == ""
    assert found.more is not None
    assert found.more.low < true < found.more.high
    assert found.more.value == pytest.approx(true, rel=0.35)
    assert found.doubled is not None
    assert found.doubled.low < a * (800**-b - 1600**-b) < found.doubled.high


def test_a_flat_curve_cannot_be_read() -> None:
    found = forecast(measured(SIZES, np.full(4, 0.2), 200), 800, rng=np.random.default_rng(0))
    assert found.more is None
    assert found.doubled is None
    assert "not risen beyond its noise" in found.why_not


def test_what_lies_beyond_the_horizon_is_not_told() -> None:
    errors = 0.25 * SIZES**-0.02  # one more point would take eleven thousand labels
    found = forecast(measured(SIZES, errors, 100_000), 800, rng=np.random.default_rng(0))
    assert found.more is None
    assert f"{HORIZON} times" in found.why_not
    assert found.doubled is not None


def test_a_curve_that_breaks_off_is_not_believed() -> None:
    errors = np.array([0.5, 0.35, 0.245, 0.24])  # would have fallen to 0.17
    found = forecast(measured(SIZES, errors, 5000), 800, rng=np.random.default_rng(0))
    assert found.doubled is None
    assert "would not have foretold" in found.why_not


def test_nothing_is_left_to_gain() -> None:
    found = forecast(measured(SIZES, np.array([0.2, 0.08, 0.03, 0.005]), 4000), 800, rng=np.random.default_rng(0))
    assert found.more is None
    assert found.why_not


def test_the_same_draw_gives_the_same_forecast() -> None:
    one, other = (forecast(measured(SIZES, 2 * SIZES**-0.5), 800, rng=np.random.default_rng(7)) for _ in range(2))
    assert one == other
