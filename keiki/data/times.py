"""Times in a table: read the same on every machine, whatever its locale and time zone, or refused with the rows named.

A time without a zone counts as UTC. What can be read in two ways ('01/02/2024', '24-03-01') is not guessed: the column
must give the order away, separately for each mark that stands between the numbers. What one cell alone would not tell
(the order, the zone, that numbers are days as Excel counts them) is said aloud.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from keiki.core.errors import DataError
from keiki.data.columns import MISSING
from keiki.data.months import month_number

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_YEAR_FIRST = re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?(?P<rest>.*)")
_YEAR_OUTSIDE = re.compile(r"(?P<a>\d{1,2})(?P<gap>[-/.])(?P<b>\d{1,2})(?P=gap)(?P<c>\d{4}|\d{2})(?P<rest>.*)")
_QUARTER = re.compile(r"(?P<y>\d{4})[ -]?[qQ](?P<q>[1-4])")
_NAME = r"(?P<name>[^\W\d_]{3,10})"
_DAY_MONTH = re.compile(rf"(?P<d>\d{{1,2}})(?:er)?[ .-]*(?:de )?{_NAME}[ .,-]*(?:de )?(?P<y>\d{{4}})(?P<rest>.*)")
_MONTH_DAY = re.compile(rf"{_NAME}[ .-]+(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ ,]+)?(?P<y>\d{{4}})(?P<rest>.*)")
_WEEKDAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)
_CLOCK = re.compile(
    r"[T ,]*(?P<h>\d{1,2}):(?P<min>\d\d)(?::(?P<s>\d\d)(?P<part>[.,]\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(\s*\([A-Za-z ]+\))?"
)
ABSENT = "no time"  # the reason with which a row is left out
Order = Literal["dmy", "mdy", "ymd"]
_FIRST: dict[Order, str] = {"dmy": "the day", "mdy": "the month", "ymd": "the year"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERIAL = re.compile(r"[345]\d{4}(\.\d*)?")  # days as Excel counts them, 1982 to 2064; no year and day has such digits
_FIRST_DAY = datetime(1899, 12, 30, tzinfo=UTC)
# Digits of a whole number of seconds, milliseconds, microseconds, nanoseconds since 1970, from 1973 to 2286.
_UNITS = {9: 1.0, 10: 1.0, 12: 1e3, 13: 1e3, 15: 1e6, 16: 1e6, 18: 1e9, 19: 1e9}


def is_absent(cell: str) -> bool:
    """Whether a cell says that there is no time, rather than one that cannot be read.

    >>> is_absent(" "), is_absent("NaT"), is_absent("soon")
    (True, True, False)
    """
    return cell.strip().casefold() in {*MISSING, "nat"}


@dataclass(frozen=True)
class Times:
    """Seconds since 1970 in UTC, one a cell, and what was guessed to read them."""

    seconds: tuple[float, ...]
    notes: tuple[str, ...] = ()


def parse(cells: Sequence[str], column: str, numbers: Sequence[int]) -> Times:
    """The time in each cell of `column`; numbers: of the rows, as the user counts them.

    Read are ISO 8601, years, months and quarters (their first moment), 2024/03/01, 1 Mar 2024, March 1, 2024 (in the
    common languages of Europe), day and month in the order that the column gives away, numbers of seconds, milli-,
    micro- or nanoseconds since 1970, and a column of nothing but days as Excel counts them.
    Raises DataError that names the rows that are none of these.

    >>> parse(["1970-01-02", "1 Feb 1970 00:00 +01:00", "86400000000"], "when", [2, 3, 4])
    Traceback (most recent call last):
    keiki.core.errors.DataError: Column 'when' holds no time in 1 of 3 rows: row 4: '86400000000'. Write times as ...
    >>> parse(["1970-01-02", "1 Feb 1970 00:00 +01:00"], "when", [2, 3]).seconds
    (86400.0, 2674800.0)
    """
    texts = [cell.strip() for cell in cells]
    if texts and all(map(_SERIAL.fullmatch, texts)):
        return _serials(texts, column)
    bare = [text[start.end() :] if (start := _WEEKDAY.match(text)) else text for text in texts]
    orders = _orders(bare, column, numbers)
    found = [_moment(text, orders) for text in bare]
    bad = [row for row, moment in enumerate(found) if moment is None]
    if bad:
        raise _refusal(texts, bad, column, numbers)
    notes = (*_ordered(bare, orders, column), *_zones(bare, orders, column))
    return Times(tuple(moment for moment in found if moment is not None), notes)


def _serials(texts: Sequence[str], column: str) -> Times:
    start = (_FIRST_DAY - _EPOCH).total_seconds()
    found = tuple(start + 86_400 * float(text) for text in texts)
    note = f"Column '{column}' holds days as Excel counts them: {texts[0]} was taken for {said(found[0])}."
    return Times(found, (note,))


def _refusal(texts: Sequence[str], bad: Sequence[int], column: str, numbers: Sequence[int]) -> DataError:
    first = "; ".join(f"row {numbers[row]}: {texts[row][:40]!r}" for row in bad[:5])
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    serial = next((texts[row] for row in bad if _SERIAL.fullmatch(texts[row])), None)
    excel = f"{serial} looks like a day as Excel counts them: format such cells as dates. " if serial else ""
    return DataError(
        f"Column '{column}' holds no time in {len(bad)} of {len(texts)} rows: {first}{more}.",
        hint=f"{excel}Write times as 2026-11-21, 2026-11-21T15:04:05 or seconds since 1970, or leave --time out.",
    )


def _ordered(texts: Sequence[str], orders: Mapping[str, Order], column: str) -> Iterator[str]:
    """What is said of dates that the column had to tell the order of, one for each mark between the numbers."""
    for gap, order in orders.items():
        for text in texts:
            match = _YEAR_OUTSIDE.fullmatch(text)
            if match and match["gap"] == gap and len(_readings(match, list(_FIRST))) > 1:
                year, number, day = _in_order(match, order)
                told = f"{_year(year)}-{int(number):02d}-{int(day):02d}"
                yield f"Dates in column '{column}' begin with {_FIRST[order]}: '{text[:40]}' was taken for {told}."
                break


def _zones(texts: Sequence[str], orders: Mapping[str, Order], column: str) -> Iterator[str]:
    """What is said where some times have a zone and others have none."""
    clocks = [clock for text in texts if (clock := _clock(text, orders))]
    bare = sum(clock["zone"] is None for clock in clocks)
    if 0 < bare < len(clocks):
        yield f"{bare} of {len(clocks)} times in column '{column}' have no zone; these were taken for UTC."


def _clock(text: str, orders: Mapping[str, Order]) -> re.Match[str] | None:
    found = None if _NUMBER.fullmatch(text) else _date(text, orders)
    return _CLOCK.fullmatch(found[1].rstrip()) if found and found[1].strip() else None


def said(seconds: float, precise: bool = False) -> str:
    """A moment as people write it; `precise`: with the time of day.

    >>> said(86400.0), said(90000.0, precise=True)
    ('1970-01-02', '1970-01-02 01:00:00 UTC')
    """
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if precise else moment.date().isoformat()


def _orders(texts: Sequence[str], column: str, numbers: Sequence[int]) -> dict[str, Order]:
    """How to read 1.2.2024, 1/2/2024 and 1-2-24, by the mark between the numbers: the order that most cells allow.

    Raises DataError where several do and a cell means another day in each.
    """
    found: dict[str, list[tuple[int, re.Match[str]]]] = {}
    for row, text in enumerate(texts):
        if match := _YEAR_OUTSIDE.fullmatch(text):
            found.setdefault(match["gap"], []).append((row, match))
    orders: dict[str, Order] = {}
    for gap, matches in found.items():
        fits = {order: sum(_fits(match, order) for _, match in matches) for order in _FIRST}
        likely = [order for order in _FIRST if fits[order] == max(fits.values())]
        torn = [row for row, match in matches if len(_readings(match, likely)) > 1]
        if torn:
            *firsts, last = (_FIRST[order] for order in likely)
            raise DataError(
                f"Column '{column}' does not tell whether its dates begin with {', '.join(firsts)} or {last} "
                f"(row {numbers[torn[0]]}: {texts[torn[0]]!r}).",
                hint="Write them as 2026-11-21.",
            )
        orders[gap] = likely[0]  # the rows that do not fit are named
    return orders


def _fits(match: re.Match[str], order: Order) -> bool:
    """Whether the numbers can be day, month and year in this order."""
    if order == "mdy" and match["gap"] == ".":
        return False  # nobody writes the month first with dots
    if order == "ymd" and (len(match["a"]) < 2 or len(match["c"]) > 2):
        return False
    _, month, day = _in_order(match, order)
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _readings(match: re.Match[str], orders: Sequence[Order]) -> set[tuple[int, ...]]:
    """The different days that a cell may mean."""
    return {tuple(map(int, _in_order(match, order))) for order in orders if _fits(match, order)}


def _in_order(match: re.Match[str], order: Order) -> tuple[str, str, str]:
    """Year, month and day, as they are written."""
    place = dict(zip(order, (match["a"], match["b"], match["c"]), strict=True))
    return place["y"], place["m"], place["d"]


def _moment(text: str, orders: Mapping[str, Order]) -> float | None:
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return _from_number(text)
    with contextlib.suppress(ValueError, OverflowError):  # no such day, hour or zone: no time
        found = _date(text, orders)
        if found is not None:
            (year, month, day), rest = found
            return _seconds(datetime(year, month, day, tzinfo=UTC), rest)
        moment = datetime.fromisoformat(text)  # weeks and other rare forms
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH).total_seconds()
    return None


def _from_number(text: str) -> float | None:
    whole = text.lstrip("+")
    if re.fullmatch(r"[12]\d{3}(\.0)?", whole):
        return (datetime(int(whole[:4]), 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
    if re.fullmatch(r"[12]\d{7}(\.0)?", whole):
        with contextlib.suppress(ValueError):
            day = datetime(int(whole[:4]), int(whole[4:6]), int(whole[6:8]), tzinfo=UTC)
            return (day - _EPOCH).total_seconds()
        return None
    value = float(text)
    if not math.isfinite(value) or abs(value) >= 1e19:
        return None
    unit = _UNITS.get(len(str(abs(int(value)))))
    return None if unit is None else value / unit


def _date(text: str, orders: Mapping[str, Order]) -> tuple[tuple[int, int, int], str] | None:
    """Year, month and day, and what stands behind them."""
    if match := _QUARTER.fullmatch(text):
        return (int(match["y"]), 3 * int(match["q"]) - 2, 1), ""
    if match := _YEAR_FIRST.fullmatch(text):
        return (int(match["y"]), int(match["m"]), int(match["d"] or 1)), match["rest"]
    if match := _YEAR_OUTSIDE.fullmatch(text):
        year, month, day = _in_order(match, orders[match["gap"]])
        return (_year(year), int(month), int(day)), match["rest"]
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        match = pattern.fullmatch(text)
        if match and (number := month_number(match["name"])):
            return (int(match["y"]), number, int(match["d"] or 1)), match["rest"]
    return None


def _year(text: str) -> int:
    """Two digits lie between 1970 and 2069."""
    year = int(text)
    return year if len(text) == 4 else year + (2000 if year < 70 else 1900)


def _seconds(day: datetime, rest: str) -> float | None:
    """The moment on `day` that `rest` names; None where it names none."""
    start = (day - _EPOCH).total_seconds()
    if not rest.strip():
        return start
    clock = _CLOCK.fullmatch(rest.rstrip())
    if not clock:
        return None
    hour, minute, second = int(clock["h"]), int(clock["min"]), int(clock["s"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"][0] in "pP" else 0)
    if hour > 24 or minute > 59 or second > 60:  # 24:00 ends a day, and a leap second may be the 60th
        return None
    part = float("0." + clock["part"][1:]) if clock["part"] else 0.0
    return start + 3600 * hour + 60 * minute + second + part - _offset(clock["zone"] or "Z")


def _offset(zone: str) -> float:
    """Seconds that the zone is ahead of UTC."""
    if zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(ahead if zone[0] == "+" else -ahead).utcoffset(None).total_seconds()
