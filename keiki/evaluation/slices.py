"""Where it is weak: the metric on parts of the judged items, each against the rest, corrected for looking at many.

A slice is tested on the mean of one value an item (right or wrong, log loss, Brier score) inside it against that
outside:

    z = (m_in - m_out) / (s * sqrt(1 / k_in + 1 / k_out)),   s = spread of all values

with the numbers of independent units k in place of items (see shares.independent_groups). The p-values of all slices
looked at are one declared family and corrected together (Holm 1979). Called weak is a slice whose interval lies wholly
on the bad side of the total and whose corrected p-value is below 5 %: one alone happens too easily by chance.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.evaluation.intervals import Interval, holm
from keiki.evaluation.protocol import dependent, estimates
from keiki.evaluation.shares import independent_groups
from keiki.metrics.base import Floats, Labels, Metric, Probabilities, checked

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Units = NDArray[Any] | None

SMALLEST = 10  # independent units; an interval of fewer says next to nothing
LEVEL = 0.05
MOST = 12  # slices of one family
RESAMPLES = 1000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Family:
    """One way of dividing items: `codes` (N,) number the slice of each item, -1 for none; `names` of the slices.

    by_item: items are the independent units inside a slice. So it is where the slices are the groups themselves: then
    the question is how good it is in this one group, not in groups like it.
    """

    name: str
    codes: Codes
    names: tuple[str, ...]
    by_item: bool = False


@dataclass(frozen=True)
class Slice:
    """One slice: its rows, independent units and score; `p_value` against the rest, after Holm's correction."""

    family: str
    name: str
    n_rows: int
    n_units: int
    score: Interval
    p_value: float
    weak: bool


def judge(
    families: Sequence[Family],
    labels: Labels,
    probabilities: Probabilities,
    metric: Metric,
    total: Interval,
    *,
    rng: np.random.Generator,
    groups: Units = None,
    items: Units = None,
) -> list[Slice]:
    """Every slice of at least 10 independent units, in the families' order; `total` is the score of all items.

    labels (N,), probabilities (N, C); groups (N,) of what depends on one another; items (N,) tells which rows are the
    same item, where it was judged several times. The metric must have a value for each item.

    >>> from keiki.metrics.accuracy import ACCURACY
    >>> labels = np.array([0] * 40)
    >>> p = np.where((np.arange(40) < 30)[:, None], [0.9, 0.1], [0.1, 0.9])  # the last ten are wrong
    >>> family = Family("half", np.arange(40) // 20, ("early", "late"))
    >>> found = judge([family], labels, p, ACCURACY, Interval(0.75, 0.6, 0.86), rng=np.random.default_rng(0))
    >>> [(each.name, each.score.value, each.weak) for each in found]
    [('early', 1.0, False), ('late', 0.5, True)]
    """
    if metric.items is None:
        raise DataError(f"Metric '{metric.name}' has no value for a single item, so it cannot be compared over slices.")
    labels, scores = checked(labels, probabilities)
    values = metric.items(labels, scores)
    found: list[tuple[Family, str, Mask, Interval]] = []
    for family in families:
        units = units_of(family, groups, items)
        for code, name in enumerate(family.names):
            at = family.codes == code
            if _count(at, units) < SMALLEST:
                continue
            part = None if units is None else units[at]
            score = estimates([metric], labels[at], scores[at], rng=rng, groups=part, resamples=RESAMPLES)[metric.name]
            if np.isfinite([score.value, score.low, score.high]).all():
                found.append((family, name, at, score))
    p_values = holm([_p_value(values, at, units_of(family, groups, items)) for family, _, at, _ in found])
    return [
        Slice(
            family.name,
            name,
            int(at.sum()),
            _count(at, units_of(family, groups, items)),
            score,
            p,
            _is_weak(score, total, metric, p),
        )
        for (family, name, at, score), p in zip(found, p_values, strict=True)
    ]


def too_small(family: Family, units: Units) -> int:
    """How many slices of a family have items, but too few to be judged; `units` as `units_of` gives them."""
    counts = [_count(family.codes == code, units) for code in range(len(family.names))]
    return sum(0 < n < SMALLEST for n in counts)


def units_of(family: Family, groups: Units, items: Units) -> Units:
    """What counts as independent inside the slices of a family (N,), or None: every row."""
    return dependent(items if family.by_item else groups)


