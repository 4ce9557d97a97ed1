"""Which state is kept."""

from __future__ import annotations

import pytest

from keiki.methods.telling import telling


@pytest.mark.parametrize(
    ("scores", "state"),
    [
        ((1.0, 1.1, 1.2), 0),
        ((1.0, 1.0, 1.0), 0),
        ((2.0, 1.0, 1.5, 1.4), 1),
        ((2.0, 1.0, 1.5, 1.019), 3),
        ((1.005, 1.0, 1.004), 2),
        ((1.0,), 0),
    ],
)
def test_the_last_of_equally_good_states_tells(scores: tuple[float, ...], state: int) -> None:
    assert telling(scores, near=1.02) == state


def test_where_nothing_is_near_the_best_tells() -> None:
    assert telling((2.0, 1.0, 1.0 + 1e-9, 3.0), near=1.0) == 1
