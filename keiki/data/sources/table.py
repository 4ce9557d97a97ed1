"""A table: CSV, TSV or JSON lines with a column of texts or of picture files, and a column of labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import DataError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.columns import MISSING, SPLIT_VALUES, Columns, choose, located, refuse_quantities
from keiki.data.names import printable, spelled, twin_notes
from keiki.data.passage import legible
from keiki.data.picture import read_file, sniff
from keiki.data.rows import SUFFIXES, Table, read_table
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.task import Dataset, Items, Modality, Part, Raw, Skipped


@SOURCES.add("table")
class TableSource(Source):
    """One row an item. Columns that are not named are guessed, and the guess is said."""

    name: ClassVar[str] = "table"
    example: ClassVar[str] = "a .csv, .tsv or .jsonl table with a column of texts or picture files and one of labels"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        table = read_table(path)
        base = request.files if request.files is not None else path.parent
        columns = choose(table, path, base, request)
        found = _Found(table, columns, base, request.labelled)
        for i in range(len(table.rows)):
            found.add(i)
        if columns.label and request.labelled:
            refuse_quantities(found.labels, columns.label)
            _refuse_headless(path, found.labels, columns.label, request)
        return found.dataset(path.stem)


@dataclass
class _Found:
    """What has been read so far, row by row."""

    table: Table
    columns: Columns
    base: Path
    labelled: bool
    ids: list[str] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, i: int) -> None:
        row = dict(zip(self.table.columns, self.table.rows[i], strict=True))
        cells = [row[name] for name in self.columns.inputs]
        file = printable(cells[0].strip()) if self.columns.files else ""
        name = file or f"row {self.table.numbers[i]}"
        try:
            label = self._label(row)
            raw, digest = self._file(file) if self.columns.files else _text(cells)
        except UnreadableItem as problem:
            self.skipped.append(Skipped(name, problem.reason))
            return
        self.ids.append(name)
        self.raws.append(raw)
        self.digests.append(digest)
        self.labels.append(label)
        self.parts.append(SPLIT_VALUES[row[self.columns.split].strip().casefold()] if self.columns.split else "")
        if self.columns.group:  # an empty cell belongs with nothing
            self.groups.append(row[self.columns.group].strip() or f"row {self.table.numbers[i]} alone")

    def dataset(self, name: str) -> Dataset:
        modality: Modality = "image" if self.columns.files else "text"
        has_labels = self.columns.label is not None and all(self.labels)
        classes = sorted(set(self.labels)) if has_labels else []
        return Dataset(
            name=name,
            items=Items(modality, tuple(self.ids), tuple(self.raws), tuple(self.digests)),
            labels=tuple(self.labels) if has_labels else None,
            parts=tuple(self.parts),
            groups=tuple(self.groups) if self.columns.group else None,
            notes=(*self.table.notes, *self.columns.notes, *twin_notes(classes)),
            skipped=(*self.table.skipped, *self.skipped),
        )

    def _label(self, row: dict[str, str]) -> str:
        if self.columns.label is None:
            return ""
        label = spelled(row[self.columns.label])
        missing = label.casefold() in MISSING
        if missing and self.labelled:
            raise UnreadableItem("no label")
        return "" if missing else label

    def _file(self, name: str) -> tuple[Path, str]:
        if not name:
            raise UnreadableItem("no file name")
        path = located(self.base, name)
        data = read_file(path)
        if sniff(data) is None:
            raise UnreadableItem("not a picture (JPEG, PNG, WebP, BMP, GIF or TIFF)")
        return path, sha256_bytes(data)


def _text(cells: list[str]) -> tuple[str, str]:
    text = legible("\n".join(cell for cell in cells if cell.strip()))
    return text, sha256_bytes(text.encode("utf-8"))


def _refuse_headless(path: Path, labels: list[str], column: str, request: Request) -> None:
    """A guessed label column that is called like one of its values: the first line is data, not names."""
    if request.label is None and column in labels:
        raise DataError(
            f"The first line of '{path.name}' looks like an item of class '{column}', not like the names of columns.",
            hint=f"Put such a line above it (text,label), or say --label '{column}' if that is the name.",
        )
