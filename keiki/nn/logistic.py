"""Multinomial logistic regression with a squared penalty.

    minimise  sum_i w_i CE(W x_i + b, y_i) / sum_i w_i  +  penalty / 2 |W|^2

The bias is not penalised, so centring the features changes nothing but the bias. In scikit-learn's terms
C = 1 / (penalty N): LogisticRegression sums the losses where we take their mean. The optimum is found in `descent`;
with fewer items than features it is looked for in their row space, where it lies (see `axes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from keiki.core.errors import DataError, OptionError
from keiki.nn.axes import LARGEST_SIDE, axes_of_rows
from keiki.nn.descent import Problem, Steps, descend, run_together
from keiki.nn.folds import fit_axes
from keiki.nn.linear import LinearHead
from keiki.nn.rows import Rows, shared_rows, span_rows
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features, IntArray, Standardiser, is_sparse

TOLERANCE = 1e-10  # share of the objective that the optimum may still lie below the answer


def logistic_fit(
    features: Features,
    labels: IntArray,
    n_classes: int,
    penalty: float,
    start: LinearHead | None = None,
    sample_weight: FloatArray | None = None,
) -> LinearHead:
    """The optimal head for features (N, D) as they come (standardise first), labels (N,) in 0..n_classes-1.

    A class without items gets weight 0 and the bias of a class with half an item (see `absent_bias`). Of `start`
    only what lies in the row space matters. Raises DataError for features that are not finite.

    >>> head = logistic_fit(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, penalty=0.1)
    >>> head.weight.round(3).tolist()
    [[-1.064], [1.064]]
    """
    check_labels(features, labels, n_classes)
    if penalty <= 0:
        raise OptionError(f"A logistic head needs a penalty above 0; {penalty} came.", hint="Try 0.01.")
    centre = Standardiser.fit(features, centre_only=True)
    rows, lift, start = _solver_rows(features, centre, start)
    weight = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    theta = None if start is None else np.column_stack([start.weight, start.bias])
    problem = Problem(rows, labels, weight / weight.sum(), penalty_vector(penalty, rows))
    (theta,) = run_together([fit_steps(problem, n_classes, theta, TOLERANCE)])
    return LinearHead(lift(theta[:, :-1]), theta[:, -1]).fold_in(centre)


def fit_steps(problem: Problem, n_classes: int, start: FloatArray | None, tolerance: float) -> Steps:
    """Steps to the optimum (n_classes, r + 1); classes without weight stay out of it and get the absent bias."""
    mass = np.bincount(problem.labels, weights=problem.weight, minlength=n_classes)
    present = np.flatnonzero(mass > 0)
    theta = np.zeros((n_classes, len(problem.rows.values) + 1))
    if len(present) > 1:
        first = np.zeros((len(present), theta.shape[1])) if start is None else start[present]
        theta[present] = yield from descend(_relabelled(problem, present, n_classes), first, tolerance)
    theta[:, -1] = absent_bias(theta[:, -1], present, int(np.count_nonzero(problem.weight)))
    return theta


def penalty_vector(penalty: float, rows: Rows) -> FloatArray:
    """The same penalty for all columns but the last, the bias."""
    return np.append(np.full(len(rows.values), penalty), 0.0)


def absent_bias(bias: FloatArray, present: IntArray, n_items: int) -> FloatArray:
    """Biases with mean 0 over the classes present, and for the others log sum exp of those minus log(2 N).

    An average item then gives an absent class the probability 1 / (2 N), as if half an item of it had been seen
    (Krichevsky and Trofimov 1981). The optimum itself would be minus infinity.

    >>> absent_bias(np.array([1.0, 1.0, 0.0]), np.array([0, 1]), n_items=5).round(3).tolist()
    [0.0, 0.0, -1.609]
    """
    centred = bias[present] - bias[present].mean()
    filled = np.full(len(bias), np.logaddexp.reduce(centred) - np.log(2.0 * n_items))
    filled[present] = centred
    return filled


def check_labels(features: Features, labels: IntArray, n_classes: int) -> None:
    """DataError unless the features are finite and there is one label in range for each row."""
    if len(labels) != features.shape[0] or not len(labels):
        raise DataError(f"A head needs one label for each row; {len(labels)} labels and {features.shape[0]} rows came.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"Labels must lie in 0..{n_classes - 1}; {labels.min()}..{labels.max()} came.")
    values: Any = features.data if is_sparse(features) else features
    if not all(np.isfinite(values[first : first + 2048]).all() for first in range(0, len(values), 2048)):
        raise DataError("Some features are not finite.", hint="Check the backbone's output for these items.")


def _solver_rows(
    features: Features, centre: Standardiser, start: LinearHead | None
) -> tuple[Rows, Callable[[FloatArray], FloatArray], LinearHead | None]:
    """Rows to solve on, the way back for weights, and the start as it looks there."""
    if start is not None:
        start = LinearHead(start.weight, start.bias + start.weight @ centre.mean)
    if features.shape[0] < min(features.shape[1], LARGEST_SIDE):
        centred = features if is_sparse(features) else centre.apply(features)
        axes = axes_of_rows(centred)
        inner = None if start is None else LinearHead(axes.coordinates(start.weight), start.bias)
        return span_rows(axes.coordinates(centred), axes), axes.lift, inner
    axes = fit_axes(features, np.arange(features.shape[0]), centre)
    return shared_rows(features, centre, axes), np.asarray, start


def _relabelled(problem: Problem, present: IntArray, n_classes: int) -> Problem:
    place = np.zeros(n_classes, dtype=np.int64)
    place[present] = np.arange(len(present))
    return replace(problem, labels=place[problem.labels])
