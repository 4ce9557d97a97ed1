"""When so much cannot be read that going on would mislead."""

from __future__ import annotations

from collections.abc import Sequence

from keiki.core.errors import DataError
from keiki.data.task import Dataset, Skipped

SHARE = 0.2  # of the items; above it something is wrong with the whole rather than with single files


def refuse_if_too_many(skipped: Sequence[Skipped], total: int, share: float = SHARE) -> None:
    """Raise DataError if more than `share` of `total` items are unreadable; names the first ones and why.

    Files that were never meant as items (`foreign`) do not count.
    """
    lost = [each for each in skipped if not each.foreign]
    if not lost or len(lost) <= share * total:
        return
    first = "; ".join(f"{each.id}: {each.reason}" for each in lost[:5])
    more = f"; and {len(lost) - 5} more" if len(lost) > 5 else ""
    raise DataError(
        f"{len(lost)} of {total} items cannot be used, more than the {share:.0%} that keiki accepts: {first}{more}.",
        hint="Repair or remove them, then run again.",
    )


def check(dataset: Dataset) -> Dataset:
    """`dataset` itself if enough of it could be read and something is left; else DataError."""
    lost = [each for each in dataset.skipped if not each.foreign]
    refuse_if_too_many(lost, len(dataset) + len(lost))
    if len(dataset) == 0:
        raise DataError(f"'{dataset.name}' holds nothing that keiki can read.", hint="Look for another folder or file.")
    return dataset
