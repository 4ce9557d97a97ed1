"""Drift is found where there is one, seldom where there is none, and never where too few items could show it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from keiki.core.errors import DataError
from keiki.evaluation.drift import Drift, Reference, beta_binomial_tail, clopper_pearson, drift, reference

CLASSES = ("ant", "bee", "cat")
EXPECTED = (0.01, 199)


def answers(n: int, mix: tuple[float, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shares = np.full((n, 3), 0.1)
    shares[np.arange(n), rng.choice(3, size=n, p=mix)] = 0.8
    return shares


KNOWN = reference(answers(300, (0.5, 0.3, 0.2), 99))


def look(shares: np.ndarray, strange: int, seed: int = 0, groups: np.ndarray | None = None) -> Drift:
    unfamiliar = np.arange(len(shares)) < strange
    rng = np.random.default_rng(seed)
    return drift(shares, CLASSES, KNOWN, unfamiliar=unfamiliar, expected=EXPECTED, rng=rng, groups=groups)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (1, 400), (399, 400)])
def test_the_interval_of_a_share_is_exact(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    found = clopper_pearson(k, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("k", "n", "a", "b"), [(0, 5, 1, 9), (2, 40, 2, 198), (30, 3000, 1, 99), (7, 7, 0.5, 3)])
def test_the_tail_is_that_of_the_beta_binomial(k: int, n: int, a: float, b: float) -> None:
    assert beta_binomial_tail(k, n, a, b) == pytest.approx(stats.betabinom.sf(k - 1, n, a, b), rel=1e-6)


def test_more_unfamiliar_items_than_expected_are_a_drift() -> None:
    found = look(answers(200, (0.5, 0.3, 0.2)), strange=24)
    assert found.status == "drifted"
    assert "12.0% of them are unfamiliar" in found.verdict
    assert found.alarms is not None
    assert found.alarms.share.low < 0.12 < found.alarms.share.high


def test_other_classes_than_in_training_are_a_drift() -> None:
    found = look(answers(200, (0.2, 0.3, 0.5)), strange=2)
    assert found.status == "drifted"
    assert "class 'cat'" in found.verdict or "class 'ant'" in found.verdict
    assert "unfamiliar" not in found.verdict


def test_items_like_those_of_the_training_are_no_drift() -> None:
    found = look(answers(200, (0.5, 0.3, 0.2)), strange=2)
    assert found.status == "alike"
    assert found.confidence == pytest.approx(0.8)


def test_few_items_rule_nothing_out_but_may_show_a_drift() -> None:
    assert look(answers(12, (0.5, 0.3, 0.2)), strange=0).status == "unsure"
    assert look(answers(12, (0.5, 0.3, 0.2)), strange=6).status == "drifted"


def test_a_false_alarm_is_rare() -> None:
    """Same mix, and a threshold that is itself a draw: 1 % a test, so about 2 % in all."""
    rng, alarms = np.random.default_rng(0), 0
    for seed in range(100):
        rate = rng.beta(2, 198)
        known = reference(answers(200, (0.5, 0.3, 0.2), 500 + seed))
        strange = rng.random(150) < rate
        found = drift(
            answers(150, (0.5, 0.3, 0.2), seed), CLASSES, known, unfamiliar=strange, expected=EXPECTED, rng=rng
        )
        alarms += found.status == "drifted"
    assert alarms <= 6


def test_the_mix_is_tested_exactly() -> None:
    """Its p-values are near those of the chi-square test where that may be used."""
    shares = answers(400, (0.42, 0.33, 0.25), 4)
    found = look(shares, 0)
    counts = np.bincount(shares.argmax(axis=1), minlength=3)
    table = np.stack([counts, np.round(np.array(KNOWN.shares) * KNOWN.n)])
    assert found.mix is not None
    assert found.mix.p_value == pytest.approx(stats.chi2_contingency(table).pvalue, abs=0.05)
    assert found.mix.distance == pytest.approx(np.abs(counts / 400 - np.array(KNOWN.shares)).sum() / 2)


def test_groups_count_as_one() -> None:
    shares = np.repeat(answers(10, (0.4, 0.3, 0.3)), 20, axis=0)
    assert look(shares, strange=20).status == "drifted"
    assert look(shares, strange=20, groups=np.repeat(np.arange(10), 20)).status == "unsure"


def test_a_model_that_keeps_nothing_cannot_tell() -> None:
    found = drift(answers(100, (1, 0, 0)), CLASSES, None, unfamiliar=None, expected=None, rng=np.random.default_rng(0))
    assert found.status == "unsure"
    assert found.to_json(CLASSES)["unfamiliar"] is None
    assert found.to_json(CLASSES)["classes"] is None


def test_no_items_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        look(np.empty((0, 3)), 0)


def test_it_is_plain_json_with_the_largest_change_first() -> None:
    found = json.loads(json.dumps(look(answers(200, (0.1, 0.3, 0.6)), 3).to_json(CLASSES)))
    assert {each["class"] for each in found["classes"]["shares"][:2]} == {"ant", "cat"}
    assert found["unfamiliar"]["expected"] == 0.01
    assert Reference.from_json(json.loads(json.dumps(KNOWN.to_json()))) == KNOWN
