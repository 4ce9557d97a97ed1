"""Early stopping: which state is kept, and when patience ends."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.training.stopping import Stopping


def kept(*states: list[float]) -> list[int]:
    """Numbers of the states that were the one to keep when they came."""
    watch = Stopping(patience=9)
    return [number for number, losses in enumerate(states) if watch.keeps(np.array(losses))]


@pytest.mark.parametrize(
    ("states", "numbers"),
    [
        (([1, 1], [2, 2], [3, 3]), [0]),
        (([1, 1], [1, 1]), [0]),  # equal is not better
        (([1, 3], [3, 1.1]), [0]),  # the first stays although the items cannot tell
        (([3, 3], [1, 2], [2, 1.1], [2.1, 2.1]), [0, 1, 2]),
        (([3, 3], [1, 2], [9, 9], [2, 1.1]), [0, 1, 3]),
        (([3, 3], [1.0, 1.0], [1.1, 1.1]), [0, 1]),  # worse by little, but surely
        (([3.0], [1.0], [1.1], [1.0]), [0, 1, 3]),  # one item has no error: what is not above is kept
        (([3, 3], [1, 2], [np.nan, 1]), [0, 1]),
    ],
)
def test_the_last_state_is_kept_that_is_not_worse_by_more_than_chance(
    states: tuple[list[float], ...], numbers: list[int]
) -> None:
    assert kept(*states) == numbers


def test_more_items_tell_finer() -> None:
    rng = np.random.default_rng(0)
    best, noise = rng.normal(2, 0.1, 1000), rng.normal(0.05, 0.5, 1000)
    assert kept([9.0] * 20, list(best[:20]), list(best[:20] + noise[:20])) == [0, 1, 2]
    assert kept([9.0] * 1000, list(best), list(best + noise)) == [0, 1]


def test_a_better_score_ends_the_waiting() -> None:
    watch = Stopping(patience=2)
    for score in (3.0, 4.0, 2.0, 2.0):
        watch.keeps(np.array([score]))
    assert watch.waited == 1  # equal is not better
    assert not watch.exhausted
    watch.keeps(np.array([np.nan]))
    assert watch.exhausted


def test_without_patience_it_never_stops() -> None:
    watch = Stopping(patience=0)
    for _ in range(9):
        watch.keeps(np.array([1.0]))
        assert not watch.exhausted
