"""What more labels would bring: the learning curve by subsampling, and how far it may be believed.

The head is fitted again on an eighth, a quarter and a half of the training side (whole clusters, classes in their
shares, several draws), always judged on the same items as the model itself. Its penalty grows as 1 / n, which is the
same prior on the weights whatever the number of labels. A power law

    error(n) = a n^-b + c,    a, b >= 0,  0 <= c < least error

is fitted to the four errors, by least squares along a grid of c. Every bootstrap resample of the judged clusters, with
the spread between draws added, gives a law of its own, so the answers come with an interval; and they are withheld
where the law does not carry them: too few labels, no fall that could be told from noise, a law from the smaller sizes
that would not have foretold the largest, or an answer beyond four times the labels at hand.
Source: Viering and Loog 2023, "The Shape of Learning Curves: a Review", IEEE TPAMI, sections 4 and 6 (power laws fit
most curves, and extrapolate badly far from the data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.data.deal import deal
from keiki.evaluation.bootstrap import resampling
from keiki.evaluation.intervals import Interval
from keiki.nn.linear import LinearHead
from keiki.nn.logistic import logistic_fit
from keiki.nn.standardise import Features, Standardiser, is_sparse

Index = NDArray[np.int64]
Floats = NDArray[np.float64]

SHARES = (1 / 8, 1 / 4, 1 / 2)
LARGEST = 4000  # labels of a refit; of larger training sides smaller shares are drawn
WORK = 200_000_000  # labels x classes x features of a refit, a second or two
FEWEST = 20  # labels of the smallest refit, and at least two a class
GAIN = 0.01
HORIZON = 4  # times the labels at hand
RESAMPLES = 500
FLOORS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])  # c as a share of the least error


@dataclass(frozen=True)
class Learnable:
    """What the head learns from: features (N, D), labels (N,), cluster numbers `groups` (N,), and its `penalty`.

    The penalty is that on standardised features at the full size.
    """

    features: Features
    labels: Index
    groups: Index
    n_classes: int
    penalty: float


@dataclass(frozen=True)
class Round:
    """Rows to learn from and rows to judge."""

    train: Index
    judged: Index


@dataclass(frozen=True)
class Measured:
    """Hits at each size: `sizes` (S,) labels; `hits` (S, M) share of draws that were right on each judged item.

    The last size is that of the model itself. `spread`: standard deviation of the accuracy between draws, at one label,
    falling as the root of their number. `draws` (S,).
    """

    sizes: Floats
    hits: Floats
    draws: Index
    spread: float


@dataclass(frozen=True)
class Forecast:
    """The curve and what follows from it; accuracies with intervals, `more` labels for GAIN, `doubled` gain.

    `trend` holds (labels, accuracy) along the law. `why_not` says why `more` is None.
    """

    points: tuple[tuple[int, Interval], ...]
    trend: tuple[tuple[int, Interval], ...]
    more: Interval | None
    doubled: Interval | None
    why_not: str


def measure(data: Learnable, rounds: Sequence[Round], hits: Floats, rng: np.random.Generator) -> Measured | None:
    """Refit on parts of each round's training rows and judge; None where the smallest part would be too small.

    `hits` (M,): 1 where the model itself is right, on the judged rows of all rounds, in their order.
    """
    full = float(np.mean([len(each.train) for each in rounds]))
    shares = [share * min(1.0, 2 * _largest(data) / full) for share in SHARES]
    if shares[0] * full < max(FEWEST, 2 * data.n_classes):
        return None
    n_draws = 2 if len(rounds) > 1 else 3
    rows = [np.concatenate([_draws(data, each, share, n_draws, rng) for each in rounds], axis=1) for share in shares]
    sizes = np.array([*(share * full for share in shares), full])
    between = [each.mean(axis=1).var(ddof=1) * size for each, size in zip(rows, sizes.tolist(), strict=False)]
    return Measured(
        sizes,
        np.stack([*(each.mean(axis=0) for each in rows), hits]),
        np.array([*(n_draws for _ in shares), 1]),
        float(np.sqrt(np.mean(between))),
    )


def forecast(
    measured: Measured, n_labels: int, *, rng: np.random.Generator, groups: NDArray[Any] | None = None
) -> Forecast:
    """What the curve says of more labels than the `n_labels` that the shipped model has learned from.

    `groups` (M,) of the judged rows.
    """
    errors = _resampled(measured, groups, rng)  # (R, S)
    centre = 1 - measured.hits.mean(axis=1)
    laws = _fit(measured.sizes, errors)
    points = tuple(
        (round(size), _range(1 - error, 1 - drawn))
        for size, error, drawn in zip(measured.sizes.tolist(), centre, errors.T, strict=True)
    )
    trend = tuple((round(n), _along(laws, n)) for n in np.geomspace(measured.sizes[0], 2 * n_labels, 12).tolist())
    drawn, gains = _needed(laws, n_labels), _gain(laws, n_labels)
    more = float(np.median(drawn))  # of one fit alone, where along the grid c falls decides too much
    doubt = _doubt(measured, errors)
    why_not = doubt or _out_of_reach(measured, more, drawn, n_labels)
    doubled = None if doubt else _range(float(np.median(gains)), gains)
    return Forecast(points, trend, None if why_not else _range(more, drawn), doubled, why_not)


@dataclass(frozen=True)
class Law:
    """Power laws error(n) = a n^-b + c, one a resample: each (R,)."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, n: float) -> Floats:
        """Errors (R,) after `n` labels."""
        return np.asarray(self.a * n**-self.b + self.c)


