"""Names as people read them: natural order, one spelling, no twins that differ by case alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_LONGEST_COUNT = 100  # digits; Python refuses to read thousands of them as a number
_DIGITS = re.compile(r"(\d+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_JOINERS = "\u200c\u200d"  # hold letters and emoji together
_SURROGATE = re.compile("[\ud800-\udfff]")  # also how Python shows bytes of file names that are not UTF-8


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which 'photo 9' comes before 'photo 10' and capitals do not matter.

    >>> sorted(["b", "a10", "A9"], key=natural)
    ['A9', 'a10', 'b']
    """
    pieces = _DIGITS.split(name.casefold())
    return [(0, int(piece), "") if _is_count(piece) else (1, 0, piece) for piece in pieces if piece], name


def _is_count(piece: str) -> bool:
    return piece.isdecimal() and piece.isascii() and len(piece) <= _LONGEST_COUNT


def spelled(name: str) -> str:
    """A class name without outer blanks and control characters, in Unicode's composed form (NFC), so that equal names
    are equal.

    >>> spelled(" cafe\\u0301\\t") == "caf\\u00e9"
    True
    """
    return _CONTROL.sub(" ", unicodedata.normalize("NFC", printable(name))).strip()


def printable(name: str) -> str:
    """A name as text that can be written down: what UTF-8 cannot hold (lone surrogates) becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", name)


def one_line(name: str) -> str:
    """A name that does nothing to a terminal or a table: what cannot be seen becomes U+FFFD, odd blanks ordinary ones.

    >>> one_line("a\\x1b[31m\\nb") == "a\\ufffd[31m\\ufffdb", one_line("a\\xa0b")
    (True, 'a b')
    """
    if name.isprintable():
        return name
    return "".join(each if each.isprintable() or each in _JOINERS else _instead(each) for each in name)


def _instead(letter: str) -> str:
    return " " if unicodedata.category(letter) == "Zs" else "\ufffd"


def item_name(path: Path, root: Path) -> str:
    """What a person calls a file: its path below `root`, with forward slashes, on one line."""
    return one_line(path.relative_to(root).as_posix())


def twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Different names that differ by case alone.

    >>> twins(["Cat", "dog", "cat"])
    [('Cat', 'cat')]
    """
    same: dict[str, set[str]] = {}
    for name in names:
        same.setdefault(name.casefold(), set()).add(name)
    return [tuple(sorted(each)) for _, each in sorted(same.items()) if len(each) > 1]


def twin_notes(names: Iterable[str], merging: str) -> tuple[str, ...]:
    """A note for each group of class names that differ by case alone; merging: what to do if they are one class.

    >>> twin_notes(["Cat", "cat"], "rename one folder")
    ("The classes 'Cat' and 'cat' differ by case alone and are kept apart; if they are one, rename one folder.",)
    """
    return tuple(
        f"The classes {' and '.join(repr(name) for name in each)} differ by case alone and are kept apart; if they are "
        f"one, {merging}."
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
