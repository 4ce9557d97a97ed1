"""Rows by their products with one another: linear heads on sparse text without a vector as long as the vocabulary.

The optimum is a sum of centred training rows, W = A Z with A (C, N) (the representer theorem; Schoelkopf and Smola
2002, "Learning with kernels", section 4.2), and what the optimiser asks about W it can ask about A and the scores
F = W Z' = A K, K = Z Z'. So W is kept as the pair (A, F): twice N numbers for each class, however many words there are.

Inner products need no K: <W, W'> = sum A F'. Every vector of L-BFGS is a linear combination of gradients, so its F
follows by the same sum, and the gradient alone costs a product. The gradient of sum_i l_i(W z_i + b) +
penalty / 2 |W|^2 by W is (R + penalty A) Z, with R (C, N) the derivatives by score: its A is R + penalty A, its F is
R K + penalty F. Scores along a direction are its F.

An item outside a fold has derivative 0, so one K serves all folds, and their held-out scores stand in F. Rows are
centred by centring R and its product over the items, so Z stays sparse: the bias is free, and without the large
eigenvalue of the mean the search takes two thirds of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from keiki.nn.rows import Rows, product_dtype
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import SparseFeatures

# BLAS multiplies 8 times as fast as SciPy: with K written out, N^2 numbers take less time than twice the stored values
# where N^2 is below 16 times these. Half of that pays for making it.
_PRODUCT_GAIN = 8
_LARGEST_KERNEL = 4096  # items; 64 MB in float32
_POWER_STEPS = 10  # to the largest eigenvalue within a few percent; it only steers the search


@dataclass(frozen=True, eq=False)
class KernelRows(Rows):
    """Parameters (C, 2 N + 1) are coefficients A, scores F without bias, and the bias.

    `factors`, applied in turn to (N, C), multiply by the kernel of the rows as they are: (X', X), or K alone.
    `values` (2 N,) all are the largest eigenvalue of the centred second moment: the search begins with short steps.
    """

    values: FloatArray
    factors: tuple[Any, ...]

    @property
    def n_items(self) -> int:
        """N."""
        return int(self.factors[-1].shape[0])

    def logits(self, theta: FloatArray) -> FloatArray:
        return np.asarray(theta[:, self.n_items : -1] + theta[:, -1:])

    def pull(self, residual: FloatArray) -> FloatArray:
        centred = _centred(residual)
        return np.column_stack([centred, self._image(centred), residual.sum(axis=1)])

    def dot(self, one: FloatArray, other: FloatArray) -> float:
        n_items = self.n_items
        inner = np.vecdot(one[:, :n_items], other[:, n_items:-1]).sum()
        return float(inner + one[:, -1] @ other[:, -1])

    def turn(self, theta: FloatArray) -> FloatArray:
        return theta

    def turn_back(self, theta: FloatArray) -> FloatArray:
        return theta

    def _image(self, centred: FloatArray) -> FloatArray:
        start = centred.T.astype(self.factors[-1].dtype)
        image = reduce(lambda columns, factor: factor @ columns, self.factors, start)
        return _centred(np.asarray(image.T, dtype=np.float64))

    def largest_eigenvalue(self) -> float:
        """Of the centred kernel, by the power method, from a start without pattern."""
        vector = _centred(np.cos(np.arange(self.n_items, dtype=np.float64))[None])
        size = 0.0
        for _ in range(_POWER_STEPS):
            image = self._image(vector)
            size = float(np.linalg.norm(image) / np.linalg.norm(vector))
            if size == 0.0:  # all rows are alike
                break
            vector = image / np.linalg.norm(image)
        return size


def kernel_rows(features: SparseFeatures) -> KernelRows:
    """All rows of a sparse matrix (N, V), by whichever product is cheaper."""
    matrix = features.tocsr().astype(product_dtype(features))
    n_items = matrix.shape[0]
    short = n_items <= _LARGEST_KERNEL and n_items**2 <= _PRODUCT_GAIN * matrix.nnz
    factors = (_kernel(matrix),) if short else (matrix.T.tocsr(), matrix)
    rows = KernelRows(np.zeros(2 * n_items), factors)
    return replace(rows, values=np.full(2 * n_items, rows.largest_eigenvalue() / n_items))


def _kernel(matrix: Any) -> Any:
    """The rows' products (N, N), written out block by block: in CSR they would take three times the memory."""
    kernel = np.empty((matrix.shape[0], matrix.shape[0]), dtype=matrix.dtype)
    columns = matrix.T.tocsr()
    for first in range(0, len(kernel), 256):
        kernel[first : first + 256] = (matrix[first : first + 256] @ columns).toarray()
    return kernel


def _centred(values: FloatArray) -> FloatArray:
    return np.asarray(values - values.mean(axis=1, keepdims=True))
