"""What to label next: which of the unlabelled items would teach a model most.

    margin    the two most probable classes are close          1 - (p_1 - p_2)
    entropy   the probabilities are spread over many classes   -sum_c p_c log p_c / log C
    coreset   the items stand for the whole pool: each new one is the farthest from those chosen (k-center greedy)
    mix       diverse among uncertain: the items with the smallest margins fall into n clusters, one is taken of each

Alone, the first two choose many items that are unsure for the same reason, the third also what is merely odd. Sources:
Settles 2009, "Active Learning Literature Survey", section 3.1; Sener and Savarese 2018, "Active Learning for
Convolutional Neural Networks: A Core-Set Approach", arXiv:1708.00489, algorithm 1; Zhdanov 2019, "Diverse mini-batch
Active Learning", arXiv:1901.05954, algorithm 1 with beta = 10. Deviations: items are compared by direction; the
training items are not at hand (a bundle holds none), so the first centre of the core-set is the least certain item.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError, OptionError, UnknownName
from keiki.metrics.base import Floats, Probabilities

By = Literal["mix", "margin", "entropy", "coreset"]
STRATEGIES: tuple[By, ...] = ("mix", "margin", "entropy", "coreset")
POOL_RATIO = 10  # candidates of the mix for each item that is chosen,
MOST_CANDIDATES = 10_000  # but no more than so many, or twice as many as are chosen
_ROUNDS = 30  # of k-means
Features = NDArray[np.floating]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """Rows of the pool (n,), the most useful first.

    distances (n,), of 'coreset': of each row to the nearest of those before it, relative to the farthest; NaN for the
    first. stands_for (n,), of 'mix': how many uncertain items are in its cluster.
    """

    rows: Index
    distances: Floats | None = None
    stands_for: Index | None = None


def choose(
    by: str, probabilities: Probabilities, features: Features | None, n: int, rng: np.random.Generator
) -> Choice:
    """The `n` rows to label next (all, where there are fewer), by one of STRATEGIES.

    probabilities (N, C) calibrated; features (N, D), which 'coreset' and 'mix' need. Equal items: the earlier row.
    Raises UnknownName, OptionError for n below 1, DataError where features or items are missing.

    >>> p = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]])
    >>> choose("margin", p, None, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]
    """
    if by not in STRATEGIES:
        raise UnknownName("way to choose", by, STRATEGIES)
    if n < 1:
        raise OptionError(f"The number of items to suggest must be 1 or more, but got {n}.")
    if not len(probabilities):
        raise DataError("There is no item to choose from.")
    uncertainty = entropy(probabilities) if by == "entropy" else margin(probabilities)
    order = np.argsort(-uncertainty, kind="stable")
    if by in ("margin", "entropy"):
        return Choice(order[:n])
    if features is None:
        raise DataError(f"'{by}' looks at features, and there are none.", hint="Use: --by margin")
    if by == "coreset":
        return Choice(*k_center(features, n, first=int(order[0])))
    candidates = order[: min(POOL_RATIO * n, max(MOST_CANDIDATES, 2 * n))]
    rows, sizes = representatives(features[candidates], uncertainty[candidates], n, rng)
    return Choice(candidates[rows], stands_for=sizes)


def margin(probabilities: Probabilities) -> Floats:
    """1 less the lead of the most probable class over the next one: (N, C) -> (N,), 1 = undecided.

    >>> margin(np.array([[0.7, 0.2, 0.1]])).round(3).tolist()
    [0.5]
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.shape[1] < 2:
        return np.zeros(len(shares))
    top = np.partition(shares, -2, axis=1)[:, -2:]
    return 1.0 - (top[:, 1] - top[:, 0])


def entropy(probabilities: Probabilities) -> Floats:
    """The entropy of each row relative to the largest possible: (N, C) -> (N,), 1 = all classes equally probable.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.shape[1] < 2:
        return np.zeros(len(shares))
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1) / np.log(shares.shape[1])) + 0.0


def k_center(features: Features, n: int, first: int = 0) -> tuple[Index, Floats]:
    """Rows (n,) such that every other row is near one of them, `first` first, and how far each was when chosen.

    Greedy: the next row is the farthest from those chosen; its largest remaining distance is at most twice the best
    possible (Gonzalez 1985). Rows are compared by the angle between them after centring, so that neither a common part
    nor their length counts. Distances are relative to the largest; the first one's is NaN.

    >>> k_center(np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.5, 0.5]]), 2)[0].tolist()
    [0, 2]
    """
    units = _directions(features)
    n = min(n, len(units))
    rows, reached = [first], [np.nan]
    nearest = np.full(len(units), np.inf, dtype=units.dtype)
    nearest[first] = -1.0  # chosen ones are not chosen again, even where all others are copies of them
    for _ in range(n - 1):
        gaps = np.maximum(2.0 - 2.0 * (units @ units[rows[-1]]), 0.0)  # squared distance of unit vectors
        nearest = np.minimum(nearest, gaps)
        rows.append(int(nearest.argmax()))
        reached.append(float(np.sqrt(nearest[rows[-1]])))
        nearest[rows[-1]] = -1.0
    distances = np.array(reached)
    farthest = np.nanmax(distances) if n > 1 else 0.0
    return np.array(rows, dtype=np.int64), distances / farthest if farthest > 0 else distances


def representatives(features: Features, weights: Floats, n: int, rng: np.random.Generator) -> tuple[Index, Index]:
    """One row of each of `n` clusters of the features (N, D), the nearest to its middle, and the clusters' sizes.

    k-means on directions, as in `k_center`, with `weights` (N,). The heaviest cluster comes first. Where there are
    fewer different rows than clusters, the first of the others make up the number.

    >>> x = np.array([[1.0, 0.0], [0.98, 0.02], [-1.0, 0.1], [-1.0, 0.0], [-1.0, -0.1]])
    >>> rows, sizes = representatives(x, np.ones(5), 2, np.random.default_rng(0))
    >>> rows.tolist()[0], sizes.tolist()
    (3, [3, 2])
    """
    if n >= len(features):
        return np.arange(len(features)), np.ones(len(features), dtype=np.int64)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    units = _directions(features)
    weights = weights + 1e-6  # a row of weight 0 would belong to nothing
    model = KMeans(n, n_init=1, max_iter=_ROUNDS, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: handled below
        clusters = model.fit_predict(units, sample_weight=weights)
    gaps = np.square(units - model.cluster_centers_[clusters]).sum(axis=1)
    nearest = np.lexsort((gaps, clusters))
    firsts = nearest[np.unique(clusters[nearest], return_index=True)[1]]
    heavy = np.argsort(-np.bincount(clusters, weights=weights)[clusters[firsts]], kind="stable")
    rows = firsts[heavy]
    sizes = np.bincount(clusters)[clusters[rows]]
    others = np.setdiff1d(np.arange(len(units)), rows)[: n - len(rows)]
    return np.concatenate([rows, others]), np.concatenate([sizes, np.ones(len(others), dtype=np.int64)])


def _directions(features: Features) -> Features:
    """Centred rows of length 1, in float32; rows at the centre stay 0."""
    rows = np.asarray(features, dtype=np.float32)
    rows = rows - rows.mean(axis=0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=rows, where=lengths > 0))