def thirds(name: str, values: NDArray[Any], unit: str) -> Family | None:
    """Three slices of about equal size by a whole number (N,), named by limits and `unit`; None where all are alike.

    >>> family = thirds("length", np.array([1, 2, 3, 4, 5, 6]), "words")
    >>> family.names, family.codes.tolist()
    (('up to 2 words', '3 to 4 words', '5 words or more'), [0, 0, 1, 1, 2, 2])
    """
    if not len(values):
        return None
    edges = np.unique(np.quantile(values, [1 / 3, 2 / 3], method="inverted_cdf")).astype(np.int64)
    edges = edges[edges < np.max(values)]
    if not len(edges):
        return None
    ends, least = edges.tolist(), int(np.min(values))
    middle = [_span(low + 1, high, unit) for low, high in zip(ends, ends[1:], strict=False)]
    first = _span(least, least, unit) if least == ends[0] else f"up to {ends[0]} {unit}"
    names = (first, *middle, f"{ends[-1] + 1} {unit} or more")
    return Family(name, np.searchsorted(edges, values, side="left").astype(np.int64), names)


def named(name: str, values: Sequence[str | None], most: int = MOST) -> Family | None:
    """A slice for each of the commonest values, common ones first; None where there are not two.

    >>> named("format", ["PNG", "JPEG", "JPEG", None]).codes.tolist()
    [1, 0, 0, -1]
    """
    counts = Counter(value for value in values if value)
    if len(counts) < 2:
        return None
    names = sorted(counts, key=lambda value: (-counts[value], value))[:most]
    place = {value: code for code, value in enumerate(names)}
    return Family(name, np.array([place.get(value or "", -1) for value in values], dtype=np.int64), tuple(names))


def calendar(name: str, times: NDArray[np.float64]) -> Family | None:
    """Slices by time: years, quarters, months, weeks or days, whichever comes first with 3 to 12 of them.

    times (N,) are seconds since 1970 in UTC. Where none fits, four parts of equal size, named by their first day; None
    where all lie within a day.

    >>> day = 86400.0
    >>> calendar("time", np.array([0, 100, 200, 300]) * day).names
    ('1970 Q1', '1970 Q2', '1970 Q3', '1970 Q4')
    """
    moments = [EPOCH + datetime.timedelta(seconds=float(t)) for t in times]
    for write in (_year, _quarter, _month, _week, _day):
        texts = [write(moment) for moment in moments]
        names = sorted(set(texts))
        if 3 <= len(names) <= MOST:
            return Family(name, np.searchsorted(names, texts).astype(np.int64), tuple(names))
    edges = np.unique(np.quantile(times, [0, 0.25, 0.5, 0.75], method="inverted_cdf")) if len(times) else np.empty(0)
    if len(edges) < 2 or len({_day(moment) for moment in moments}) < 2:
        return None
    codes = np.searchsorted(edges, times, side="right") - 1
    starts = [_day(EPOCH + datetime.timedelta(seconds=float(edge))) for edge in edges]
    return Family(name, codes.astype(np.int64), tuple(f"from {start}" for start in starts))


def _span(low: int, high: int, unit: str) -> str:
    if low < high:
        return f"{low} to {high} {unit}"
    noun, blank, rest = unit.partition(" ")
    return f"{low} {noun.removesuffix('s') if low == 1 else noun}{blank}{rest}"


def _year(moment: datetime.datetime) -> str:
    return f"{moment.year:04d}"


def _quarter(moment: datetime.datetime) -> str:
    return f"{moment.year:04d} Q{(moment.month + 2) // 3}"


def _month(moment: datetime.datetime) -> str:
    return f"{moment.year:04d}-{moment.month:02d}"


def _week(moment: datetime.datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04d}, week {week:02d}"


def _day(moment: datetime.datetime) -> str:
    return moment.date().isoformat()


def _count(at: Mask, units: Units) -> int:
    return int(at.sum()) if units is None else independent_groups(units[at])


def _p_value(values: Floats, at: Mask, units: Units) -> float:
    """That slice and rest have the same mean, two-sided."""
    from scipy.special import ndtr

    if at.all():
        return 1.0
    spread = float(values.std(ddof=1))
    error = spread * float(np.sqrt(1 / _count(at, units) + 1 / _count(~at, units)))
    gap = abs(float(values[at].mean() - values[~at].mean()))
    return float(2 * ndtr(-gap / error)) if error > 0 else 1.0


def _is_weak(score: Interval, total: Interval, metric: Metric, p_value: float) -> bool:
    apart = score.high < total.value if metric.higher_is_better else score.low > total.value
    return bool(apart and p_value < LEVEL)
