"""The folds of a cross-validation as logistic problems, laid out for the shape of the features.

`OwnRows`, where training rows are fewer than features: each fold has its standardised rows in their own row space,
n by n. `SparseRows`, for text: all folds share the kernel of the rows as they are, and each leaves out its items by
weight 0. `SharedRows`, where rows are more: all folds work on one globally standardised matrix. There a fold is told by
item weights, 0 for rows held out, and its own standardisation by its penalties: with global scale s and the fold's
scale t, weights on the fold's standardised columns are V_j = W_j t_j / s_j, so the penalty on V_j^2 is one times
(t_j / s_j)^2 on W_j^2; the fold's mean only moves the bias, which is free. All three are exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from keiki.nn.axes import PrincipalAxes
from keiki.nn.descent import Problem
from keiki.nn.folds import Fold, fit_axes, fold_without, folds_of, held_out_parts, own_axes, relative_scale
from keiki.nn.kernel_rows import kernel_rows
from keiki.nn.linear import LinearHead
from keiki.nn.logistic import penalty_vector
from keiki.nn.rows import FeatureRows, Rows, shared_rows, span_rows
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, Features, IntArray, SparseFeatures, Standardiser, row_blocks

ToHead = Callable[[FloatArray], LinearHead]


class FoldProblems(ABC):
    """Features (N, D), labels (N,) and fold numbers (R, N) for R repeats; folds stand in a row, repeat by repeat."""

    ranking_folds: list[Fold]  # those that ridge is ranked on; none, and no ridge, for sparse features
    squared_length: float  # mean of a training row's
    joined: ClassVar[bool] = True  # whether products for several folds cost less in one

    def __init__(self, features: Features, labels: IntArray, repeats: IntArray) -> None:
        self.features, self.labels = features, labels
        self.standardiser = Standardiser.fit(features)
        self.tests = [(repeat, test) for repeat, ids in enumerate(repeats) for test in held_out_parts(ids)]
        self._n_repeats = len(repeats)

    @abstractmethod
    def at(self, penalty: float) -> list[Problem]:
        """The folds' problems at one penalty."""

    @abstractmethod
    def whole(self, penalty: float) -> tuple[Problem, ToHead]:
        """The problem of all rows, and what makes its solution a head on features as they came."""

    @abstractmethod
    def _scores(self, number: int, theta: FloatArray) -> FloatArray:
        """Logits (n_test, C) of a fold's held-out rows."""

    def held_out(self, thetas: Sequence[FloatArray]) -> FloatArray:
        """Logits (R, N, C) of each item by the head of the fold that has not seen it, in each repeat."""
        logits = np.empty((self._n_repeats, len(self.labels), len(thetas[0])))
        for number, (repeat, test) in enumerate(self.tests):
            logits[repeat, test] = self._scores(number, thetas[number])
        return logits


class OwnRows(FoldProblems):
    """Each fold in the row space of its own training rows."""

    features: DenseFeatures

    def __init__(self, features: DenseFeatures, labels: IntArray, repeats: IntArray) -> None:
        super().__init__(features, labels, repeats)
        self.ranking_folds = [fold for ids in repeats for fold in folds_of(features, ids)]
        self._train = [self._rows(fold.train, fold.standardiser, fold.axes) for fold in self.ranking_folds]
        self._test = [self._rows(fold.test, fold.standardiser, fold.axes) for fold in self.ranking_folds]
        self.squared_length = float(self.ranking_folds[0].axes.values.sum())

    def at(self, penalty: float) -> list[Problem]:
        pairs = zip(self._train, self.ranking_folds, strict=True)
        return [_evenly(rows, self.labels[fold.train], penalty) for rows, fold in pairs]

    def whole(self, penalty: float) -> tuple[Problem, ToHead]:
        everyone = np.arange(len(self.labels))
        axes = fit_axes(self.features, everyone, self.standardiser)

        def to_head(theta: FloatArray) -> LinearHead:
            return LinearHead(axes.lift(theta[:, :-1]), theta[:, -1]).fold_in(self.standardiser)

        return _evenly(self._rows(everyone, self.standardiser, axes), self.labels, penalty), to_head

    def _rows(self, numbers: IntArray, standardiser: Standardiser, axes: PrincipalAxes) -> FeatureRows:
        return span_rows(axes.coordinates(standardiser.apply(self.features[numbers])), axes)

    def _scores(self, number: int, theta: FloatArray) -> FloatArray:
        return self._test[number].logits(theta).T


