"""Which candidate to take: the simplest one that is as good as the best, as far as the items can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.metrics.base import Floats


@dataclass(frozen=True)
class Candidate:
    """One way to solve the task: its out-of-fold log loss on every item (N,), and what it costs."""

    name: str
    losses: Floats
    n_parameters: int  # trained ones
    seconds: float  # measured time of a prediction


@dataclass(frozen=True)
class Choice:
    """The place of the chosen candidate, that of the best one, and the reason as a sentence.

    `differences` and `errors`: of each candidate, its mean log loss less the best one's, and that's standard error.
    """

    index: int
    best: int
    explanation: str
    differences: tuple[float, ...]
    errors: tuple[float, ...]


def one_standard_error(candidates: Sequence[Candidate], groups: NDArray[Any] | None = None) -> Choice:
    """The simplest candidate whose mean log loss exceeds the best one's by at most one standard error.

    The error is that of the *paired* difference to the best on the same items, with whole `groups` (N,) as units where
    there are any. Simpler = fewer trained parameters, then less time for a prediction, then the smaller loss.
    Source: Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3; paired here.

    >>> big = Candidate("big", np.array([0.1, 0.2, 0.1, 0.2]), n_parameters=100, seconds=1.0)
    >>> small = Candidate("small", np.array([0.2, 0.1, 0.1, 0.3]), n_parameters=10, seconds=1.0)
    >>> one_standard_error([big, small]).explanation
    "'small' is the simplest within one standard error of the best, 'big' (log loss +0.025, standard error 0.048)."
    """
    _check(candidates)
    means = [float(candidate.losses.mean()) for candidate in candidates]
    best = int(np.argmin(means))
    gaps = [_gap(candidate.losses - candidates[best].losses, groups) for candidate in candidates]
    close = [k for k, (gap, error) in enumerate(gaps) if gap <= error]
    chosen = min(close, key=lambda k: (candidates[k].n_parameters, candidates[k].seconds, means[k]))
    differences, errors = zip(*gaps, strict=True)
    return Choice(chosen, best, _explanation(candidates, chosen, best, gaps[chosen]), differences, errors)


def _gap(differences: Floats, groups: NDArray[Any] | None) -> tuple[float, float]:
    """The mean of paired differences (N,) and its standard error, with whole groups as units."""
    mean = float(differences.mean())
    rest = differences - mean
    if groups is not None:
        rest = np.bincount(np.unique(groups, return_inverse=True)[1], weights=rest).astype(np.float64)
    units = len(rest)
    if units < 2:
        return mean, 0.0
    return mean, math.sqrt(units / (units - 1) * float(np.sum(rest**2))) / len(differences)


def _check(candidates: Sequence[Candidate]) -> None:
    if not candidates:
        raise DataError("There is no candidate to choose from.")
    for candidate in candidates:
        if candidate.losses.shape != candidates[0].losses.shape or not np.isfinite(candidate.losses).all():
            raise DataError(
                f"Candidate '{candidate.name}' lacks a finite log loss on some of {len(candidates[0].losses)} items.",
                hint="Compare candidates on the same out-of-fold items.",
            )


def _explanation(candidates: Sequence[Candidate], chosen: int, best: int, gap: tuple[float, float]) -> str:
    name = candidates[chosen].name
    if len(candidates) == 1:
        return f"'{name}' is the only candidate."
    if chosen == best:
        return f"'{name}' has the smallest log loss, and nothing simpler comes within one standard error of it."
    return (
        f"'{name}' is the simplest within one standard error of the best, '{candidates[best].name}' "
        f"(log loss +{gap[0]:.3f}, standard error {gap[1]:.3f})."
    )
