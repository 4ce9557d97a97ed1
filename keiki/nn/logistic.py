"""Multinomial logistic regression with a squared penalty.

    minimise  sum_i w_i CE(W x_i + b, y_i) / sum_i w_i  +  penalty / 2 |W|^2

The bias is not penalised, so centring the features changes nothing but the bias. In scikit-learn's terms
C = 1 / (penalty N) (LogisticRegression sums the losses where we take their mean).

Solved in principal axes (see `axes`), by L-BFGS (Liu and Nocedal 1989) preconditioned with the diagonal of
the Hessian, c_k lambda_j + penalty with c_k the mean of p_k (1 - p_k): in these axes the Hessian is near to that,
and from W = 0 the first step is the ridge solution. The scores of a linear model move linearly along a
direction, so each iteration costs two products with the features, however long its line search.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.core.errors import DataError, OptionError, TrainingError
from keiki.nn.axes import LARGEST_SIDE, PrincipalAxes, axes_of_rows
from keiki.nn.folds import fit_axes, solver_rows
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import Features, IntArray, Standardiser, is_sparse

TOLERANCE = 1e-9
_MOST_ITERATIONS = 2000
_MEMORY = 10


def logistic_fit(
    features: Features,
    labels: IntArray,
    n_classes: int,
    penalty: float,
    start: LinearHead | None = None,
    sample_weight: FloatArray | None = None,
) -> LinearHead:
    """The optimal head for features (N, D) as they come (standardise first), labels (N,) in 0..n_classes-1.

    A class without items gets weight 0 and the bias of a class with half an item (see `absent_bias`).
    Raises DataError for features that are not finite, TrainingError if the optimum is not reached.

    >>> head = logistic_fit(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, penalty=0.1)
    >>> head.weight.round(3).tolist(), head.bias.round(3).tolist()
    ([[-0.856], [0.856]], [0.0, 0.0])
    """
    check_labels(features, labels, n_classes)
    if is_sparse(features) and len(labels) <= LARGEST_SIDE:
        span = axes_of_rows(features)
        inner = None if start is None else LinearHead(span.coordinates(start.weight), start.bias)
        head = logistic_fit(span.coordinates(features), labels, n_classes, penalty, inner, sample_weight)
        return LinearHead(span.lift(head.weight), head.bias)
    centre = Standardiser.fit(features, centre_only=True)
    everyone = np.arange(len(labels))
    axes = fit_axes(features, everyone, centre)
    theta = None if start is None else _to_theta(start, centre, axes)
    rows = solver_rows(features, everyone, centre, axes)
    theta = fit_theta(rows, labels, n_classes, penalty, axes.values, theta, sample_weight)
    return to_head(theta, axes).fold_in(centre)


def fit_theta(
    rows: Any,
    labels: IntArray,
    n_classes: int,
    penalty: float,
    values: FloatArray,
    start: FloatArray | None = None,
    sample_weight: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> FloatArray:
    """The optimum (C, r + 1) on solver rows (N, r + 1): coordinates and a column of ones; `values` are their mean squares."""
    if not penalty > 0:
        raise OptionError(f"A logistic head needs a penalty above 0; {penalty} came.", hint="Try 0.01.")
    weight = np.full(len(labels), 1.0) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    mass = np.bincount(labels, weights=weight, minlength=n_classes)
    present = np.flatnonzero(mass > 0)
    theta = np.zeros((n_classes, rows.shape[1]))
    if len(present) > 1:
        place = np.zeros(n_classes, dtype=np.int64)
        place[present] = np.arange(len(present))
        objective = _Objective(rows, place[labels], weight / mass.sum(), np.append(np.full(len(values), penalty), 0.0))
        first = np.zeros((len(present), rows.shape[1])) if start is None else start[present]
        theta[present] = _descend(objective, first, np.append(values, 1.0), tolerance)
    theta[:, -1] = absent_bias(theta[:, -1], present, len(labels))
    return theta


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


def to_head(theta: FloatArray, axes: PrincipalAxes) -> LinearHead:
    """The head on standardised features that the solver's theta (C, r + 1) stands for."""
    return LinearHead(axes.lift(theta[:, :-1]), theta[:, -1].copy())


