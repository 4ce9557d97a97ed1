"""All rows that a task is made of, in one dataset, and on which side each stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from keiki.core.errors import DataError, RequestError
from keiki.data.stacking import stacked
from keiki.data.task import Dataset, Index, Part, Skipped
from keiki.data.vectors import refuse_width

Given = Dataset | float | None
LEARNED: tuple[Part, ...] = ("train", "added")


@dataclass(frozen=True)
class Rows:
    """All rows of all parts in one dataset with labels, the part of each, and what is to be said and warned of."""

    data: Dataset
    parts: tuple[Part, ...]
    warnings: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[Part, ...]:
        """The part of each row as a model sees it: what was added is trained on."""
        return tuple("train" if each in LEARNED else each for each in self.parts)

    def at(self, *parts: Part) -> Index:
        return np.array([i for i, each in enumerate(self.parts) if each in parts], dtype=np.int64)

    def besides(self, *parts: Part) -> Index:
        return np.array([i for i, each in enumerate(self.parts) if each not in parts], dtype=np.int64)

    def has(self, part: Part) -> bool:
        return part in self.parts

    def moved(self, part: Part, rows: Index) -> Rows:
        chosen = set(rows.tolist())
        return replace(self, parts=tuple(part if i in chosen else each for i, each in enumerate(self.parts)))

    def without(self, gone: Mapping[int, str]) -> Rows:
        """The rows less some, which are listed as skipped with their reasons."""
        data = self.data.without(
            (i, Skipped(self.data.items.ids[i], reason, foreign=True)) for i, reason in gone.items()
        )
        return replace(self, data=data, parts=tuple(each for i, each in enumerate(self.parts) if i not in gone))


def joined(dataset: Dataset, val: Given, test: Given) -> Rows:
    """All rows of the data and of what was given beside them; raises DataError where these do not go together."""
    whole, parts = dataset, [part or "train" for part in dataset.parts]
    for part, given in (("val", val), ("test", test)):
        if given is None:
            continue
        if part in parts:
            raise RequestError(
                f"'{dataset.name}' has a {part} part of its own, and --{part} was given as well.",
                hint="Leave out one of them.",
            )
        if isinstance(given, Dataset):
            whole = _appended(whole, given)
            parts += ["val" if part == "val" else "test"] * len(given)
            if part == "val" and not (isinstance(test, Dataset) or "test" in parts):
                _refuse_timeless(dataset, given)
    if whole.labels is None:
        raise DataError(f"'{dataset.name}' has no labels to learn from.", hint="Name the column: --label COLUMN")
    return Rows(whole, tuple(parts))


def _refuse_timeless(dataset: Dataset, given: Dataset) -> None:
    """Raise DataError for validation items without times: whether they are older than the test set nobody could say."""
    if dataset.times is not None and given.times is None:
        raise DataError(
            f"'{dataset.name}' is split by time, and the items of '{given.name}' for --val have no time.",
            hint="Add the column that --time names, or leave --time out.",
        )


def _appended(first: Dataset, second: Dataset) -> Dataset:
    if first.items.modality != second.items.modality:
        raise DataError(
            f"'{first.name}' holds items of kind {first.items.modality}, '{second.name}' of kind "
            f"{second.items.modality}; all parts must be of one kind."
        )
    refuse_width(first.items, second.items)
    if first.labels is None or second.labels is None:
        nameless = second.name if second.labels is None else first.name
        raise DataError(f"'{nameless}' has no labels.", hint="Name the column: --label COLUMN")
    ids = second.items.ids
    told_apart = set(ids).isdisjoint(first.items.ids)
    return stacked(first, second, ids if told_apart else tuple(f"{second.name}/{each}" for each in ids))
