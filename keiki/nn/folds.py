"""Training folds, each standardised by its own rows, without another pass over the features for each.

Standardisation inside a fold is an affine change of the features, so the first and second moments are enough
for it: with sums taken once per fold of held-out rows, the moments of a training fold are the total minus the
fold's own, and its correlation matrix follows by centring and scaling. That is exact, and one (D, D) Gram matrix
serves all folds. Sums are taken on globally standardised rows so that the subtraction loses no digits.

With fewer training rows than features the kernel of the fold's standardised rows is cheaper, and is used instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from keiki.core.errors import DataError
from keiki.nn.axes import LARGEST_SIDE, PrincipalAxes, axes_of_gram, axes_of_rows
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, Features, IntArray, Standardiser, is_sparse, moderated_scale, row_blocks

LOST_SPREAD = 1e-10  # a variance this small beside the global one is what the subtraction of moments leaves of 0


@dataclass(frozen=True)
class Fold:
    """Row numbers for training and held out, and the training rows' standardiser and principal axes."""

    train: IntArray
    test: IntArray
    standardiser: Standardiser
    axes: PrincipalAxes


def folds_of(features: Features, fold_ids: IntArray) -> Iterator[Fold]:
    """One Fold for each value in fold_ids (N,).

    >>> fold = next(folds_of(np.array([[0.0], [2.0], [4.0], [9.0]]), np.array([1, 1, 1, 0])))
    >>> fold.test.tolist(), fold.standardiser.mean.round(9).tolist()
    ([3], [2.0])
    """
    parts = held_out_parts(fold_ids)
    fewest = len(fold_ids) - max(map(len, parts))
    if not is_sparse(features) and features.shape[1] <= min(fewest, LARGEST_SIDE):
        yield from _folds_by_moments(features, parts)
    else:
        yield from (fold_without(features, part) for part in parts)


def held_out_parts(fold_ids: IntArray) -> list[IntArray]:
    """The row numbers of each fold; DataError if there are fewer than two folds.

    >>> [part.tolist() for part in held_out_parts(np.array([4, 0, 4]))]
    [[1], [0, 2]]
    """
    names = np.unique(fold_ids)
    if len(names) < 2:
        raise DataError("Cross-validation needs at least two folds; one came.", hint="Add items or make more folds.")
    return [np.flatnonzero(fold_ids == name) for name in names]


def fold_without(features: Features, part: IntArray) -> Fold:
    """The fold that holds these rows out, from its training rows alone."""
    train = np.setdiff1d(np.arange(features.shape[0]), part, assume_unique=True)
    standardiser = Standardiser.fit(features, train)
    return Fold(train, part, standardiser, fit_axes(features, train, standardiser))


def fit_axes(features: Features, rows: IntArray, standardiser: Standardiser) -> PrincipalAxes:
    """Principal axes of the chosen rows after standardisation; own axes if sparse or long on both sides."""
    if is_sparse(features) or min(len(rows), features.shape[1]) > LARGEST_SIDE:
        return own_axes(features, rows, standardiser)
    if len(rows) < features.shape[1]:
        return axes_of_rows(standardiser.apply(features[rows]))
    return axes_of_gram(_moments(features, rows, standardiser).second / len(rows))


def own_axes(features: Features, rows: IntArray, standardiser: Standardiser) -> PrincipalAxes:
    """The features' own axes, with the mean squares of the standardised columns as values."""
    if is_sparse(features):
        chosen = features[rows]
        return PrincipalAxes(np.asarray(chosen.multiply(chosen).mean(axis=0), dtype=np.float64).ravel(), ())
    squares = _sum(np.square(standardiser.apply(features[block])).sum(axis=0) for block in row_blocks(rows))
    return PrincipalAxes(squares / len(rows), ())


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


def _folds_by_moments(features: DenseFeatures, parts: list[IntArray]) -> Iterator[Fold]:
    everyone = Standardiser.fit(features)
    held_out = [_moments(features, part, everyone) for part in parts]
    n_items = sum(map(len, parts))
    total = _Moments(n_items, _sum(m.first for m in held_out), _sum(m.second for m in held_out))
    for part, moments in zip(parts, held_out, strict=True):
        train = np.setdiff1d(np.arange(n_items), part, assume_unique=True)
        yield Fold(train, part, *_restandardise(total - moments, everyone))


def relative_scale(variance: FloatArray, n_items: FloatArray | int, outer: Standardiser) -> FloatArray:
    """The scale of n items over the outer one (..., D), from their variances in the outer standardisation (..., D)."""
    known = np.where(variance > LOST_SPREAD, variance, 0.0)
    return moderated_scale(known * np.square(outer.scale), n_items) / outer.scale


def _sum(parts: Iterable[FloatArray]) -> FloatArray:
    return np.asarray(np.sum(list(parts), axis=0))


def _restandardise(moments: _Moments, outer: Standardiser) -> tuple[Standardiser, PrincipalAxes]:
    """Standardiser and axes of the training rows from their moments in the outer standardisation."""
    mean = moments.first / moments.n_items
    covariance = moments.second / moments.n_items - np.outer(mean, mean)
    variance = np.diag(covariance)
    spread = relative_scale(variance, moments.n_items, outer)
    standardiser = Standardiser(outer.mean + outer.scale * mean, outer.scale * spread)
    return standardiser, axes_of_gram(covariance / np.outer(spread, spread))
