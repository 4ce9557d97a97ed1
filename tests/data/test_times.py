"""One meaning a cell, the same everywhere; what could mean two things, or nothing, is refused with its row."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiki.core.errors import DataError
from keiki.data.times import parse, said


def read(*cells: str) -> list[str]:
    found = parse(cells, "when", range(2, 2 + len(cells))).seconds
    return [datetime.fromtimestamp(each, UTC).isoformat() for each in found]


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("2024-03-01", "2024-03-01T00:00:00+00:00"),
        (" 2024/3/1 ", "2024-03-01T00:00:00+00:00"),
        ("2024.03.01 10:20", "2024-03-01T10:20:00+00:00"),
        ("2024-03-01T10:20:30Z", "2024-03-01T10:20:30+00:00"),
        ("2024-03-01T10:20:30.5+02:00", "2024-03-01T08:20:30.500000+00:00"),
        ("2024-03-01 10:20:30 UTC", "2024-03-01T10:20:30+00:00"),
        ("2024-03-01 10:20:30.123456789", "2024-03-01T10:20:30.123457+00:00"),
        ("20240301", "2024-03-01T00:00:00+00:00"),
        ("20240301T102030", "2024-03-01T10:20:30+00:00"),
        ("2024-W09-5", "2024-03-01T00:00:00+00:00"),
        ("2024-03", "2024-03-01T00:00:00+00:00"),
        ("2024", "2024-01-01T00:00:00+00:00"),
        ("2024Q2", "2024-04-01T00:00:00+00:00"),
        ("31/12/2024", "2024-12-31T00:00:00+00:00"),
        ("12/31/2024 11:59 PM", "2024-12-31T23:59:00+00:00"),
        ("12/31/24 12:05 am", "2024-12-31T00:05:00+00:00"),
        ("01.02.2024", "2024-02-01T00:00:00+00:00"),
        ("1 Mar 2024", "2024-03-01T00:00:00+00:00"),
        ("01-Mar-2024 08:00", "2024-03-01T08:00:00+00:00"),
        ("March 1, 2024", "2024-03-01T00:00:00+00:00"),
        ("Mar 1st, 2024 10:00", "2024-03-01T10:00:00+00:00"),
        ("March 2024", "2024-03-01T00:00:00+00:00"),
        ("1. M\u00e4rz 2024", "2024-03-01T00:00:00+00:00"),
        ("1. Mrz. 2024", "2024-03-01T00:00:00+00:00"),
        ("M\u00e4rz 2024", "2024-03-01T00:00:00+00:00"),
        ("1er f\u00e9vrier 2024 10:20", "2024-02-01T10:20:00+00:00"),
        ("5 de mayo de 2024", "2024-05-05T00:00:00+00:00"),
        ("3 juillet 2024", "2024-07-03T00:00:00+00:00"),
        ("Fri, 01 Mar 2024 10:00:00 +0100", "2024-03-01T09:00:00+00:00"),
        ("1709288430", "2024-03-01T10:20:30+00:00"),
        ("1709288430.25", "2024-03-01T10:20:30.250000+00:00"),
        ("1709288430000", "2024-03-01T10:20:30+00:00"),
        ("1709288430000000", "2024-03-01T10:20:30+00:00"),
        ("1709288430000000000", "2024-03-01T10:20:30+00:00"),
        ("1969-12-31T23:00:00", "1969-12-31T23:00:00+00:00"),
    ],
)
def test_common_ways_to_write_a_time(cell: str, meant: str) -> None:
    assert read(cell) == [meant]


@pytest.mark.parametrize(
    "cell",
    ["", "soon", "nan", "12", "45352", "2024-13-01", "2024-02-30", "25:00", "2024-03-01 25:00", "2024-03-01 10:61",
     "1 Foo 2024", "2024-03-01+99:00", "inf", "1e400", "2024-03-01 13:00 PM", "99999999", "٢٠٢٤", "1/2/3/4"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_its_row(cell: str) -> None:
    with pytest.raises(DataError, match=r"Column 'when' holds no time in 1 of 2 rows: row 7: ") as caught:
        parse(["2024-01-01", cell], "when", [3, 7])
    assert "2026-11-21" in caught.value.hint


def test_the_column_tells_day_and_month_apart() -> None:
    assert read("01/02/2024", "13/02/2024")[0] == "2024-02-01T00:00:00+00:00"
    assert read("01/02/2024", "02/13/2024")[0] == "2024-01-02T00:00:00+00:00"
    assert read("03/03/2024") == ["2024-03-03T00:00:00+00:00"]
    with pytest.raises(DataError, match="day or the month .row 2: '01/02/2024'"):
        read("01/02/2024", "05/06/2024")
    with pytest.raises(DataError, match="in 1 of 3 rows: row 4: '12/31/2024'"):
        read("31/12/2024", "30/12/2024", "12/31/2024")


@pytest.mark.parametrize(
    ("cells", "which"),
    [
        (["24-03-01", "24-03-15", "24-11-30"], "the day or the year .row 2: '24-03-01'"),
        (["24.03.01", "25.03.01"], "the day or the year .row 2: '24.03.01'"),
        (["17.11.24", "05.03.24"], "the day or the year .row 2: '17.11.24'"),
        (["24-03-01 10:00"], "the day or the year"),
        (["01/02/24"], "the day, the month or the year .row 2: '01/02/24'"),
        (["12/11/2024", "1.2.2024"], "the day or the month .row 2: '12/11/2024'"),
        (["12/11/2024", "31-12-2024"], "the day or the month .row 2: '12/11/2024'"),
        (["Fri, 01/03/2024"], "the day or the month .row 2: '01/03/2024'"),
    ],
)
def test_what_two_orders_allow_is_not_guessed(cells: list[str], which: str) -> None:
    with pytest.raises(DataError, match=f"does not tell whether its dates begin with {which}"):
        read(*cells)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["24-03-01", "99-03-01"], "2024-03-01"),  # no month has 99 days
        (["24-03-01", "24-03-99"], "2001-03-24"),
        (["17.11.99", "05.03.24"], "1999-11-17"),
        (["5.3.24", "17.11.24"], "2024-03-05"),  # a year of one digit is not written
        (["05.03.24", "17.11.2024"], "2024-03-05"),  # as it is in the other cell
        (["3/15/24", "12/11/24"], "2024-03-15"),
        (["03/15/24", "01/02/24"], "2024-03-15"),
        (["01.01.01"], "2001-01-01"),  # in any order
    ],
)
def test_the_column_tells_where_a_short_year_stands(cells: list[str], first: str) -> None:
    assert read(*cells)[0] == f"{first}T00:00:00+00:00"


def test_each_mark_between_the_numbers_has_its_own_order() -> None:
    found = read("12/31/2024", "1.2.2024", "01/02/2024", "2024-03-01", "mon 31-12-2024")
    assert [each[:10] for each in found] == ["2024-12-31", "2024-02-01", "2024-01-02", "2024-03-01", "2024-12-31"]


def test_many_bad_rows_are_counted() -> None:
    with pytest.raises(DataError, match=r"in 9 of 9 rows: .* and 4 more"):
        read(*["?"] * 9)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(2999, 12, 31), timezones=st.just(UTC)))
def test_what_python_writes_is_read_back(moment: datetime) -> None:
    (found,) = parse([moment.isoformat()], "when", [1]).seconds
    assert found == pytest.approx((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), abs=1e-5)
    assert said(found)[:4] == f"{moment.year}"


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        parse([text], "when", [1])


def notes(*cells: str) -> tuple[str, ...]:
    return parse(cells, "when", range(2, 2 + len(cells))).notes


def test_the_order_that_the_column_gave_away_is_said() -> None:
    assert notes("06/01/2025", "13/01/2025") == (
        "Dates in column 'when' begin with the day: '06/01/2025' was taken for 2025-01-06.",
    )
    assert notes("01/13/2025 10:00", "06/01/2025 11:00") == (
        "Dates in column 'when' begin with the month: '06/01/2025 11:00' was taken for 2025-06-01.",
    )
    assert notes("2025-01-06", "31.12.2024", "01.02.2024", "03/03/2024") == ()  # no cell could mean another day


def test_times_of_which_some_have_a_zone_are_counted() -> None:
    assert notes("2025-01-06 10:00", "2025-01-06T10:00Z", "6 Jan 2025 11:00 +0100", "2025-01-06", "1709288430") == (
        "1 of 3 times in column 'when' have no zone; these were taken for UTC.",
    )
    assert notes("2025-01-06 10:00", "2025-01-07 10:00") == notes("2025-01-06T10:00Z") == ()


def test_a_column_of_nothing_but_days_as_excel_counts_them_is_read_and_said() -> None:
    assert read("45663", "45352.5") == ["2025-01-06T00:00:00+00:00", "2024-03-01T12:00:00+00:00"]
    assert notes("45663", "45664") == (
        "Column 'when' holds days as Excel counts them: 45663 was taken for 2025-01-06.",
    )
    with pytest.raises(DataError, match="row 3: '45663'.* 45663 looks like a day as Excel counts them"):
        read("2024-01-01", "45663")
    with pytest.raises(DataError, match="no time in 2 of 2 rows"):
        read("24001", "45663")  # the first could be a year and a day
