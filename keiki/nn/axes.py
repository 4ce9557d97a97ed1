"""Principal axes of a set of rows: the coordinates in which ridge regression is a division.

For centred rows Z (n, D) the second moment Z'Z / n has eigenvalues `values` and eigenvectors V. In the
coordinates T = Z V the columns are orthogonal, so ridge needs no matrix solve, and multinomial logistic
regression has an almost diagonal Hessian. Because V has orthonormal columns that span the row space, the
penalty |W|^2 is the same in both, and the optimum lies in that span (the representer theorem): nothing is
lost, however much smaller n is than D.

V comes from the smaller side: the (D, D) Gram matrix when n >= D, else the (n, n) kernel ZZ' = U S^2 U',
where V = Z'U/S is kept as two factors and never multiplied out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features

# The eigendecomposition is cubic: 0.4 s at 1280, 1.5 s at 2048 on one core. Above this side, axes are not computed.
LARGEST_SIDE = 2048
_RANK = 1e-12  # eigenvalues below this share of the largest are rounding of the Gram matrix in float64


@dataclass(frozen=True)
class PrincipalAxes:
    """Eigenvalues (r,) of the second moment and V (D, r) as a product of factors; no factor means V = identity."""

    values: FloatArray
    factors: tuple[Any, ...]

    def coordinates(self, rows: Any) -> Any:
        """(n, D) rows, or (C, D) weights, to their coordinates (n, r)."""
        for factor in self.factors:
            rows = rows @ factor
        return rows

    def lift(self, weight: FloatArray) -> FloatArray:
        """(C, r) weights on coordinates to the (C, D) weights on features that give the same scores."""
        columns = weight.T
        for factor in reversed(self.factors):
            columns = factor @ columns
        return np.ascontiguousarray(columns.T)


def axes_of_gram(second_moment: FloatArray) -> PrincipalAxes:
    """Axes from the (D, D) matrix Z'Z / n.

    >>> axes_of_gram(np.diag([1.0, 4.0, 0.0])).values.tolist()
    [0.0, 1.0, 4.0]
    """
    values, vectors = np.linalg.eigh(second_moment)
    return PrincipalAxes(np.maximum(values, 0.0), (vectors,))


def axes_of_rows(rows: Features) -> PrincipalAxes:
    """Axes from the (n, n) kernel of the rows; dense rows must be centred already.

    >>> axes_of_rows(np.array([[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0]])).values.round(9).tolist()
    [2.0]
    """
    kernel = rows @ rows.T
    squares, left = np.linalg.eigh(kernel.toarray() if hasattr(kernel, "toarray") else kernel)
    kept = squares > _RANK * max(squares.max(), np.finfo(np.float64).tiny)
    return PrincipalAxes(squares[kept] / len(squares), (rows.T, left[:, kept] / np.sqrt(squares[kept])))
