"""Columns that nobody asked for but that may be ids of what belongs together: kept for a hint."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from keiki.data.columns import MISSING
from keiki.data.hints import called_like_id
from keiki.data.names import spelled
from keiki.data.rows import Table


def spare_ids(table: Table, rows: Sequence[int], used: Collection[str | None]) -> dict[str, tuple[str, ...]]:
    """Cells of `rows` in the columns that are called like ids, are not `used`, and hold some value twice; '' is empty.

    Each value is kept once, however often it stands there.

    >>> table = Table(["text", "patient"], [["a", "p1 "], ["b", "p2"], ["c", "p1"], ["d", "n/a"]], [1, 2, 3, 4])
    >>> spare_ids(table, [0, 2, 3], {"text"})
    {'patient': ('p1', 'p1', '')}
    """
    found = {}
    for at, name in enumerate(table.columns):
        if name in used or not called_like_id(name):
            continue
        once: dict[str, str] = {}
        cells = tuple(once.setdefault(cell, cell) for cell in (_filled(table.rows[row][at]) for row in rows))
        filled = sum(map(bool, cells))
        if filled > len(once.keys() - {""}):
            found[name] = cells
    return found


def _filled(cell: str) -> str:
    name = spelled(cell)
    return "" if name.casefold() in MISSING else name