class SharedRows(FoldProblems):
    """All folds on one standardised matrix, told apart by item weights and penalties.

    One eigendecomposition, of the first fold, serves to rank ridge and to precondition every problem.
    """

    features: DenseFeatures

    def __init__(self, features: DenseFeatures, labels: IntArray, repeats: IntArray) -> None:
        super().__init__(features, labels, repeats)
        first = fold_without(features, self.tests[0][1])
        if len(first.axes.values) < features.shape[1]:  # its rows do not span all columns, which are the parameters
            first = replace(first, axes=own_axes(features, first.train, first.standardiser))
        self.ranking_folds = [first]
        self.squared_length = float(first.axes.values.sum())
        self._shared = shared_rows(features, self.standardiser, first.axes)
        self._widths = np.square(self._relative_scales())

    def at(self, penalty: float) -> list[Problem]:
        pairs = zip(self.tests, self._widths, strict=True)
        penalties = ((test, penalty * np.append(width, 0.0)) for (_, test), width in pairs)
        return [_without(test, self._shared, self.labels, each) for test, each in penalties]

    def whole(self, penalty: float) -> tuple[Problem, ToHead]:
        def to_head(theta: FloatArray) -> LinearHead:
            return LinearHead(theta[:, :-1], theta[:, -1]).fold_in(self.standardiser)

        return _evenly(self._shared, self.labels, penalty), to_head

    def _relative_scales(self) -> FloatArray:
        """For each fold, the scale of the rows trained on over the scale of all (D,).

        Sums over the rows held out are taken away from those over all.
        """
        first, second = zip(*(self._sums(test) for _, test in self.tests), strict=True)
        n_train = len(self.labels) - np.array([[len(test)] for _, test in self.tests])
        everyone = self._sums(np.arange(len(self.labels)))
        mean = (everyone[0] - np.stack(first)) / n_train
        variance = (everyone[1] - np.stack(second)) / n_train - mean**2
        return relative_scale(variance, n_train, self.standardiser)

    def _sums(self, numbers: IntArray) -> tuple[FloatArray, FloatArray]:
        first, second = np.zeros(self.features.shape[1]), np.zeros(self.features.shape[1])
        for rows in row_blocks(numbers):
            wide = self._shared.matrix[rows, :-1].astype(np.float64)
            first += wide.sum(axis=0)
            second += np.einsum("ij,ij->j", wide, wide)
        return first, second

    def _scores(self, number: int, theta: FloatArray) -> FloatArray:
        return self._shared.subset(self.tests[number][1]).logits(theta).T


class SparseRows(FoldProblems):
    """All folds on the kernel of sparse rows, told apart by item weights. Nothing is standardised."""

    features: SparseFeatures
    joined = False  # SciPy reads the matrix as often for one fold as for five, and each has N by C numbers of its own

    def __init__(self, features: SparseFeatures, labels: IntArray, repeats: IntArray) -> None:
        super().__init__(features, labels, repeats)
        self.ranking_folds = []
        self._mean = np.asarray(features.T @ np.full(len(labels), 1.0 / len(labels)))
        self.squared_length = float(np.square(features.data, dtype=np.float64).sum()) / len(labels)
        self._rows = kernel_rows(features)

    def at(self, penalty: float) -> list[Problem]:
        penalties = penalty_vector(penalty, self._rows)
        return [_without(test, self._rows, self.labels, penalties) for _, test in self.tests]

    def whole(self, penalty: float) -> tuple[Problem, ToHead]:
        def to_head(theta: FloatArray) -> LinearHead:
            coefficients, bias = theta[:, : len(self.labels)], theta[:, -1]
            weight = np.ascontiguousarray((self.features.T @ coefficients.T).T)
            return LinearHead(weight, bias - weight @ self._mean)

        return _evenly(self._rows, self.labels, penalty), to_head

    def _scores(self, number: int, theta: FloatArray) -> FloatArray:
        return self._rows.logits(theta)[:, self.tests[number][1]].T


def _without(test: IntArray, rows: Rows, labels: IntArray, penalties: FloatArray) -> Problem:
    weight = np.full(len(labels), 1.0 / (len(labels) - len(test)))
    weight[test] = 0.0
    return Problem(rows, labels, weight, penalties)


def _evenly(rows: Rows, labels: IntArray, penalty: float) -> Problem:
    return Problem(rows, labels, np.full(len(labels), 1.0 / len(labels)), penalty_vector(penalty, rows))
