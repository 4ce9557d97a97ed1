"""Tables as rows of text cells: CSV, TSV and JSON lines of any common encoding, and where what is wrong stands."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from keiki.core.errors import DataError, UnreadableItem
from keiki.data.passage import DAMAGED, LATIN, WINDOWS, decoded
from keiki.data.picture import read_file
from keiki.data.task import Skipped

SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json"})
MOST_COLUMNS = 16_384  # as many as a spreadsheet has
MOST_CELLS = 20_000_000  # rows times columns, empty ones included; a few gigabytes of memory
_JSON = frozenset({".jsonl", ".ndjson", ".json"})
_TABS = frozenset({".tsv", ".tab"})
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOKED_AT = 50  # rows that the delimiter is told from
_AGAIN = 10  # times the length of a table that is read again where quotes do not match; then lines stand alone
_SPARSE = 1_000_000  # cells from which on so many of them must be filled:
_FILLED = 0.02
_SAID = re.compile(r'\s*"?sep=([,;|\t])"?\s*', re.IGNORECASE)  # first line of tables that are meant for Excel
_LIMIT = threading.Lock()

# First bytes of what is no text, and what to do with it.
_OTHERS = (
    (b"PK\x03\x04", "a zip or a spreadsheet", "Rename it to .xlsx or .zip, whichever it is."),
    (b"\xd0\xcf\x11\xe0", "an old or protected spreadsheet", "Open it and save it as .xlsx or .csv."),
    (b"PAR1", "a Parquet file", "Rename it to .parquet."),
    (b"\x1f\x8b", "packed by gzip", "Unpack it first: gunzip FILE"),
    (b"%PDF", "a PDF", "Save the table as .csv or .xlsx."),
    (b"SQLite format 3", "a database", "Export the table as .csv."),
)
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)


@dataclass(frozen=True)
class SkippedRow(Skipped):
    """A row that is left out. number: its place in the file; before: how many items stand before it."""

    number: int = 0
    before: int = 0


@dataclass
class Table:
    """Columns in their order, `rows` of as many cells, `numbers` = place of each row in the file (1 = first).

    Missing cells are ''. `skipped` lists rows that could not be read, `notes` what was guessed on the way. `embedded`:
    columns whose pictures lie in the table itself; called, they are laid on the disk, one path (or None) a row.
    """

    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    embedded: dict[str, Callable[[], list[Path | None]]] = field(default_factory=dict)

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def add(self, cells: list[str], number: int) -> None:
        self.rows.append(cells)
        self.numbers.append(number)

    def put(self, name: str, cells: list[str]) -> None:
        """A column more, before the others."""
        self.columns.insert(0, name)
        for row, cell in zip(self.rows, cells, strict=True):
            row.insert(0, cell)


def read_table(path: Path) -> Table:
    """The rows of the table at `path`; raises DataError where there is no table in it."""
    try:
        data = read_file(path)
        _refuse_others(path, data)
        text, encoding = decoded(data)
    except UnreadableItem as problem:
        raise DataError(f"The table '{path}' cannot be used: {problem.reason}.", hint="Save it as UTF-8.") from problem
    table = _from_json(path, text) if path.suffix.lower() in _JSON else _from_csv(path, text)
    table.notes[:0] = [_said(path, data, encoding)] if encoding else []
    if not table.rows:
        reasons = "; ".join(f"{each.id}: {each.reason}" for each in table.skipped[:3])
        raise DataError(
            f"The table '{path}' has no rows that can be read{': ' + reasons if reasons else ''}.",
            hint="The first line must name the columns, and every other line be a row with as many cells.",
        )
    return table


def cell_text(value: object) -> str:
    """A value as the text of a cell; '' for what is missing. Yes and no are spelled as pandas writes them to a CSV.

    >>> cell_text(True), cell_text(2.0), cell_text(None), cell_text(float("nan")), cell_text([1, "a"])
    ('True', '2', '', '', '[1, "a"]')
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # 1.0 where a column of whole numbers has gaps
    if not isinstance(value, list | tuple | dict):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # nested in itself, or too deeply to be written down
        return type(value).__name__


def unique(names: list[str]) -> list[str]:
    """Column names without gaps and repeats.

    >>> unique(["a", "", "a"])
    ['a', 'column 2', 'a (2)']
    """
    seen: Counter[str] = Counter()
    found = []
    for position, name in enumerate(names, start=1):
        name = name or f"column {position}"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def refuse_too_wide(path: Path, n_columns: int) -> None:
    """Raise DataError for more columns than any table has."""
    if n_columns > MOST_COLUMNS:
        raise DataError(
            f"The table '{path}' has {n_columns:,} columns; the limit is {MOST_COLUMNS:,}.",
            hint="Is it separated by commas, semicolons, tabs or bars, and does its first line name the columns?",
        )


