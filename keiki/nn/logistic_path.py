"""Which penalty: cross-validated logistic regression over a path of penalties.

Ridge ranks, warm starts finish. On principal axes a ridge path over the whole grid is a few small products, and the
first Newton step of logistic regression from W = 0 is the ridge solution at penalty C * penalty; so ridge's best
penalty tells where to begin. Logistic heads are fitted there, each started from its neighbour, and the walk goes on
at either end for as long as the answer could lie beyond it: at the weak end while the loss falls, at the strong end
while the last head is within one standard error of the best. So a wrong hint from ridge costs time, not the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.nn.axes import LARGEST_SIDE
from keiki.nn.descent import run_together
from keiki.nn.fold_problems import FoldProblems, OwnRows, SharedRows, SparseRows
from keiki.nn.linear import LinearHead
from keiki.nn.logistic import TOLERANCE, check_labels, fit_steps
from keiki.nn.ridge import fold_scores
from keiki.nn.softmax import FloatArray, cross_entropy_per_item, log_softmax
from keiki.nn.standardise import Features, IntArray, is_sparse

GRID_STEPS = 21  # half decades
PATH_TOLERANCE = 3e-6  # share of the objective; mean losses are then right to 1e-3 nats, inside their standard error
_NO_GAIN = 1e-3  # nats; a walk that wins less than this is over
_PLATEAU = 1.01  # ridge errors this near the least are as good; of those the strongest penalty counts
_BLIND_START = 9  # grid step to begin at without a ridge path
_SPARSE_START = 15.0  # text begins at the mean squared length over 15 N, a little stronger than short texts want


@dataclass(frozen=True)
class PathResult:
    """What cross-validation found; penalties (P,) fall from strong to weak.

    `losses` (P, N) are log losses in nats of each item under the probabilities averaged over repeats; `logits`
    (P, N, C) are the held-out logits, with repeats the logarithms of the averaged probabilities. `chosen` is an index
    into `penalties`; `head` is refitted on all rows with that penalty and acts on features as they came.
    """

    penalties: FloatArray
    logits: FloatArray
    losses: FloatArray
    chosen: int
    head: LinearHead

    @property
    def penalty(self) -> float:
        """The chosen penalty; it acts on standardised features."""
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
    Each fold is standardised by its training rows; sparse features are taken as they are. A class that a fold lacks in
    training gets a low finite logit there (`logistic.absent_bias`).

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> result = cross_validate_logistic(x, np.array([0, 0, 0, 1, 1, 1]), 2, np.array([0, 1, 2, 0, 1, 2]))
    >>> result.head.logits(x).argmax(axis=1).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    check_labels(features, labels, n_classes)
    repeats = np.atleast_2d(fold_ids)
    if repeats.shape[1] != len(labels):
        raise DataError(f"Cross-validation needs a fold for each item; {fold_ids.shape} came for {len(labels)} items.")
    return _follow(_problems(features, labels, repeats), n_classes, penalties)


def one_standard_error(losses: FloatArray) -> int:
    """Index of the strongest penalty whose loss is within one standard error of the best.

    losses (P, N) are of the same items, from strong to weak; the standard error is that of the paired difference
    (Breiman et al. 1984, section 3.4.3, there without pairing). Ties go to the stronger.

    >>> one_standard_error(np.array([[0.9, 0.9, 1.0], [0.5, 0.7, 0.2], [0.4, 0.6, 0.3]]))
    1
    """
    return int(np.argmax(_within_one_error(losses)))


def _within_one_error(losses: FloatArray) -> NDArray[np.bool_]:
    excess = losses - losses[int(np.argmin(losses.mean(axis=1)))]
    error = excess.std(axis=1, ddof=min(1, losses.shape[1] - 1)) / np.sqrt(losses.shape[1])
    return np.asarray(excess.mean(axis=1) <= error)


def _problems(features: Features, labels: IntArray, repeats: IntArray) -> FoldProblems:
    if is_sparse(features):
        return SparseRows(features, labels, repeats)
    if len(labels) <= LARGEST_SIDE and _fewest_training(repeats) < features.shape[1]:
        return OwnRows(features, labels, repeats)
    return SharedRows(features, labels, repeats)


def _fewest_training(repeats: IntArray) -> int:
    return min(len(ids) - int(np.unique(ids, return_counts=True)[1].max()) for ids in repeats)


def _follow(problems: FoldProblems, n_classes: int, penalties: FloatArray | None) -> PathResult:
    path = _Path(problems, n_classes)
    if penalties is None:
        _walk(path)
    else:
        path.extend(np.sort(np.asarray(penalties, dtype=np.float64))[::-1])
    return path.result()


class _Path:
    """The path as it grows: what the heads of all folds at each penalty say of the rows held out."""

    def __init__(self, problems: FoldProblems, n_classes: int) -> None:
        n_items = len(problems.labels)
        self.problems, self.n_classes = problems, n_classes
        self.penalties = np.empty(0)
        self.logits = np.empty((0, n_items, n_classes))
        self.losses = np.empty((0, n_items))
        self._weakest: Sequence[FloatArray | None] = [None] * len(problems.tests)

    def extend(self, penalties: FloatArray) -> None:
        """Fit these penalties, strong to weak, all of them stronger or all weaker than those tried."""
        weaker = not len(self.penalties) or penalties[0] < self.penalties[-1]
        starts: Sequence[FloatArray | None] = self._weakest if weaker else [None] * len(self.problems.tests)
        logits = []
        for penalty in penalties:
            starts = thetas = self._fit(float(penalty), starts)
            logits.append(_average(self.problems.held_out(thetas)))
        if weaker:
            self._weakest = starts
        self._insert(penalties, np.stack(logits), weaker)

    def result(self) -> PathResult:
        """The path with its choice and the head for all rows."""
        chosen = one_standard_error(self.losses)
        problem, to_head = self.problems.whole(float(self.penalties[chosen]))
        (theta,) = run_together([fit_steps(problem, self.n_classes, None, TOLERANCE)])
        return PathResult(self.penalties, self.logits, self.losses, chosen, to_head(theta))

    def _fit(self, penalty: float, starts: Sequence[FloatArray | None]) -> list[FloatArray]:
        pairs = zip(self.problems.at(penalty), starts, strict=True)
        steps = [fit_steps(problem, self.n_classes, start, PATH_TOLERANCE) for problem, start in pairs]
        return run_together(steps) if self.problems.joined else [run_together([one])[0] for one in steps]

    def _insert(self, penalties: FloatArray, logits: FloatArray, weaker: bool) -> None:
        losses = cross_entropy_per_item(logits, self.problems.labels)
        order = 1 if weaker else -1
        self.penalties = np.concatenate([self.penalties, penalties][::order])
        self.logits = np.concatenate([self.logits, logits][::order])
        self.losses = np.concatenate([self.losses, losses][::order])


def _walk(path: _Path) -> None:
    """Try the first place and its neighbours, then go on at each end that is still open."""
    grid = _grid(path.problems.squared_length)
    first = _first_place(path.problems, path.n_classes, grid)
    strong, weak = max(first - 1, 0), min(first + 2, len(grid))
    path.extend(grid[strong:weak])
    while weak < len(grid) and not _closed_at_weak_end(path.losses):
        path.extend(grid[weak : weak + 1])
        weak += 1
    while strong > 0 and _within_one_error(path.losses)[0]:
        path.extend(grid[max(strong - 2, 0) : strong])
        strong = max(strong - 2, 0)


def _closed_at_weak_end(losses: FloatArray) -> bool:
    """Whether the last penalty is worse than the best by a standard error, or the last two gained nothing."""
    means = losses.mean(axis=1)
    stalled = len(means) > 2 and means[-2:].min() > means[:-2].min() - _NO_GAIN
    return bool(stalled or not _within_one_error(losses)[-1])


def _grid(squared_length: float) -> FloatArray:
    """Half decades down from the mean squared length of a training row, about D in standardised features."""
    return np.asarray((squared_length or 1.0) * 10.0 ** (-0.5 * np.arange(GRID_STEPS)))


def _first_place(problems: FoldProblems, n_classes: int, grid: FloatArray) -> int:
    """The grid step where to begin: ridge's best, shifted for how sure the classes are.

    Ridge at C * penalty is the first Newton step, whose curvature p (1 - p) is that of equal chances, about 1 / C. At
    the optimum it is nearer to the error rate: with a share e of the items wrong, about min(1, 2 e) / C.
    """
    features = problems.features
    if is_sparse(features):
        return min(round(2.0 * float(np.log10(_SPARSE_START * len(problems.labels)))), len(grid) - 1)
    if not problems.ranking_folds[0].axes.factors:
        return _BLIND_START
    targets = np.eye(n_classes)[problems.labels]
    error, wrong, n_seen = np.zeros(len(grid)), np.zeros(len(grid)), 0
    for fold in problems.ranking_folds:
        scores = fold_scores(features, targets, grid * n_classes, fold)
        error += np.square(scores - targets[fold.test]).sum(axis=(1, 2))
        wrong += (scores.argmax(axis=2) != problems.labels[fold.test]).sum(axis=1)
        n_seen += len(fold.test)
    best = int(np.argmax(error <= _PLATEAU * error.min()))
    unsure = min(1.0, 2.0 * max(float(wrong[best]), 1.0) / n_seen)
    return min(best + round(-2.0 * float(np.log10(unsure))), len(grid) - 1)


def _average(logits: FloatArray) -> FloatArray:
    """Over repeats (R, N, C): the logarithm of the mean probability; a single repeat is left as it is."""
    if len(logits) == 1:
        return np.asarray(logits[0])
    return np.asarray(np.logaddexp.reduce(log_softmax(logits), axis=0) - np.log(len(logits)))
