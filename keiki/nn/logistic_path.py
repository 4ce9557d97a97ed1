"""Which penalty: cross-validated logistic regression over a path of penalties.

Ridge ranks, warm starts finish. On principal axes a ridge path over the whole grid is a few small products, and the
first Newton step of logistic regression from W = 0 is the ridge solution at penalty C * penalty; so ridge's best
penalty tells where to begin. Logistic heads are then fitted from strong to weak, each started from its stronger
neighbour, in a few penalties around that place, and the walk goes on at either end for as long as the answer could
still lie beyond it: at the weak end while the loss falls, at the strong end while the last head is within one
standard error of the best. So a wrong hint from ridge costs time, never the answer.

Standardisation happens inside each fold, at no pass over the data of its own (see `folds`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keiki.core.errors import DataError
from keiki.nn.axes import LARGEST_SIDE, axes_of_rows
from keiki.nn.folds import Fold, fit_axes, folds_of, solver_rows
from keiki.nn.linear import LinearHead
from keiki.nn.logistic import check_labels, fit_theta, to_head
from keiki.nn.ridge import fold_scores
from keiki.nn.softmax import FloatArray, cross_entropy_per_item, log_softmax
from keiki.nn.standardise import Features, IntArray, Standardiser, is_sparse

GRID_STEPS = 21  # of half a decade, from the mean squared length of a row downward
PATH_TOLERANCE = 1e-6  # relative to the objective: losses are then right to 3 digits, far inside their standard error
_NO_GAIN = 1e-3  # nats; a walk that wins less than this is over
_BLIND_START = 5  # grid step to begin at where there is no ridge path: C about 1 at 300 items of unit length


@dataclass(frozen=True)
class PathResult:
    """What cross-validation found; penalties (P,) fall from strong to weak.

    `losses` (P, N) are log losses in nats of each item under the probabilities averaged over repeats; `logits` (P, N, C)
    are the held-out logits, with repeats the logarithms of the averaged probabilities. `chosen` is an index into
    `penalties`; `head` is refitted on all rows with that penalty and acts on features as they came.
    """

    penalties: FloatArray
    logits: FloatArray
    losses: FloatArray
    chosen: int
    head: LinearHead

    @property
    def penalty(self) -> float:
        """The chosen penalty."""
        return float(self.penalties[self.chosen])

    @property
    def mean_losses(self) -> FloatArray:
        """Mean held-out log loss of each penalty (P,), in nats."""
        return np.asarray(self.losses.mean(axis=1))

    @property
    def chosen_logits(self) -> FloatArray:
        """Held-out logits (N, C) at the chosen penalty."""
        return np.asarray(self.logits[self.chosen])


def cross_validate_logistic(
    features: Features,
    labels: IntArray,
    n_classes: int,
    fold_ids: IntArray,
    penalties: FloatArray | None = None,
) -> PathResult:
    """Held-out logits along the path, the penalty chosen by one standard error, and the head refitted on all rows.

    features (N, D); labels (N,) in 0..n_classes-1; fold_ids (N,), or (R, N) for R repeats. `penalties` fixes the path.
    A class that a fold lacks in training gets a finite low logit there (`logistic.absent_bias`).

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> result = cross_validate_logistic(x, np.array([0, 0, 0, 1, 1, 1]), 2, np.array([0, 1, 2, 0, 1, 2]))
    >>> result.head.logits(x).argmax(axis=1).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    check_labels(features, labels, n_classes)
    repeats = np.atleast_2d(fold_ids)
    if repeats.shape[1] != len(labels):
        raise DataError(f"Cross-validation needs a fold for each item; {fold_ids.shape} came for {len(labels)} items.")
    if is_sparse(features) and len(labels) <= LARGEST_SIDE:
        axes = axes_of_rows(features)
        found = _cross_validate(axes.coordinates(features), labels, n_classes, repeats, penalties, scale=False)
        return replace(found, head=LinearHead(axes.lift(found.head.weight), found.head.bias))
    return _cross_validate(features, labels, n_classes, repeats, penalties, scale=True)


def _cross_validate(
    features: Features, labels: IntArray, n_classes: int, repeats: IntArray, penalties: FloatArray | None, scale: bool
) -> PathResult:
    whole = Standardiser.fit(features, centre_only=not scale)
    folds = [fold for ids in repeats for fold in folds_of(features, ids, scale=scale)]
    path = _Path(features, labels, n_classes, folds, len(repeats))
    if penalties is None:
        grid = _grid(folds)
        _walk(path, grid, _first_place(path, grid))
    else:
        path.extend(np.sort(np.asarray(penalties, dtype=np.float64))[::-1])
    return path.result(whole)


def one_standard_error(losses: FloatArray) -> int:
    """Index of the strongest penalty whose loss is within one standard error of the best.

    losses (P, N) are of the same items, from strong to weak; the standard error is that of the paired difference
    (Breiman et al. 1984, section 3.4.3, with pairing). Ties go to the stronger.

    >>> one_standard_error(np.array([[0.9, 0.9, 1.0], [0.5, 0.7, 0.2], [0.4, 0.6, 0.3]]))
    1
    """
    return int(np.argmax(_within_one_error(losses)))