def refuse_too_large(path: Path, n_rows: int, n_columns: int, n_filled: int | None = None) -> None:
    """Raise DataError where rows times columns are more than fit into memory; asked before they are laid out.

    n_filled: how many cells hold something, where a file says only that. Few of very many are refused as well: what a
    table costs must not grow with the square of its file.
    """
    if n_rows * n_columns > MOST_CELLS:
        raise DataError(
            f"The table '{path}' has {n_rows:,} rows of {n_columns:,} columns; the limit is {MOST_CELLS:,} cells.",
            hint="Take a sample of the rows, or leave out columns.",
        )
    if n_filled is not None and is_hollow(n_rows, n_columns, n_filled):
        raise DataError(
            f"The table '{path}' has {n_rows:,} rows of {n_columns:,} columns, and only {n_filled:,} cells are filled.",
            hint="Give all rows the same columns.",
        )


def is_hollow(n_rows: int, n_columns: int, n_filled: int) -> bool:
    """Whether a table is large only because nearly all of its cells are empty.

    >>> is_hollow(10_000, 1_000, 40_000), is_hollow(1_000_000, 5, 1_000_000)
    (True, False)
    """
    return n_rows * n_columns > _SPARSE and n_filled < _FILLED * n_rows * n_columns


def _refuse_others(path: Path, data: bytes) -> None:
    found = next(((what, cure) for start, what, cure in _OTHERS if data.startswith(start)), None)
    if found is None and _PAGE.match(data):
        found = ("a web page or XML", "Perhaps a page to log in was saved instead of the table; download it again.")
    if found is not None:
        raise DataError(f"'{path}' is not a table of text but {found[0]}.", hint=found[1])


def _said(path: Path, data: bytes, encoding: str) -> str:
    """What was guessed of the encoding."""
    if encoding == DAMAGED:
        return (
            f"'{path.name}' is damaged UTF-8 (line {_first_strange_line(data)}); letters that cannot be read became "
            "'\N{REPLACEMENT CHARACTER}'."
        )
    if encoding not in (WINDOWS, LATIN):
        return f"'{path.name}' was taken for {encoding}, as its bytes say."
    strange = f"'{path.name}' is not UTF-8 (line {_first_strange_line(data)}) and was taken for {encoding}."
    return f"{strange} If letters look wrong, save it as UTF-8."


