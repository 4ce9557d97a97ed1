"""When labels are no classes: quantities, dates, lists, names of single items, or more than can be told apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from keiki.core.errors import DataError

MANY = 30  # different numbers, or values, from which a column is rather no classes
MOST_CLASSES = 10_000
VALUES = "values"  # of a column; else names of folders
_PER_ITEM = 0.5  # different values over items, above which each names an item
_FEW_DATES = 12
_REPEATS = 5  # items a date, from which few dates may be classes

_CLOCK = r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?(Z|[+-]\d{2}:?\d{2})?)?"
_DATE = re.compile(
    rf"(\d{{4}}([-/.])\d{{1,2}}\2\d{{1,2}}|\d{{1,2}}([-/.])\d{{1,2}}\3\d{{4}}|\d{{1,2}}/\d{{1,2}}/\d{{2}}){_CLOCK}"
)


def as_classes(labels: Sequence[str], what: str, noun: str = VALUES) -> tuple[str, ...]:
    """Notes on the labels of all items; raises DataError where they are no classes. what: "Column 'price'".

    >>> as_classes(["a", "b", "a"], "Column 'label'")
    ()
    """
    different = set(labels)
    _refuse_lists(different, what)
    notes = _dates(labels, different, what, noun)
    _refuse_quantities(labels, different, what)
    if len(different) > MANY and len(different) > _PER_ITEM * len(labels):
        raise DataError(
            f"{what} holds {len(different):,} different {noun} for {len(labels):,} items ({_shown(different)}): they "
            "name single items rather than classes.",
            hint=_columns_hint(noun),
        )
    if len(different) > MOST_CLASSES:
        raise DataError(
            f"{what} holds {len(different):,} different {noun}; keiki tells at most {MOST_CLASSES:,} classes apart.",
            hint="Join classes, or leave rare ones out.",
        )
    return notes


def refuse_quantities(labels: Sequence[str], column: str) -> None:
    """Raise DataError where the labels are so many different numbers that they are measured rather than named."""
    _refuse_quantities(labels, set(labels), f"Column '{column}'")


def are_dates(values: Iterable[str]) -> bool:
    """Whether all of these are dates, in the usual ways of writing them.

    >>> are_dates(["2026-11-21", "3.4.2026", "2026-11-21 15:04"]), are_dates(["1.2.10", "1.2.11"]), are_dates([])
    (True, False, False)
    """
    listed = list(values)
    return bool(listed) and all(_DATE.fullmatch(value.strip()) for value in listed)


def is_number(cell: str) -> bool:
    """Whether a cell is one number.

    >>> is_number("1e3"), is_number("12 cm")
    (True, False)
    """
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse_lists(different: set[str], what: str) -> None:
    lists = [each for each in different if each.startswith("[") and each.endswith("]") and _is_list(each)]
    if len(lists) > 0.5 * len(different):
        raise DataError(
            f"{what} holds lists of labels ({_shown(lists)}), but an item may have one class only.",
            hint="Name a column with one class each, or write the first label into one.",
        )


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _dates(labels: Sequence[str], different: set[str], what: str, noun: str) -> tuple[str, ...]:
    """Few dates that come often may be classes (days of a harvest, say), and that is noted; others are refused."""
    if not are_dates(different):
        return ()
    if len(different) <= _FEW_DATES and len(labels) >= _REPEATS * len(different):
        return (f"{what} holds dates ({_shown(different)}); each of the {len(different)} was taken for a class.",)
    raise DataError(
        f"{what} holds {len(different):,} different dates for {len(labels):,} items ({_shown(different)}): no classes.",
        hint=_columns_hint(noun) + (" To test on the newest items, give a column to --time." if noun == VALUES else ""),
    )


def _refuse_quantities(labels: Sequence[str], different: set[str], what: str) -> None:
    if len(different) > MANY and all(map(is_number, different)) and _are_measured(labels, different):
        raise DataError(
            f"{what} holds {len(different):,} different numbers in {len(labels):,} rows: no classes.",
            hint="Predicting numbers is not there yet; name a column of classes with --label, or make ranges of it.",
        )


def _columns_hint(noun: str) -> str:
    return "Name the column of classes with --label." if noun == VALUES else "One folder must be one class."


def _are_measured(labels: Sequence[str], different: set[str]) -> bool:
    """Numbers with a fraction, unless each comes ten times on average; whole ones where most of them come once."""
    if not all(each.strip().lstrip("+-").isdecimal() for each in different):
        return len(different) > 0.1 * len(labels)
    return 2 * sum(count == 1 for count in Counter(labels).values()) > len(different)


def _shown(values: Iterable[str]) -> str:
    first = sorted(values)[:3]
    return "such as " + ", ".join(f"'{' '.join(each.split())[:40]}'" for each in first)
