"""From the rows of a table to items: what all sources of tables share, whatever the table was written in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from keiki.core.errors import ColumnError, DataError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.columns import MISSING, SPLIT_VALUES, Columns, choose, file_kind
from keiki.data.groups import group_name, lonely_notes
from keiki.data.labels import as_classes
from keiki.data.names import one_line, printable, spelled, twin_notes
from keiki.data.number_table import holds_numbers, number_dataset
from keiki.data.parquet import read_parquet
from keiki.data.passage import decoded, legible
from keiki.data.picture import STRANGER, read_file, sniff
from keiki.data.rows import SUFFIXES as TEXT_TABLES
from keiki.data.rows import SkippedRow, Table, read_table
from keiki.data.sources.base import Request
from keiki.data.sources.layout import PARQUET, WORKBOOKS
from keiki.data.sources.places import Places
from keiki.data.spare import spare_ids
from keiki.data.task import Dataset, Items, Modality, Part, Raw, Skipped
from keiki.data.times import ABSENT, Times, is_absent, parse
from keiki.data.workbook import read_workbook
from keiki.data.worksheet import unguarded


def table_dataset(table: Table, path: Path, request: Request, base: Path | None = None) -> Dataset:
    """The rows of `table`, read from `path`, as items; files lie below `base` (the folder of `path`) or --files.

    Raises ColumnError with the choices where columns are missing or ambiguous, DataError where labels are no classes.
    """
    table = unguarded(table)
    if not table.embedded and holds_numbers(table, request):
        return number_dataset(table, path, request)
    folder = request.files if request.files is not None else base or path.parent
    places = Places(folder, path)
    columns = choose(table, path, folder, request, places)
    found = _Found(table, columns, places, request.labelled)
    for i in range(len(table.rows)):
        found.add(i)
    notes: tuple[str, ...] = ()
    if columns.label and request.labelled and request.learned:
        notes = as_classes(found.labels, f"Column '{columns.label}'")
        _refuse_headless(path, found.labels, columns.label, request)
    return found.dataset(printable(path.stem) or "data", notes)


def open_table(path: Path, inner: str | None = None) -> Table:
    """The rows of a table in any format but arrays; inner: the sheet of a workbook."""
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        return read_parquet([path])
    if suffix in WORKBOOKS:
        return read_workbook(path, inner)
    return read_table(path)


def names_files(path: Path, request: Request) -> bool:
    """Whether some column of the table at `path` names files that lie below its folder."""
    if path.suffix.lower() not in TEXT_TABLES | PARQUET | WORKBOOKS:
        return False
    try:
        table = open_table(path)
    except DataError:
        return False  # what is wrong with it is told when it is meant
    places = Places(path.parent)
    return any(file_kind(table, name, places, named=name == request.input) for name in table.columns)


@dataclass
class _Found:
    """What has been read so far, row by row."""

    table: Table
    columns: Columns
    places: Places
    labelled: bool
    ids: list[str] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._taken: set[str] = set()
        place = {name: at for at, name in reversed(list(enumerate(self.table.columns)))}
        self._inputs = [place[name] for name in self.columns.inputs]
        self._label_at, self._split_at, self._group_at, self._time_at = (
            None if name is None else place[name]
            for name in (self.columns.label, self.columns.split, self.columns.group, self.columns.time)
        )
        self._files: list[Path | None] = []
        self.notes: tuple[str, ...] = ()
        if self.columns.files:
            name = self.columns.inputs[0]
            cells = [cell.strip() for cell in self.table.column(name)]
            if name in self.table.embedded:
                self._files = self.table.embedded[name]()
            else:
                paths = self.places.find(cells)
                self.notes = self.places.said(name, cells, paths)
                self._files = [path if cell else None for path, cell in zip(paths, cells, strict=True)]

    def add(self, i: int) -> None:
        row = self.table.rows[i]
        cells = [row[at] for at in self._inputs]
        name = self._name(i, cells[0])
        try:
            label = self._label(row)
            if self._time_at is not None and is_absent(row[self._time_at]):
                raise UnreadableItem(ABSENT)
            raw, digest = self._file(i) if self.columns.files else _text(cells)
        except UnreadableItem as problem:
            self.skipped.append(SkippedRow(name, problem.reason, number=self.table.numbers[i]))
            return
        self._taken.add(name)
        self.ids.append(name)
        self.raws.append(raw)
        self.digests.append(digest)
        self.labels.append(label)
        self.rows.append(i)
        self.parts.append("" if self._split_at is None else SPLIT_VALUES[row[self._split_at].strip().casefold()])
        if self._group_at is not None:
            self.groups.append(group_name(row[self._group_at], self.table.numbers[i]))

    def dataset(self, name: str, notes: tuple[str, ...]) -> Dataset:
        modality: Modality = "image" if self.columns.files == "pictures" else "text"
        has_labels = self.columns.label is not None and all(self.labels)
        classes = sorted(set(self.labels)) if has_labels else []
        times = self._times()
        said = (*self.columns.notes, *self.notes, *notes, *self._said_of_groups(), *(times.notes if times else ()))
        return Dataset(
            name=name,
            items=Items(modality, tuple(self.ids), tuple(self.raws), tuple(self.digests)),
            labels=tuple(self.labels) if has_labels else None,
            parts=tuple(self.parts),
            groups=tuple(self.groups) if self.columns.group else None,
            times=times.seconds if times else None,
            notes=(*self.table.notes, *said, *twin_notes(classes, self._merging())),
            skipped=tuple(self._placed()),
            spare=self._spare(),
        )

    def _said_of_groups(self) -> tuple[str, ...]:
        return lonely_notes(self.groups, self.columns.group) if self.columns.group and self.labelled else ()

    def _merging(self) -> str:
        return f"write one of them in all cells of column '{self.columns.label}'"

    def _spare(self) -> dict[str, tuple[str, ...]]:
        chosen = self.columns
        if chosen.group or not self.labelled:  # nobody will ask
            return {}
        return spare_ids(self.table, self.rows, {*chosen.inputs, chosen.label, chosen.time, chosen.split})

    def _placed(self) -> Iterator[Skipped]:
        """All rows that are left out, in the order of the table, with their places among the items."""
        numbers = [self.table.numbers[i] for i in self.rows]
        rows = [each for each in (*self.table.skipped, *self.skipped) if isinstance(each, SkippedRow)]
        yield from (each for each in self.table.skipped if not isinstance(each, SkippedRow))
        for each in sorted(rows, key=lambda row: row.number):
            yield replace(each, before=bisect_left(numbers, each.number))

    def _name(self, i: int, cell: str) -> str:
        """What a person calls the item: the file that the row names, or the row; never as another item."""
        row = f"row {self.table.numbers[i]}"
        name = one_line(cell.strip()) if self.columns.files else ""
        return row if not name else name if name not in self._taken else f"{name} ({row})"

    def _times(self) -> Times | None:
        if self._time_at is None or self.columns.time is None:
            return None
        cells = [self.table.rows[i][self._time_at] for i in self.rows]
        return parse(cells, self.columns.time, [self.table.numbers[i] for i in self.rows])

    def _label(self, row: list[str]) -> str:
        if self._label_at is None:
            return ""
        label = spelled(row[self._label_at])
        missing = label.casefold() in MISSING
        if missing and self.labelled:
            raise UnreadableItem("no label")
        return "" if missing else label

    def _file(self, i: int) -> tuple[Raw, str]:
        path = self._files[i]
        if path is None:
            raise UnreadableItem("no picture" if self.columns.inputs[0] in self.table.embedded else "no file name")
        data = read_file(path)
        if self.columns.files == "texts":
            return _text([decoded(data)[0]])
        if sniff(data) is None:
            raise UnreadableItem(STRANGER)
        return path, sha256_bytes(data)


def _text(cells: list[str]) -> tuple[str, str]:
    text = legible("\n".join(cell for cell in cells if cell.strip()))
    return text, sha256_bytes(text.encode("utf-8"))


def _refuse_headless(path: Path, labels: list[str], column: str, request: Request) -> None:
    """A guessed label column that is called like one of its values: the first line is data, not names."""
    if request.label is None and column in labels:
        raise ColumnError(
            f"The first line of '{path.name}' looks like an item of class '{column}', not like the names of columns.",
            hint=f"Put such a line above it (text,label), or say --label '{column}' if that is the name.",
        )
