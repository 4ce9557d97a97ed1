"""A control that has not finished learning proves nothing, and is left out of the verdict."""

from __future__ import annotations

import pytest

from keiki.pipeline.evidence import _weakness


def facts(*losses: float) -> dict[str, object]:
    return {"curves": [{"phase": "p", "epochs": [{"epoch": 0}, *({"epoch": 1, "train_loss": x} for x in losses)]}]}


@pytest.mark.parametrize(
    "losses",
    [
        [1.0] * 10,
        [2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.04, 0.04, 0.04],
        [1.0, 0.004, 0.001],  # all but nothing is left to learn
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.96, 1.0, 0.96, 0.96],
    ],
)
def test_a_flat_curve_counts(losses: list[float]) -> None:
    assert _weakness(facts(*losses)) is None


def test_a_falling_curve_does_not() -> None:
    assert "still falling" in str(_weakness(facts(*[2 - 0.19 * i for i in range(10)])))
    assert "too few epochs" in str(_weakness(facts(1.0)))
    assert "too few epochs" in str(_weakness(facts()))


def test_closed_forms_are_never_weak() -> None:
    assert _weakness({}) is None
