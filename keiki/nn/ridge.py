"""Ridge regression over a path of penalties, out of fold, from one eigendecomposition for each fold.

    minimise  1 / (2 n) sum_i |y_i - W z_i - b|^2  +  penalty / 2 |W|^2

In the principal axes of the n training rows the solution is a division: W_j = (T'Y / n)_j / (lambda_j + penalty), with
b the mean of Y because the rows are centred and b is not penalised. In scikit-learn's terms alpha = n penalty.
Source: Hoerl and Kennard 1970; Hastie, Tibshirani and Friedman 2009, section 3.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.nn.folds import Fold, folds_of
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, IntArray, row_blocks


@dataclass(frozen=True)
class RidgePath:
    """Out-of-fold scores (P, N, C) for penalties (P,), and the mean squared error of each (P,)."""

    penalties: FloatArray
    scores: FloatArray
    squared_error: FloatArray

    @property
    def best(self) -> float:
        """The penalty with the least squared error; ties go to the stronger."""
        least = np.flatnonzero(self.squared_error <= self.squared_error.min() * (1 + 1e-12))
        return float(self.penalties[least].max())


def ridge_path(features: DenseFeatures, targets: FloatArray, penalties: FloatArray, fold_ids: IntArray) -> RidgePath:
    """Scores of each item by the ridge heads that have not seen it; targets are (N, C), fold_ids (N,).

    Each fold is standardised by its training rows.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> path = ridge_path(x, 2 * x + 1, np.array([1e-9]), np.array([0, 1, 0, 1]))
    >>> path.scores[0, :, 0].round(6).tolist()
    [1.0, 3.0, 5.0, 7.0]
    """
    scores = np.empty((len(penalties), *targets.shape))
    for fold in folds_of(features, fold_ids):
        scores[:, fold.test] = fold_scores(features, targets, penalties, fold)
    return RidgePath(np.asarray(penalties), scores, np.square(scores - targets).mean(axis=(1, 2)))


def fold_scores(features: DenseFeatures, targets: FloatArray, penalties: FloatArray, fold: Fold) -> FloatArray:
    """Scores (P, n_test, C) of a fold's held-out rows."""
    axes = fold.axes
    intercept = targets[fold.train].mean(axis=0)
    cross = np.zeros((targets.shape[1], features.shape[1]))  # Y'Z
    for rows in row_blocks(fold.train):
        cross += (targets[rows] - intercept).T @ fold.standardiser.apply(features[rows])
    cross = axes.coordinates(cross) / len(fold.train)
    held_out = [axes.coordinates(fold.standardiser.apply(features[rows])) for rows in row_blocks(fold.test)]
    coordinates = np.concatenate(held_out)
    scores = np.stack([coordinates @ (cross / (axes.values + penalty)).T for penalty in penalties])
    return np.asarray(scores + intercept)
