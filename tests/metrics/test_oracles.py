"""Every metric against scikit-learn, or against the formula written out item by item."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from keiki.metrics.accuracy import accuracy
from keiki.metrics.balanced_accuracy import balanced_accuracy
from keiki.metrics.brier import brier
from keiki.metrics.confusion import confusion
from keiki.metrics.f1 import f1
from keiki.metrics.log_loss import log_loss
from keiki.metrics.macro_f1 import macro_f1
from keiki.metrics.per_class import per_class
from keiki.metrics.precision import precision
from keiki.metrics.recall import recall
from keiki.metrics.roc_auc import roc_auc
from keiki.metrics.weighted_f1 import weighted_f1


@pytest.fixture(params=[0, 1, 2])
def data(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(request.param)
    labels = np.concatenate([np.arange(5), rng.integers(0, 5, 75)])
    powers = np.exp(rng.normal(size=(80, 5)) + np.eye(5)[labels])
    return labels, powers / powers.sum(axis=1, keepdims=True), rng.integers(0, 3, 80) + (np.arange(80) < 5)


def test_decisions_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    y, p, w = data
    d = p.argmax(axis=1)
    assert accuracy(y, p, w) == pytest.approx(sk.accuracy_score(y, d, sample_weight=w))
    assert balanced_accuracy(y, p, w) == pytest.approx(sk.balanced_accuracy_score(y, d, sample_weight=w))
    assert macro_f1(y, p, w) == pytest.approx(sk.f1_score(y, d, average="macro", sample_weight=w))
    assert weighted_f1(y, p, w) == pytest.approx(sk.f1_score(y, d, average="weighted", sample_weight=w))
    assert confusion(y, p).tolist() == sk.confusion_matrix(y, d).tolist()
    for k in range(5):
        one = {"labels": [k], "average": "macro", "sample_weight": w, "zero_division": np.nan}
        assert f1(y, p, w, positive=k) == pytest.approx(sk.f1_score(y, d, **one))
        assert recall(y, p, w, positive=k) == pytest.approx(sk.recall_score(y, d, **one))
        assert precision(y, p, w, positive=k) == pytest.approx(sk.precision_score(y, d, **one))


def test_per_class_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    y, p, _ = data
    columns = sk.precision_recall_fscore_support(y, p.argmax(axis=1), zero_division=0)
    found = np.array([[c.precision, c.recall, c.f1, c.support] for c in per_class(y, p)], dtype=float)
    assert found == pytest.approx(np.array(columns).T)


def test_probabilities_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    y, p, w = data
    assert log_loss(y, p, w) == pytest.approx(sk.log_loss(y, p, sample_weight=w))
    by_class = [sk.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(5)]
    assert roc_auc(y, p, w) == pytest.approx(np.mean(by_class))
    assert roc_auc(y, p) == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"))


def test_brier_is_the_sum_over_classes(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    y, p, _ = data
    slow = np.mean([sum((p[i, k] - (y[i] == k)) ** 2 for k in range(5)) for i in range(len(y))])
    assert brier(y, p) == pytest.approx(slow)


def test_roc_auc_counts_ties_half_and_skips_absent_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice([0, 2], 50)  # class 1 has no items
    p = np.round(rng.dirichlet(np.ones(3), 50), 1)
    pairs = [
        np.mean(
            [
                (p[i, k] > p[j, k]) + 0.5 * (p[i, k] == p[j, k])
                for i in np.flatnonzero(y == k)
                for j in np.flatnonzero(y != k)
            ]
        )
        for k in (0, 2)
    ]
    assert roc_auc(y, p) == pytest.approx(np.mean(pairs))


def test_binary_roc_auc_is_the_usual_one() -> None:
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 40), rng.random(40)
    assert roc_auc(y, np.stack([1 - score, score], axis=1)) == pytest.approx(sk.roc_auc_score(y, score))


def test_log_loss_of_an_impossible_truth_is_bounded_as_in_scikit_learn() -> None:
    y, p = np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert log_loss(y, p) == pytest.approx(sk.log_loss(y, p))


def test_macro_f1_leaves_out_classes_that_are_only_decided() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.1, 0.9]])
    assert macro_f1(np.array([0, 1, 1]), p) == pytest.approx((1 + 2 / 3) / 2)
