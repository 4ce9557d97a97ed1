"""Feature rows as the logistic optimiser wants them: one matrix, its products, and the axes that precondition it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keiki.nn.axes import PrincipalAxes
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features, IntArray, Standardiser, is_sparse, row_blocks

_FLOAT32_FROM = 1_000_000  # values; from there on float32 halves time and memory, and losses keep 6 digits


class Rows(ABC):
    """What the optimiser sees of the features: parameters (C, r + 1), the last of them the bias, and how they score.

    `values` (r,) tell how strongly the scores follow each parameter, in mean squares.
    """

    values: FloatArray

    @abstractmethod
    def logits(self, theta: FloatArray) -> FloatArray:
        """(C, r + 1) parameters to (C, N) scores: class-major, so that BLAS and the sums run along memory."""

    @abstractmethod
    def pull(self, residual: FloatArray) -> FloatArray:
        """(C, N) derivatives by score to the gradient (C, r + 1): its `dot` with a step is the change of the loss."""

    @abstractmethod
    def dot(self, one: FloatArray, other: FloatArray) -> float:
        """The inner product of two parameters in which |W|^2 is meant."""

    @abstractmethod
    def turn(self, theta: FloatArray) -> FloatArray:
        """Parameters to their coordinates along the axes of `values`."""

    @abstractmethod
    def turn_back(self, theta: FloatArray) -> FloatArray:
        """Coordinates along the axes to parameters."""


@dataclass(frozen=True, eq=False)
class FeatureRows(Rows):
    """A matrix (N, r + 1) whose last column is ones, dense or CSR; a parameter for each column.

    `values` (r,) are the rows' mean squares along `axes` (r, r), or along the columns where axes is None.
    """

    matrix: Any
    values: FloatArray
    axes: Any = None

    def logits(self, theta: FloatArray) -> FloatArray:
        return np.asarray(theta.astype(self.matrix.dtype) @ self.matrix.T, dtype=np.float64)

    def pull(self, residual: FloatArray) -> FloatArray:
        return np.asarray(residual.astype(self.matrix.dtype) @ self.matrix, dtype=np.float64)

    def dot(self, one: FloatArray, other: FloatArray) -> float:
        return float(np.vdot(one, other))

    def turn(self, theta: FloatArray) -> FloatArray:
        return theta if self.axes is None else self._turned(theta, self.axes)

    def turn_back(self, theta: FloatArray) -> FloatArray:
        return theta if self.axes is None else self._turned(theta, self.axes.T)

    def subset(self, numbers: IntArray) -> FeatureRows:
        """The rows with these numbers."""
        return replace(self, matrix=self.matrix[numbers])

    def _turned(self, theta: FloatArray, axes: Any) -> FloatArray:
        turned = theta[:, :-1].astype(axes.dtype) @ axes
        return np.column_stack([turned.astype(np.float64), theta[:, -1]])


def span_rows(coordinates: FloatArray, axes: PrincipalAxes) -> FeatureRows:
    """Rows in coordinates (N, r) along principal axes."""
    return FeatureRows(np.column_stack([coordinates, np.ones(len(coordinates))]), axes.values)


def shared_rows(features: Features, standardiser: Standardiser, axes: PrincipalAxes) -> FeatureRows:
    """All rows in standardised features, preconditioned along (nearly) principal axes; sparse rows stay as they are."""
    turn = axes.factors[0].astype(np.float32) if axes.factors else None  # steers the search, not the answer
    if is_sparse(features):
        from scipy.sparse import hstack

        ones: Any = np.ones((features.shape[0], 1))
        return FeatureRows(hstack([features.tocsr(), ones], format="csr"), axes.values, turn)
    n_items, width = features.shape
    dtype = product_dtype(features)
    matrix = np.ones((n_items, width + 1), dtype=dtype)
    for rows in row_blocks(np.arange(n_items)):
        matrix[rows, :-1] = standardiser.apply(features[rows], dtype)
    return FeatureRows(matrix, axes.values, turn)


def product_dtype(features: Features) -> type[np.floating]:
    """Short numbers for the products with large features; what they are summed up to stays in float64."""
    n_items, width = features.shape
    return np.float32 if n_items * width >= _FLOAT32_FROM else np.float64
