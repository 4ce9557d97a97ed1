"""Early stopping: patience counts epochs without a better score."""

from __future__ import annotations

from keiki.training.stopping import Stopping


def test_a_better_score_ends_the_waiting() -> None:
    watch = Stopping(patience=2)
    assert [watch.better(score) for score in (3.0, 4.0, 2.0, 2.0)] == [True, False, True, False]  # equal is not better
    assert not watch.exhausted
    watch.better(float("nan"))
    assert watch.exhausted


def test_without_patience_it_never_stops() -> None:
    watch = Stopping(patience=0)
    assert not any(watch.better(1.0) and watch.exhausted for _ in range(9))
    assert not watch.exhausted