def _first_strange_line(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as problem:
        return data.count(b"\n", 0, problem.start) + 1
    return 0


def _from_csv(path: Path, text: str) -> Table:
    lines = list(io.StringIO(text, newline=""))
    usual = "\t" if path.suffix.lower() in _TABS else ","
    if said := _SAID.fullmatch(lines[0]) if lines else None:
        lines[0] = "\n"  # stays, so that the lines keep their numbers
    refuse_too_wide(path, max((lines[0].count(each) for each in _DELIMITERS), default=0) if lines else 0)
    delimiter = said[1] if said else _delimiter(lines, usual)
    found = _records(lines, delimiter)
    header = next((record for record in found if record.wrong or any(record.cells)), None)
    if header is None:
        raise DataError(f"The table '{path}' is empty.", hint="The first line must name the columns.")
    if header.wrong:
        raise DataError(
            f"Line {header.line} of '{path}', which must name the columns, cannot be read: {header.wrong}.",
            hint="Correct the quotes in it.",
        )
    table = Table(unique([cell.strip() for cell in header.cells]))
    if delimiter != usual and not said:
        table.notes.append(f"'{path.name}' is separated by {_DELIMITERS[delimiter]}.")
    alone = 0
    for number, record in enumerate(found, start=1):
        alone = alone or (record.line if record.alone else 0)
        wrong = record.wrong or _ragged(record, len(table.columns))
        if wrong:
            table.skipped.append(SkippedRow(f"row {number} (line {record.line})", wrong, number=number))
        elif any(cell.strip() for cell in record.cells):  # a row of nothing but delimiters is an empty line
            table.add(record.cells[: len(table.columns)], number)
    if alone:
        table.notes.append(
            f"So many quotes of '{path.name}' do not match that from line {alone} on every line was read as a row."
        )
    return table


@dataclass(frozen=True)
class _Record:
    """One row as it stands in the file: its first line, its cells, and what is wrong with it.

    lines: how many were read for it. alone: no more than one was looked at.
    """

    line: int
    cells: list[str]
    wrong: str = ""
    lines: int = 1
    alone: bool = False


def _records(lines: list[str], delimiter: str, width: int | None = None) -> Iterator[_Record]:
    """The rows in order. A quote that is opened and never closed costs its own line, not the rest of the file.

    Rows of several lines whose number of cells is wrong are such a case too: reading goes on at their second line. That
    is what makes lines be read again; where they add up to _AGAIN times the table, the lines left are read one by one.
    """
    start, spare = 0, _AGAIN * sum(map(len, lines))
    while start < len(lines):
        alone = spare <= 0
        for record in _run(lines, start, start + 1 if alone else len(lines), delimiter):
            if record.cells and width is None:
                width = len(record.cells)
            if record.wrong or (record.lines > 1 and len(record.cells) != width):
                wrong = record.wrong or "a quote is opened and not closed"
                yield replace(record, wrong=wrong, alone=alone)
                spare -= sum(len(lines[i]) for i in range(record.line - 1, record.line - 1 + record.lines))
                start = record.line
                break
            start = record.line - 1 + record.lines
            if record.cells:
                yield replace(record, alone=alone) if alone else record


def _run(lines: list[str], start: int, stop: int, delimiter: str) -> Iterator[_Record]:
    """Rows of the lines from `start` (0 = first) to `stop`, up to the first that the reader cannot make sense of."""
    with _LIMIT:
        csv.field_size_limit(sys.maxsize)
    reader = csv.reader((lines[i] for i in range(start, stop)), delimiter=delimiter, strict=True)
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _Record(start + before + 1, [], "its quotes do not match", reader.line_num - before)
            return
        yield _Record(start + before + 1, cells, lines=reader.line_num - before)
        before = reader.line_num


def _ragged(record: _Record, width: int) -> str:
    """What is wrong with the number of cells; empty ones too many are no harm, many programs end lines so."""
    cells = record.cells
    return "" if len(cells) == width or not any(cells[width:]) and len(cells) > width else _cells(len(cells), width)


def _cells(count: int, width: int) -> str:
    return f"{count} cells instead of {width}"


def _delimiter(lines: list[str], usual: str) -> str:
    """The delimiter that gives most rows the same number (above 1) of cells; the usual one where none is better."""
    sample = [line for line in lines[: 4 * _LOOKED_AT] if line.strip()][:_LOOKED_AT]

    def score(delimiter: str) -> tuple[float, bool, int]:
        counts = Counter(len(record.cells) for record in _run(sample, 0, len(sample), delimiter) if record.cells)
        width, times = max(counts.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
        same = times / max(1, sum(counts.values()))
        return (round(same, 1) if width > 1 else 0.0), delimiter == usual, width

    return max([usual, *(each for each in _DELIMITERS if each != usual)], key=score)


def _from_json(path: Path, text: str) -> Table:
    table = Table([])
    objects: list[tuple[int, dict[str, object]]] = []
    for number, value, wrong in _json_values(path, text):
        if isinstance(value, dict):
            objects.append((number, value))
        else:
            table.skipped.append(SkippedRow(f"row {number}", wrong or "not an object with named values", number=number))
    table.columns = list(dict.fromkeys(str(name) for _, each in objects for name in each))
    refuse_too_wide(path, len(table.columns))
    refuse_too_large(path, len(objects), len(table.columns), sum(len(each) for _, each in objects))
    for number, each in objects:
        table.add([cell_text(each.get(name)) for name in table.columns], number)
    return table


def _json_values(path: Path, text: str) -> Iterator[tuple[int, object, str]]:
    """Number, value and what is wrong with it: of a list of objects, or of one object a line, whatever the suffix."""
    if text.lstrip().startswith("[") and (path.suffix.lower() == ".json" or _json_line(text)[1] == ""):
        yield from ((number, value, "") for number, value in enumerate(_json_list(path, text), start=1))
        return
    lines = [(number, line) for number, line in enumerate(io.StringIO(text), start=1) if line.strip()]
    if path.suffix.lower() == ".json" and (not lines or _json_line(lines[0][1])[1]):
        raise DataError(f"'{path}' is not JSON, or no list of objects.", hint=_JSON_HINT)
    for number, line in lines:
        value, wrong = _json_line(line)
        yield number, value, wrong


_JSON_HINT = 'Give JSON lines, one object a line: {"text": ..., "label": ...}'


def _json_list(path: Path, text: str) -> list[object]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as problem:
        place = f" (line {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ", or nested too deeply"
        raise DataError(f"'{path}' is not JSON{place}.", hint=_JSON_HINT) from problem
    return values if isinstance(values, list) else []


def _json_line(line: str) -> tuple[object, str]:
    try:
        return json.loads(line), ""
    except ValueError:
        return None, "not JSON"
    except RecursionError:
        return None, "nested too deeply"
