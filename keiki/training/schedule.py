"""The rate over the steps, as a factor of its peak."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keiki.methods.base import Schedule

LOWEST = 1e-4  # where one-cycle ends, as a share of where it begins
FIRST = 1 / 25  # where one-cycle begins
STEP_AT, STEP_TO = 0.6, 0.1  # step: after this share of the steps the rate is this factor
DROP, WAIT = 0.3, 1  # plateau: this factor for every time that more than WAIT epochs were no better


def rate_factor(step: int, total: int, warmup_ratio: float, schedule: Schedule, losses: Sequence[float] = ()) -> float:
    """Linear rise over the first `warmup_ratio` of `total` steps, then down as `schedule` says.

    cosine, linear: to 0 at the end. step: to a tenth after 60 % of the steps. constant: not at all. plateau: by 0.3
    whenever more than one epoch was no better; `losses` are the validation losses so far. one-cycle: up from 1/25 and
    down to 1/250,000, both as a cosine.

    Sources: Goyal et al. 2017, arXiv:1706.02677, section 2.2 (warm-up); Loshchilov and Hutter 2017, arXiv:1608.03983,
    eq. 5 (cosine); Smith and Topin 2018, arXiv:1708.07120 (one-cycle). The first step already moves: it has the factor
    of the end of its own step.

    >>> [round(rate_factor(step, 10, 0.2, "cosine"), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    if schedule == "one-cycle":
        return _one_cycle(step, total, warmup_ratio)
    warmup = math.ceil(warmup_ratio * total)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if schedule == "linear":
        return 1.0 - done
    if schedule == "step":
        return STEP_TO if step >= STEP_AT * total else 1.0
    return DROP ** drops(losses) if schedule == "plateau" else 1.0


def drops(losses: Sequence[float]) -> int:
    """How often a rate that falls on plateaus has fallen after these validation losses.

    >>> drops([1.0, 0.5, 0.6, 0.7]), drops([1.0, 0.5, 0.6, 0.7, 0.8, 0.9])
    (1, 2)
    """
    best, waited, found = math.inf, 0, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited > WAIT:
            found, waited = found + 1, 0
    return found


def _one_cycle(step: int, total: int, warmup_ratio: float) -> float:
    top = max(warmup_ratio * total - 1, 0.0)
    if step <= top:
        return _between(FIRST, 1.0, step / top if top else 1.0)
    return _between(1.0, FIRST * LOWEST, (step - top) / max(1.0, total - 1 - top))


def _between(first: float, last: float, done: float) -> float:
    return last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * done))
