"""Further labelled items: joined to the training part, copies and unfilled rows counted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.adding import OURS, added, read_added
from keiki.data.sources.base import Request, read
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, Modality, Part


def dataset(
    texts: Sequence[str],
    labels: Sequence[str] | None,
    name: str = "data",
    parts: Sequence[Part] | None = None,
    groups: Sequence[str] | None = None,
    times: Sequence[float] | None = None,
    modality: Modality = "text",
) -> Dataset:
    digests = tuple(sha256_bytes(text.encode()) for text in texts)
    raws = tuple(Path(text) for text in texts) if modality == "image" else tuple(texts)
    return Dataset(
        name,
        Items(modality, tuple(f"row {i}" for i in range(1, len(texts) + 1)), raws, digests),
        None if labels is None else tuple(labels),
        tuple(parts or [""] * len(texts)),
        None if groups is None else tuple(groups),
        None if times is None else tuple(times),
    )


DATA = dataset(["a", "b", "c", "d"], ["cat", "dog", "cat", "dog"])


def test_new_items_join_the_training_part() -> None:
    found = added(DATA, dataset(["e", "f"], ["cat", "owl"], "more"))
    assert found.items.raws == ("a", "b", "c", "d", "e", "f")
    assert found.labels == ("cat", "dog", "cat", "dog", "cat", "owl")
    assert found.parts == ("",) * 6
    assert len(set(found.items.ids)) == 6
    assert found.items.ids[4:] == ("more/row 1", "more/row 2")
    assert "Added 2 training items from 'more'." in found.notes
    assert "New class 'owl' (1 item)." in found.notes


def test_declared_parts_stay_and_new_items_are_for_training() -> None:
    parts: list[Part] = ["train", "train", "train", "test"]
    found = added(replace(DATA, parts=tuple(parts)), dataset(["e"], ["cat"]))
    assert found.parts == ("train", "train", "train", "test", "train")


def test_copies_are_left_out_and_counted() -> None:
    found = added(DATA, dataset(["b", "e", "e", "c"], ["dog", "cat", "cat", "dog"], "more"))
    assert found.items.raws == ("a", "b", "c", "d", "e")
    assert any(note.startswith("3 items of 'more' are exact copies") for note in found.notes)
    assert "1 of them had another label before, which stands: 'row 4'." in found.notes


@pytest.mark.parametrize("beside", [True, False])
def test_copies_of_test_items_are_never_trained_on(beside: bool) -> None:
    more = dataset(["d", "e"], ["cat", "cat"], "more")
    if beside:
        found = added(DATA.take([0, 1, 2]), more, DATA.take([3]))
    else:
        parts: list[Part] = ["train", "train", "train", "test"]
        found = added(replace(DATA, parts=tuple(parts)), more)
    trained = [raw for raw, part in zip(found.items.raws, found.parts, strict=True) if part != "test"]
    assert trained == ["a", "b", "c", "e"]
    assert any("copies of test items" in note for note in found.notes)


def test_all_copies_leave_the_data_as_they_are() -> None:
    found = added(DATA, replace(DATA, name="again"))
    assert found.items == DATA.items
    assert any(note.startswith("4 items of 'again' are exact copies") for note in found.notes)


def test_a_text_in_a_file_and_in_a_cell_is_one_item(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.txt").write_bytes(b"\xef\xbb\xbfa")  # its bytes differ from those of the cell
    found = added(DATA, read(tmp_path))
    assert len(found) == 4


def test_a_misspelt_class_is_pointed_out() -> None:
    found = added(DATA, dataset(["e", "f"], ["Cat", "dogg"], "more"))
    assert "New class 'Cat' (1 item); did you mean 'cat'?" in found.notes
    assert "New class 'dogg' (1 item); did you mean 'dog'?" in found.notes


def test_equal_groups_are_one_group_and_empty_ones_belong_with_nothing() -> None:
    first = replace(DATA, groups=("p1", "p2", "row 3 alone", "p2"))
    second = dataset(["e", "f", "g"], ["cat"] * 3, "more", groups=["p1", "p3", "row 3 alone"])
    groups = added(first, second).groups
    assert groups is not None
    assert groups[4] == "p1"
    assert groups[6] not in groups[:6]
    bare = added(first, dataset(["e", "f"], ["cat", "cat"])).groups
    assert bare is not None
    assert len(set(bare[4:]) | set(first.groups or ())) == 5


def test_times_go_along_and_are_asked_for() -> None:
    timed = replace(DATA, times=(1.0, 2.0, 3.0, 4.0))
    assert added(timed, dataset(["e"], ["cat"], times=[5.0])).times == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert added(DATA, dataset(["e"], ["cat"], times=[5.0])).times is None
    with pytest.raises(DataError, match="--time"):
        added(timed, dataset(["e"], ["cat"]))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (dataset(["x"], ["cat"], modality="image"), "kind image"),
        (dataset(["x"], None, "bare"), "'bare' has no labels"),
        (dataset(["x", "y"], ["cat", "cat"], parts=["train", "test"]), "sets items aside"),
    ],
)
def test_what_does_not_go_together_is_refused(more: Dataset, said: str) -> None:
    with pytest.raises(DataError, match=said):
        added(DATA, more)


def test_the_joined_data_make_a_task() -> None:
    texts = [f"text {i}" for i in range(20)]
    labels = ["cat", "dog"] * 10
    more = dataset([f"new {i}" for i in range(6)], ["owl"] * 3 + ["cat"] * 3, "more")
    task = make_task(added(dataset(texts, labels), more))
    assert task.target.classes == ("cat", "dog", "owl")
    assert len(task.train) == 26


# Reading


def sheet(path: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = ("text", *OURS)) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [
        ("one thing", "cat", "dog", "0.5", "why so"),
        ("another thing", "", "cat", "0.6", "why not"),
        ("third", " dog ", "", "", ""),
    ]
    found = read_added(sheet(tmp_path / "to-label.csv", rows))
    assert found.items.raws == ("one thing", "third")
    assert found.labels == ("cat", "dog")
    assert "1 of 3 rows of 'to-label.csv' have no label and were left out." in found.notes
    assert not found.skipped


def test_a_table_nobody_has_filled_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No row of 'to-label.csv' has a label yet") as error:
        read_added(sheet(tmp_path / "to-label.csv", [("one thing", "", "dog", "0.5", "why")]))
    assert "'label'" in error.value.hint


def test_its_own_columns_are_known_whatever_the_data_call_theirs(tmp_path: Path) -> None:
    columns = ("subject", "body", *OURS, "thread")
    path = sheet(tmp_path / "t.csv", [("Re: x", "where is it", "cat", "dog", "0.5", "a b c", "7")], columns)
    asked = Request(input="message", label="team", group="thread", files=tmp_path / "elsewhere")
    found = read_added(path, asked)
    assert found.items.raws == ("Re: x\nwhere is it",)
    assert found.labels == ("cat",)
    assert found.groups == ("7",)
    assert read_added(path, Request(group="patient")).groups is None


def test_any_other_labelled_data_can_be_added(tmp_path: Path) -> None:
    path = sheet(tmp_path / "may.csv", [("where is it", "shipping"), ("broken", "repair")], ("message", "team"))
    found = read_added(path, Request(input="message", label="team"))
    assert found.labels == ("shipping", "repair")
    with pytest.raises(ColumnError, match="'crew'"):
        read_added(path, Request(input="message", label="crew"))


def test_spreadsheets_may_save_it_in_their_own_way(tmp_path: Path) -> None:
    text = 'text;label;suggested label;probability;why\r\ncafé au lait;cat;dog;0,5;"a; b"\r\n'
    path = tmp_path / "to-label.csv"
    path.write_bytes(text.encode("cp1252"))
    found = read_added(path)
    assert found.items.raws == ("café au lait",)
    assert found.labels == ("cat",)
