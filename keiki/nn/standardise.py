"""Columns to mean 0 and variance 1, read in blocks so that a memory-mapped matrix is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from keiki.nn.softmax import FloatArray

DenseFeatures: TypeAlias = NDArray[np.floating]
IntArray: TypeAlias = NDArray[np.int64]

_BLOCK_ROWS = 2048  # 21 MB in float64 at D = 1280: long enough for BLAS, short enough for memory
_CONSTANT = 1e-9  # a spread this small beside the column's size is rounding of the mean, not information


class SparseFeatures(Protocol):
    """What this floor needs of a scipy.sparse CSR matrix, so that SciPy is imported only by those who have one."""

    shape: tuple[int, int]
    T: Any

    def tocsr(self) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __getitem__(self, rows: Any) -> Any: ...


Features: TypeAlias = DenseFeatures | SparseFeatures


def is_sparse(features: Features) -> TypeGuard[SparseFeatures]:
    """Whether the features are a scipy.sparse matrix."""
    return hasattr(features, "tocsr")


def row_blocks(rows: IntArray) -> Iterator[IntArray]:
    """The row numbers in consecutive blocks."""
    for first in range(0, len(rows), _BLOCK_ROWS):
        yield rows[first : first + _BLOCK_ROWS]


@dataclass(frozen=True)
class Standardiser:
    """An affine map of the features, x -> (x - mean) / scale; mean and scale are (D,)."""

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, features: Features, *, centre_only: bool = False) -> Standardiser:
        """Mean and population standard deviation of each column; constant columns get scale 1.

        Two passes in float64. Sparse features get the identity: centring would fill them, and TF-IDF rows
        have unit length already. `centre_only` keeps every scale at 1.

        >>> Standardiser.fit(np.array([[1.0, 5.0], [3.0, 5.0]])).scale.tolist()
        [1.0, 1.0]
        """
        n_items, width = features.shape
        if is_sparse(features):
            return cls(np.zeros(width), np.ones(width))
        everyone = np.arange(n_items)
        total = sum((_wide(features, rows).sum(axis=0) for rows in row_blocks(everyone)), np.zeros(width))
        mean = total / n_items
        if centre_only:
            return cls(mean, np.ones(width))
        squares = (np.square(_wide(features, rows) - mean).sum(axis=0) for rows in row_blocks(everyone))
        deviation = np.sqrt(sum(squares, np.zeros(width)) / n_items)
        return cls(mean, np.where(deviation > _CONSTANT * np.abs(mean), deviation, 1.0))

    def apply(self, features: DenseFeatures, dtype: DTypeLike = np.float64) -> Any:
        """The standardised features, a new array; in float32 they are as exact as float32 features are."""
        rows = np.subtract(features, self.mean.astype(dtype), dtype=dtype)
        rows /= self.scale.astype(dtype)
        return rows


def _wide(features: DenseFeatures, rows: IntArray) -> FloatArray:
    return np.asarray(features[rows], dtype=np.float64)
