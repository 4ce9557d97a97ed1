"""Promises that every registered metric keeps."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.core.errors import DataError, RequestError, UnknownName
from keiki.metrics.base import METRICS, Metric, UndefinedMetric, named
from keiki.metrics.precision import precision
from keiki.metrics.recall import recall
from keiki.metrics.roc_auc import roc_auc

ALL = [pytest.param(metric, id=name) for name, metric in METRICS.items()]


def items(n: int = 60, n_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    powers = np.exp(rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[labels])
    return labels, np.round(powers / powers.sum(axis=1, keepdims=True), 2)  # rounded: there are ties


@pytest.mark.parametrize("metric", ALL)
def test_many_weightings_at_once_equal_one_at_a_time(metric: Metric) -> None:
    labels, p = items()
    weights = np.random.default_rng(1).integers(0, 4, (7, len(labels))).astype(float)
    together = np.clip(metric.statistic(labels, p)(weights), *metric.limits)
    assert together == pytest.approx([metric.value(labels, p, row) for row in weights], abs=1e-12)


@pytest.mark.parametrize("metric", [each for each in ALL if each.id != "ece"])  # there a repeated item is one item
def test_a_weight_is_a_number_of_repetitions(metric: Metric) -> None:
    labels, p = items()
    times = np.random.default_rng(2).integers(0, 4, len(labels))
    repeated = metric.value(np.repeat(labels, times), np.repeat(p, times, axis=0))
    assert metric.value(labels, p, times) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_the_order_of_items_does_not_matter(metric: Metric) -> None:
    labels, p = items()
    order = np.random.default_rng(3).permutation(len(labels))
    assert metric.value(labels[order], p[order]) == pytest.approx(metric.value(labels, p), abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_a_class_without_test_items_changes_nothing(metric: Metric) -> None:
    labels, p = items()
    wider = np.concatenate([p, np.zeros((len(p), 2))], axis=1)
    assert metric.value(labels, wider) == pytest.approx(metric.value(labels, p), abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_better_probabilities_score_better(metric: Metric) -> None:
    labels, p = items(n=400)
    better = 0.3 * p / p.sum(axis=1, keepdims=True) + 0.7 * np.eye(4)[labels]
    gain = metric.value(labels, better) - metric.value(labels, p / p.sum(axis=1, keepdims=True))
    if metric.name != "ece":  # right answers with doubt are badly calibrated
        assert gain * (1 if metric.higher_is_better else -1) > 0
    assert metric.limits[0] <= metric.value(labels, better) <= metric.limits[1]


@pytest.mark.parametrize("metric", [each for each in ALL if each.values[0].per_item])
def test_a_per_item_metric_is_the_mean_of_its_items(metric: Metric) -> None:
    labels, p = items()
    assert metric.items is not None
    assert metric.value(labels, p) == pytest.approx(float(np.mean(metric.items(labels, p))))


def test_no_number_is_made_up_where_there_is_none() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2]])
    with pytest.raises(UndefinedMetric, match="at least two classes"):
        roc_auc(np.array([0, 0]), p)
    with pytest.raises(UndefinedMetric, match="decided"):
        precision(np.array([0, 1]), p)
    with pytest.raises(UndefinedMetric, match="positive class"):
        recall(np.array([0, 0]), p)


@pytest.mark.parametrize(
    ("labels", "p"),
    [
        (np.array([0, 2]), np.full((2, 2), 0.5)),
        (np.array([0, -1]), np.full((2, 2), 0.5)),
        (np.array([0]), np.full((2, 2), 0.5)),
        (np.array([0, 1]), np.array([[np.nan, 1.0], [0.5, 0.5]])),
        (np.array([0, 1]), np.array([[-1.0, 2.0], [0.5, 0.5]])),
        (np.empty(0, dtype=int), np.empty((0, 2))),
    ],
)
def test_inputs_that_do_not_fit_are_refused(labels: np.ndarray, p: np.ndarray) -> None:
    with pytest.raises(DataError):
        METRICS.get("accuracy").value(labels, p)


def test_a_metric_of_one_class_asks_for_it_and_judges_it() -> None:
    labels, p = items()
    classes = ["ant", "bee", "cat", "dog"]
    assert named("recall", classes, "cat").value(labels, p) == recall(labels, p, positive=2)
    with pytest.raises(RequestError, match="all classes alike"):
        named("accuracy", classes, "cat")
    with pytest.raises(RequestError, match="--positive"):
        named("recall", classes)
    with pytest.raises(UnknownName, match="Did you mean 'bee'"):
        named("recall", classes, "bees")
    with pytest.raises(UnknownName, match="Did you mean 'macro_f1'"):
        named("makro_f1", classes)
    assert named("accuracy", classes) is METRICS.get("accuracy")
