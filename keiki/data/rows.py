"""Tables as rows of text cells: CSV, TSV and JSON lines of any common encoding, and where what is wrong stands."""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keiki.core.errors import DataError, UnreadableItem
from keiki.data.picture import read_file
from keiki.data.task import Skipped

SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json"})
_JSON = frozenset({".jsonl", ".ndjson", ".json"})
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOKED_AT = 50  # rows that the delimiter is told from
_LIMIT = threading.Lock()


@dataclass
class Table:
    """Columns in their order, `rows` of as many cells, `numbers` = place of each row in the file (1 = first).

    Missing cells are ''. `skipped` lists rows that could not be read, `notes` what was guessed on the way.
    """

    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def add(self, cells: list[str], number: int) -> None:
        self.rows.append(cells)
        self.numbers.append(number)


def read_table(path: Path) -> Table:
    """The rows of the table at `path`; raises DataError where there is no table in it."""
    try:
        data = read_file(path)
    except UnreadableItem as problem:
        raise DataError(f"The table '{path}' cannot be used: {problem.reason}.") from problem
    text, note = _decoded(path, data)
    table = _from_json(path, text) if path.suffix.lower() in _JSON else _from_csv(path, text)
    table.notes[:0] = [note] if note else []
    if not table.rows:
        reasons = "; ".join(f"{each.id}: {each.reason}" for each in table.skipped[:3])
        raise DataError(f"The table '{path}' has no rows that can be read{': ' + reasons if reasons else ''}.")
    return table


def _decoded(path: Path, data: bytes) -> tuple[str, str]:
    """The text of the file, and what was guessed of its encoding."""
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig", "replace"), ""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strictly(path, data, "utf-16"), f"'{path.name}' is UTF-16, as its first bytes say."
    if data.count(0) * 4 > len(data):
        name = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return _strictly(path, data, name), f"'{path.name}' was taken for {name.upper()} because every other byte is 0."
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        said = f"'{path.name}' is not UTF-8 (line {line}) and was taken for"
    try:
        return data.decode("cp1252"), f"{said} Windows-1252. If letters look wrong, save it as UTF-8."
    except UnicodeDecodeError:
        return data.decode("latin-1"), f"{said} Latin-1. If letters look wrong, save it as UTF-8."


def _strictly(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise DataError(
            f"The table '{path}' looks like {encoding.upper()} but breaks off or is damaged at byte {problem.start}.",
            hint="Save it as UTF-8.",
        ) from problem


def _from_csv(path: Path, text: str) -> Table:
    lines = list(io.StringIO(text, newline=""))
    delimiter = _delimiter(lines, "\t" if path.suffix.lower() in (".tsv", ".tab") else ",")
    found = _records(lines, delimiter)
    header = next((record for record in found if record.cells), None)
    if header is None or not header.cells:
        raise DataError(f"The table '{path}' is empty.", hint="The first line must name the columns.")
    table = Table(_unique([cell.strip() for cell in header.cells]))
    usual = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    if delimiter != usual:
        table.notes.append(f"'{path.name}' is separated by {_DELIMITERS[delimiter]}.")
    for number, record in enumerate(found, start=1):
        wrong = record.wrong or _ragged(record, len(table.columns))
        if wrong:
            table.skipped.append(Skipped(f"row {number} (line {record.line})", wrong))
        else:
            table.add(record.cells, number)
    return table


@dataclass(frozen=True)
class _Record:
    """One row as it stands in the file: its first line, its cells, and what is wrong with it."""

    line: int
    cells: list[str]
    wrong: str = ""
    lines: int = 1


def _records(lines: list[str], delimiter: str, width: int | None = None) -> Iterator[_Record]:
    """The rows in order. A quote that is opened and never closed costs its own line, not the rest of the file.

    Rows of several lines whose number of cells is wrong are such a case too: reading goes on at their second line.
    """
    start = 0
    while start < len(lines):
        for record in _run(lines, start, delimiter):
            if record.cells and width is None:
                width = len(record.cells)
            torn = record.wrong or (record.lines > 1 and len(record.cells) != width)
            if torn:
                yield _Record(record.line, record.cells, record.wrong or "a quote is opened and not closed")
                start = record.line
                break
            start = record.line - 1 + record.lines
            if record.cells:
                yield record
        else:
            return


def _run(lines: list[str], start: int, delimiter: str) -> Iterator[_Record]:
    """Rows from line number `start` (0 = first) on, up to the first that the reader cannot make sense of."""
    with _LIMIT:
        csv.field_size_limit(sys.maxsize)
    reader = csv.reader((lines[i] for i in range(start, len(lines))), delimiter=delimiter, strict=True)
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _Record(start + before + 1, [], "its quotes do not match")
            return
        yield _Record(start + before + 1, cells, lines=reader.line_num - before)
        before = reader.line_num


def _ragged(record: _Record, width: int) -> str:
    count = len(record.cells)
    return "" if count == width else f"{count} cells instead of {width}"


def _delimiter(lines: list[str], usual: str) -> str:
    """The delimiter that gives most rows the same number (above 1) of cells; the usual one where none is better."""
    sample = [line for line in lines[: 4 * _LOOKED_AT] if line.strip()][:_LOOKED_AT]

    def score(delimiter: str) -> tuple[float, bool, int]:
        counts = Counter(len(record.cells) for record in _run(sample, 0, delimiter) if record.cells)
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
            table.skipped.append(Skipped(f"row {number}", wrong or "not an object with named values"))
    table.columns = list(dict.fromkeys(str(name) for _, each in objects for name in each))
    for number, each in objects:
        table.add([_cell(each.get(name)) for name in table.columns], number)
    return table


def _json_values(path: Path, text: str) -> Iterator[tuple[int, object, str]]:
    if path.suffix.lower() == ".json":
        try:
            values = json.loads(text)
        except ValueError as problem:
            raise DataError(f"'{path}' is not JSON: {problem}.") from problem
        if not isinstance(values, list):
            raise DataError(f"'{path}' holds no list of objects.", hint="Give JSON lines: one object a line.")
        yield from ((number, value, "") for number, value in enumerate(values, start=1))
        return
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line), ""
        except ValueError:
            yield number, None, "not JSON"


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unique(names: list[str]) -> list[str]:
    """Column names without gaps and repeats.

    >>> _unique(["a", "", "a"])
    ['a', 'column 2', 'a (2)']
    """
    seen: Counter[str] = Counter()
    unique = []
    for position, name in enumerate(names, start=1):
        name = name or f"column {position}"
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
