"""Which training items look most alike to the model: cosine of its standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.nn.standardise import DenseFeatures, Features, Standardiser, is_sparse, row_blocks

Index = NDArray[np.int64]

NEAREST = 3


@dataclass(frozen=True)
class Near:
    """A row and its cosine with the one that was asked about, in [-1, 1]."""

    row: int
    similarity: float


def nearest(
    features: Features, queries: Sequence[int], candidates: Sequence[Index], k: int = NEAREST
) -> list[tuple[Near, ...]]:
    """For each row of `queries` the `k` most similar of its own `candidates` (rows), the most similar first.

    features (N, D): dense ones are standardised over all rows, since a common offset would make all look alike; sparse
    ones are taken as they are. A row is never its own neighbour; rows without any feature have no neighbours.

    >>> x = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [-3.0, -1.1]])
    >>> [(near.row, round(near.similarity, 1)) for near in nearest(x, [0], [np.array([0, 1, 2, 3])], k=1)[0]]
    [(1, 1.0)]
    """
    if not len(queries):
        return []
    cosines = _sparse_cosines(features, queries) if is_sparse(features) else _dense_cosines(features, queries)
    return [_best(row, allowed, k) for row, allowed in zip(cosines, _others(queries, candidates), strict=True)]


def _others(queries: Sequence[int], candidates: Sequence[Index]) -> list[Index]:
    return [allowed[allowed != query] for query, allowed in zip(queries, candidates, strict=True)]


def _best(cosines: NDArray[np.float64], allowed: Index, k: int) -> tuple[Near, ...]:
    known = allowed[np.isfinite(cosines[allowed])]
    order = known[np.argsort(-cosines[known], kind="stable")[:k]]
    return tuple(Near(int(row), float(np.clip(cosines[row], -1.0, 1.0))) for row in order)


def _dense_cosines(features: DenseFeatures, queries: Sequence[int]) -> NDArray[np.float64]:
    """(Q, N); NaN for rows of length 0."""
    standardiser = Standardiser.fit(features)
    asked = _unit(standardiser.apply(features[np.asarray(queries)]))
    out = np.empty((len(asked), len(features)))
    for rows in row_blocks(np.arange(len(features))):
        out[:, rows] = asked @ _unit(standardiser.apply(features[rows])).T
    return out


def _sparse_cosines(features: Any, queries: Sequence[int]) -> NDArray[np.float64]:
    rows = features.tocsr()
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64)).ravel()
    products = (rows[np.asarray(queries)] @ rows.T).toarray()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(products / length / length[np.asarray(queries)][:, None], dtype=np.float64)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
