"""How sure: intervals for shares, for paired differences and for resampled splits, and two tests.

The normal, beta and t quantiles come from scipy.special, which is imported where it is used: the command line must
start fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError

Json = dict[str, float | None]
ROUNDING = 1e-9  # sums of weights round; metrics differ by more than that, or not at all


@dataclass(frozen=True)
class Interval:
    """A value and the two ends of its interval (95 % where nothing else is said).

    An end may be infinite: nothing is known on that side. JSON has no infinity, so it stands there as null.

    >>> Interval(0.5, 0.25, float("inf")).to_json()
    {'value': 0.5, 'low': 0.25, 'high': None}
    """

    value: float
    low: float
    high: float

    def to_json(self) -> Json:
        """As plain JSON values."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: number if math.isfinite(number) else None for name, number in pairs}

    def within(self, low: float, high: float) -> Interval:
        """The same interval, cut to the range in which the value can lie at all."""
        return Interval(*(min(max(number, low), high) for number in (self.value, self.low, self.high)))

    def flipped(self) -> Interval:
        """The interval of the negative."""
        return Interval(-self.value, -self.high, -self.low)

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low

    @property
    def is_point(self) -> bool:
        """Whether the ends are the same but for rounding."""
        return self.width < ROUNDING


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """The score interval of a share; sound for few items and for 0 and 100 %. Counts may be fractional (effective n).

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> wilson(81, 263)  # Newcombe 1998 (single proportion), table I: 0.2553 to 0.3662
    Interval(value=0.30798..., low=0.25528..., high=0.36620...)
    """
    if not n > 0:
        raise DataError("A share needs at least one item, but there are none.")
    share, z = successes / n, _z(level)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    low = 0.0 if successes <= 0 else max(0.0, centre - half)
    high = 1.0 if successes >= n else min(1.0, centre + half)
    return Interval(share, low, high)


def apart(one: Interval, other: Interval) -> Interval:
    """The interval of one - other, where both were found on items of their own.

    Sources: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10; Zou and
    Donner 2008 for estimates of any kind.

    >>> found = apart(wilson(56, 70), wilson(48, 80))  # Newcombe's first example: 0.0524 to 0.3339
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    difference = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Interval(difference, difference - below, difference + above)


def clopper_pearson_low(successes: float, n: float, level: float = 0.95) -> float:
    """The exact one-sided lower bound of a share: with chance `level` at least, the true share is not below it.

    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits".

    >>> round(clopper_pearson_low(59, 59), 4)  # 59 of 59 right: at least 95 %, the "rule of three"
    0.9505
    """
    from scipy.special import betaincinv

    return float(betaincinv(successes, n - successes + 1, 1 - level)) if successes > 0 else 0.0


def tango(only_first: float, only_second: float, n: float, level: float = 0.95) -> Interval:
    """The score interval of a paired difference of two shares, (only_first - only_second) / n.

    `only_first` counts the items that only the first model decides right, `only_second` those that only the second
    does, `n` all items. The limits are the differences D at which the score statistic is +-z:

        T(D) = (b - c - n D) / sqrt(n (2 q + D (1 - D))),   q = the constrained estimate of the second share

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design".

    >>> tango(1, 7, 21)  # Fagerland, Lydersen and Laake 2014: -0.517 to -0.026
    Interval(value=-0.2857..., low=-0.5172..., high=-0.0260...)
    """
    if not n > 0 or only_first + only_second > n:
        raise DataError(f"Of {n:g} pairs, {only_first + only_second:g} cannot differ.")
    estimate, z = (only_first - only_second) / n, _z(level)

    def excess(delta: float) -> float:  # above 0 outside the interval, below 0 inside
        linear = (2 * n - only_first + only_second) * delta - only_first - only_second
        root = math.sqrt(max(0.0, linear**2 + 8 * n * only_second * delta * (1 - delta)))
        q = (root - linear) / (4 * n)
        return n * (estimate - delta) ** 2 - z * z * (2 * q + delta * (1 - delta))

    return Interval(estimate, _root(excess, estimate, -1.0), _root(excess, estimate, 1.0))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value that two models are right equally often on the same items.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions", exact form.

    >>> round(mcnemar_exact(1, 7), 6)
    0.070312
    """
    from scipy.special import bdtr

    differing = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), differing, 0.5))) if differing else 1.0


def nadeau_bengio(
    differences: Sequence[float] | NDArray[np.float64], n_train: float, n_test: float, level: float = 0.95
) -> Interval:
    """The interval of a mean difference over J resampled splits, which overlap and so are not independent.

    Corrected variance: (1/J + n_test/n_train) * S^2, with t on J - 1 degrees of freedom. Only for resampled splits;
    J >= 2. Source: Nadeau and Bengio 2003, "Inference for the generalization error", section 3.3.

    >>> nadeau_bengio([0.01, 0.03, 0.02, 0.02], n_train=80, n_test=20)
    Interval(value=0.02, low=0.0016..., high=0.0383...)
    """
    from scipy.special import stdtrit

    splits = np.asarray(differences, dtype=np.float64)
    if len(splits) < 2:
        raise DataError(f"An interval over splits needs at least two of them, but got {len(splits)}.")
    spread = math.sqrt((1 / len(splits) + n_test / n_train) * float(splits.var(ddof=1)))
    half = float(stdtrit(len(splits) - 1, (1 + level) / 2)) * spread
    mean = float(splits.mean())
    return Interval(mean, mean - half, mean + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for a family of tests declared beforehand, in the order given.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _root(function: Callable[[float], float], inside: float, outside: float) -> float:
    """Where `function` turns from negative (at `inside`) to positive (towards `outside`), by bisection."""
    for _ in range(60):  # 2 / 2^60 < 1e-17
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if function(middle) < 0 else (inside, middle)
    return (inside + outside) / 2