def _within_one_error(losses: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    excess = losses - losses[int(np.argmin(losses.mean(axis=1)))]
    error = excess.std(axis=1, ddof=min(1, losses.shape[1] - 1)) / np.sqrt(losses.shape[1])
    return np.asarray(excess.mean(axis=1) <= error)


class _Path:
    """The path as it grows: heads of all folds at each penalty tried, and what they say of the rows held out."""

    def __init__(self, features: Features, labels: IntArray, n_classes: int, folds: list[Fold], repeats: int) -> None:
        self.features, self.labels, self.n_classes = features, labels, n_classes
        self.folds, self.repeats = folds, repeats
        self.penalties = np.empty(0)
        self.logits = np.empty((0, len(labels), n_classes))
        self.losses = np.empty((0, len(labels)))
        self._weakest: list[FloatArray | None] = [None] * len(folds)

    def extend(self, penalties: FloatArray) -> None:
        """Fit these penalties, strong to weak, all of them stronger or all weaker than those tried."""
        weaker = not len(self.penalties) or penalties[0] < self.penalties[-1]
        held_out = np.empty((self.repeats, len(penalties), len(self.labels), self.n_classes))
        per_repeat = len(self.folds) // self.repeats
        for number, fold in enumerate(self.folds):
            start = self._weakest[number] if weaker else None
            thetas = self._fit(fold, penalties, start)
            held_out[number // per_repeat][:, fold.test] = self._held_out(fold, thetas)
            if weaker:
                self._weakest[number] = thetas[-1]
        self._insert(penalties, _average(held_out), weaker)

    def result(self, whole: Standardiser) -> PathResult:
        chosen = one_standard_error(self.losses)
        everyone = np.arange(len(self.labels))
        axes = fit_axes(self.features, everyone, whole)
        rows = solver_rows(self.features, everyone, whole, axes)
        theta = fit_theta(rows, self.labels, self.n_classes, float(self.penalties[chosen]), axes.values)
        head = to_head(theta, axes).fold_in(whole)
        return PathResult(self.penalties, self.logits, self.losses, chosen, head)

    def _fit(self, fold: Fold, penalties: FloatArray, theta: FloatArray | None) -> list[FloatArray]:
        rows = solver_rows(self.features, fold.train, fold.standardiser, fold.axes)
        labels = self.labels[fold.train]
        thetas: list[FloatArray] = []
        for penalty in penalties:
            theta = fit_theta(rows, labels, self.n_classes, penalty, fold.axes.values, theta, tolerance=PATH_TOLERANCE)
            thetas.append(theta)
        return thetas

    def _held_out(self, fold: Fold, thetas: list[FloatArray]) -> FloatArray:
        rows = solver_rows(self.features, fold.test, fold.standardiser, fold.axes)
        return np.stack([np.asarray(rows @ theta.T) for theta in thetas])

    def _insert(self, penalties: FloatArray, logits: FloatArray, weaker: bool) -> None:
        losses = cross_entropy_per_item(logits, self.labels)
        order = 1 if weaker else -1
        self.penalties = np.concatenate([self.penalties, penalties][::order])
        self.logits = np.concatenate([self.logits, logits][::order])
        self.losses = np.concatenate([self.losses, losses][::order])


def _walk(path: _Path, grid: FloatArray, first: int) -> None:
    """Try the first place and its neighbours, then two penalties at a time at each end that is still open."""
    strong, weak = max(first - 1, 0), min(first + 2, len(grid))
    path.extend(grid[strong:weak])
    while weak < len(grid) and not _closed_at_weak_end(path.losses):
        path.extend(grid[weak : weak + 2])
        weak = min(weak + 2, len(grid))
    while strong > 0 and _within_one_error(path.losses)[0]:
        path.extend(grid[max(strong - 2, 0) : strong])
        strong = max(strong - 2, 0)


def _closed_at_weak_end(losses: FloatArray) -> bool:
    """Whether the last penalty is worse than the best by a standard error, or the last two gained nothing."""
    means = losses.mean(axis=1)
    stalled = len(means) > 2 and means[-2:].min() > means[:-2].min() - _NO_GAIN
    return bool(stalled or not _within_one_error(losses)[-1])


def _first_place(path: _Path, grid: FloatArray) -> int:
    """The grid step where to begin: ridge's best, shifted for how sure the classes are.

    Ridge at C * penalty is the first Newton step, whose curvature p (1 - p) is that of equal chances, 1 / C. At the optimum
    it is nearer to the error rate: with a share e of items wrong, min(1, 2 e) / C.
    """
    if is_sparse(path.features) or not all(fold.axes.factors for fold in path.folds):
        return _BLIND_START
    targets = np.eye(path.n_classes)[path.labels]
    error, wrong = np.zeros(len(grid)), np.zeros(len(grid))
    for fold in path.folds:
        scores = fold_scores(path.features, targets, grid * path.n_classes, fold)
        error += np.square(scores - targets[fold.test]).sum(axis=(1, 2))
        wrong += (scores.argmax(axis=2) != path.labels[fold.test]).sum(axis=1)
    best = int(np.argmin(error))
    share = max(wrong[best], 1.0) / (len(path.labels) * path.repeats)
    return min(best + round(-2.0 * float(np.log10(min(1.0, 2.0 * share)))), len(grid) - 1)


def _grid(folds: list[Fold]) -> FloatArray:
    """Half decades down from the mean squared length of a training row, in standardised features about D."""
    length = float(folds[0].axes.values.sum()) or 1.0
    return np.asarray(length * 10.0 ** (-0.5 * np.arange(GRID_STEPS)))


def _average(logits: FloatArray) -> FloatArray:
    """Over repeats (R, P, N, C): the logarithm of the mean probability; a single repeat is left as it is."""
    if len(logits) == 1:
        return np.asarray(logits[0])
    return np.asarray(np.logaddexp.reduce(log_softmax(logits), axis=0) - np.log(len(logits)))
