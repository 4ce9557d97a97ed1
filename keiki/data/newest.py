"""The newest part of the items as a test set: what a model will meet lies after what it learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError
from keiki.data.times import said

FEWEST = 10  # test items
MOST = 1.25  # of the wanted share, above which a smaller part is looked for that is nearer to it
LEAST = 0.75  # of the wanted share that such a part has
OLD = 0.5  # share of test items that are older than the cut, above which groups count by the middle of their times
NOTED = 0.1  # of the wanted share, by which it may be missed before a note says so
NEWER = 0.5  # items newer than the cut that are trained on, over test items, up to which groups may count so
LARGEST_SHARE = 0.5  # of the items in the test set, if a group or a moment reaches far
DAYS = 3 * 86_400.0  # data that span less are told with the time of day

Index = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]  # seconds since 1970


@dataclass(frozen=True)
class Newest:
    """Rows of the newest part, sorted, the moment from which on they are (seconds since 1970), and both in words."""

    rows: Index
    cut: float
    what: str

    def note(self, newer: int = 0) -> str:
        """A sentence about the cut; newer: how many items are trained on all the same that are as new, or newer."""
        if not newer:
            return f"The test set is the newest part: {self.what}; what is trained on is older."
        more = "1 item as new or newer is" if newer == 1 else f"{newer} items as new or newer are"
        return f"The test set is the newest of what may judge: {self.what}; {more} trained on."


def newest(times: Times, groups: Index, share: float, n_items: int) -> Newest:
    """The rows of the newest groups, `share` of `n_items` or a little more.

    A group is as new as its newest item, so nothing left of these items is newer than the cut; groups with equal times
    stay together. Where groups reach far back, so that most of the test set would be old, a group is as new as the
    middle of its times; what is left may then be newer than the cut. times and groups (N,) are of the items that may be
    tested. Raises DataError where too few would be tested, or a single group or moment holds too much.

    >>> found = newest(np.arange(100) * 86400.0, np.arange(100), 0.2, 100)
    >>> found.rows.tolist() == list(range(80, 100)), found.note()
    (True, 'The test set is the newest part: 20 items from 1970-03-22 on; what is trained on is older.')
    """
    wanted = round(share * n_items)
    if wanted < FEWEST:
        raise DataError(
            f"The newest {share:.0%} of {n_items} items are {wanted}, too few to judge by; {FEWEST} are needed.",
            hint="Add items, or leave out --time.",
        )
    by_newest = _part(times, groups, np.max, wanted, n_items)
    if by_newest.fits and by_newest.old(times) <= OLD * len(by_newest.rows):
        return by_newest.told(times, wanted, n_items)
    by_middle = _part(times, groups, np.median, wanted, n_items)
    if by_middle.fits and by_middle.left(times) <= NEWER * len(by_middle.rows):
        return by_middle.told(times, wanted, n_items)
    if by_newest.fits:
        return by_newest.told(times, wanted, n_items)
    _refuse(times, len(by_newest.rows), n_items)


@dataclass(frozen=True)
class _Part:
    """The rows of whole groups that are as new as `cut` or newer; fits: it may be a test set."""

    rows: Index
    cut: float
    fits: bool

    def old(self, times: Times) -> int:
        """Test items that are older than the cut."""
        return int((times[self.rows] < self.cut).sum())

    def left(self, times: Times) -> int:
        """Items besides, that are as new as the cut or newer."""
        return int((times >= self.cut).sum()) - len(self.rows) + self.old(times)

    def told(self, times: Times, wanted: int, n_items: int) -> Newest:
        precise = float(np.ptp(times)) < DAYS
        n, old = len(self.rows), self.old(times)
        share = f" ({n / n_items:.0%} of all, for {wanted / n_items:.0%} that were wanted)"
        share = share if abs(n - wanted) > NOTED * wanted else ""
        more = f", {old} of them older ones that belong with newer ones" if old else ""
        return Newest(self.rows, self.cut, f"{n} items{share} from {said(self.cut, precise)} on{more}")


def _part(times: Times, groups: Index, age_of: Callable[[Times], float], wanted: int, n_items: int) -> _Part:
    """The newest groups by `age_of` their times: `wanted` items or a little more, or less where that is far nearer."""
    names, group = np.unique(groups, return_inverse=True)
    order = np.argsort(group, kind="stable")
    own = np.split(times[order], np.cumsum(np.bincount(group))[:-1])
    age = np.array([float(age_of(some) if len(some) > 1 else some[0]) for some in own])[group]  # of each item's group
    moments, counts = np.unique(age, return_counts=True)
    newer = np.cumsum(counts[::-1])[::-1]  # items as new as each moment, or newer
    most = LARGEST_SHARE * n_items
    enough = np.flatnonzero(newer >= wanted)
    if not len(enough):
        return _Part(np.arange(len(times)), -np.inf, fits=False)
    at = int(enough[-1])
    if newer[at] > MOST * wanted and at + 1 < len(moments):
        less = int(newer[at + 1])
        if less >= max(FEWEST, LEAST * wanted) and (newer[at] > most or wanted - less < newer[at] - wanted):
            at += 1
    cut = float(moments[at])
    return _Part(np.flatnonzero(age >= cut), cut, fits=bool(newer[at] <= most))


def _refuse(times: Times, tested: int, n_items: int) -> NoReturn:
    if len(np.unique(times)) < 2:
        raise DataError(
            f"All {n_items} items have the same time, so none is newer than the others.",
            hint="Name another column with --time, or leave it out.",
        )
    raise DataError(
        f"The newest part cannot be cut off: with the groups and near copies that reach into it, it holds {tested} of "
        f"{n_items} items.",
        hint="Give a test set with --test, or leave out --time or --group.",
    )