def _largest(data: Learnable) -> float:
    """Labels of the largest refit that is affordable; sparse rows work as if they had 1,000 features."""
    width = 1000 if is_sparse(data.features) else data.features.shape[1]
    return min(LARGEST, WORK / (data.n_classes * width))


def _draws(data: Learnable, each: Round, share: float, n_draws: int, rng: np.random.Generator) -> Floats:
    """Right or wrong (draws, judged rows) after learning from a share of the round's training rows."""
    judged = data.features[each.judged]
    out = []
    for _ in range(n_draws):
        sides = deal(data.labels[each.train], data.groups[each.train], [share, 1 - share], rng)
        head = refit(data, each.train[sides == 0], data.penalty / share)
        out.append(head.logits(judged).argmax(axis=1) == data.labels[each.judged])
    return np.asarray(out, dtype=np.float64)


def refit(data: Learnable, rows: Index, penalty: float) -> LinearHead:
    """The logistic head of these rows alone, standardised by them, acting on features as they come."""
    part, labels = data.features[rows], data.labels[rows]
    if is_sparse(part):
        return logistic_fit(part, labels, data.n_classes, penalty)
    standardiser = Standardiser.fit(part)
    return logistic_fit(standardiser.apply(part), labels, data.n_classes, penalty).fold_in(standardiser)


def _resampled(measured: Measured, groups: NDArray[Any] | None, rng: np.random.Generator) -> Floats:
    """Errors (R, S): judged clusters drawn anew, and what other draws of training items would have changed."""
    plan = resampling(measured.hits.shape[1], groups)
    parts = [weights @ measured.hits.T / weights.sum(axis=1)[:, None] for weights in plan.draws(RESAMPLES, rng)]
    noise = measured.spread / np.sqrt(measured.sizes * measured.draws)  # (S,)
    hits = np.concatenate(parts) if parts else np.tile(measured.hits.mean(axis=1), (RESAMPLES, 1))
    return np.clip(1 - hits + noise * rng.standard_normal(hits.shape), 0.0, 1.0)


def _fit(sizes: Floats, errors: Floats) -> Law:
    """The law of each row of errors (R, S): for every c a weighted line through the logarithms, then the best c.

    Weights (error - c)^2 make the squares those of the errors themselves, to first order.
    """
    n = np.log(sizes)
    least = np.maximum(errors.min(axis=1), 1e-6)
    c = least[:, None] * FLOORS  # (R, F)
    height = np.maximum(errors[:, None, :] - c[:, :, None], 1e-6)  # (R, F, S)
    weight = height**2 / np.square(height).sum(axis=2, keepdims=True)
    y = np.log(height)
    mean_n, mean_y = (weight * n).sum(axis=2, keepdims=True), (weight * y).sum(axis=2, keepdims=True)
    slope = (weight * (n - mean_n) * (y - mean_y)).sum(axis=2) / (weight * np.square(n - mean_n)).sum(axis=2)
    b = np.maximum(-slope, 0.0)
    log_a = mean_y[:, :, 0] + b * mean_n[:, :, 0]
    fitted = np.exp(log_a[:, :, None] - b[:, :, None] * n) + c[:, :, None]
    best = np.square(fitted - errors[:, None, :]).sum(axis=2).argmin(axis=1)
    rows = np.arange(len(errors))
    return Law(np.exp(log_a[rows, best]), b[rows, best], c[rows, best])


def _needed(law: Law, n: float) -> Floats:
    """Labels beyond `n` at which the error lies GAIN below that at n; infinite where it never does."""
    left = law.at(n) - law.c - GAIN
    with np.errstate(divide="ignore", over="ignore"):
        size = np.power(law.a / np.maximum(left, 1e-300), 1 / np.maximum(law.b, 1e-9))
    return np.where((left > 0) & (law.b > 0), size - n, np.inf)


def _gain(law: Law, n: float) -> Floats:
    return law.at(n) - law.at(2 * n)


def _along(laws: Law, n: float) -> Interval:
    return _range(1 - float(np.median(laws.at(n))), 1 - laws.at(n))


def _range(value: float, drawn: Floats) -> Interval:
    """The value with the middle 95 % of the resamples."""
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Interval(float(value), float(min(low, value)), float(max(high, value)))


def _doubt(measured: Measured, errors: Floats) -> str:
    """Why the law is not to be believed at all; empty where it may be."""
    if np.quantile(errors[:, 0] - errors[:, -1], 0.025) <= 0:
        return "between the fewest labels tried and all of them the accuracy has not risen beyond its noise"
    before = _fit(measured.sizes[:-1], errors[:, :-1]).at(float(measured.sizes[-1]))
    low, high = np.quantile(before - errors[:, -1], [0.025, 0.975])
    if not low <= 0 <= high:
        return "the curve up to half of the labels would not have foretold where all of them lead"
    return ""


def _out_of_reach(measured: Measured, more: float, drawn: Floats, n_labels: int) -> str:
    """Why a believed law gives no number of labels; empty where it does."""
    most = (HORIZON - 1) * n_labels
    if 1 - measured.hits[-1].mean() < GAIN:
        return "less than one point is left to gain"
    if more > most:
        return f"it would take more than {HORIZON} times the labels at hand, farther than such a curve can be extended"
    if np.quantile(drawn, 0.975, method="nearest") > most:
        return "the curve is known too roughly: its interval reaches beyond what can be extended"
    return ""
