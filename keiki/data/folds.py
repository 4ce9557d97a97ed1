"""The folds inside a training view: what selection is judged by, and what early stopping looks at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from keiki.core.random import Randomness
from keiki.data.deal import deal

FOLDS = 5
FEWEST = 3  # a method that keeps one fold for stopping still has two to choose by
REPEATED_BELOW = 100  # items; below, the folds are drawn twice

Index = npt.NDArray[np.int64]


def inner_folds(labels: Index, groups: Index, is_val: npt.NDArray[np.bool_], random: Randomness) -> Index:
    """Fold numbers (R, N): clusters whole, classes spread evenly; a given validation set (`is_val`) is fold 0.

    There are 5 folds, or fewer (at least 3) where the typical class has fewer clusters, drawn twice below 100 items.

    >>> inner_folds(np.array([0, 1] * 60), np.arange(120), np.zeros(120, bool), Randomness(0)).shape
    (1, 120)
    """
    repeats = 2 if len(labels) < REPEATED_BELOW else 1
    rest = np.flatnonzero(~is_val)
    first = int(is_val.any())
    k = max(1, _count(labels[rest], groups[rest], first))
    folds = np.zeros((repeats, len(labels)), dtype=np.int64)
    for r in range(repeats):
        folds[r, rest] = first + deal(labels[rest], groups[rest], [1 / k] * k, random.numpy("folds", r))
    return folds


def _count(labels: Index, groups: Index, first: int) -> int:
    """How many folds besides a given validation set: by the number of clusters of the median class."""
    pairs = np.unique(np.stack([labels, groups], axis=1), axis=0)
    typical = int(np.median(np.unique(pairs[:, 0], return_counts=True)[1]))
    return min(max(FEWEST - first, min(FOLDS - first, typical)), len(np.unique(groups)))
