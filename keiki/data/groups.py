"""Groups by name: what the cells of a table say, and what stays apart where two tables meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

from keiki.data.columns import MISSING
from keiki.data.names import spelled
from keiki.data.task import Dataset

LONELY = re.compile(r"(row|item) \d+ alone")  # the group of an item that belongs with nothing, in whatever table


def group_name(cell: str, number: int) -> str:
    """The group that the cell of row `number` names, in one spelling; where it names none, the row is alone.

    >>> group_name(" Zoe\\u0308", 7) == "Zo\\u00eb", group_name("n/a", 7)
    (True, 'row 7 alone')
    """
    name = spelled(cell)
    return f"row {number} alone" if name.casefold() in MISSING else name


def lonely_notes(groups: Sequence[str], column: str) -> tuple[str, ...]:
    """A note where rows of a table name no group though others do; groups (N,) as `group_name` gives them.

    >>> lonely_notes(["a", "row 3 alone", "a", "row 5 alone"], "patient")[0][:45]
    "2 of 4 rows have no value in column 'patient'"
    """
    n = sum(LONELY.fullmatch(name) is not None for name in groups)
    if not n:
        return ()
    return (
        f"{n} of {len(groups)} rows have no value in column '{column}'; each was taken to belong with nothing. If some "
        "of them belong together or to a named group, the estimate is too good: fill them in.",
    )


def groups_of_both(first: Dataset, second: Dataset) -> tuple[str, ...] | None:
    """The groups of the items of both, one after the other; None where neither has any.

    Equal names mean one group. What belongs with nothing in its own table does not belong with anything in the other,
    though both count their rows from 1.
    """
    if first.groups is None and second.groups is None:
        return None
    taken = {*(first.groups or ()), *(second.groups or ())}
    alone = (name for number in count(1) if (name := f"item {number} alone") not in taken)
    mine = first.groups or [next(alone) for _ in range(len(first))]
    theirs = second.groups or ["item 0 alone"] * len(second)
    return (*mine, *(next(alone) if LONELY.fullmatch(name) else name for name in theirs))
