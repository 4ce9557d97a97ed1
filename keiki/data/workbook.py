"""Spreadsheets (.xlsx) as rows of text cells: one sheet, whose rows are called by their number in it.

What a person sees and a program cannot know is refused with the address of the cell: merged cells, and formulas whose
value was never stored. Lines above the header with a single cell in them are taken for a title, and that is said.
openpyxl finds the sheets, shared texts and formats of dates; the cells are read here, in one pass over the XML, because
openpyxl shows neither merged cells nor formulas where it reads values.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from keiki.core.errors import DataError
from keiki.core.options import near_miss
from keiki.data.names import listing
from keiki.data.picture import quiet
from keiki.data.rows import MOST_CELLS, MOST_COLUMNS, Table, cell_text, is_hollow, unique
from keiki.data.sources.archive import opened
from keiki.data.sources.base import MARK

MOST_ROWS = 1_048_576  # of a sheet, by the format
_OLD = b"\xd0\xcf\x11\xe0"  # .xls, and every protected workbook
_ADDRESS = re.compile(r"([A-Za-z]{1,7})(\d{1,12})")


def read_workbook(path: Path, sheet: str | None = None) -> Table:
    """The rows of a sheet; raises DataError with the choices where several could be meant."""
    _refuse_old(path)
    with opened(path, "spreadsheet") as archive, quiet(), path.open("rb") as file:
        try:
            return _table(path, _chosen(path, _sheets(path, archive, file, sheet), sheet))
        except DataError:
            raise
        except Exception as problem:  # what a reader raises on damaged bytes is not a closed list
            raise DataError(
                f"The spreadsheet '{path}' is damaged.", hint="Open it, and save it anew as .xlsx or .csv."
            ) from problem


def _refuse_old(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as problem:
        raise DataError(f"The spreadsheet '{path}' cannot be read: {problem.strerror}.") from problem
    if start == _OLD:
        raise DataError(
            f"The spreadsheet '{path}' is protected by a password, or of the old format .xls.",
            hint="Open it, and save it without a password as .xlsx or .csv.",
        )


@dataclass
class _Sheet:
    """What stands in a sheet: of each row with something in it its number and cells (column from 1, text); the width;
    how many cells hold something; merged ranges and formulas without a value, by address."""

    name: str
    rows: list[tuple[int, list[tuple[int, str]]]] = field(default_factory=list)
    width: int = 0
    n_filled: int = 0
    merged: list[str] = field(default_factory=list)
    hollow: list[str] = field(default_factory=list)


def _sheets(path: Path, archive: zipfile.ZipFile, file: IO[bytes], wanted: str | None) -> list[_Sheet]:
    """The sheets of a workbook; hidden ones, and those that are not wanted, only by name."""
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    found, limit = [], _Limit(path)
    for each in book.worksheets:
        sheet = _Sheet(each.title)
        if each.title.casefold() == wanted.casefold() if wanted else each.sheet_state == "visible":
            cells = _Cells(each._shared_strings, book._date_formats, book._timedelta_formats, book.epoch)
            _fill(sheet, archive, each._worksheet_path, cells, limit)
        found.append(sheet)
    return found


@dataclass
class _Limit:
    """How many cells of all sheets have been read, empty ones included; it ends a reading that would never end."""

    path: Path
    n_cells: int = 0
    n_in_row: int = 0

    def count(self) -> None:
        self.n_cells += 1
        self.n_in_row += 1
        if self.n_in_row > MOST_COLUMNS or self.n_cells > MOST_CELLS:
            raise DataError(
                f"The spreadsheet '{self.path}' has more than {MOST_CELLS:,} cells, or {MOST_COLUMNS:,} in a row.",
                hint="Take a sample of the rows, or leave out columns.",
            )


def _fill(sheet: _Sheet, archive: zipfile.ZipFile, member: str, cells: _Cells, limit: _Limit) -> None:
    """One pass over the XML of a sheet."""
    number = 0
    with archive.open(member) as stream:
        for row in _elements(stream, sheet.merged, limit):
            number = int(float(row.get("r") or number + 1))
            found = [(_column(cell, at), cell) for at, cell in enumerate(row, start=1) if cell.tag.endswith("}c")]
            sheet.hollow += [cell.get("r") or f"row {number}" for _, cell in found if _is_hollow(cell)]
            filled = [(column, text) for column, cell in found if (text := cells.text(cell))]
            if filled:
                sheet.rows.append((number, filled))
                sheet.n_filled += len(filled)
                sheet.width = max(sheet.width, *(column for column, _ in filled))


def _elements(stream: IO[bytes], merged: list[str], limit: _Limit) -> Iterator[ElementTree.Element]:
    """The rows of a sheet, one at a time; merged ranges, which follow them, are added to `merged`."""
    for _, node in ElementTree.iterparse(stream, events=("end",)):
        if node.tag.endswith("}c"):
            limit.count()
        elif node.tag.endswith("}row"):
            limit.n_in_row = 0
            yield node
            node.clear()  # or the whole sheet would gather in memory
        elif node.tag.endswith("}mergeCell"):
            merged.append(node.get("ref") or "")


@dataclass(frozen=True)
class _Cells:
    """What the cells of a workbook refer to: shared texts, and which formats (by number) are those of dates."""

    strings: list[str]
    dates: set[int]
    spans: set[int]
    epoch: datetime

    def text(self, cell: ElementTree.Element) -> str:
        """The text that a person sees in a cell; errors of formulas count as missing."""
        kind, value = cell.get("t", "n"), _part(cell, "v")
        raw = value.text if value is not None else None
        if kind == "inlineStr":
            inline = _part(cell, "is")
            return "" if inline is None else "".join(_texts(inline))
        if not raw or kind == "e":
            return ""
        if kind == "s":
            return str(self.strings[int(raw)] or "")
        if kind == "b":
            return cell_text(raw == "1")
        return self._number(raw, int(cell.get("s") or 0)) if kind == "n" else raw

    def _number(self, raw: str, style: int) -> str:
        number = int(raw) if raw.lstrip("-").isdecimal() else float(raw)
        if style not in self.dates:
            return cell_text(number)
        from openpyxl.utils.datetime import from_excel

        try:
            return _moment(from_excel(number, self.epoch, timedelta=style in self.spans))
        except (OverflowError, ValueError):
            return ""  # beyond the calendar: spreadsheets show an error there


def _texts(inline: ElementTree.Element) -> Iterator[str]:
    """The pieces of a formatted text, without its phonetic reading."""
    for each in inline:
        if each.tag.endswith("}t"):
            yield each.text or ""
        elif each.tag.endswith("}r"):
            yield from _texts(each)


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else cell_text(value)


def _part(cell: ElementTree.Element, name: str) -> ElementTree.Element | None:
    for each in cell:
        if each.tag.endswith(name) and each.tag[-len(name) - 1] == "}":
            return each
    return None


def _is_hollow(cell: ElementTree.Element) -> bool:
    """A formula without a stored value; an empty text is a value."""
    if not len(cell) or _part(cell, "f") is None:
        return False
    value = _part(cell, "v")
    return value is None or (not value.text and cell.get("t") != "str")


def _column(cell: ElementTree.Element, place: int) -> int:
    """The column of a cell, from 1; where it has no address, that of its place."""
    found = _ADDRESS.fullmatch(cell.get("r") or "")
    if found is None:
        return place
    number = 0
    for letter in found[1].upper():
        number = number * 26 + ord(letter) - 64
    return number


def _chosen(path: Path, sheets: list[_Sheet], wanted: str | None) -> _Sheet:
    if wanted is not None:
        return _named(path, sheets, wanted)
    filled = [each for each in sheets if len(each.rows) > 1 or each.hollow]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise DataError(
            f"The spreadsheet '{path}' has no sheet with rows in it.",
            hint="The first row must name the columns, and the rows below be the items.",
        )
    shown = ", ".join(f"'{each.name}' ({len(each.rows):,} rows)" for each in filled[:8])
    raise DataError(
        f"The spreadsheet '{path}' has {len(filled)} sheets with rows: {shown}.",
        hint=f"Name one: '{path}{MARK}{filled[0].name}'",
    )


def _named(path: Path, sheets: list[_Sheet], wanted: str) -> _Sheet:
    alike = [each for each in sheets if each.name.casefold() == wanted.casefold()]
    fitting = [each for each in alike if each.name == wanted] or alike
    if len(fitting) == 1:
        return fitting[0]
    names = [each.name for each in sheets]
    guess = near_miss(wanted, names)
    hint = f"Did you mean '{path}{MARK}{guess}'?" if guess else f"Its sheets are {listing(names, 8)}."
    raise DataError(f"The spreadsheet '{path}' has no sheet '{wanted}'.", hint=hint)


def _table(path: Path, sheet: _Sheet) -> Table:
    """The header, the first row with two cells or more (or with one, where no row has two), and the rows below it."""
    _refuse_extent(path, sheet)
    least = 2 if any(len(cells) > 1 for _, cells in sheet.rows) else 1
    top = next((at for at, (_, cells) in enumerate(sheet.rows) if len(cells) >= least), 0)
    first, names = sheet.rows[top]
    _refuse_marks(path, sheet, first)
    table = Table(unique([name.strip() for name in _spread(names, sheet.width)]))
    for number, cells in sheet.rows[top + 1 :]:
        row = _spread(cells, sheet.width)
        if any(cell.strip() for cell in row):
            table.add(row, number)
    if not table.rows:
        raise _no_rows(path, sheet)
    if top:
        table.notes.append(f"What stands above row {first} of sheet '{sheet.name}' was taken for a title.")
    return table


def _spread(cells: list[tuple[int, str]], width: int) -> list[str]:
    row = [""] * width
    for column, text in cells:
        row[column - 1] = text
    return row


def _no_rows(path: Path, sheet: _Sheet) -> DataError:
    return DataError(
        f"Sheet '{sheet.name}' of '{path}' has no rows below the names of its columns.", hint="Name another sheet."
    )


def _refuse_extent(path: Path, sheet: _Sheet) -> None:
    if not sheet.rows:
        _refuse_marks(path, sheet, 1)
    if not sheet.rows or len(sheet.rows) + len(sheet.hollow) < 2:
        raise _no_rows(path, sheet)
    last = max(number for number, _ in sheet.rows)
    if last > MOST_ROWS or sheet.width > MOST_COLUMNS:
        raise DataError(
            f"The spreadsheet '{path}' has cells beyond row {MOST_ROWS:,} or column {MOST_COLUMNS:,}.",
            hint="It is damaged; open it, and save it anew as .xlsx or .csv.",
        )
    n_rows = len(sheet.rows)
    if n_rows * sheet.width > MOST_CELLS or is_hollow(n_rows, sheet.width, sheet.n_filled):
        raise DataError(
            f"Sheet '{sheet.name}' of '{path}' reaches to row {last:,} and column {sheet.width:,}: too large.",
            hint="Delete what stands far off the table, or save the table as .csv.",
        )


def _refuse_marks(path: Path, sheet: _Sheet, header: int) -> None:
    """Raise DataError for merged cells and hollow formulas, unless they stand above the header."""
    merged = [each for each in sheet.merged if _last_row(each) >= header]
    if merged:
        raise DataError(
            f"Sheet '{sheet.name}' of '{path}' has merged cells: {listing(merged, 3)}.",
            hint="Unmerge them and write into each cell what it means; rows must stand for themselves.",
        )
    hollow = [each for each in sheet.hollow if _last_row(each) >= header]
    if hollow:
        raise DataError(
            f"Sheet '{sheet.name}' of '{path}' has formulas whose values are not stored: {listing(hollow, 3)}.",
            hint="Open it in a spreadsheet program and save it, or save it as .csv.",
        )


def _last_row(address: str) -> int:
    numbers = re.findall(r"\d+", address)
    return max(map(int, numbers), default=MOST_ROWS)
