"""BCa bootstrap intervals of any statistic of item weights, for clustered and stratified items, many at once.

Every resample is a vector of item weights, so a thousand of them are one matrix, and a statistic written over such
matrices (see keiki.metrics.base) is computed for all of them in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.evaluation.intervals import ROUNDING, Interval
from keiki.metrics.base import Floats, Statistic

Integers = NDArray[np.int64]
CELLS = 200_000  # numbers in one matrix of weights: 1.6 MB, which stays near the processor (10 times that: 1.7x slower)
MOST_BLOCKS = 200  # jackknife blocks; blocking moves the acceleration by about 0.4 / MOST_BLOCKS
MOST_UNDEFINED = 0.1  # share of resamples on which a statistic may be undefined before its interval is


def bca_bootstrap(
    statistic: Statistic,
    n_items: int,
    *,
    rng: np.random.Generator,
    clusters: NDArray[Any] | None = None,
    strata: NDArray[Any] | None = None,
    n: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The bias-corrected and accelerated interval of `statistic`, a function of item weights (R, N) -> (R,).

    `clusters` (N,): items that belong together are drawn together. `strata` (N,): every resample keeps their sizes (a
    cluster belongs to its most frequent stratum; strata of a single unit are pooled). With one unit in all, or where
    the statistic is undefined on more than a tenth of the resamples, the interval has no ends (-inf, inf).
    Sources: Efron 1987, "Better bootstrap confidence intervals"; Efron and Tibshirani 1993, "An Introduction to the
    Bootstrap", section 14.3.

    >>> x = np.arange(50.0)
    >>> found = bca_bootstrap(lambda w: w @ x / w.sum(axis=1), 50, rng=np.random.default_rng(0))
    >>> found.value, round(found.low), round(found.high)  # normal theory: 24.5 -+ 1.96 * 14.6 / sqrt(50)
    (24.5, 20, 29)
    """
    found = bca_bootstraps({"": statistic}, n_items, rng=rng, clusters=clusters, strata=strata, n=n, level=level)
    return found[""]


