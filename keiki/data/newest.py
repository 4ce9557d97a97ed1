"""The newest part of the items as a test set: what a model will meet lies after what it learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError
from keiki.data.times import said

FEWEST = 10  # test items
LARGEST_SHARE = 0.5  # of the items in the test set, if a group or a moment reaches far
DAYS = 3 * 86_400.0  # data that span less are told with the time of day

Index = npt.NDArray[np.int64]


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


def newest(times: npt.NDArray[np.float64], groups: Index, share: float, n_items: int) -> Newest:
    """The rows of the newest groups, `share` of `n_items` or a little more.

    A group is as new as its newest item, so nothing left of these items is newer than the cut; groups with equal times
    stay together. times and groups (N,) are of the items that may be tested. Raises DataError where too few would be
    tested, or a single group or moment holds too much.

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
    names, group = np.unique(groups, return_inverse=True)
    latest = np.full(len(names), -np.inf)
    np.maximum.at(latest, group, times)
    age = latest[group]  # of each item: the newest moment of its group
    moments, counts = np.unique(age, return_counts=True)
    newer = np.cumsum(counts[::-1])[::-1]  # items as new as each moment, or newer
    enough = np.flatnonzero(newer >= wanted)
    cut = moments[enough[-1]] if len(enough) else -np.inf
    rows = np.flatnonzero(age >= cut)
    if len(rows) < wanted or len(rows) > LARGEST_SHARE * n_items:
        _refuse(times, len(rows), n_items)
    return Newest(rows, float(cut), _told(times, rows, float(cut)))


def _refuse(times: npt.NDArray[np.float64], tested: int, n_items: int) -> None:
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


def _told(times: npt.NDArray[np.float64], rows: Index, cut: float) -> str:
    precise = float(np.ptp(times)) < DAYS
    old = int((times[rows] < cut).sum())
    more = f", {old} of them older ones that belong with newer ones" if old else ""
    return f"{len(rows)} items from {said(cut, precise)} on{more}"
