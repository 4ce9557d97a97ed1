"""Expected calibration error of the decided class, with the bias of binning taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.accuracy import correct
from keiki.metrics.base import METRICS, Floats, Labels, Metric, Probabilities, Statistic, divide

MOST_BINS = 15
ITEMS_PER_BIN = 20


def ece(labels: Labels, probabilities: Probabilities, weight: NDArray[Any] | None = None) -> float:
    """How far the top probability lies from the share right, as a root mean square over bins of equal mass.

    In each bin (15, but at least 20 items a bin; equal probabilities stay together) the squared gap between the mean
    top probability s and the share right y overstates the true one by the variance of y; it is taken off:

        ece^2 = sum_b n_b / N * ((s_b - y_b)^2 - y_b (1 - y_b) / (n_b - 1)),    ece = sqrt(max(0, ece^2))

    A perfectly calibrated model gets 0 on average, where the usual estimate only comes to 0 with very many items. Under
    200 items the value says little; the reports leave it out there.
    Sources: Kumar, Liang and Ma 2019, "Verified Uncertainty Calibration", arXiv:1909.10155, section 5;
    Roelofs et al. 2022, arXiv:2012.08668, section 3 (equal mass, the bias). Both use the squared norm, as here.

    >>> sure = np.tile([0.9, 0.1], (100, 1))
    >>> half = np.repeat([0, 1], 50)
    >>> round(ece(half, sure), 3)  # says 90 %, is right in 50 %: sqrt(0.4^2 - 0.25 / 99)
    0.397
    """
    return ECE.value(labels, probabilities, weight)


def equal_mass_bins(values: NDArray[np.floating[Any]], n_bins: int) -> NDArray[np.int64]:
    """The bin (N,) of each value, 0 to n_bins - 1, of about equal numbers; equal values share a bin.

    >>> equal_mass_bins(np.array([0.1, 0.9, 0.5, 0.5]), 2).tolist()
    [0, 1, 0, 0]
    """
    rank = np.searchsorted(np.sort(values), values, side="left")  # of the first of equals, so order does not matter
    return np.asarray(rank * n_bins // len(values), dtype=np.int64)


def _prepare(labels: Labels, probabilities: Probabilities) -> Statistic:
    top, right = probabilities.max(axis=1), correct(labels, probabilities)
    bins = equal_mass_bins(top, max(1, min(MOST_BINS, len(labels) // ITEMS_PER_BIN)))
    member = (bins[:, None] == np.unique(bins)).astype(np.float64)  # (N, bins)
    columns = np.concatenate([member, member * top[:, None], member * right[:, None]], axis=1)

    def statistic(weights: Floats) -> Floats:
        mass, said, found = np.split(weights @ columns, 3, axis=1)  # each (R, bins)
        gap = divide(said - found, mass)
        share = divide(found, mass)
        items = divide(mass**2, weights**2 @ member)  # an item that counts twice is still one item (Kish's effective n)
        known = items > 1  # the variance of a single item is unknown
        noise = divide(share * (1 - share), items - 1)
        squares = divide(np.where(known, mass * (gap**2 - noise), 0.0).sum(axis=1), (mass * known).sum(axis=1))
        signed: Floats = np.sign(squares) * np.sqrt(np.abs(squares))  # below 0: closer than chance would have it
        return signed

    return statistic


ECE = METRICS.add("ece")(
    Metric(
        name="ece",
        help="calibration error of the top probability (root mean square, equal-mass bins, debiased)",
        prepare=_prepare,
        higher_is_better=False,
        needs="probabilities",
        smallest=200,
    )
)
