"""How far an item lies from the classes that a head was fitted on: one Gaussian a class, one covariance for all.

    u = x / |x|  (features of a network),  or x  (features as they are)
    z = (u - mean) / scale                                        (D,), scale 1 for a network
    distance(x) = min_c (z - m_c)' S^-1 (z - m_c)                 squared Mahalanobis distance to the nearest class

S is the covariance within the classes, shrunk towards a multiple of the identity, so that it can be inverted with fewer
items than features. It is kept as its largest r eigenvalues l_k with vectors v_k and one level s for all the others:

    S^-1 = (I - G'G) / s,    G_k = sqrt(1 - s / l_k) v_k          G is (r, D), small enough to travel with a model

Columns of a network are left as they are: its dead units vary by rounding alone, and scaling would make that a signal.

Sources: Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
Attacks", arXiv:1807.03888, section 2.1; unit length: Mueller and Hein 2025, "Mahalanobis++", arXiv:2505.18032; the
shrinkage: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices". Deviations:
eigenvalues beyond the r-th are levelled (as in probabilistic PCA, Tipping and Bishop 1999); a class of fewer than
FEWEST items has no mean of its own, which would nearly be an item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.nn.axes import LARGEST_SIDE, axes_of_gram, axes_of_rows
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, IntArray, Standardiser, row_blocks

FEWEST = 5  # items of a class from which its mean says more of the class than of an item
MOST_AXES = 256
MOST_NUMBERS = 500_000  # in the axes: 2 MB in float32
MOST_ROWS = 8192  # that a covariance is estimated from: several times as many as usual features
SHORTEST = 1e-12  # length of a row of features that may be divided by
FLATTEST = 1e-3  # of the mean eigenvalue: what varies less is held for noise, and float32 can still tell it from 0


@dataclass(frozen=True)
class Precision:
    """The inverse of a covariance: (I - G'G) / level; axes G are (r, D)."""

    axes: FloatArray
    level: float

    def of(self, rows: FloatArray) -> FloatArray:
        """The quadratic form z' S^-1 z of each row: (N, D) -> (N,)."""
        inside = rows @ self.axes.T
        return np.asarray((np.einsum("nd,nd->n", rows, rows) - np.square(inside).sum(axis=1)) / self.level)

    def times(self, rows: FloatArray) -> FloatArray:
        """S^-1 z of each row: (N, D) -> (N, D)."""
        return np.asarray((rows - (rows @ self.axes.T) @ self.axes) / self.level)


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian for each of K centres, all with one covariance; see the top of this file.

    unit: whether only the direction of the features counts.
    pull (K, D) = S^-1 m_c and offset (K,) = m_c' S^-1 m_c: with them the distances cost one product with the items.
    """

    standardiser: Standardiser
    precision: Precision
    pull: FloatArray
    offset: FloatArray
    unit: bool

    @classmethod
    def fit(cls, features: DenseFeatures, labels: IntArray, *, unit: bool) -> Gaussians:
        """From features (N, D) and classes (N,) of any numbers; N and D of 1 will do, and constant columns.

        unit: the features are those of a network, and only their direction counts; else they are as they were given,
        and each column is scaled by its own spread.

        >>> x = np.array([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0], [2.0, 3.0], [1.0, 2.0]])
        >>> found = Gaussians.fit(x, np.zeros(5, dtype=int), unit=False)
        >>> found.distances(np.array([[1.0, 2.0], [3.0, 2.0]])).round(3).tolist()
        [0.0, 5.0]
        """
        rows = directions(features) if unit else features
        standardiser = Standardiser.fit(rows, centre_only=unit)
        centres, owner = _centres(rows, labels, standardiser)
        precision = shrunk(_residuals(rows, standardiser, centres, owner))
        pull = precision.times(centres)
        return cls(standardiser, precision, pull, np.asarray(np.einsum("kd,kd->k", pull, centres)), unit)

    def distances(self, features: DenseFeatures) -> FloatArray:
        """Squared Mahalanobis distance of each item to its nearest centre: (N, D) -> (N,), never below 0."""
        out = np.empty(features.shape[0])
        for rows in row_blocks(np.arange(len(out))):
            z = self.standardiser.apply(directions(features[rows]) if self.unit else features[rows])
            out[rows] = self.precision.of(z) - (2.0 * (z @ self.pull.T) - self.offset).max(axis=1)
        return np.maximum(out, 0.0)  # rounding leaves a little below 0 at a centre


def directions(features: DenseFeatures) -> DenseFeatures:
    """The rows at unit length, (N, D); a row of zeros stays what it is.

    >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))
    return np.asarray(features / np.maximum(lengths, SHORTEST)[:, None])


