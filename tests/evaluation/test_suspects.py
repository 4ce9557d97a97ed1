"""Planted label errors are ranked first; sound labels are left alone."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score

from keiki.evaluation.suspects import SUPPORTS, doubtful, label_quality, surprising


def planted(n: int = 600, n_classes: int = 4, wrong: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (5 % of them wrong), honest probabilities, and which labels are wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, n_classes)) + 4 * np.eye(n_classes)[truth]
    probabilities = np.exp(4 * logits) / np.exp(4 * logits).sum(axis=1, keepdims=True)  # Bayes' rule
    is_wrong = rng.random(n) < wrong
    labels = np.where(is_wrong, (truth + rng.integers(1, n_classes, n)) % n_classes, truth)
    return labels, probabilities, is_wrong


def test_planted_errors_come_first() -> None:
    labels, probabilities, is_wrong = planted()
    found = average_precision_score(is_wrong, -label_quality(labels, probabilities))
    assert found > 10 * is_wrong.mean()
    rows = doubtful(labels, probabilities)
    assert is_wrong[rows].mean() > 0.7
    assert is_wrong[rows].sum() > 0.6 * is_wrong.sum()


def test_the_most_doubtful_comes_first_and_another_class_is_preferred() -> None:
    labels, probabilities, _ = planted()
    rows = doubtful(labels, probabilities)
    support = probabilities[rows, labels[rows]]
    assert (np.diff(support) >= 0).all()
    assert (probabilities[rows].argmax(axis=1) != labels[rows]).all()


def test_quality_is_the_probability_of_the_given_label() -> None:
    labels, probabilities, _ = planted(50)
    np.testing.assert_allclose(label_quality(labels, probabilities), probabilities[np.arange(50), labels])


def test_sound_labels_are_left_alone() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 200)
    probabilities = 0.9 * np.eye(3)[labels] + 0.1 / 3
    assert len(doubtful(labels, probabilities)) == 0


def test_classes_without_items_do_no_harm() -> None:
    labels, probabilities, is_wrong = planted(n_classes=3)
    wider = np.column_stack([probabilities[:, :1] * 0.999, probabilities[:, :1] * 0.001, probabilities[:, 1:]])
    rows = doubtful(np.where(labels > 0, labels + 1, 0), wider)
    assert is_wrong[rows].mean() > 0.7


def test_few_items_of_a_class_do_no_harm() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2])
    probabilities = 0.8 * np.eye(3)[labels] + 0.2 / 3
    assert len(doubtful(labels, probabilities)) == 0


def test_a_weak_but_calibrated_model_is_not_turned_against_sound_labels() -> None:
    listed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        logits = 1.5 * rng.normal(size=(400, 6))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (rng.random((400, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)  # right about half of the time
        listed += len(doubtful(labels, probabilities))
    assert listed <= 0.01 * 30 * 400


def test_what_is_foreseen_is_an_expectation() -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(5000, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((5000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    for bar in SUPPORTS[:5]:
        assert abs((p[np.arange(5000), labels] <= bar).sum() - p[p <= bar].sum()) < 4 * np.sqrt(p[p <= bar].sum())
    wrong = np.where(np.arange(5000) % 25 == 0, p.argmin(axis=1), labels)
    assert surprising(labels, p) == 0.0 < surprising(wrong, p)
