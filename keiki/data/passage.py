"""Texts: bytes of any common encoding as what every tokenizer can take, or a short reason why not."""

from __future__ import annotations

import codecs

from keiki.core.errors import UnreadableItem
from keiki.data.names import printable

WINDOWS, LATIN = "Windows-1252", "Latin-1"  # what is left to guess where no rule decides
DAMAGED = "damaged UTF-8"  # says by its mark that it is UTF-8, and is not

_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b")
_BINARY = 0.05  # share of control characters above which bytes are no text
_HEAD = 2**16  # bytes by which that and UTF-16 are told


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


def decoded(data: bytes) -> tuple[str, str]:
    """The text in `data`, and its encoding where that is not UTF-8; raises UnreadableItem for damage and for no text.

    A byte order mark decides; else every other byte 0 means UTF-16; else it is UTF-8 if it can be, and Windows-1252.
    Of UTF-8 with a mark, what cannot be read becomes U+FFFD.

    >>> decoded("h\u00e9".encode()), decoded("h\u00e9".encode("cp1252")), decoded("h\u00e9".encode("utf-16-le"))
    (('h\u00e9', ''), ('h\u00e9', 'Windows-1252'), ('h\u00e9', 'UTF-16-LE'))
    """
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _strictly(data, codec), name
    if data.startswith(codecs.BOM_UTF8):
        return _marked(data)
    head = data[:_HEAD]
    first, second = head[0::2].count(0), head[1::2].count(0)
    if max(first, second) * 4 > len(head) > 1 and min(first, second) * 10 <= max(first, second):
        codec = "utf-16-le" if second > first else "utf-16-be"
        return _strictly(data, codec), codec.upper()
    if len(head) - len(head.translate(None, _CONTROLS)) > _BINARY * len(head):
        raise UnreadableItem("not a text: it holds bytes that no text has")
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        pass  # one of the two encodings below, which can read nearly everything
    try:
        return data.decode("cp1252"), WINDOWS
    except UnicodeDecodeError:
        return data.decode("latin-1"), LATIN


def _marked(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", "replace"), DAMAGED


def _strictly(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as problem:
        raise UnreadableItem(
            f"it looks like {codec.upper()} but breaks off or is damaged at byte {problem.start}"
        ) from problem
