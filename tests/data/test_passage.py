"""Bytes become text in any common encoding, and damage says so."""

from __future__ import annotations

import pytest

from keiki.core.errors import UnreadableItem
from keiki.data.passage import decoded, legible

TEXT = "Größe: 3 € für naïve Leute, immer wieder aufs Neue"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_every_common_encoding_is_told(encoding: str, said: str) -> None:
    assert decoded(TEXT.encode(encoding)) == (TEXT, said)


def test_latin_1_is_what_is_left() -> None:
    assert decoded(b"\x81 word \xe4") == ("\x81 word ä", "Latin-1")


@pytest.mark.parametrize("data", [b"\xff\xfea", TEXT.encode("utf-16")[:-1], b"\xff\xfe\x00\xd8\x00\xd8"])
def test_damaged_utf16_is_said(data: bytes) -> None:
    with pytest.raises(UnreadableItem, match="looks like UTF-16 but breaks off or is damaged"):
        decoded(data)


def test_binary_files_are_no_text() -> None:
    for data in (bytes(range(256)), b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00>\x00\x01\x00\x00\x00" * 20):
        with pytest.raises(UnreadableItem):
            decoded(data)


def test_a_stray_nul_does_no_harm() -> None:
    assert legible(decoded(b"one\0two, and a few words more, so that it is rare")[0]).startswith("one two")


def test_blanks_are_no_text() -> None:
    with pytest.raises(UnreadableItem, match="empty text"):
        legible(" \n\0")
