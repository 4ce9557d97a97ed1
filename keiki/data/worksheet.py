"""What tells the table that `keiki suggest` wrote from others, and how its cells are read.

It has its inputs first, then LABEL (empty: a person fills it in), then what the model suggested and why. Its cells are
guarded against spreadsheets (`core/spreadsheet.py`); whoever reads it as items gets them as they were.
"""

from __future__ import annotations

from dataclasses import replace

from keiki.core.spreadsheet import bare
from keiki.data.rows import Table

LABEL = "label"
OURS = (LABEL, "suggested label", "probability", "why")  # columns of the table to fill in, behind its inputs


def written_inputs(table: Table) -> tuple[str, ...] | None:
    """The inputs of a table that `suggest` wrote; None where this is no such table.

    >>> written_inputs(Table(["file", "label", "suggested label", "probability", "why"]))
    ('file',)
    >>> written_inputs(Table(["file", "label"])) is None
    True
    """
    at = table.columns.index(LABEL) if LABEL in table.columns else 0
    return tuple(table.columns[:at]) if at and tuple(table.columns[at : at + len(OURS)]) == OURS else None


def unguarded(table: Table) -> Table:
    """The table with the cells that `suggest` was given; any other table as it is. Columns keep their names.

    >>> unguarded(Table(["text", *OURS], [["'=x", "", "a", "0.5", ""]])).rows[0][0]
    '=x'
    """
    if written_inputs(table) is None:
        return table
    return replace(table, rows=[[bare(cell) for cell in row] for row in table.rows])
