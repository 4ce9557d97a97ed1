"""Names as people read them: natural order, one spelling, no twins that differ by case alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")
_SURROGATE = re.compile("[\ud800-\udfff]")  # also how Python shows bytes of file names that are not UTF-8


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which 'photo 9' comes before 'photo 10' and capitals do not matter.

    >>> sorted(["b", "a10", "A9"], key=natural)
    ['A9', 'a10', 'b']
    """
    pieces = _DIGITS.split(name.casefold())
    key = [(0, int(piece), "") if piece.isdecimal() and piece.isascii() else (1, 0, piece) for piece in pieces if piece]
    return key, name


def spelled(name: str) -> str:
    """A class name without outer blanks, in Unicode's composed form (NFC), so that equal names are equal.

    >>> spelled(" cafe\\u0301 ") == "caf\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", printable(name)).strip()


def printable(name: str) -> str:
    """A name as text that can be written down: what UTF-8 cannot hold (lone surrogates) becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", name)


def item_name(path: Path, root: Path) -> str:
    """What a person calls a file: its path below `root`, with forward slashes."""
    return printable(path.relative_to(root).as_posix())


def twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Different names that differ by case alone.

    >>> twins(["Cat", "dog", "cat"])
    [('Cat', 'cat')]
    """
    same: dict[str, set[str]] = {}
    for name in names:
        same.setdefault(name.casefold(), set()).add(name)
    return [tuple(sorted(each)) for _, each in sorted(same.items()) if len(each) > 1]


def twin_notes(names: Iterable[str]) -> tuple[str, ...]:
    """A note for each group of class names that differ by case alone."""
    return tuple(
        f"The classes {' and '.join(repr(name) for name in each)} differ by case alone and are kept apart."
        for each in twins(names)
    )


def listing(names: Iterable[str], most: int = 5) -> str:
    """The first names, quoted, and how many more there are.

    >>> listing(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    all_names = list(names)
    shown = ", ".join(f"'{name}'" for name in all_names[:most])
    return shown if len(all_names) <= most else f"{shown} and {len(all_names) - most} more"
