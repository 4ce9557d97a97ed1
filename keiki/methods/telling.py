"""Which of the states that validation has seen is the one to keep."""

from __future__ import annotations

from collections.abc import Sequence


def telling(scores: Sequence[float], near: float) -> int:
    """The number of the state to keep, of which lower scores are better; the first is that before any training.

    It is the last one whose score is at most `near` times the least: such scores are as good as each other, and by the
    end of a schedule the weights have come to rest. The first is kept only where no other is better.

    >>> telling((2.0, 1.0, 0.99, 1.005, 1.2), near=1.02), telling((1.0, 1.01, 1.2), near=1.02)
    (3, 0)
    """
    least = min(scores)
    if least == scores[0]:
        return 0
    return max(number for number, score in enumerate(scores) if score <= near * least)
