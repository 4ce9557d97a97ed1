"""The risk-coverage curve equals the slow definition, with ties, groups and few items."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keiki.evaluation.risk_coverage import MOST, risk_coverage
from keiki.evaluation.shares import share


def items(n: int, seed: int = 0, digits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    top = 0.5 + 0.5 * rng.random(n)
    top = top if digits is None else np.round(top, digits)
    return np.stack([top, 1 - top], axis=1), (rng.random(n) > top).astype(int)


def slow_area(sureness: np.ndarray, wrong: np.ndarray, draws: int = 400) -> float:
    """Mean of the running risk, over random orders of what is equally sure."""
    rng, found = np.random.default_rng(1), []
    for _ in range(draws):
        order = sorted(range(len(wrong)), key=lambda i: (-sureness[i], rng.random()))
        risks = [np.mean([wrong[j] for j in order[: k + 1]]) for k in range(len(order))]
        found.append(np.mean(risks))
    return float(np.mean(found))


@pytest.mark.parametrize("digits", [None, 1])
def test_the_area_is_the_mean_risk_over_all_coverages(digits: int | None) -> None:
    shares, labels = items(25, digits=digits)
    wrong = (shares.argmax(axis=1) != labels).astype(float)
    found = risk_coverage(shares, labels)
    draws = 1 if digits is None else 400
    tolerance = 1e-12 if digits is None else 0.005  # random orders of ties
    assert found.aurc == pytest.approx(slow_area(shares.max(axis=1), wrong, draws), abs=tolerance)
    assert found.best == pytest.approx(slow_area(-wrong, wrong, 1))
    assert found.best <= found.aurc


@pytest.mark.parametrize("n", [1, 7, 50, 51, 3000])
def test_each_point_is_what_its_threshold_does(n: int) -> None:
    shares, labels = items(n, digits=3)
    found = risk_coverage(shares, labels)
    assert 1 <= len(found.points) <= MOST
    assert found.points[-1].coverage == 1.0
    assert [p.coverage for p in found.points] == sorted({p.coverage for p in found.points})
    for point in found.points:
        at = shares.max(axis=1) >= point.threshold
        wrong = (shares.argmax(axis=1) != labels)[at].astype(float)
        assert (point.n, point.coverage) == (at.sum(), at.mean())
        expected = share(wrong)
        assert (point.risk, point.low, point.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_groups_widen_the_intervals_and_move_nothing() -> None:
    shares, labels = items(200)
    alone, together = risk_coverage(shares, labels), risk_coverage(shares, labels, np.arange(200) // 10)
    assert [p.risk for p in alone.points] == pytest.approx([p.risk for p in together.points])
    assert together.points[-1].high - together.points[-1].low > alone.points[-1].high - alone.points[-1].low
    assert together.aurc == alone.aurc


def test_equally_sure_answers_are_accepted_together() -> None:
    found = risk_coverage(np.tile([0.7, 0.3], (10, 1)), np.array([0] * 8 + [1] * 2))
    assert [(p.coverage, p.risk) for p in found.points] == [(1.0, pytest.approx(0.2))]
    assert found.aurc == pytest.approx(0.2)


def test_it_is_plain_json() -> None:
    found = risk_coverage(*items(30))
    assert json.loads(json.dumps(found.to_json()))["points"][-1]["coverage"] == 1.0
