"""The rate over the steps, as a factor of its peak."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "constant"]


def rate_factor(step: int, total: int, warmup_ratio: float, schedule: Schedule) -> float:
    """Linear rise over the first `warmup_ratio` of `total` steps, then a cosine to 0, or constant.

    Source: Goyal et al. 2017, arXiv:1706.02677, section 2.2 (warm-up); Loshchilov and Hutter 2017, arXiv:1608.03983,
    eq. 5 (cosine). The first step already moves: it has the factor of the end of its own step.

    >>> [round(rate_factor(step, 10, 0.2, "cosine"), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    warmup = math.ceil(warmup_ratio * total)
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
