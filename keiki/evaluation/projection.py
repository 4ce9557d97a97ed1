"""A map of items: their features in two dimensions, and how much of the neighbourhood it keeps.

t-SNE (van der Maaten and Hinton 2008, "Visualizing Data using t-SNE"; Barnes-Hut form, scikit-learn's) on the first 50
principal coordinates, started from the first two, so that the same features give the same map. It sees no labels.
Near points are alike; distances between clouds and their sizes mean nothing (Wattenberg et al. 2016), so the share of
true neighbours that stayed neighbours is part of the answer. Few items are laid out by their principal coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keiki.nn.standardise import Features, Standardiser, is_sparse

Floats = NDArray[np.float64]

WIDTH = 50  # principal coordinates that the map is made from
FEWEST = 30  # items; below, neighbourhoods are too small for t-SNE
NEAREST = 10
STEPS = 500  # of t-SNE; more moves nothing that can be seen


@dataclass(frozen=True)
class Projection:
    """points (N, 2) in 0..1; kept: share of each point's ten nearest that are among its ten nearest in the features."""

    points: Floats
    method: Literal["t-SNE", "PCA"]
    kept: float


def project(features: Features, seed: int) -> Projection | None:
    """The map of features (N, D), dense (standardised here) or sparse; None where all are alike.

    >>> found = project(np.array([[0.0, 0.0], [1.0, 0.0], [10.0, 0.0], [11.0, 0.0]]), seed=0)
    >>> found.method, found.points[:, 0].round(2).tolist() in ([0.0, 0.09, 0.91, 1.0], [1.0, 0.91, 0.09, 0.0])
    ('PCA', True)
    """
    rows = features if is_sparse(features) else Standardiser.fit(features).apply(features)
    coordinates = principal_coordinates(rows, WIDTH)  # (N, at most 50)
    if not coordinates.shape[1]:
        return None
    if len(coordinates) < FEWEST:
        flat, method = coordinates[:, :2], "PCA"
    else:
        flat, method = _tsne(coordinates, seed), "t-SNE"
    points = np.zeros((len(flat), 2))
    points[:, : flat.shape[1]] = flat
    return Projection(_into_unit_square(points), method, kept(coordinates, points))  # type: ignore[arg-type]


def principal_coordinates(rows: Any, width: int) -> Floats:
    """Coordinates (N, at most `width`) along the principal axes, largest first; none where all rows are alike.

    From the centred products of the rows (N, N), so that sparse rows need not be filled. The sign of each axis is such
    that the coordinate farthest from 0 is positive.

    >>> principal_coordinates(np.array([[4.0, 0.0], [-2.0, 0.0], [-2.0, 0.0]]), 2).round(6).ravel().tolist()
    [4.0, -2.0, -2.0]
    """
    from scipy.linalg import eigh

    products = rows @ rows.T
    kernel = np.asarray(products.toarray() if hasattr(products, "toarray") else products, dtype=np.float64)
    mean = kernel.mean(axis=0)
    kernel = kernel - mean - mean[:, None] + mean.mean()
    n = len(kernel)
    values, vectors = eigh(kernel, subset_by_index=[max(0, n - width), n - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    real = values > 1e-9 * max(float(values[0]), float(np.abs(mean).max()) * 1e-3, 1e-300)
    coordinates = vectors[:, real] * np.sqrt(values[real])
    farthest = np.abs(coordinates).argmax(axis=0)
    return np.asarray(coordinates * np.where(coordinates[farthest, np.arange(coordinates.shape[1])] < 0, -1.0, 1.0))


def kept(coordinates: Floats, points: Floats) -> float:
    """Share of each row's ten nearest by `points` that are among its ten nearest by `coordinates`, on average.

    >>> line = np.arange(20.0)[:, None]
    >>> kept(line, line)
    1.0
    """
    k = min(NEAREST, len(points) - 1)
    if k < 1:
        return 1.0
    first, second = _nearest(coordinates, k), _nearest(points, k)
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(first, second, strict=True)]))


def _nearest(rows: Floats, k: int) -> NDArray[np.int64]:
    """The `k` nearest other rows of each row (N, k); of equals the first."""
    squares = np.square(rows).sum(axis=1)
    distances = squares - 2 * rows @ rows.T + squares[:, None]
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def _tsne(coordinates: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start = coordinates[:, :2] / coordinates[:, 0].std() * 1e-4
    if start.shape[1] < 2:
        start = np.column_stack([start, np.zeros(len(start))])
    perplexity = min(30.0, (len(coordinates) - 1) / 3)
    maker = TSNE(2, perplexity=perplexity, init=start.astype(np.float32), max_iter=STEPS, random_state=seed % 2**32)
    with threadpool_limits(1, user_api="openmp"):  # sums over several threads end in other last bits
        return np.asarray(maker.fit_transform(coordinates.astype(np.float32)), dtype=np.float64)


def _into_unit_square(points: Floats) -> Floats:
    """Moved and scaled, the same both ways, so that the wider side runs from 0 to 1 and the other is centred."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) or 1.0
    return np.asarray((points - (low + high) / 2) / side + 0.5)
