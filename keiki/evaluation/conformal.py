"""Sets of classes that hold the true one as often as was asked for.

The score of a class is 1 - its probability. A set takes every class whose score is at most the k-th smallest score of
the true classes of n items that the model had not seen, k = ceil(level (n + 1)). For an item that is exchangeable with
those n the set then misses the true class with chance at most 1 - level; the share of m new items that are covered
follows the beta-binomial distribution with parameters k and n + 1 - k. That holds on average over all items, not class
by class.

Sources: Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels",
arXiv:1609.00451 (the score: no other gives smaller sets); Vovk 2015, "Cross-conformal predictors", arXiv:1208.0806;
Angelopoulos and Bates 2021, arXiv:2107.07511, sections 1 and 3.2. Deviation: the scores are out-of-fold while the model
that answers was fitted on all folds, so it is a little better than they say, and the theorem holds approximately.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import OptionError
from keiki.evaluation.shares import independent_groups
from keiki.metrics.base import Labels, Probabilities, checked

MOST = 1000  # scores that are kept; of more items, evenly spaced ranks
_ROUNDING = 1e-6  # float32 answers against float64 scores


@dataclass(frozen=True)
class SetScores:
    """The true classes' scores, ascending: of all n items, or at the ranks ceil(j n / 1000). units: groups, or n."""

    scores: tuple[float, ...]
    n: int
    units: int

    def least(self, level: float) -> float | None:
        """The probability from which a class belongs to the set; None where so few items allow no less than all.

        A rank that was not kept is rounded up, so that the set can only be larger.

        >>> SetScores((0.1, 0.2, 0.3), 3, 3).least(0.5), SetScores((0.1, 0.2, 0.3), 3, 3).least(0.9)
        (0.8, None)
        """
        if not 0 < level < 1:
            raise OptionError(f"The level of a set must lie between 0 and 1, but got {level:g}.", hint="Example: 0.9")
        wanted = math.ceil(level * (self.units + 1) - 1e-9)  # of `units` places
        if wanted > self.units:
            return None
        rank = -(-wanted * self.n // self.units)
        return 1.0 - self.scores[-(-rank * len(self.scores) // self.n) - 1]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"score": "1 - probability", "n": self.n, "units": self.units, "scores": list(self.scores)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The scores in `data`, as `to_json` wrote them."""
        return cls(tuple(float(each) for each in data["scores"]), int(data["n"]), int(data["units"]))


def set_scores(probabilities: Probabilities, labels: Labels, groups: NDArray[Any] | None = None) -> SetScores:
    """Scores from out-of-fold probabilities (N, C) and labels (N,), with `groups` (N,) as many as `independent_groups`.

    >>> set_scores(np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]), np.array([0, 0, 0])).scores
    (0.1, 0.3, 0.6)
    """
    labels, shares = checked(labels, probabilities)
    scores = np.sort(1.0 - shares[np.arange(len(labels)), labels])
    n = len(scores)
    kept = scores if n <= MOST else scores[-(-np.arange(1, MOST + 1) * n // MOST) - 1]
    units = n if groups is None else independent_groups(groups)
    return SetScores(tuple(round(float(each), 7) for each in kept), n, units)


def in_set(probabilities: Probabilities, least: float | None) -> NDArray[np.bool_]:
    """Which classes are in each item's set, (N, C); the most probable one always is, whatever the level.

    >>> in_set(np.array([[0.5, 0.3, 0.2]]), 0.3).tolist(), in_set(np.array([[0.5, 0.3, 0.2]]), 0.9).tolist()
    ([[True, True, False]], [[True, False, False]])
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if least is None:
        return np.ones(shares.shape, dtype=np.bool_)
    inside: NDArray[np.bool_] = shares >= least - _ROUNDING
    inside[np.arange(len(shares)), shares.argmax(axis=1)] = True
    return inside


def named_set(shares: Probabilities, least: float | None, classes: Sequence[str]) -> tuple[str, ...]:
    """The set of one item with probabilities (C,), by class name, the most probable first.

    >>> named_set(np.array([0.2, 0.5, 0.3]), 0.25, ("a", "b", "c"))
    ('b', 'c')
    """
    inside = in_set(shares[None], least)[0]
    return tuple(classes[i] for i in np.argsort(-shares, kind="stable") if inside[i])
