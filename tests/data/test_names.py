"""Names sort, compare and print as people expect."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from keiki.data.names import item_name, natural, printable, spelled


@given(st.lists(st.text()))
def test_any_names_can_be_sorted_and_order_is_total(names: list[str]) -> None:
    once = sorted(names, key=natural)
    backwards = names[::-1]
    assert once == sorted(backwards, key=natural)


def test_numbers_count_as_numbers() -> None:
    names = ["img10", "img9", "Img2", "img", "img2b", "1"]
    assert sorted(names, key=natural) == ["1", "img", "Img2", "img2b", "img9", "img10"]


@given(st.text())
def test_spelling_twice_changes_nothing(name: str) -> None:
    assert spelled(spelled(name)) == spelled(name)


def test_printable_can_always_be_encoded() -> None:
    assert printable("ok-\udcff") == "ok-\ufffd"
    assert item_name(Path("/r/a/b.png"), Path("/r")) == "a/b.png"
