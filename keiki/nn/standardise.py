"""Columns to mean 0 and variances near 1, read in blocks so that a memory-mapped matrix is never copied whole."""

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
_PRIOR_ITEMS = 3.0  # the columns' mean variance counts as so many items of each column


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


def moderated_scale(variance: FloatArray, n_items: FloatArray | int) -> FloatArray:
    """Scales (..., D) from variances (..., D) of n items: each variance is drawn toward the columns' mean variance.

    sqrt((n v_j + 3 mean(v)) / (n + 3)), and 1 where no column varies. A column that is 0 on nearly all of a few items
    has a variance near 0 by chance, and a new item would stand at a thousand times it; with many items the prior fades.
    The columns must be of one unit, as a network's features are. Source: the moderated variances of Smyth 2004,
    doi:10.2202/1544-6115.1027, with the mean as their common value and 3 for its degrees of freedom (docs/log.md).

    >>> moderated_scale(np.array([4.0, 0.0]), 1).round(6).tolist()
    [1.581139, 1.224745]
    """
    common = variance.mean(axis=-1, keepdims=True)
    moderated = (n_items * variance + _PRIOR_ITEMS * common) / (n_items + _PRIOR_ITEMS)
    return np.asarray(np.sqrt(np.where(common > 0.0, moderated, 1.0)))


@dataclass(frozen=True)
class Standardiser:
    """An affine map of the features, x -> (x - mean) / scale; mean and scale are (D,)."""

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, features: Features, rows: IntArray | None = None, *, centre_only: bool = False) -> Standardiser:
        """Mean and moderated standard deviation of each column, over all rows or those named.

        Two passes in float64. Sparse features get the identity: centring would fill them, and TF-IDF rows
        have unit length already. `centre_only` keeps every scale at 1.

        >>> Standardiser.fit(np.array([[1.0, 5.0], [4.0, 8.0]])).scale.tolist()
        [1.5, 1.5]
        """
        width = features.shape[1]
        if is_sparse(features):
            return cls(np.zeros(width), np.ones(width))
        rows = np.arange(features.shape[0]) if rows is None else rows
        mean = sum((_wide(features, block).sum(axis=0) for block in row_blocks(rows)), np.zeros(width)) / len(rows)
        if centre_only:
            return cls(mean, np.ones(width))
        squares = (np.square(_wide(features, block) - mean).sum(axis=0) for block in row_blocks(rows))
        variance = sum(squares, np.zeros(width)) / len(rows)
        known = np.where(variance > np.square(_CONSTANT * mean), variance, 0.0)
        return cls(mean, moderated_scale(known, len(rows)))

    def apply(self, features: DenseFeatures, dtype: DTypeLike = np.float64) -> Any:
        """The standardised features, a new array; in float32 they are as exact as float32 features are."""
        rows = np.subtract(features, self.mean.astype(dtype), dtype=dtype)
        rows /= self.scale.astype(dtype)
        return rows


def _wide(features: DenseFeatures, rows: IntArray) -> FloatArray:
    return np.asarray(features[rows], dtype=np.float64)
