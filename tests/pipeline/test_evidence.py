"""A control that has not finished learning proves nothing, and is left out of the verdict."""

from __future__ import annotations

import pytest

from keiki.evaluation.intervals import Interval
from keiki.methods.base import METHODS
from keiki.metrics.base import METRICS
from keiki.pipeline.evidence import Rival, _weakness, admitted, is_without_transfer


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


FALLING = "its training loss was still falling"


def rival(name: str, score: float, weak: str | None = None, metric: str = "accuracy") -> Rival:
    sign = 1 if METRICS.get(metric).higher_is_better else -1
    lead = sign * (0.78 - score)
    return Rival(METHODS.get(name)(), Interval(score, score - 0.1, score + 0.1), Interval(lead, lead - 0.1, lead + 0.1),
                 weak)  # fmt: skip


def judged(*rivals: Rival, metric: str = "accuracy") -> dict[str, tuple[str | None, str | None]]:
    return {each.method.name: (each.weak, each.unfinished) for each in admitted(rivals, METRICS.get(metric))}


def test_an_unfinished_control_that_leads_the_others_stays_in() -> None:
    """What it would reach in the end is at least that; leaving it out would flatter pretraining."""
    found = judged(
        rival("majority", 0.3), rival("histogram-logistic", 0.63), rival("thumbnail-cnn", 0.74, FALLING),
        rival("linear-probe", 0.9),
    )  # fmt: skip
    assert found["thumbnail-cnn"] == (None, FALLING)
    assert found["histogram-logistic"] == found["linear-probe"] == (None, None)


def test_an_unfinished_control_that_lies_behind_is_left_out() -> None:
    found = judged(rival("histogram-logistic", 0.63), rival("thumbnail-cnn", 0.62, FALLING))
    assert found["thumbnail-cnn"] == (FALLING, None)


def test_alone_it_says_nothing() -> None:
    found = judged(rival("thumbnail-cnn", 0.74, FALLING), rival("linear-probe", 0.9))
    assert found["thumbnail-cnn"] == (FALLING, None)


def test_less_loss_leads() -> None:
    behind = judged(
        rival("histogram-logistic", 0.5, metric="log_loss"), rival("thumbnail-cnn", 0.6, FALLING, "log_loss"),
        metric="log_loss",
    )  # fmt: skip
    assert behind["thumbnail-cnn"] == (FALLING, None)
    ahead = judged(
        rival("histogram-logistic", 0.5, metric="log_loss"), rival("thumbnail-cnn", 0.4, FALLING, "log_loss"),
        metric="log_loss",
    )  # fmt: skip
    assert ahead["thumbnail-cnn"] == (None, FALLING)


def test_without_a_value_a_control_stays_out() -> None:
    nothing = rival("thumbnail-cnn", float("nan"), "f1 has no value for its answers")
    assert judged(rival("majority", 0.3), nothing)["thumbnail-cnn"] == (nothing.weak, None)


def test_another_start_is_no_control_of_transfer() -> None:
    """However good it is, and however its loss was falling: it carries pretrained knowledge itself."""
    found = judged(
        rival("majority", 0.3), rival("thumbnail-cnn", 0.62, FALLING), rival("public-start", 0.95),
        rival("histogram-logistic", 0.6),
    )  # fmt: skip
    assert found["thumbnail-cnn"] == (None, FALLING)  # it leads those without transfer
    assert not is_without_transfer(METHODS.get("public-start")())
    assert is_without_transfer(METHODS.get("tfidf-logistic")())
    assert not is_without_transfer(METHODS.get("linear-probe")())