def check_labels(features: Features, labels: IntArray, n_classes: int) -> None:
    """DataError unless the features are finite and there is one label in range for each row."""
    if len(labels) != features.shape[0] or not len(labels):
        raise DataError(f"A head needs one label for each row; {len(labels)} labels and {features.shape[0]} rows came.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"Labels must lie in 0..{n_classes - 1}; {labels.min()}..{labels.max()} came.")
    values: Any = getattr(features, "data") if is_sparse(features) else features
    if not all(np.isfinite(values[first : first + 2048]).all() for first in range(0, len(values), 2048)):
        raise DataError("Some features are not finite.", hint="Check the backbone's output for these items.")


def _to_theta(head: LinearHead, centre: Standardiser, axes: PrincipalAxes) -> FloatArray:
    bias = head.bias + head.weight @ centre.mean
    return np.column_stack([axes.coordinates(head.weight), bias])


@dataclass(frozen=True)
class _Objective:
    """Loss and derivatives; logits are class-major (C, N), so that BLAS and the sums run along memory."""

    rows: Any  # (N, r + 1), float32 or float64 or CSR
    labels: IntArray
    weight: FloatArray  # (N,), sums to 1
    penalties: FloatArray  # (r + 1,), 0 for the bias

    def logits(self, theta: FloatArray) -> FloatArray:
        return np.asarray(theta.astype(self.rows.dtype) @ self.rows.T, dtype=np.float64)

    def loss(self, logits: FloatArray) -> tuple[float, FloatArray]:
        """Weighted cross-entropy and the probabilities (C, N)."""
        top = logits.max(axis=0)
        exponentials = np.exp(logits - top)
        sums = exponentials.sum(axis=0)
        chosen = logits[self.labels, np.arange(len(self.labels))]
        exponentials /= sums
        return float(self.weight @ (np.log(sums) + top - chosen)), exponentials

    def residual(self, probabilities: FloatArray) -> FloatArray:
        """Derivative of the cross-entropy with respect to the logits (C, N)."""
        out = probabilities * self.weight
        out[self.labels, np.arange(len(self.labels))] -= self.weight
        return out

    def gradient(self, theta: FloatArray, residual: FloatArray) -> FloatArray:
        return np.asarray(residual.astype(self.rows.dtype) @ self.rows) + theta * self.penalties

    def curvature(self, probabilities: FloatArray, values: FloatArray) -> FloatArray:
        """Diagonal of the Hessian in principal axes, (C, r + 1), items and features taken as independent."""
        spread = (probabilities * (1.0 - probabilities)) @ self.weight
        return np.outer(np.maximum(spread, 1e-6), values) + self.penalties

    def precision(self) -> float:
        return float(np.finfo(self.rows.dtype).eps)


@dataclass(frozen=True)
class _Point:
    theta: FloatArray
    logits: FloatArray
    loss: float  # with the penalty
    probabilities: FloatArray
    gradient: FloatArray


def _descend(objective: _Objective, theta: FloatArray, values: FloatArray, tolerance: float) -> FloatArray:
    """L-BFGS until the gradient, measured in the preconditioner, foretells a gain below tolerance * loss."""
    here = _start(objective, theta)
    pairs: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=_MEMORY)
    for _ in range(_MOST_ITERATIONS):
        curvature = objective.curvature(here.probabilities, values)
        foretold = 0.5 * float(np.sum(here.gradient**2 / curvature))
        if foretold <= tolerance * here.loss:
            return here.theta
        direction = -_two_loops(here.gradient, pairs, curvature)
        there = _line_search(objective, here, direction)
        if there is None:  # the loss cannot be told apart any more in this precision
            return here.theta
        step, change = there.theta - here.theta, there.gradient - here.gradient
        product = float(np.vdot(step, change))
        if product > 0:
            pairs.append((step, change, product))
        here = there
    raise TrainingError(
        f"Logistic regression did not converge in {_MOST_ITERATIONS} iterations.",
        hint="Use a stronger penalty or standardise the features.",
    )


def _start(objective: _Objective, theta: FloatArray) -> _Point:
    logits = objective.logits(theta)
    loss, probabilities = objective.loss(logits)
    loss += 0.5 * float(np.sum(objective.penalties * theta**2))
    return _Point(theta, logits, loss, probabilities, objective.gradient(theta, objective.residual(probabilities)))


def _two_loops(gradient: FloatArray, pairs: deque[tuple[FloatArray, FloatArray, float]], curvature: FloatArray) -> FloatArray:
    """The inverse Hessian estimate times the gradient (Nocedal and Wright 2006, algorithm 7.4)."""
    direction = gradient.copy()
    shares = []
    for step, change, product in reversed(pairs):
        shares.append(float(np.vdot(step, direction)) / product)
        direction -= shares[-1] * change
    direction /= curvature
    if pairs:
        _, change, product = pairs[-1]
        direction *= product / float(np.sum(change**2 / curvature))
    for (step, change, product), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - float(np.vdot(change, direction)) / product) * step
    return direction


def _line_search(objective: _Objective, here: _Point, direction: FloatArray) -> _Point | None:
    """A point along the direction where the slope has halved at least: Newton's method, kept inside a bracket."""
    moves = objective.logits(direction)
    pull = float(np.sum(objective.penalties * direction * here.theta))
    stiff = float(np.sum(objective.penalties * direction**2))
    fixed = 0.5 * float(np.sum(objective.penalties * here.theta**2))
    first = float(np.vdot(here.gradient, direction))
    low, high, at = 0.0, np.inf, 1.0
    for _ in range(30):
        logits = here.logits + at * moves
        loss, probabilities = objective.loss(logits)
        residual = objective.residual(probabilities)
        slope = float(np.vdot(residual, moves)) + pull + at * stiff
        total = loss + fixed + at * pull + 0.5 * at**2 * stiff
        if abs(slope) <= -0.5 * first and total <= here.loss:
            theta = here.theta + at * direction
            return _Point(theta, logits, total, probabilities, objective.gradient(theta, residual))
        low, high = (at, high) if slope < 0 else (low, at)
        mean_move = (probabilities * moves).sum(axis=0)
        bend = float(objective.weight @ ((probabilities * moves**2).sum(axis=0) - mean_move**2)) + stiff
        at = _inside(at - slope / bend, low, high)
    return None


def _inside(at: float, low: float, high: float) -> float:
    """Newton's proposal if it lies well inside the bracket, else its middle (or twice its open end)."""
    if high == np.inf:
        return min(max(at, 1.5 * low), 10.0 * low)
    margin = 0.05 * (high - low)
    return at if low + margin < at < high - margin else 0.5 * (low + high)
