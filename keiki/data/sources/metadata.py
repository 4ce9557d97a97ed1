"""A folder of files with a table that says more of them: `metadata.csv` or `.jsonl` with a column `file_name`.

The layout of Hugging Face's ImageFolder. Each part of a split may have its own (`train/metadata.csv`). Where there are
class folders as well and they contradict the column of labels, nobody can know which is right, and both are refused.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import ColumnError, DataError
from keiki.data.columns import MISSING, SPLIT_NAMES, file_kind, labelled_by
from keiki.data.names import item_name, listing, natural, spelled
from keiki.data.rows import Table
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.sources.folder import Walk, parts_of
from keiki.data.sources.layout import metadata, part_column
from keiki.data.sources.places import Places
from keiki.data.sources.tabular import open_table, table_dataset
from keiki.data.task import Dataset, Part, Skipped

FILE_NAME = "file_name"
FOLDERS = "class folder"  # column into which the class folders are written where the table has no labels
_SHOWN = 3


@SOURCES.add("metadata")
class MetadataSource(Source):
    """A row a file, named in the column `file_name`; labels come from the table, or else from class folders."""

    name: ClassVar[str] = "metadata"
    example: ClassVar[str] = "a folder of pictures with a metadata.csv or .jsonl that has a column file_name"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_dir() and bool(metadata(path))

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        table, file_column = _joined(path)
        place, asked = next(iter(metadata(path).values())), replace(request, files=None)
        if request.input and request.input != file_column and request.strict:
            return _named(table_dataset(table, place, asked, path), path)
        asked = replace(asked, input=file_column)
        folders = _class_folders(table.column(file_column))
        if folders is not None:
            asked = _with_folders(table, folders, file_column, path, asked)
        found = _named(table_dataset(table, place, asked, path), path)
        return replace(found, skipped=(*found.skipped, *_unnamed(path, found)))


def _joined(path: Path) -> tuple[Table, str]:
    """All metadata of a folder as one table, and its column of files, whose names begin at the folder."""
    tables = {part: open_table(file) for part, file in metadata(path).items()}
    columns = {part: _file_column(tables[part], file) for part, file in metadata(path).items()}
    first = next(iter(columns.values()))
    names = list(dict.fromkeys(name for table in tables.values() for name in table.columns))
    whole = Table(names, notes=[note for table in tables.values() for note in table.notes])
    for part, table in tables.items():
        start = f"{part}/" if part else ""
        whole.skipped += [replace(each, id=f"{start}{each.id}") for each in table.skipped]
        for number, row in zip(table.numbers, table.rows, strict=True):
            cells = dict(zip(table.columns, row, strict=True))
            file = cells.pop(columns[part]).strip().replace("\\", "/")
            at = number if len(tables) == 1 else len(whole.rows) + 1
            whole.add([f"{start}{file}" if name == first else cells.get(name, "") for name in names], at)
    _add_parts(whole, first)
    return whole, first


def _file_column(table: Table, file: Path) -> str:
    """`file_name`, or the one column whose cells name files beside the table."""
    usual = [name for name in table.columns if name.strip().casefold() == FILE_NAME]
    places = Places(file.parent)
    found = usual or [name for name in table.columns if file_kind(table, name, places)]
    if len(found) == 1:
        return found[0]
    raise ColumnError(
        f"The table '{file}' needs one column '{FILE_NAME}' with the names of the files beside it.",
        hint=f"Its columns are {listing(table.columns, 12)}.",
    )


def _add_parts(table: Table, file_column: str) -> None:
    """A column of parts where the files lie in folders that are called so, and the table has no such column."""
    files = table.column(file_column)
    parts = _parts(files)
    if len(parts) > 1 and not any(name.casefold() in SPLIT_NAMES for name in table.columns):
        table.put(part_column(table.columns), [parts.get(name.split("/")[0], "") for name in files])


def _parts(files: Sequence[str]) -> dict[str, Part]:
    """Top folders that are parts of a split; unlike in other folders, no class folders need to lie in them."""
    return parts_of([f"{name}/" if name.count("/") == 1 else name for name in files])


def _class_folders(files: Sequence[str]) -> list[str] | None:
    """The class folder of every file, '' for those in none; None where most lie in none, or all in one."""
    place = 1 if _parts(files) else 0
    pieces = [name.split("/") for name in files]
    classes = [spelled(each[place]) if len(each) > place + 1 else "" for each in pieces]
    return classes if 2 * classes.count("") < len(classes) and len({*classes} - {""}) > 1 else None


def _with_folders(table: Table, folders: list[str], file_column: str, path: Path, request: Request) -> Request:
    """The request with the labels settled: the column and the folders agree, or one of them is there alone."""
    called = labelled_by(table, {file_column, request.group or "", request.time or ""})
    if request.label is None and len(called) > 1:
        return request  # which of them is asked for where the columns are chosen
    column = request.label or (called[0] if called else None)
    if column is None:
        name = FOLDERS if FOLDERS not in table.columns else f"{FOLDERS} (2)"
        table.put(name, folders)
        n_classes = len({*folders} - {""})
        table.notes.append(f"The {n_classes} class folders are the labels; the table has no column of labels.")
        return replace(request, label=name)
    if column in table.columns:
        _compare(table, folders, column, file_column, path, request)
    return request


@dataclass(frozen=True)
class _Pair:
    """What folder and column say of one file."""

    file: str
    folder: str
    label: str

    @property
    def differs(self) -> bool:
        return self.folder.casefold() != self.label.casefold()


def _compare(table: Table, folders: list[str], column: str, file_column: str, path: Path, request: Request) -> None:
    """Raise DataError where folders and column contradict each other; else say how they go together."""
    labels = [spelled(cell) for cell in table.column(column)]
    triples = zip(table.column(file_column), folders, labels, strict=True)
    pairs = [_Pair(*each) for each in triples if each[1] and each[2].casefold() not in MISSING]
    if not any(each.differs for each in pairs):
        table.notes.append(f"Column '{column}' and the class folders agree.")
        return
    if not {each.folder.casefold() for each in pairs} & {each.label.casefold() for each in pairs}:
        ways = {(each.folder, each.label) for each in pairs}
        if len(ways) == len({folder for folder, _ in ways}) == len({label for _, label in ways}):
            table.notes.append(f"Column '{column}' names the class folders otherwise: {_ways(ways)}.")
            return
        if request.label:
            table.notes.append(f"Column '{column}' was taken for the label, as asked; the folders have other names.")
            return
    raise _disagreement(pairs, column, path)


def _ways(ways: set[tuple[str, str]]) -> str:
    first = sorted(ways, key=lambda each: natural(each[0]))[:_SHOWN]
    return ", ".join(f"'{folder}' is '{label}'" for folder, label in first) + (", ..." if len(ways) > _SHOWN else "")


def _disagreement(pairs: list[_Pair], column: str, path: Path) -> DataError:
    wrong = [each for each in pairs if each.differs]
    kinds = Counter((each.folder, each.label) for each in wrong).most_common(_SHOWN)
    counts = ", ".join(f"{n} in '{folder}' labelled '{label}'" for (folder, label), n in kinds)
    shown = "; ".join(
        f"'{each.file}' lies in '{each.folder}' but has the label '{each.label}'" for each in wrong[:_SHOWN]
    )
    tables = list(metadata(path).values())
    alone = f" To go by the table alone, give it instead of the folder: '{tables[0]}'." if len(tables) == 1 else ""
    return DataError(
        f"In '{path}' the class folders and column '{column}' of {tables[0].name} disagree about {len(wrong)} of "
        f"{len(pairs)} files ({counts}): {shown}.",
        hint=f"Correct one of them.{alone}",
    )


def _named(found: Dataset, path: Path) -> Dataset:
    return replace(found, name=spelled(path.resolve().name) or "data")


def _unnamed(path: Path, found: Dataset) -> list[Skipped]:
    """Files in the folder of which the table says nothing: they were never meant, but are listed."""
    walk = Walk(path)
    known = {os.path.abspath(raw) for raw in found.items.raws if isinstance(raw, Path)}
    known |= {os.path.abspath(file) for file in metadata(path).values()}
    listed = {each.id for each in found.skipped} | set(found.items.ids)
    names = [item_name(file, path) for file in walk.files() if os.path.abspath(file) not in known]
    lost = [Skipped(name, "not named in the metadata", foreign=True) for name in names if name not in listed]
    return [*walk.skipped, *lost]
