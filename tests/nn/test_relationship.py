"""p(z | y) against tables that are known, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from keiki.nn.relationship import STRENGTHS, direct, reverse, sharpness, turned

TABLE = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])  # p(z | y)


@pytest.fixture
def counted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source answers that are sure (one-hot), in exactly the shares of TABLE, for classes of 300 and 600 items."""
    labels, answers = [], []
    for y, size in enumerate((300, 600)):
        for z in range(3):
            n = round(size * TABLE[y, z])
            labels += [y] * n
            answers += [z] * n
    order = np.random.default_rng(0).permutation(len(labels))
    return np.eye(3)[answers][order], np.array(labels)[order], np.arange(len(labels)) % 5


def test_sure_answers_give_the_table_of_counts(counted: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    probabilities, labels, folds = counted
    np.testing.assert_allclose(direct(probabilities, labels, 2), TABLE, atol=1e-12)
    found = reverse(probabilities, labels, 2, folds)
    np.testing.assert_allclose(found.table, TABLE, atol=0.02)  # the regression is penalised, and calibrated


def test_bayes_on_two_by_two() -> None:
    """p(z) = (1/4, 3/4), p(y=0 | z) = (0.8, 0.4): p(y=0) = 0.5, p(z=0 | y=0) = 0.2 / 0.5."""
    found = turned(np.log(np.array([[0.8, 0.2], [0.4, 0.6]])), np.array([0.25, 0.75]))
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.1, 0.9]], rtol=1e-12)


def test_a_source_class_that_never_occurs_has_no_share() -> None:
    found = turned(np.log(np.full((3, 2), 0.5)), np.array([0.5, 0.0, 0.5]))
    np.testing.assert_allclose(found, [[0.5, 0.0, 0.5]] * 2)


@pytest.fixture
def soft() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    logits = rng.normal(size=(90, 7)) + 2 * np.eye(7)[2 * labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels, np.arange(90) % 3


def test_rows_sum_to_one_and_an_absent_class_has_a_row(soft: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    probabilities, labels, folds = soft
    for table in (direct(probabilities, labels, 4), reverse(probabilities, labels, 4, folds).table):
        assert table.shape == (4, 7)
        np.testing.assert_allclose(table.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(direct(probabilities, labels, 4)[3], probabilities.mean(axis=0))


def test_reverse_is_what_scikit_learn_and_bayes_give(soft: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    probabilities, labels, folds = soft

    def fitted(rows: np.ndarray, strength: float) -> LogisticRegression:
        return LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(probabilities[rows], labels[rows])

    def log_loss(logits: np.ndarray) -> float:
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return float(-np.log(shares[np.arange(len(labels)), labels]).mean())

    held = {}
    for strength in STRENGTHS:
        held[strength] = np.empty((90, 3))
        for fold in range(3):
            held[strength][folds == fold] = fitted(folds != fold, strength).decision_function(
                probabilities[folds == fold]
            )
    best = min(STRENGTHS, key=lambda strength: log_loss(held[strength]))
    scale = minimize_scalar(lambda s: log_loss(s * held[best]), bounds=(0.01, 20), method="bounded").x
    logits = scale * fitted(np.full(90, True), best).decision_function(np.eye(7))
    p_y_z = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.empty((3, 7))
    for y in range(3):
        for z in range(7):
            wanted[y, z] = p_y_z[z, y] * probabilities[:, z].mean()
        wanted[y] /= wanted[y].sum()
    found = reverse(probabilities, labels, 3, folds)
    assert found.strength == best
    assert found.sharpness == pytest.approx(scale, rel=1e-3)
    np.testing.assert_allclose(found.table, wanted, atol=1e-4)


def test_logits_that_are_too_sure_are_flattened() -> None:
    """Half of the items right at odds e^4: no scale above 0 is good."""
    logits = np.array([[4.0, 0.0], [4.0, 0.0]])
    assert sharpness(logits, np.array([0, 1])) == pytest.approx(0.01, rel=0.01)
    assert sharpness(logits / 80, np.array([0, 0])) == pytest.approx(100, rel=0.01)
