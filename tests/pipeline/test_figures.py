"""Counts in items: with repeated folds every item is answered several times, and no count contradicts another."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from keiki.metrics.confusion import confusion
from keiki.pipeline import figures, mistakes
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.figures import in_items
from keiki.pipeline.findings import Cluster
from keiki.pipeline.insights import decided


def repeated(n: int = 168, repeats: int = 3, n_classes: int = 3, skill: float = 0.5, seed: int = 0) -> Estimate:
    """Answers of `repeats` rounds, some of them wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    positions = np.concatenate([rng.permutation(n) for _ in range(repeats)])
    truth = labels[positions]
    right = rng.random(len(truth)) < skill
    said = np.where(right, truth, (truth + rng.integers(1, n_classes, len(truth))) % n_classes)
    shares = 0.1 + 0.7 * np.eye(n_classes)[said] + 0.01 * rng.random((len(truth), n_classes))
    shares /= shares.sum(axis=1, keepdims=True)
    return Estimate(positions, truth, positions.copy(), {SHIPPED: shares}, cast(Any, None), ())


@pytest.mark.parametrize("seed", range(20))
def test_the_confusion_matrix_adds_up_to_the_items_and_to_the_mistakes(seed: int) -> None:
    estimate = repeated(seed=seed, skill=0.3 + 0.03 * seed)
    matrix = in_items(confusion(estimate.labels, estimate.probabilities[SHIPPED]), estimate)
    wrong = (estimate.probabilities[SHIPPED].argmax(axis=1) != estimate.labels).sum()
    assert matrix.sum() == estimate.n_items == 168
    assert matrix.sum() - np.trace(matrix) == mistakes.count(estimate)
    assert abs(mistakes.count(estimate) - wrong / 3) <= 0.5
    assert (matrix.sum(axis=1) == np.bincount(estimate.labels) // 3).all()
    assert (matrix >= 0).all()


def test_answered_once_nothing_is_rounded() -> None:
    estimate = repeated(repeats=1)
    found = confusion(estimate.labels, estimate.probabilities[SHIPPED])
    assert (in_items(found, estimate) == found).all()


def test_a_single_wrong_answer_is_a_mistake() -> None:
    estimate = repeated(skill=1.0)
    estimate.probabilities[SHIPPED][0] = np.roll(estimate.probabilities[SHIPPED][0], 1)
    assert mistakes.count(estimate) == 1


def test_the_map_tells_what_most_answers_of_an_item_say() -> None:
    rows, labels = np.array([4, 7, 4, 7, 4, 7]), np.array([0, 1, 0, 1, 0, 1])
    shares = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.4, 0.6, 0], [0.1, 0.2, 0.7], [0.3, 0.7, 0], [0.5, 0.3, 0.2]])
    judged, said = decided(Estimate(rows, labels, rows, {SHIPPED: shares}, cast(Any, None), ()))
    assert judged.tolist() == [4, 7]
    assert said.tolist() == [1, 1]  # 4: two of three; 7: each once, and it is surest of 1 all in all


def test_of_a_set_of_copies_one_mistake_is_shown() -> None:
    estimate = repeated(n=60, repeats=1, skill=0.2)
    plain = estimate.positions[mistakes.surest(estimate)].tolist()
    copies = Cluster(tuple(sorted(plain[:4])), "near", 0.97)
    shown = estimate.positions[mistakes.surest(estimate, (copies,))].tolist()
    assert shown[0] == plain[0]
    assert len(shown) == mistakes.MOST
    assert len(set(shown) & set(copies.rows)) == 1


def test_bins_that_read_alike_are_joined() -> None:
    """A model that is sure of everything has one bin, not ten from 100 to 100 %."""
    n = 200
    top = 1 - np.linspace(1e-9, 1e-6, n)
    shares = np.column_stack([top, 1 - top])
    sure = Estimate(np.arange(n), np.zeros(n, dtype=np.int64), np.arange(n), {SHIPPED: shares}, cast(Any, None), ())
    assert len(figures._told_apart(sure)) == 1
    spread = np.linspace(0.5, 1.0, n)
    unsure = Estimate(np.arange(n), np.zeros(n, dtype=np.int64), np.arange(n),
                      {SHIPPED: np.column_stack([spread, 1 - spread])}, cast(Any, None), ())  # fmt: skip
    assert len(figures._told_apart(unsure)) == 10
