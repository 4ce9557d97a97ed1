"""Do test items look as if they came from elsewhere: a classifier tries to tell them from the training items.

Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests", arXiv:1610.06545; here the statistic is the
area under the ROC curve (0.5 = cannot be told apart), which says how large a shift is and not only that there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keiki.data.deal import deal
from keiki.evaluation.intervals import Interval, wilson
from keiki.metrics.base import Floats
from keiki.nn.logistic import logistic_fit

MOST = 2000  # items of a side
FEWEST = 20  # items, and half as many groups, of a side
DIRECTIONS = 50  # principal components; fewer where there are not 4 items of the smaller side for each
FOLDS = 5
PENALTY = 0.01  # of the classifier, for components of variance 1
MARGIN = 0.05  # a shift that a classifier sees less clearly than an area of 0.55 changes no decision

Index = NDArray[np.int64]


@dataclass(frozen=True)
class TwoSample:
    """The area under the ROC curve of telling the sides apart with its interval, and how many items it rests on.

    Only the lower end is to be relied on: where the sides are alike, an area by cross-fitting falls below a half.
    """

    auc: Interval
    n_train: int
    n_test: int

    @property
    def shifted(self) -> bool:
        """Whether the sides surely differ by more than the margin."""
        return self.auc.low > 0.5 + MARGIN


def sampled(rows: Index, rng: np.random.Generator) -> Index:
    """At most MOST of `rows`, in their order."""
    return rows if len(rows) <= MOST else np.sort(rng.choice(rows, MOST, replace=False))


def two_sample(
    train: NDArray[np.floating],
    test: NDArray[np.floating],
    train_groups: Index,
    test_groups: Index,
    rng: np.random.Generator,
) -> TwoSample | None:
    """Can a classifier tell `test` (M, D) from `train` (N, D)? None where there are too few items or groups.

    Standardised, projected to the leading principal components, cross-fitted by whole groups (numbers that both sides
    share), and judged within each fold.

    >>> rng = np.random.default_rng(0)
    >>> one, other = rng.normal(size=(2, 200, 8))
    >>> found = two_sample(one, other + 1, np.arange(200), np.arange(200) + 200, rng)
    >>> round(found.auc.value, 1), found.shifted
    (1.0, True)
    """
    sides = (train_groups, test_groups)
    if min(len(side) for side in sides) < FEWEST or min(len(np.unique(side)) for side in sides) < FEWEST // 2:
        return None
    is_test = np.repeat([0, 1], [len(train), len(test)])
    groups = np.concatenate(sides)
    points = _components(np.concatenate([train, test]), min(DIRECTIONS, min(len(train), len(test)) // 4), rng)
    folds = deal(is_test, groups, [1 / FOLDS] * FOLDS, rng)
    scores = np.zeros(len(points))
    for fold in np.unique(folds) if points.shape[1] else ():
        held, rest = folds == fold, folds != fold
        head = logistic_fit(points[rest], is_test[rest], 2, PENALTY)
        scores[held] = points[held] @ (head.weight[1] - head.weight[0])
    found = area(scores, is_test == 1, folds, groups)
    return None if found is None else TwoSample(found, len(train), len(test))


def area(scores: Floats, positive: NDArray[np.bool_], folds: Index, groups: Index) -> Interval | None:
    """The area under the ROC curve within folds (mean over the pairs of all folds), with its 95 % interval.

    The variance is DeLong's, from the structural components V of single items, but summed by groups, which are
    independent where items are not: DeLong, DeLong and Clarke-Pearson 1988, eqs. 4 to 6; Obuchowski 1997,
    "Nonparametric analysis of clustered ROC curve data", section 2. The interval is made on the logit scale. None where
    no fold holds both sides.

    >>> area(np.array([1.0, 2, 3, 4]), np.array([False, True, False, True]), np.zeros(4, int), np.arange(4)).value
    0.75
    """
    parts = [rows for fold in np.unique(folds) if _both(positive[rows := np.flatnonzero(folds == fold)])]
    pairs = np.array([positive[rows].sum() * (~positive[rows]).sum() for rows in parts], dtype=np.float64)
    if not len(parts):
        return None
    values = np.zeros(len(parts))
    influence = np.zeros(len(scores))
    for k, rows in enumerate(parts):
        values[k], own = _components_of_area(scores[rows], positive[rows])
        influence[rows] = own * pairs[k] / pairs.sum()
    value = float(values @ pairs / pairs.sum())
    _, unit = np.unique(groups, return_inverse=True)
    sums = np.bincount(unit, weights=influence)
    error = float(np.sqrt(len(sums) / max(1, len(sums) - 1) * np.square(sums).sum()))
    return _on_logits(value, error, min(len(np.unique(groups[positive])), len(np.unique(groups[~positive]))))


def _both(positive: NDArray[np.bool_]) -> bool:
    return bool(positive.any() and not positive.all())


def _components_of_area(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The area, and what each item (n,) moves it by: (V - area) / number of items of its side."""
    inside, outside = np.sort(scores[positive]), np.sort(scores[~positive])
    own = np.empty(len(scores))
    own[positive] = _share_below(outside, scores[positive])
    own[~positive] = 1 - _share_below(inside, scores[~positive])
    value = float(own[positive].mean())
    return value, (own - value) / np.where(positive, len(inside), len(outside))


def _share_below(ordered: Floats, scores: Floats) -> Floats:
    """For each score the share of `ordered` that lies below it; equals count half."""
    counts = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(counts / (2 * len(ordered)))


def _on_logits(value: float, error: float, n_units: int) -> Interval:
    """value -+ 1.96 standard errors of its logit; of a perfect area, Wilson's interval of as many right answers."""
    edge = value * (1 - value)
    if edge <= 0 or error <= 0:
        return wilson(value * n_units, n_units)
    half = 1.959964 * error / edge
    ends = [1 / (1 + np.exp(-(np.log(value / (1 - value)) + sign * half))) for sign in (-1, 1)]
    return Interval(value, float(ends[0]), float(ends[1]))


def _components(features: NDArray[np.floating], k: int, rng: np.random.Generator) -> Floats:
    """The standardised features in their k leading directions, with variance 1 each (N, k).

    By a random projection with two power steps: Halko, Martinsson and Tropp 2011, "Finding structure with randomness",
    algorithm 4.4.
    """
    rows = np.asarray(features, dtype=np.float32) - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = rows.std(axis=0)
    rows = rows[:, spread > 1e-6] / spread[spread > 1e-6]
    k = min(k, *rows.shape)
    if not k:
        return np.zeros((len(rows), 0))
    basis = rows @ rng.normal(size=(rows.shape[1], min(k + 10, *rows.shape))).astype(np.float32)
    for _ in range(2):
        basis = rows @ (rows.T @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    left = np.linalg.svd(basis.T @ rows, full_matrices=False)[0]
    return np.asarray((basis @ left)[:, :k] * np.sqrt(len(rows)), dtype=np.float64)
