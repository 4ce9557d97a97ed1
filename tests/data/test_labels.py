"""Labels that are no classes are refused, each kind with its own words."""

from __future__ import annotations

import pytest

from keiki.core.errors import DataError
from keiki.data.labels import are_dates, as_classes


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([f"{i / 7:.4f}" for i in range(60)], "60 different numbers in 60 rows: no classes"),
        ([f"ticket {i}" for i in range(60)], "60 different values for 60 items .*name single items"),
        ([f"class {i}" for i in range(10_001) for _ in range(2)], "10,001 different values; .*at most 10,000 classes"),
        ([f"2026-03-{1 + i % 28:02d}" for i in range(60)], "28 different dates for 60 items"),
        ([f"3/{1 + i % 28}/2026 4:05 PM" for i in range(60)], "28 different dates"),
        (['["a", "b"]', '["c"]', "[]"], "holds lists of labels"),
    ],
)
def test_what_is_no_class_is_refused_with_an_example_and_a_next_step(labels: list[str], words: str) -> None:
    with pytest.raises(DataError, match=f"Column 'x' .*{words}") as caught:
        as_classes(labels, "Column 'x'")
    assert caught.value.hint


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b"],
        [str(i % 5) for i in range(50)],
        [f"{i}.{j}.{k}" for i in (1, 2) for j in (3, 4) for k in (10, 11)],  # versions look nearly like dates
        [f"person {i}" for i in range(500) for _ in range(3)],
        ["[sic]", "[a]", "b"],
        [],
    ],
)
def test_what_may_be_classes_passes_without_a_word(labels: list[str]) -> None:
    assert as_classes(labels, "Column 'x'") == ()


def test_few_dates_that_come_often_are_classes_and_that_is_said() -> None:
    [note] = as_classes([f"2026-03-0{1 + i % 3}" for i in range(30)], "Column 'day'")
    assert "each of the 3 was taken for a class" in note


def test_folders_are_told_of_in_their_own_words() -> None:
    with pytest.raises(DataError, match="The folder 'p' holds 40 different names of folders .* One folder must be one"):
        as_classes([f"f{i}" for i in range(40)], "The folder 'p'", "names of folders")


def test_dates_are_known_in_their_usual_forms() -> None:
    usual = ["2026-11-21", "2026/1/2", "21.11.2026", "1/2/26", "2026-11-21T15:04:05Z", "2026-11-21 15:04:05.123+01:00"]
    assert all(are_dates([each]) for each in usual)
    assert not any(are_dates([each]) for each in ("2026", "1.2.10", "21.11.2026 or so", "12:30", "v2026-11-21", ""))
