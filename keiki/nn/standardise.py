"""Columns to mean 0 and variance 1, read in blocks so that a memory-mapped matrix is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from keiki.nn.softmax import FloatArray

if TYPE_CHECKING:
    from typing_extensions import TypeIs

DenseFeatures: TypeAlias = NDArray[np.floating]
IntArray: TypeAlias = NDArray[np.int64]

_BLOCK_ROWS = 2048  # 21 MB in float64 at D = 1280: long enough for BLAS, short enough for memory
_CONSTANT = 1e-9  # a spread this small beside the column's size is rounding of the mean, not information


class SparseFeatures(Protocol):
    """What this floor needs of a scipy.sparse CSR matrix, so that SciPy is imported only by those who have one."""

    shape: tuple[int, int]
    T: Any
    data: Any

    def tocsr(self) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __getitem__(self, rows: Any) -> Any: ...


Features: TypeAlias = DenseFeatures | SparseFeatures


def is_sparse(features: Features) -> TypeIs[SparseFeatures]:
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
    def fit(cls, features: Features, rows: IntArray | None = None, *, centre_only: bool = False) -> Standardiser:
        """Mean and population standard deviation of each column, over all rows or those named; constants get 1.

        Two passes in float64. Sparse features get the identity: centring would fill them, and TF-IDF rows
        have unit length already. `centre_only` keeps every scale at 1.

        >>> Standardiser.fit(np.array([[1.0, 5.0], [4.0, 5.0]])).scale.tolist()
        [1.5, 1.0]
        """
        width = features.shape[1]
        if is_sparse(features):
            return cls(np.zeros(width), np.ones(width))
        rows = np.arange(features.shape[0]) if rows is None else rows
        mean = sum((_wide(features, block).sum(axis=0) for block in row_blocks(rows)), np.zeros(width)) / len(rows)
        if centre_only:
            return cls(mean, np.ones(width))
        squares = (np.square(_wide(features, block) - mean).sum(axis=0) for block in row_blocks(rows))
        deviation = np.sqrt(sum(squares, np.zeros(width)) / len(rows))
        return cls(mean, np.where(deviation > _CONSTANT * np.abs(mean), deviation, 1.0))

    def apply(self, features: DenseFeatures, dtype: DTypeLike = np.float64) -> Any:
        """The standardised features, a new array; in float32 they are as exact as float32 features are."""
        rows = np.subtract(features, self.mean.astype(dtype), dtype=dtype)
        rows /= self.scale.astype(dtype)
        return rows


def _wide(features: DenseFeatures, rows: IntArray) -> FloatArray:
    return np.asarray(features[rows], dtype=np.float64)
