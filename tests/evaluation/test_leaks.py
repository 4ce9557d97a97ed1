"""The metric without leaked items is the metric of the others, or not told."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.evaluation.intervals import wilson
from keiki.evaluation.leaks import without
from keiki.metrics.base import METRICS, Metric


def answers(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    p = np.clip(0.5 + 0.3 * (2 * labels - 1) + 0.3 * rng.normal(size=n), 0.01, 0.99)
    return labels, np.column_stack([1 - p, p])


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "macro_f1"])
def test_equal_to_the_metric_of_the_others(name: str) -> None:
    metric: Metric = METRICS.get(name)
    labels, p = answers()
    leaked = np.arange(60) % 3 == 0
    found = without(metric, labels, p, leaked, rng=np.random.default_rng(0))
    assert found is not None
    assert found.value == pytest.approx(metric.value(labels[~leaked], p[~leaked]))
    assert found.low < found.value < found.high


def test_groups_widen_the_interval() -> None:
    labels, p = answers()
    leaked = np.arange(60) < 20
    found = without(METRICS.get("accuracy"), labels, p, leaked, rng=np.random.default_rng(0))
    right = int((p.argmax(axis=1) == labels)[20:].sum())
    assert found == wilson(right, 40)
    grouped = without(
        METRICS.get("accuracy"), labels, p, leaked, rng=np.random.default_rng(0), groups=np.arange(60) // 4
    )
    assert grouped is not None
    assert grouped.value == pytest.approx(found.value)


def test_too_few_or_undefined_is_not_told() -> None:
    labels, p = answers()
    rng = np.random.default_rng(0)
    assert without(METRICS.get("accuracy"), labels, p, np.arange(60) < 55, rng=rng) is None
    assert without(METRICS.get("roc_auc"), np.zeros(60, dtype=int), p, np.arange(60) < 5, rng=rng) is None