def shrunk(rows: FloatArray) -> Precision:
    """The inverse of the shrunk covariance of centred rows (n, D): with n < D as well, and for rows that are all 0.

    Sigma = (1 - share) R'R / n + share * mu * I, mu the mean eigenvalue, `share` by Ledoit and Wolf; then eigenvalues
    beyond the r-th largest are replaced by their mean.

    >>> shrunk(np.zeros((3, 2))).of(np.array([[3.0, 4.0]])).tolist()
    [25.0]
    """
    n, width = rows.shape
    squares = np.einsum("nd,nd->n", rows, rows)
    mean_value = float(squares.sum()) / (n * width)
    if not mean_value > 0:
        return Precision(np.zeros((1, width)), 1.0)
    axes = axes_of_gram(rows.T @ rows / n) if width <= n else axes_of_rows(rows)
    order = np.argsort(-axes.values, kind="stable")[: most_axes(width)]
    share = _shrinkage(axes.values, squares, n, width)
    values = (1.0 - share) * axes.values[order] + share * mean_value
    rest = width - len(values)
    # The trace stays what it was; where all axes are kept, the smallest serves as the level and changes nothing.
    level = (width * mean_value - float(values.sum())) / rest if rest else float(values.min())
    level = max(level, FLATTEST * mean_value)  # rows in a plane: what leaves it is far, but not infinitely
    weights = np.sqrt(np.maximum(0.0, 1.0 - level / np.maximum(values, level)))
    kept = np.zeros((len(axes.values), len(order)))
    kept[order, np.arange(len(order))] = weights
    return Precision(axes.lift(kept.T), level)


def most_axes(width: int) -> int:
    """How many axes of D features are kept.

    >>> most_axes(1280), most_axes(384), most_axes(100_000)
    (256, 256, 16)
    """
    return min(MOST_AXES, max(16, MOST_NUMBERS // width))


def _shrinkage(values: FloatArray, squares: FloatArray, n: int, width: int) -> float:
    """Ledoit and Wolf's intensity from the eigenvalues of the covariance and the squared lengths of the rows.

    For centred rows it is scikit-learn's `ledoit_wolf_shrinkage(rows, assume_centered=True)`.
    """
    norm, trace = float(np.square(values).sum()), float(values.sum())
    spread = (float(np.square(squares).sum()) / n - norm) / n  # of the covariance's entries
    distance = norm - trace * trace / width  # of the covariance from mu * I
    return min(max(spread / distance, 0.0), 1.0) if distance > 0 else 1.0


def _centres(features: DenseFeatures, labels: IntArray, standardiser: Standardiser) -> tuple[FloatArray, IntArray]:
    """Standardised class means (K, D), and the row of it for each item (N,).

    The classes that are too small share one centre, the mean of all items, which is 0 here.
    """
    _, number, counts = np.unique(labels, return_inverse=True, return_counts=True)
    large = counts >= FEWEST
    place = np.where(large, np.cumsum(large) - 1, large.sum())
    owner = np.asarray(place[number], dtype=np.int64)
    centres = np.zeros((int(large.sum()) + int(not large.all()), features.shape[1]))
    for rows in row_blocks(np.argsort(owner, kind="stable")):
        present, starts = np.unique(owner[rows], return_index=True)
        centres[present] += np.add.reduceat(standardiser.apply(features[rows]), starts)
    centres[: large.sum()] /= counts[large, None]
    centres[large.sum() :] = 0.0
    return centres, owner


def _residuals(features: DenseFeatures, standardiser: Standardiser, centres: FloatArray, owner: IntArray) -> FloatArray:
    """Items less their centres, (n, D): all of them, or evenly spaced ones where there are very many."""
    most = MOST_ROWS if features.shape[1] <= LARGEST_SIDE else LARGEST_SIDE
    n = len(owner)
    rows = np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
    return np.asarray(standardiser.apply(features[rows]) - centres[owner[rows]])
