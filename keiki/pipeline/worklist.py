"""The table that a person fills in: the suggested items as they came, an empty label, what the model thinks and why.

`keiki fit --add` reads it once labels stand in it (`data/adding.py`). Files are named relative to the table where they
lie below its folder, so that both can be moved together, else by their whole path. Pictures out of an archive are laid
beside the table.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keiki.core.errors import ColumnError, RequestError, UnreadableItem
from keiki.core.files import write_bytes
from keiki.core.places import cache_root
from keiki.core.spreadsheet import write_rows
from keiki.data.columns import choose
from keiki.data.names import printable
from keiki.data.passage import legible
from keiki.data.rows import SUFFIXES
from keiki.data.sources.base import Request, parted
from keiki.data.sources.layout import PARQUET, WORKBOOKS
from keiki.data.sources.tabular import open_table
from keiki.data.task import Modality, Raw
from keiki.data.worksheet import OURS, unguarded

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # from it spreadsheets know that a table is UTF-8
PLAIN: dict[Modality, str] = {"image": "file", "text": "text"}  # the input's column where the pool has no columns


@dataclass(frozen=True)
class Suggestion:
    """One item to label: what it is called in the pool, what the model takes it for, and why it was chosen."""

    id: str
    raw: Raw
    label: str
    probability: float
    why: str


@dataclass(frozen=True)
class _Sheet:
    """Columns of the pool: the inputs, and what else stands there; both for each item, by its name."""

    inputs: tuple[str, ...]
    rest: tuple[str, ...]
    cells: dict[str, tuple[list[str], list[str]]]


def check_place(path: Path) -> None:
    """Raise RequestError where the table may not be written: another format, or a file that may hold labels."""
    if path.suffix.lower() != ".csv" or path.is_dir():
        raise RequestError(f"--out must name a file that ends in .csv, but got '{path}'.")
    if path.exists():
        raise RequestError(
            f"'{path}' exists, and labels may have been filled in there.", hint="Name another file by --out."
        )


def write(path: Path, items: Sequence[Suggestion], modality: Modality, pool: Path, request: Request) -> Path:
    """The table at `path`, whole or not at all; raises RequestError where it may not be written."""
    check_place(path)
    sheet = _sheet(items, modality, pool, request)
    files = _files(path, items) if modality == "image" else None
    rows = [[*sheet.inputs, *OURS, *sheet.rest]]
    for place, item in enumerate(items):
        inputs, rest = sheet.cells[item.id]
        shown = inputs if files is None else [files[place]]
        rows.append([*shown, "", item.label, f"{item.probability:.4f}", item.why, *rest])
    out = io.StringIO(newline="")  # line ends in a text stay what they are
    write_rows(out, rows)
    text = out.getvalue()
    return write_bytes(path, (text if text.isascii() else BOM + text).encode("utf-8"))


def _sheet(items: Sequence[Suggestion], modality: Modality, pool: Path, request: Request) -> _Sheet:
    """The pool's own columns where it is a table and they say what the items are; else one column."""
    whole, inner = parted(pool)
    table = whole.is_file() and whole.suffix.lower() in SUFFIXES | PARQUET | WORKBOOKS
    found = _columns(whole, inner, modality, request) if table else None
    if found is not None and all(_same(found, item, modality) for item in items):
        return found
    return _Sheet((PLAIN[modality],), (), {item.id: ([str(item.raw)], []) for item in items})


def _columns(pool: Path, inner: str | None, modality: Modality, request: Request) -> _Sheet | None:
    """The table's columns, without its labels and parts; None where they could not be told from ours."""
    table = unguarded(open_table(pool, inner))
    try:
        columns = choose(table, pool, request.files or pool.parent, replace(request, labelled=False))
    except ColumnError:
        return None  # the source has read it in another way
    inputs = columns.inputs
    if set(inputs) & set(OURS) or (len(inputs) > 1 and any("," in name for name in inputs)):
        return None
    gone = {*inputs, *OURS, columns.label, columns.split}
    rest = tuple(name for name in table.columns if name not in gone)
    cells: dict[str, tuple[list[str], list[str]]] = {}
    for number, row in zip(table.numbers, table.rows, strict=True):
        by_name = dict(zip(table.columns, row, strict=True))
        row_name = f"row {number}"
        name = printable(by_name[inputs[0]].strip()) if columns.files else row_name
        if not name or name in cells:
            name = f"{name} ({row_name})" if name else row_name
        cells[name] = ([by_name[each] for each in inputs], [by_name[each] for each in rest])
    return _Sheet(inputs, rest, cells)


def _same(sheet: _Sheet, item: Suggestion, modality: Modality) -> bool:
    """Whether the cells found for an item are that item: read back, they must give the same text."""
    if item.id not in sheet.cells:
        return False
    if modality == "image":
        return True
    try:
        return legible("\n".join(cell for cell in sheet.cells[item.id][0] if cell.strip())) == item.raw
    except UnreadableItem:
        return False


def _files(path: Path, items: Sequence[Suggestion]) -> list[str]:
    """How the table names each picture; those that lie in keiki's cache are copied beside the table."""
    folder, kept = path.parent.resolve(), cache_root().resolve()
    named = []
    for place, item in enumerate(items, start=1):
        file = Path(os.path.abspath(str(item.raw)))
        if file.resolve().is_relative_to(kept):
            file = write_bytes(folder / f"{path.stem}-files" / f"{place:03d}-{file.name}", file.read_bytes())
        named.append(printable(file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)))
    return named
