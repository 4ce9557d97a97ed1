"""Training folds, each standardised by its own rows, without another pass over the features for each.

Standardisation inside a fold is an affine change of the features, so the first and second moments are enough
for it: with sums taken once per fold of held-out rows, the moments of a training fold are the total minus the
fold's own, and its correlation matrix follows by centring and scaling. That is exact, and one (D, D) Gram matrix
serves all folds. Sums are taken on globally standardised rows so that the subtraction loses no digits.

With fewer training rows than features the kernel of the fold's standardised rows is cheaper, and is used instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.core.errors import DataError
from keiki.nn.axes import LARGEST_SIDE, PrincipalAxes, axes_of_gram, axes_of_rows, unrotated_axes
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, Features, IntArray, Standardiser, is_sparse, row_blocks

_LOST_SPREAD = 1e-10  # a variance this small beside the global one is what the subtraction of moments leaves of 0
_FLOAT32_FROM = 4_000_000  # values; above this, float32 rows halve time and memory, and losses keep 6 digits


@dataclass(frozen=True)
class Fold:
    """Row numbers for training and held out, and the training rows' standardiser and principal axes."""

    train: IntArray
    test: IntArray
    standardiser: Standardiser
    axes: PrincipalAxes


def folds_of(features: Features, fold_ids: IntArray, *, scale: bool = True) -> Iterator[Fold]:
    """One Fold for each value in fold_ids (N,); `scale=False` only centres.

    >>> fold = next(folds_of(np.array([[0.0], [2.0], [4.0], [9.0]]), np.array([1, 1, 1, 0])))
    >>> fold.test.tolist(), fold.standardiser.mean.tolist()
    ([3], [2.0])
    """
    names = np.unique(fold_ids)
    if len(names) < 2:
        raise DataError("Cross-validation needs at least two folds; one came.", hint="Add items or make more folds.")
    parts = [np.flatnonzero(fold_ids == name) for name in names]
    fewest = len(fold_ids) - max(map(len, parts))
    if not is_sparse(features) and fewest >= features.shape[1] and features.shape[1] <= LARGEST_SIDE:
        yield from _folds_by_moments(features, parts, scale)
        return
    for part in parts:
        train = np.setdiff1d(np.arange(len(fold_ids)), part, assume_unique=True)
        standardiser = _standardiser(features, train, scale)
        yield Fold(train, part, standardiser, fit_axes(features, train, standardiser))


def fit_axes(features: Features, rows: IntArray, standardiser: Standardiser) -> PrincipalAxes:
    """Principal axes of the chosen rows after standardisation, or the features' own axes where both sides are long."""
    side = min(len(rows), features.shape[1])
    if is_sparse(features):
        chosen = features[rows]
        return unrotated_axes(np.asarray(chosen.multiply(chosen).mean(axis=0), dtype=np.float64).ravel())
    if side > LARGEST_SIDE:
        blocks = (np.square(standardiser.apply(features[block])).sum(axis=0) for block in row_blocks(rows))
        return unrotated_axes(sum(blocks, np.zeros(features.shape[1])) / len(rows))
    if len(rows) < features.shape[1]:
        return axes_of_rows(standardiser.apply(features[rows]))
    return axes_of_gram(_moments(features, rows, standardiser).second / len(rows))


def solver_rows(features: Features, rows: IntArray, standardiser: Standardiser, axes: PrincipalAxes) -> Any:
    """Coordinates of the chosen rows and a last column of ones, (n, r + 1): what the logistic solver works on."""
    if is_sparse(features):
        from scipy.sparse import csr_array, hstack

        return hstack([features[rows], np.ones((len(rows), 1))], format="csr", dtype=np.float64, sparse=True)
    rank = len(axes.values)
    size = len(rows) * (rank + 1)
    out = np.ones((len(rows), rank + 1), dtype=np.float32 if size >= _FLOAT32_FROM else np.float64)
    short_axes = axes.astype(out.dtype)
    for place in row_blocks(np.arange(len(rows))):
        out[place, :-1] = short_axes.coordinates(standardiser.apply(features[rows[place]], out.dtype))
    return out


@dataclass(frozen=True)
class _Moments:
    n_items: int
    first: FloatArray  # (D,)
    second: FloatArray  # (D, D)

    def __sub__(self, other: _Moments) -> _Moments:
        return _Moments(self.n_items - other.n_items, self.first - other.first, self.second - other.second)


def _moments(features: DenseFeatures, rows: IntArray, standardiser: Standardiser) -> _Moments:
    width = features.shape[1]
    first, second = np.zeros(width), np.zeros((width, width))
    for block in row_blocks(rows):
        wide = standardiser.apply(features[block])
        first += wide.sum(axis=0)
        second += wide.T @ wide
    return _Moments(len(rows), first, second)


def _folds_by_moments(features: DenseFeatures, parts: list[IntArray], scale: bool) -> Iterator[Fold]:
    everyone = Standardiser.fit(features)
    held_out = [_moments(features, part, everyone) for part in parts]
    n_items = sum(map(len, parts))
    total = _Moments(n_items, sum(m.first for m in held_out), sum(m.second for m in held_out))
    for part, moments in zip(parts, held_out, strict=True):
        train = np.setdiff1d(np.arange(n_items), part, assume_unique=True)
        yield Fold(train, part, *_restandardise(total - moments, everyone, scale))


def _restandardise(moments: _Moments, outer: Standardiser, scale: bool) -> tuple[Standardiser, PrincipalAxes]:
    """Standardiser and axes of the training rows from their moments in the outer standardisation."""
    mean = moments.first / moments.n_items
    covariance = moments.second / moments.n_items - np.outer(mean, mean)
    variance = np.diag(covariance)
    spread = np.sqrt(np.where(variance > _LOST_SPREAD, variance, 1.0)) if scale else 1.0 / outer.scale
    standardiser = Standardiser(outer.mean + outer.scale * mean, outer.scale * spread)
    return standardiser, axes_of_gram(covariance / np.outer(spread, spread))


def _standardiser(features: Features, rows: IntArray, scale: bool) -> Standardiser:
    return Standardiser.fit(features[rows], centre_only=not scale)
