"""Tables of numbers: a row an item, its features in columns, which are taken as they are."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keiki.core.errors import ColumnError
from keiki.data.columns import MISSING, SPLIT_NAMES, asked, labelled_by
from keiki.data.groups import group_name, lonely_notes
from keiki.data.label_array import parts_of
from keiki.data.labels import as_classes
from keiki.data.names import listing, printable, spelled, twin_notes
from keiki.data.rows import SkippedRow, Table
from keiki.data.sources.base import Request
from keiki.data.spare import spare_ids
from keiki.data.task import Dataset, Part, Skipped
from keiki.data.times import ABSENT, Times, is_absent, parse
from keiki.data.vectors import as_rows, vector_items

_INDEX_NAMES = frozenset({"", "id", "index", "row", "unnamed: 0", "column 1"})  # what numbers the rows, by its name
_FEWEST = 2  # columns of numbers that are taken for features unasked; one alone may be anything


def holds_numbers(table: Table, request: Request) -> bool:
    """Whether the inputs of `table` are features: all columns that --input names hold numbers, or, where it names
    none, all columns but label, group, split and time do; two of them at least.

    >>> holds_numbers(Table(["a", "b", "label"], [["1", "2.5", "x"], ["", "4", "y"]], [1, 2]), Request())
    True
    """
    columns = _Columns(table, request)
    names = columns.asked or tuple(name for name in columns.free if not columns.is_index(name))
    looked_at = columns.asked or columns.free
    return len(names) >= _FEWEST and all(columns.numbers(name) is not None for name in looked_at)


def number_dataset(table: Table, path: Path, request: Request) -> Dataset:
    """The rows of `table` as vectors; raises ColumnError with the choices, DataError for labels that are no classes."""
    columns = _Columns(table, request)
    columns.refuse_absent(path)
    features, notes = _features(columns, path)
    labels = _labels(columns, path)
    found = [numbers for name in features if (numbers := columns.numbers(name)) is not None]
    rows = as_rows(np.column_stack(found), path.name)
    skipped = {**rows.bad}
    if columns.label and request.labelled:
        skipped |= {i: "no label" for i, label in enumerate(labels) if not label}
        if request.learned:
            notes += as_classes([label for label in labels if label], f"Column '{columns.label}'")
    skipped |= {i: ABSENT for i in columns.timeless() if i not in skipped}
    kept = [i for i in range(len(table.rows)) if i not in skipped]
    parts, groups, times = columns.parts(), columns.groups(kept), columns.times(kept)
    known = bool(labels) and all(labels[i] for i in kept)
    merging = f"write one of them in all cells of column '{columns.label}'"
    said = (
        *(lonely_notes(groups, str(request.group)) if groups and request.labelled else ()),
        *(times.notes if times else ()),
        *twin_notes(sorted(set(labels) - {""}), merging),
    )
    return Dataset(
        name=printable(path.stem) or "data",
        items=vector_items(rows.matrix[kept], [f"row {table.numbers[i]}" for i in kept]),
        labels=tuple(labels[i] for i in kept) if known else None,
        parts=tuple(parts[i] for i in kept),
        groups=groups,
        times=times.seconds if times else None,
        notes=(*table.notes, *columns.notes(), *notes, *rows.notes, *said),
        skipped=tuple(_lost(table, kept, skipped)),
        spare=columns.spare(kept),
    )


def _lost(table: Table, kept: list[int], skipped: dict[int, str]) -> Iterator[Skipped]:
    """All rows that are left out, in the order of the table, with their places among those that are kept."""
    numbers = [table.numbers[i] for i in kept]
    yield from (each for each in table.skipped if not isinstance(each, SkippedRow))
    rows = [each for each in table.skipped if isinstance(each, SkippedRow)]
    for i, why in skipped.items():
        rows.append(SkippedRow(f"row {table.numbers[i]}", why, number=table.numbers[i]))
    for each in sorted(rows, key=lambda row: row.number):
        yield replace(each, before=bisect_left(numbers, each.number))


@dataclass
class _Columns:
    """The columns of a table by what they are for."""

    table: Table
    request: Request

    def __post_init__(self) -> None:
        if not self.request.strict:  # it was said of other data: names that are not there do not count
            label, group, time = (
                name if name in self.table.columns else None
                for name in (self.request.label, self.request.group, self.request.time)
            )
            self.request = replace(self.request, label=label, group=group, time=time)
        self._numbers: dict[str, npt.NDArray[np.float64] | None] = {}

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The columns that --input names; they need not be there."""
        names = self.request.input
        if not names:
            return ()
        return (names,) if names in self.table.columns else tuple(name.strip() for name in names.split(","))

    @cached_property
    def split(self) -> str | None:
        """The column that says which rows are for training, validation and test."""
        said = {self.request.label, self.request.group, self.request.time, *self.asked}
        named = [name for name in self.table.columns if name.casefold() in SPLIT_NAMES and name not in said]
        return next((name for name in named if self._parts(name) is not None), None)

    @cached_property
    def label(self) -> str | None:
        """The column asked for, or that is called like a label, or the only one of few different words."""
        if self.request.label:
            return self.request.label
        taken = {name for name in (self.request.group, self.request.time, self.split, *self.asked) if name}
        if called := labelled_by(self.table, taken):
            return called[0] if len(called) == 1 else None
        words = [name for name in self.table.columns if name not in taken and self.numbers(name) is None]
        return words[0] if len(words) == 1 and self._is_repeated(words[0]) else None

    @cached_property
    def free(self) -> tuple[str, ...]:
        """The columns that are for nothing else, in their order."""
        taken = {self.label, self.request.group, self.request.time, self.split}
        return tuple(name for name in self.table.columns if name not in taken)

    def numbers(self, name: str) -> npt.NDArray[np.float64] | None:
        """The numbers in a column, NaN where a cell is empty; None where it is not there or holds anything else."""
        if name not in self._numbers:
            self._numbers[name] = _numbers(self.table.column(name)) if name in self.table.columns else None
        return self._numbers[name]

    def is_index(self, name: str) -> bool:
        """Whether a column numbers the rows: by its name, and no number stands in it twice."""
        if name.strip().casefold() not in _INDEX_NAMES:
            return False
        cells = [cell.strip() for cell in self.table.column(name)]
        return all(cell.lstrip("-").isdecimal() for cell in cells) and len(set(cells)) == len(cells)

    def notes(self) -> tuple[str, ...]:
        """What was guessed of label and split."""
        guessed = self.label is not None and not self.request.label
        return (
            *([f"Column '{self.label}' was taken for the label."] if guessed else []),
            *([f"Column '{self.split}' says which rows are for training, validation and test."] if self.split else []),
        )

    def refuse_absent(self, path: Path) -> None:
        """Raise ColumnError for a name that is not that of a column."""
        extra = {"label": self.request.label, "group": self.request.group, "time": self.request.time}
        for name in self.asked:
            asked(self.table, path, "input", name)
        for what, wanted in extra.items():
            if wanted is not None:
                asked(self.table, path, what, wanted)

    def choices(self) -> str:
        """The names, for whoever must choose."""
        return f"The columns are {listing(self.table.columns, 12)}."

    def parts(self) -> list[Part]:
        return (self._parts(self.split) if self.split else None) or [""] * len(self.table.rows)

    def _parts(self, name: str) -> list[Part] | None:
        return parts_of(self.table.column(name), f"Column '{name}'", self.request.labelled and self.request.learned)

    def groups(self, rows: Sequence[int]) -> tuple[str, ...] | None:
        if self.request.group is None:
            return None
        cells = self.table.column(self.request.group)
        return tuple(group_name(cells[i], self.table.numbers[i]) for i in rows)

    def spare(self, rows: Sequence[int]) -> dict[str, tuple[str, ...]]:
        """Columns that may be ids of what belongs together, where nobody has named groups."""
        if self.request.group or not self.request.labelled:
            return {}
        return spare_ids(self.table, rows, {*self.asked, self.label, self.request.time, self.split})

    def timeless(self) -> list[int]:
        """Rows without a time where times are asked for."""
        if self.request.time is None:
            return []
        return [i for i, cell in enumerate(self.table.column(self.request.time)) if is_absent(cell)]

    def times(self, rows: Sequence[int]) -> Times | None:
        if self.request.time is None:
            return None
        cells = self.table.column(self.request.time)
        return parse([cells[i] for i in rows], self.request.time, [self.table.numbers[i] for i in rows])

    def _is_repeated(self, name: str) -> bool:
        cells = [cell.strip() for cell in self.table.column(name) if cell.strip()]
        return 2 <= len(set(cells)) <= max(2, len(cells) // 2)


def _features(columns: _Columns, path: Path) -> tuple[tuple[str, ...], list[str]]:
    """The columns of features, and what is to be said of them."""
    for name in columns.asked:
        if columns.numbers(name) is None:
            cell = next((c for c in columns.table.column(name) if _number(c) is None), "")
            holds = f"it holds '{cell[:40]}'" if cell else "it is empty"
            raise ColumnError(f"Column '{name}' of the table '{path.name}' is no feature: {holds}.")
    if twice := [name for name in columns.asked if name not in columns.free]:
        raise ColumnError(f"Column {listing(twice)} cannot be the input and something else.", hint=columns.choices())
    found = columns.asked or tuple(
        name for name in columns.free if columns.numbers(name) is not None and not columns.is_index(name)
    )
    if not found:
        raise ColumnError(
            f"The table '{path.name}' has no columns of numbers to take as features.", hint=columns.choices()
        )
    notes = [f"{len(found)} columns of numbers were taken as features, as they are: {listing(found, 3)}."]
    left = [] if columns.asked else [name for name in columns.free if name not in found]
    if left:
        notes.append(f"The columns {listing(left)} were left out: they number the rows or hold no numbers.")
    return found, notes


def _labels(columns: _Columns, path: Path) -> list[str]:
    """Class names by row, '' where there is none; empty where the table has none and none are wanted."""
    if columns.label is None:
        if columns.request.labelled:
            raise ColumnError(
                f"No column of the table '{path.name}' could be the label.",
                hint=f"Name it: --label COLUMN. {columns.choices()}",
            )
        return []
    labels = [spelled(cell) for cell in columns.table.column(columns.label)]
    return ["" if label.casefold() in MISSING else label for label in labels]


def _numbers(cells: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """The numbers in all cells, NaN where one is empty; None where one holds anything else, or all are empty."""
    values: list[float] = []
    for cell in cells:
        value = _number(cell)
        if value is None:
            return None
        values.append(value)
    found = np.array(values, dtype=np.float64)
    return None if np.isnan(found).all() else found


def _number(cell: str) -> float | None:
    """The number in a cell, NaN where the cell is empty, None where it holds anything else.

    >>> _number(" 1.5 "), _number("x"), _number("1_000")
    (1.5, None, None)
    """
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return math.nan if cell.strip().casefold() in MISSING else None