def bca_bootstraps(
    statistics: Mapping[str, Statistic],
    n_items: int,
    *,
    rng: np.random.Generator,
    clusters: NDArray[Any] | None = None,
    strata: NDArray[Any] | None = None,
    n: int = 2000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """`bca_bootstrap` of several statistics on the same resamples."""
    plan = resampling(n_items, clusters, strata)
    everything = np.ones((1, n_items))
    values = {name: float(statistic(everything)[0]) for name, statistic in statistics.items()}
    if plan.n_units < 2:
        return {name: Interval(value, -np.inf, np.inf) for name, value in values.items()}
    drawn = _compute(statistics, plan.draws(n, rng))
    left_out = _compute(statistics, plan.left_out())
    return {name: bca(values[name], drawn[name], left_out[name], level) for name in statistics}


def bca(value: float, resamples: Floats, jackknife: Floats, level: float = 0.95) -> Interval:
    """The BCa interval from the `value` itself, its `resamples` (R,) and its `jackknife` values (J,).

    Efron and Tibshirani 1993, eqs. 14.10, 14.14 and 14.15; a resample equal to the value counts half as below it.
    Quantiles are those of t, so that few units that count give an interval that is wide enough: Hesterberg 2015, "What
    teachers should know about the bootstrap", section 4.3; see `_freedom`.
    """
    from scipy.special import ndtr, ndtri, stdtrit

    known = resamples[~np.isnan(resamples)]
    if np.isnan(value) or len(known) < (1 - MOST_UNDEFINED) * len(resamples):
        return Interval(value, -np.inf, np.inf)
    below = (np.mean(known < value - ROUNDING) + np.mean(known <= value + ROUNDING)) / 2
    bias = ndtri(np.clip(below, 1 / len(known), 1 - 1 / len(known)))
    ends = bias + stdtrit(_freedom(jackknife), (1 + level) / 2) * np.array([-1.0, 1.0])
    places = ndtr(bias + ends / (1 - _acceleration(jackknife) * ends))
    low, high = np.quantile(known, places)
    return Interval(value, float(low), float(high))


@dataclass(frozen=True)
class Resampling:
    """Which units are drawn (single items, or whole clusters) and from which strata.

    `unit` (N,) is the unit of each item. `order` (M,) lists the units stratum by stratum; `start` and `size` (M,) say
    of each place in that order where its stratum begins and how many units it has.
    """

    unit: Integers
    order: Integers
    start: Integers
    size: Integers

    @property
    def n_units(self) -> int:
        """Independent units M."""
        return len(self.order)

    def draws(self, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Item weights (R, N) of `n` resamples in all, in chunks.

        From a stratum of m units m - 1 are drawn with replacement, each counting m / (m - 1): so the variance is right
        for small strata too, where m draws would lose a share 1 / m of it.
        Source: Rao and Wu 1988, "Resampling inference with complex survey data".
        """
        drawing = np.arange(self.n_units) != self.start  # one place a stratum is left out: m - 1 draws remain
        start, size = self.start[drawing], self.size[drawing]
        for rows in _chunks(n, len(self.unit)):
            places = start + (rng.random((rows, len(start))) * size).astype(np.int64)
            places += np.arange(rows)[:, None] * self.n_units
            counts = np.bincount(places.ravel(), minlength=rows * self.n_units).reshape(rows, self.n_units)
            yield self._items(counts * (self.size / (self.size - 1)))

    def left_out(self) -> Iterator[Floats]:
        """Item weights (R, N) with one block of units left out in turn; the rest of a stratum makes up for its loss."""
        n_blocks = min(self.n_units, MOST_BLOCKS)
        block = np.arange(self.n_units) % n_blocks  # neighbours go to different blocks: no stratum is lost as a whole
        first = np.arange(self.n_units) == self.start
        stratum = np.cumsum(first) - 1
        done = 0
        for rows in _chunks(n_blocks, len(self.unit)):
            kept = (block != np.arange(done, done + rows)[:, None]).astype(np.float64)
            sizes = np.add.reduceat(kept, np.flatnonzero(first), axis=1)[:, stratum]
            yield self._items(kept * self.size / sizes)
            done += rows

    def _items(self, weights: Floats) -> Floats:
        """Weights of places (R, M) -> weights of items (R, N)."""
        place = np.empty(self.n_units, dtype=np.int64)
        place[self.order] = np.arange(self.n_units)
        return np.take(weights, place[self.unit], axis=1)


def resampling(n_items: int, clusters: NDArray[Any] | None = None, strata: NDArray[Any] | None = None) -> Resampling:
    """The units and strata of `n_items`; raises DataError where the lengths do not fit."""
    for what, given in (("cluster", clusters), ("stratum", strata)):
        if given is not None and len(given) != n_items:
            raise DataError(f"Each of {n_items} items needs a {what}, but {len(given)} are given.")
    unit = np.arange(n_items) if clusters is None else _codes(clusters)
    layer = np.zeros(n_items, dtype=np.int64) if strata is None else _codes(strata)
    stratum = _pooled(_most_frequent(unit, layer))
    order = np.argsort(stratum, kind="stable")
    _, start, inverse, size = np.unique(stratum[order], return_index=True, return_inverse=True, return_counts=True)
    return Resampling(unit, order, start[inverse], size[inverse])


def _codes(names: NDArray[Any]) -> Integers:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _most_frequent(unit: Integers, layer: Integers) -> Integers:
    """The most frequent layer of each unit (M,), the first of equals."""
    width = int(layer.max()) + 1
    pairs, counts = np.unique(unit * width + layer, return_counts=True)
    ranked = pairs[np.lexsort((pairs % width, -counts, pairs // width))]
    return np.asarray(ranked[np.unique(ranked // width, return_index=True)[1]] % width)


def _pooled(stratum: Integers) -> Integers:
    """Strata of one unit vary in no resample; they are pooled, and a last lonely one joins the smallest other."""
    sizes = np.bincount(stratum)
    lonely = sizes[stratum] == 1
    if not lonely.any():
        return stratum
    pool = len(sizes)
    if lonely.sum() == 1 and len(stratum) > 1:
        pool = int(np.argmin(np.where(sizes > 1, sizes, len(stratum) + 1)))
    return np.where(lonely, pool, stratum)


def _compute(statistics: Mapping[str, Statistic], chunks: Iterator[Floats]) -> dict[str, Floats]:
    parts: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in chunks:
        for name, statistic in statistics.items():
            parts[name].append(statistic(weights))
    return {name: np.concatenate(values) for name, values in parts.items()}


def _acceleration(jackknife: Floats) -> float:
    known = jackknife[~np.isnan(jackknife)]
    distance = known.mean() - known if len(known) else known
    scale = float(np.sum(distance**2)) ** 1.5
    return float(np.sum(distance**3)) / (6 * scale) if scale > 0 else 0.0


def _freedom(jackknife: Floats) -> float:
    """Degrees of freedom of the variance v that the jackknife values tell: 2 v^2 over the variance of v, at least 1.

    With deviations u of n units v is the sum of u^2, and its variance about the sum of u^4 less v^2 / n. Where all
    units count alike that gives about n; where the answer hangs on a few wrong ones, about their number.
    Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components".
    """
    known = jackknife[~np.isnan(jackknife)]
    squares = np.square(known - known.mean()) if len(known) else known
    excess = float(np.sum(squares**2) - np.sum(squares) ** 2 / max(len(known), 1))
    most = max(1.0, len(known) - 1.0)
    return min(most, max(1.0, 2 * float(np.sum(squares)) ** 2 / excess)) if excess > 0 else most


def _chunks(rows: int, columns: int) -> Iterator[int]:
    """Numbers of rows that add up to `rows`, each so that rows x columns stays within CELLS."""
    most = max(1, CELLS // columns)
    while rows > 0:
        yield min(most, rows)
        rows -= most
