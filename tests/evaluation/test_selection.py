"""The one-standard-error rule on paired log losses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keiki.core.errors import DataError
from keiki.evaluation.selection import Candidate, one_standard_error

LOSSES = np.random.default_rng(0).exponential(size=200)
NOISE = np.random.default_rng(1).normal(size=200)
NOISE = (NOISE - NOISE.mean()) / NOISE.std(ddof=1)


def candidate(name: str, gap: float, n_parameters: int, seconds: float = 1.0) -> Candidate:
    """Worse than the base by `gap` standard errors of the paired difference."""
    return Candidate(name, LOSSES + 0.1 * (NOISE + gap / np.sqrt(200)), n_parameters, seconds)


BASE = Candidate("base", LOSSES, 1000, 1.0)


def test_the_simplest_within_one_standard_error_wins() -> None:
    found = one_standard_error([BASE, candidate("near", 0.9, 10), candidate("far", 1.1, 1)])
    assert (found.index, found.best) == (1, 0)
    assert "'near' is the simplest within one standard error of the best, 'base'" in found.explanation


def test_the_best_wins_where_nothing_simpler_is_close() -> None:
    found = one_standard_error([candidate("far", 1.5, 1), BASE])
    assert (found.index, found.best) == (1, 1)
    assert "smallest log loss" in found.explanation


def test_of_equally_simple_candidates_the_faster_wins_then_the_better() -> None:
    assert one_standard_error([BASE, candidate("fast", 0.5, 1000, seconds=0.5)]).index == 1
    assert one_standard_error([candidate("worse", 0.5, 1000), BASE]).index == 1


def test_the_errors_are_those_of_the_paired_differences() -> None:
    other = candidate("near", 0.5, 10)
    found = one_standard_error([BASE, other])
    assert found.differences[1] == pytest.approx(np.mean(other.losses - LOSSES))
    assert found.errors[1] == pytest.approx(stats.sem(other.losses - LOSSES))


def test_groups_are_the_units_of_the_error() -> None:
    other = candidate("near", 1.5, 10)
    copies = [Candidate(c.name, np.repeat(c.losses, 5), c.n_parameters, c.seconds) for c in (BASE, other)]
    groups = np.repeat(np.arange(200), 5)
    assert one_standard_error(copies, groups).errors == pytest.approx(one_standard_error([BASE, other]).errors)
    wide = one_standard_error([BASE, candidate("near", 1.5, 10)], np.argsort(np.argsort(NOISE)) // 10)
    assert wide.index == 1  # items of a group err together: less is known, the simpler one is taken


def test_losses_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DataError, match="'bad'"):
        one_standard_error([BASE, Candidate("bad", LOSSES[:-1], 1, 1.0)])
    with pytest.raises(DataError, match="'bad'"):
        one_standard_error([BASE, Candidate("bad", np.full(200, np.nan), 1, 1.0)])
    with pytest.raises(DataError, match="no candidate"):
        one_standard_error([])
    assert one_standard_error([BASE]).explanation == "'base' is the only candidate."
