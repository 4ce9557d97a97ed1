"""Texts: what every tokenizer can take, or a short reason why not."""

from __future__ import annotations

from keiki.core.errors import UnreadableItem
from keiki.data.names import printable


def legible(text: str) -> str:
    """The text without what no encoder can take: lone surrogates become U+FFFD, NUL characters spaces.

    Raises UnreadableItem for a text of nothing but blanks.

    >>> legible("a\\x00b")
    'a b'
    """
    clean = printable(text).replace("\x00", " ")
    if not clean.strip():
        raise UnreadableItem("empty text")
    return clean
