"""CSV for people and programs alike: every reader takes it apart as it was put together, and no cell is a formula.

A spreadsheet computes what begins with = + - @, and so sends away what stands beside it if a stranger's text says so.
Such cells get an apostrophe in front. Source: OWASP, "CSV Injection",
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

GUARD = "'"
_FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")  # the last four are wide letters
_NUMBER = re.compile(r"[+-]?(?=[.,]?[0-9])[0-9.,]+(?:[eE][+-]?[0-9]+)?")
_ROW_END = "\r\n"


def guarded(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would take it for a formula; numbers stay.

    >>> guarded("=SUM(A1)"), guarded("- milk"), guarded("-1.5"), guarded("a=b")
    ("'=SUM(A1)", "'- milk", '-1.5', 'a=b')
    """
    return GUARD + cell if _is_risky(cell) else cell


def bare(cell: str) -> str:
    """The cell that `guarded` was given: `bare(guarded(cell)) == cell` for every cell.

    >>> bare("'=SUM(A1)"), bare("'tis")
    ('=SUM(A1)', "'tis")
    """
    return cell[1:] if cell.startswith(GUARD) and _is_risky(cell[1:]) else cell


def write_rows(file: TextIO, rows: Iterable[Sequence[str]]) -> None:
    """Rows as CSV with guarded cells and a line feed after each; cells with a line end of any kind are quoted."""
    csv.writer(_Lines(file), lineterminator=_ROW_END).writerows([guarded(cell) for cell in row] for row in rows)


class _Lines:
    """Ends rows by a line feed alone. Told so itself, Python's writer would leave a lone carriage return unquoted."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix(_ROW_END) + "\n")


def _is_risky(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)
