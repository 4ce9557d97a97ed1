"""The gain of fine-tuning has an interval with an independent witness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keiki.selection.budget import Budget, cross_fit, gain_lower_bound
from keiki.selection.workshop import Workshop


def test_the_bound_is_the_normal_one_of_a_mean() -> None:
    gains = np.random.default_rng(0).normal(0.1, 1, 50)
    expected = stats.norm.interval(0.95, loc=gains.mean(), scale=stats.sem(gains))[0]
    assert gain_lower_bound(gains, np.arange(50)) == pytest.approx(expected, rel=1e-6)


def test_groups_are_the_units() -> None:
    """With groups of equal size it is the interval of the group means."""
    rng = np.random.default_rng(1)
    means = rng.normal(0.2, 1, 12)
    gains = np.repeat(means, 4) + np.tile([-1.0, 1.0, -2.0, 2.0], 12)
    expected = stats.norm.interval(0.95, loc=means.mean(), scale=stats.sem(means))[0]
    assert gain_lower_bound(gains, np.repeat(np.arange(12), 4)) == pytest.approx(expected, rel=1e-6)


def test_a_single_group_proves_nothing() -> None:
    assert gain_lower_bound(np.array([1.0, 2.0, 3.0]), np.zeros(3)) <= 0


def test_time_is_shared_among_the_selections() -> None:
    whole, shared = Budget(100.0), Budget(100.0, share=4)
    assert 99 < whole.left() <= 100
    assert shared.left() == pytest.approx(whole.left() / 4, abs=0.1)
    assert Budget().left() == 0
    assert not Budget().allows_tuning


def test_cross_fitting_answers_each_fold_by_a_model_that_has_not_seen_it(shop: Workshop, view, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seen: list[tuple[set[str], set[str]]] = []
    real = Workshop.fit

    def watched(self, method, part, test):  # type: ignore[no-untyped-def]
        seen.append((set(part.items.digests), set(test.digests)))
        return real(self, method, part, test)

    from keiki.methods.base import make

    monkeypatch.setattr(Workshop, "fit", watched)
    logits, whole = cross_fit(shop, make("linear-probe"), view)
    assert whole
    assert np.isfinite(logits).all()
    assert all(not learnt & judged for learnt, judged in seen)
    judged = [digest for _, part in seen for digest in part]
    assert sorted(judged) == sorted([*view.items.digests] * 2), "two partitions judge each item twice"
