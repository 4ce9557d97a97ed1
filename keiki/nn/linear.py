"""The linear head: what every probe comes down to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features, Standardiser, is_sparse, row_blocks


@dataclass(frozen=True)
class LinearHead:
    """Class scores W x + b; weight is (C, D), bias (C,)."""

    weight: FloatArray
    bias: FloatArray

    def logits(self, features: Features) -> FloatArray:
        """(N, D) features to (N, C) logits, in float64 and by blocks of rows.

        >>> LinearHead(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.0, 1.0])).logits(np.array([[3.0, 4.0]])).tolist()
        [[3.0, 9.0]]
        """
        if is_sparse(features):
            return np.asarray(features @ self.weight.T) + self.bias
        out = np.empty((features.shape[0], len(self.bias)))
        for rows in row_blocks(np.arange(len(out))):
            out[rows] = np.asarray(features[rows], dtype=np.float64) @ self.weight.T
        return out + self.bias

    def fold_in(self, standardiser: Standardiser) -> LinearHead:
        """The head on raw features that equals this head on standardised ones: W / s and b - (W / s) m.

        >>> head = LinearHead(np.array([[2.0]]), np.array([1.0]))
        >>> head.fold_in(Standardiser(np.array([3.0]), np.array([4.0]))).bias.tolist()
        [-0.5]
        """
        weight = self.weight / standardiser.scale
        return LinearHead(weight, self.bias - weight @ standardiser.mean)
