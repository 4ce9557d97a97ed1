"""Groups by name: what the cells of a table say, and what stays apart where two tables meet."""

from __future__ import annotations

import re
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
