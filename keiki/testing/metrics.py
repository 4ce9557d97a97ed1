"""What every metric promises. `check_metric(metric)` runs all of it; the test suite runs each apart."""

from __future__ import annotations

import numpy as np

from keiki.metrics.base import METRICS, Floats, Labels, Metric
from keiki.testing.check import Checks, require

CHECKS = Checks()
N, C = 240, 3  # no metric needs more items


def check_metric(metric: Metric) -> None:
    """Hold a metric to every promise; raises AssertionError with the first one that it breaks."""
    for check in CHECKS.all():
        check(metric)


def metrics() -> list[Metric]:
    """Every registered metric; those that judge one class judge class 1."""
    return [metric.bind(1) for metric in METRICS.values()]


@CHECKS.add
def it_says_what_it_means(metric: Metric) -> None:
    require(len(metric.help) > 10 and metric.name in METRICS.names(), "it has its registered name and a help")
    require(metric.limits[0] < metric.limits[1], "its limits are in order")


@CHECKS.add
def a_perfect_answer_is_the_best(metric: Metric) -> None:
    labels, _ = _answers()
    best = metric.limits[1] if metric.higher_is_better else metric.limits[0]
    require(abs(metric.value(labels, np.eye(C)[labels]) - best) < 1e-9, f"a perfect answer scores {best}")


@CHECKS.add
def it_stays_within_its_limits(metric: Metric) -> None:
    low, high = (-1.0, 1.0) if _corrected(metric) else metric.limits  # a bias taken off may leave less than nothing
    for seed in range(5):
        labels, probabilities = _answers(seed)
        raw = float(metric.statistic(labels, probabilities)(np.ones((1, N)))[0])
        require(low - 1e-9 <= raw <= high + 1e-9, f"{raw} lies between {low} and {high}")


@CHECKS.add
def better_answers_score_better(metric: Metric) -> None:
    if _corrected(metric):
        return  # calibration: answers may get nearer to the truth and less sure than they should be
    labels, probabilities = _answers()
    truth = np.eye(C)[labels]
    poor, fair, good = (metric.value(labels, share * truth + (1 - share) * probabilities) for share in (0, 0.7, 1))
    sign = 1 if metric.higher_is_better else -1
    require(sign * good >= sign * fair > sign * poor, "nearer to the truth is never worse")


@CHECKS.add
def the_order_of_items_changes_nothing(metric: Metric) -> None:
    labels, probabilities = _answers()
    order = np.random.default_rng(1).permutation(N)
    first, second = metric.value(labels, probabilities), metric.value(labels[order], probabilities[order])
    require(abs(first - second) < 1e-12, "permuted items give the same value")


@CHECKS.add
def a_weight_is_a_number_of_copies(metric: Metric) -> None:
    labels, probabilities = _answers()
    plain, doubled = metric.value(labels, probabilities), metric.value(labels, probabilities, np.full(N, 2.0))
    require(abs(plain - doubled) < 1e-12, "twice the weight of all changes nothing")
    if _corrected(metric):
        return  # an item that counts twice is still one independent item
    weight = np.random.default_rng(2).integers(0, 4, N)
    weighted = metric.value(labels, probabilities, weight)
    copied = metric.value(np.repeat(labels, weight), np.repeat(probabilities, weight, axis=0))
    require(abs(weighted - copied) < 1e-9, f"weight k counts as k copies: {weighted} and {copied}")


@CHECKS.add
def many_resamples_are_one_by_one(metric: Metric) -> None:
    labels, probabilities = _answers()
    weights = np.random.default_rng(3).integers(0, 3, (4, N)).astype(np.float64)
    together = metric.statistic(labels, probabilities)(weights)
    alone = [float(metric.statistic(labels, probabilities)(row[None])[0]) for row in weights]
    require(np.allclose(together, alone, rtol=1e-12), "a matrix of weights gives what its rows give")


@CHECKS.add
def means_of_items_are_means(metric: Metric) -> None:
    if metric.items is None:
        return
    labels, probabilities = _answers()
    mean = float(metric.items(labels, probabilities).mean())
    require(abs(metric.value(labels, probabilities) - mean) < 1e-12, "the value is the mean over items")


def _corrected(metric: Metric) -> bool:
    """Whether a bias that depends on the number of items is taken off: such metrics ask for a smallest number."""
    return metric.smallest > 1


def _answers(seed: int = 0) -> tuple[Labels, Floats]:
    """Labels (N,) and probabilities (N, C) that are right more often than not."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(C), rng.integers(0, C, N - C)])
    logits = rng.normal(size=(N, C)) + 1.2 * np.eye(C)[labels]
    powers = np.exp(logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)
