"""The multinomial logistic optimum: preconditioned L-BFGS, several problems in step.

    minimise  sum_i w_i CE(W x_i + b, y_i)  +  1/2 sum_j penalty_j |W_j|^2        (weights w sum to 1)

L-BFGS (Liu and Nocedal 1989) starts each direction from the diagonal of the Hessian in the principal axes of the
rows, c_k lambda_j + penalty_j with c_k the mean of p_k (1 - p_k) at the present point: the Hessian is near to that, and
from W = 0 the first step is a ridge solution. Inner products are those of the rows (`Rows.dot`). Scores move linearly
along a direction, so each iteration takes two products with the rows, however long its line search.

Those products read the whole matrix for a few columns of result. Problems on the same rows (the folds of a
cross-validation, which differ in the weights of the items) are therefore advanced in step and their products joined
into one: at 10 classes five folds cost about two. Each problem is a generator that yields the product it needs next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from keiki.core.errors import TrainingError
from keiki.nn.rows import Rows
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import IntArray

_MOST_ITERATIONS = 2000
_MEMORY = 10
_MOST_LOST = 3  # directions that rounding has eaten, before it is left at that
_ROUNDING = 1e-6  # share of the loss; gains foretold below it can drown in float32 products


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows with labels (N,), item weights (N,) of sum 1 and penalties (r + 1,), 0 for the bias."""

    rows: Rows
    labels: IntArray
    weight: FloatArray
    penalties: FloatArray

    def loss(self, logits: FloatArray) -> tuple[float, FloatArray]:
        """Weighted cross-entropy and the probabilities (C, N)."""
        top = logits.max(axis=0)
        probabilities = np.exp(logits - top)
        sums = probabilities.sum(axis=0)
        chosen = logits[self.labels, np.arange(len(self.labels))]
        probabilities /= sums
        return float(self.weight @ (np.log(sums) + top - chosen)), probabilities

    def residual(self, probabilities: FloatArray) -> FloatArray:
        """Derivative of the cross-entropy by the logits (C, N)."""
        residual = probabilities * self.weight
        residual[self.labels, np.arange(len(self.labels))] -= self.weight
        return np.asarray(residual)

    def curvature(self, probabilities: FloatArray) -> FloatArray:
        """Diagonal of the Hessian along the axes (C, r + 1), spread of items and of features taken as independent."""
        spread = (probabilities * (1.0 - probabilities)) @ self.weight
        penalty = np.append(np.full(len(self.rows.values), self.penalties[:-1].mean()), 0.0)
        return np.asarray(np.maximum(spread, 1e-9)[:, None] * np.append(self.rows.values, 1.0) + penalty)


Operation: TypeAlias = Callable[[FloatArray], FloatArray]  # a method of Rows, equal for the same rows
_Request: TypeAlias = tuple[Operation, FloatArray]
Steps: TypeAlias = Generator[_Request, FloatArray, FloatArray]


def run_together(problems: Sequence[Steps]) -> list[FloatArray]:
    """The results of all generators, each product on the same rows done once for all that wait for it."""
    results: dict[int, FloatArray] = {}
    waiting: dict[int, _Request] = {}
    for number, steps in enumerate(problems):
        _advance(number, steps, None, waiting, results)
    while waiting:
        for number, answer in _answers(waiting).items():
            _advance(number, problems[number], answer, waiting, results)
    return [results[number] for number in range(len(problems))]


def _advance(
    number: int,
    steps: Steps,
    answer: FloatArray | None,
    waiting: dict[int, _Request],
    results: dict[int, FloatArray],
) -> None:
    try:
        waiting[number] = next(steps) if answer is None else steps.send(answer)
    except StopIteration as done:
        waiting.pop(number, None)
        results[number] = done.value


def _answers(waiting: dict[int, _Request]) -> dict[int, FloatArray]:
    groups: dict[Operation, list[int]] = {}
    for number, (operation, _) in waiting.items():
        groups.setdefault(operation, []).append(number)
    answers: dict[int, FloatArray] = {}
    for operation, members in groups.items():
        parts = [waiting[number][1] for number in members]
        product = operation(np.concatenate(parts) if len(parts) > 1 else parts[0])
        answers |= zip(members, np.split(product, np.cumsum([len(part) for part in parts])[:-1]), strict=True)
    return answers


@dataclass(frozen=True)
class _Point:
    theta: FloatArray
    logits: FloatArray
    loss: float  # with the penalty
    probabilities: FloatArray
    gradient: FloatArray


