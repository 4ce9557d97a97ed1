"""The rate over the steps: warm-up, then down as the schedule says; torch's own schedulers are the witnesses."""

from __future__ import annotations

import math

import pytest
import torch

from keiki.training.schedule import DROP, STEP_AT, STEP_TO, WAIT, drops, rate_factor


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.1), (7, 0.3), (1, 0.0), (1, 1.0), (50, 1.0)])
def test_warm_up_rises_linearly_and_the_cosine_falls_to_nothing(total: int, warmup: float) -> None:
    rising = math.ceil(warmup * total)
    for step in range(total):
        found = rate_factor(step, total, warmup, "cosine")
        if step < rising:
            assert found == pytest.approx((step + 1) / rising)
        else:
            assert found == pytest.approx((1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2)
        assert 0 < found <= 1


def test_constant_stays_at_its_peak() -> None:
    assert {rate_factor(step, 10, 0.0, "constant") for step in range(10)} == {1.0}


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.3), (20, 0.25), (10, 0.2)])
def test_one_cycle_is_that_of_torch(total: int, warmup: float) -> None:
    own = optimizer()
    theirs = torch.optim.lr_scheduler.OneCycleLR(own, max_lr=1.0, total_steps=total, pct_start=warmup)
    for step in range(total):
        assert rate_factor(step, total, warmup, "one-cycle") == pytest.approx(own.param_groups[0]["lr"], abs=1e-9)
        own.step()
        theirs.step()


def test_linear_and_step_are_those_of_torch() -> None:
    own = optimizer()
    linear = torch.optim.lr_scheduler.PolynomialLR(own, total_iters=50, power=1.0)
    other = optimizer()
    stepped = torch.optim.lr_scheduler.MultiStepLR(other, [round(STEP_AT * 50)], gamma=STEP_TO)
    for step in range(50):
        assert rate_factor(step, 50, 0.0, "linear") == pytest.approx(own.param_groups[0]["lr"])
        assert rate_factor(step, 50, 0.0, "step") == pytest.approx(other.param_groups[0]["lr"])
        for each in (own, other):
            each.step()
        linear.step()
        stepped.step()


@pytest.mark.parametrize("seed", range(5))
def test_plateau_is_that_of_torch(seed: int) -> None:
    losses = torch.rand(30, generator=torch.Generator().manual_seed(seed)).tolist()
    own = optimizer()
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(own, factor=DROP, patience=WAIT, threshold=0.0)
    for at, loss in enumerate(losses):
        theirs.step(loss)
        assert DROP ** drops(losses[: at + 1]) == pytest.approx(own.param_groups[0]["lr"], abs=1.1e-8)
