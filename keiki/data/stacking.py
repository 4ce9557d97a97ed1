"""Two datasets as one: the rows of the second below those of the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keiki.data.groups import groups_of_both
from keiki.data.task import Dataset, Spare


def stacked(first: Dataset, second: Dataset, ids: Sequence[str]) -> Dataset:
    """`first` with the rows of `second` below; ids: what the items of `second` are called from now on.

    Labels and times are known where both know them; a note that both make is made once.
    """
    both = first.labels is not None and second.labels is not None
    timed = first.times is not None and second.times is not None
    return replace(
        first,
        items=first.items + replace(second.items, ids=tuple(ids)),
        labels=(*(first.labels or ()), *(second.labels or ())) if both else None,
        parts=first.parts + second.parts,
        groups=groups_of_both(first, second),
        times=(*(first.times or ()), *(second.times or ())) if timed else None,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
        skipped=first.skipped + second.skipped,
        spare=_spare(first, second),
    )


def _spare(first: Dataset, second: Dataset) -> Spare:
    """The columns of either; None where a row is from the other."""
    return {
        name: tuple(cell for each in (first, second) for cell in each.spare.get(name, (None,) * len(each)))
        for name in dict.fromkeys((*first.spare, *second.spare))
    }