@dataclass(frozen=True)
class _Pair:
    step: FloatArray
    change: FloatArray
    product: float


class _Lost(Exception):
    """The slope that was foretold is not there, however short the step: rounding has eaten the direction.

    So it goes where a penalty next to nothing meets columns that hardly differ among the rows.
    """


def descend(problem: Problem, theta: FloatArray, tolerance: float) -> Steps:
    """L-BFGS from theta (C, r + 1) until its own quadratic model foretells a gain below tolerance * loss."""
    dot = problem.rows.dot
    here = yield from _start(problem, theta)
    pairs: deque[_Pair] = deque(maxlen=_MEMORY)
    lost = 0
    for _ in range(_MOST_ITERATIONS):
        direction = yield from _direction(problem, here, pairs)
        if -0.5 * dot(direction, here.gradient) <= tolerance * here.loss:
            return here.theta
        try:
            there = yield from _line_search(problem, here, direction)
        except _Lost:
            lost += 1
            if not pairs or lost > _MOST_LOST:
                return here.theta  # single-precision products tell no more
            pairs.clear()
            continue
        if there is None:
            return here.theta
        step, change = there.theta - here.theta, there.gradient - here.gradient
        if (product := dot(step, change)) > 0:
            pairs.append(_Pair(step, change, product))
        here = there
    raise TrainingError(
        f"Logistic regression did not converge in {_MOST_ITERATIONS} iterations.",
        hint="Use a stronger penalty or standardise the features.",
    )


def _start(problem: Problem, theta: FloatArray) -> Generator[_Request, FloatArray, _Point]:
    rows = problem.rows
    logits = yield rows.logits, theta
    loss, probabilities = problem.loss(logits)
    gradient = yield rows.pull, problem.residual(probabilities)
    weighed = problem.penalties * theta
    return _Point(theta, logits, loss + 0.5 * rows.dot(weighed, theta), probabilities, gradient + weighed)


def _direction(problem: Problem, here: _Point, pairs: deque[_Pair]) -> Steps:
    """Minus the inverse Hessian estimate times the gradient (Nocedal and Wright 2006, algorithm 7.4)."""
    rows = problem.rows
    direction = -here.gradient
    shares = []
    for pair in reversed(pairs):
        shares.append(rows.dot(pair.step, direction) / pair.product)
        direction -= shares[-1] * pair.change
    turned = yield rows.turn, direction
    direction = yield rows.turn_back, turned / problem.curvature(here.probabilities)
    direction = direction.copy()
    for pair, share in zip(pairs, reversed(shares), strict=True):
        direction += (share - rows.dot(pair.change, direction) / pair.product) * pair.step
    return direction


def _line_search(
    problem: Problem, here: _Point, direction: FloatArray
) -> Generator[_Request, FloatArray, _Point | None]:
    """Where the slope along the direction has halved at least, by bracketed Newton steps; None if rounding hides it."""
    rows = problem.rows
    moves = yield rows.logits, direction
    weighed = problem.penalties * direction
    tilt, stiff = rows.dot(weighed, here.theta), rows.dot(weighed, direction)
    fixed = 0.5 * rows.dot(problem.penalties * here.theta, here.theta)
    first = rows.dot(here.gradient, direction)
    low, high, at = 0.0, np.inf, 1.0
    for _ in range(30):
        logits = here.logits + at * moves
        loss, probabilities = problem.loss(logits)
        residual = problem.residual(probabilities)
        slope = float(np.vdot(residual, moves)) + tilt + at * stiff
        total = loss + fixed + at * tilt + 0.5 * at**2 * stiff
        if abs(slope) <= -0.5 * first and total <= here.loss:
            gradient = yield rows.pull, residual
            theta = here.theta + at * direction
            return _Point(theta, logits, total, probabilities, gradient + problem.penalties * theta)
        low, high = (at, high) if slope < 0 else (low, at)
        drift = (probabilities * moves).sum(axis=0)
        bend = float(problem.weight @ ((probabilities * moves**2).sum(axis=0) - drift**2)) + stiff
        at = _inside(at - slope / bend, low, high) if bend > 0 else _inside(low, low, high)
    if -first <= _ROUNDING * here.loss:
        return None
    raise _Lost


def _inside(at: float, low: float, high: float) -> float:
    """Newton's proposal if it lies well inside the bracket, else its middle (or twice its open end)."""
    if high == np.inf:
        return min(max(at, 1.5 * low), 10.0 * low)
    margin = 0.05 * (high - low)
    return at if low + margin < at < high - margin else 0.5 * (low + high)
