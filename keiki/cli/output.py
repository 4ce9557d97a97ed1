"""How the command line speaks: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any


def say(text: str) -> None:
    """A line for the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """A line of the result, on standard output."""
    print(text)


def emit_json(data: Any) -> None:
    """The one JSON object of a `--json` call, on standard output; NaN is refused, other languages cannot read it."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False))


def emit_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the last one is cut to the width of the terminal, and is whole where there is none."""
    for line in aligned(header, rows, _width()):
        emit(line)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table with columns two blanks apart, none longer than `width` (0: as long as need be).

    >>> aligned(("a", "b"), [("long", "x")], 0)
    ['a     b', 'long  x']
    """
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    texts = ["  ".join(cell.ljust(wide) for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines]
    return [text if not width or len(text) <= width else text[: width - 1] + "…" for text in texts]


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
