"""The rate over the steps: warm-up, then cosine or constant."""

from __future__ import annotations

import math

import pytest

from keiki.training.schedule import rate_factor


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
