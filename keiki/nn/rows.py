"""Feature rows as the logistic optimiser wants them: one matrix, its products, and the axes that precondition it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keiki.nn.axes import PrincipalAxes
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features, IntArray, Standardiser, is_sparse, row_blocks

_FLOAT32_FROM = 1_000_000  # values; from there on float32 halves time and memory, and losses keep 6 digits


@dataclass(frozen=True, eq=False)
class Rows:
    """What the optimiser sees of the features: a matrix (N, r + 1) whose last column is ones, dense or CSR.

    `values` (r,) are the rows' mean squares along `axes` (r, r), or along the columns where axes is None.
    """

    matrix: Any
    values: FloatArray
    axes: Any = None

    def logits(self, theta: FloatArray) -> FloatArray:
        """(C, r + 1) parameters to (C, N) scores: class-major, so that BLAS and the sums run along memory."""
        return np.asarray(theta.astype(self.matrix.dtype) @ self.matrix.T, dtype=np.float64)

    def subset(self, numbers: IntArray) -> Rows:
        """The rows with these numbers."""
        return replace(self, matrix=self.matrix[numbers])

    def pull(self, residual: FloatArray) -> FloatArray:
        """(C, N) derivatives by score to (C, r + 1) derivatives by parameter."""
        return np.asarray(residual.astype(self.matrix.dtype) @ self.matrix, dtype=np.float64)

    def turn(self, theta: FloatArray) -> FloatArray:
        """Parameters to their coordinates along the axes."""
        return theta if self.axes is None else self._turned(theta, self.axes)

    def turn_back(self, theta: FloatArray) -> FloatArray:
        """Coordinates along the axes to parameters."""
        return theta if self.axes is None else self._turned(theta, self.axes.T)

    def _turned(self, theta: FloatArray, axes: Any) -> FloatArray:
        turned = theta[:, :-1].astype(axes.dtype) @ axes
        return np.column_stack([turned.astype(np.float64), theta[:, -1]])


def span_rows(coordinates: FloatArray, axes: PrincipalAxes) -> Rows:
    """Rows in coordinates (N, r) along principal axes."""
    return Rows(np.column_stack([coordinates, np.ones(len(coordinates))]), axes.values)


def shared_rows(features: Features, standardiser: Standardiser, axes: PrincipalAxes) -> Rows:
    """All rows in standardised features, preconditioned along (nearly) principal axes; sparse rows stay as they are."""
    turn = axes.factors[0].astype(np.float32) if axes.factors else None  # steers the search, not the answer
    if is_sparse(features):
        from scipy.sparse import hstack

        ones: Any = np.ones((features.shape[0], 1))
        return Rows(hstack([features.tocsr(), ones], format="csr"), axes.values, turn)
    n_items, width = features.shape
    dtype = np.float32 if n_items * width >= _FLOAT32_FROM else np.float64
    matrix = np.ones((n_items, width + 1), dtype=dtype)
    for rows in row_blocks(np.arange(n_items)):
        matrix[rows, :-1] = standardiser.apply(features[rows], dtype)
    return Rows(matrix, axes.values, turn)
