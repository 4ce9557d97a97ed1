"""Further labelled items: joined to the training part, copies and unfilled rows counted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.adding import added, read_added
from keiki.data.sources.base import Request, read
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, Modality, Part, Task
from keiki.data.worksheet import OURS


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
    assert found.parts == (*[""] * 4, *["added"] * 2)
    assert len(set(found.items.ids)) == 6
    assert found.items.ids[4:] == ("more/row 1", "more/row 2")
    assert "Added 2 training items from 'more'." in found.notes
    assert "New class 'owl' (1 item)." in found.notes


def test_declared_parts_stay_and_new_items_are_for_training() -> None:
    parts: list[Part] = ["train", "train", "train", "test"]
    found = added(replace(DATA, parts=tuple(parts)), dataset(["e"], ["cat"]))
    assert found.parts == ("train", "train", "train", "test", "added")
    assert make_task(found).train.tolist() == [0, 1, 2, 4]


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


@pytest.mark.parametrize("beside", [True, False])
def test_copies_of_validation_items_are_left_out_too(beside: bool) -> None:
    more = dataset(["c", "d", "e"], ["cat", "cat", "cat"], "more")
    if beside:
        found = added(DATA.take([0, 1]), more, DATA.take([3]), DATA.take([2]))
        assert found.items.raws == ("a", "b", "e")
    else:
        parts: list[Part] = ["train", "train", "val", "test"]
        found = added(replace(DATA, parts=tuple(parts)), more)
        assert found.items.raws == ("a", "b", "c", "d", "e")
    for noun in ("test", "validation"):
        assert f"1 items of 'more' are copies of {noun} items and were left out: they are to judge." in found.notes


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


DAY = 86_400.0
OWN = dataset([f"text {i}" for i in range(120)], ["cat", "dog"] * 60, times=[DAY * i for i in range(120)])
LATER = dataset(
    [f"new {i}" for i in range(40)], ["cat", "dog"] * 20, "more", times=[DAY * (120 + i) for i in range(40)]
)


def bare(each: Dataset) -> Dataset:
    return replace(each, times=None)


def judged(task: Task) -> list[set[str]]:
    """The names of the items of each test set that the task has."""
    folds = [np.flatnonzero(outer == fold) for outer in task.outer for fold in np.unique(outer[outer >= 0])]
    return [{task.items.ids[row] for row in rows} for rows in folds or [task.test]]


@pytest.mark.parametrize("kind", ["nested", "share", "time", "many"])
def test_what_judges_is_the_same_with_and_without_added_items(kind: str) -> None:
    data, more, test = bare(OWN), bare(LATER), 0.25 if kind == "share" else None
    if kind == "time":
        data, more = OWN, LATER
    if kind == "many":
        data = dataset([f"text {i}" for i in range(2400)], ["cat", "dog"] * 1200)
    more = replace(more, labels=("cat", "owl") * 20)  # a class more
    before, after = make_task(data, test=test), make_task(added(data, more), test=test)
    assert judged(before) == judged(after)
    assert before.protocol == after.protocol
    assert len(after.train) == len(before.train) + 40
    assert "Added items are only trained on." in after.notes
    assert any("'owl' (20 items)" in each["what"] for each in after.warnings)


def test_many_added_items_do_not_change_how_is_judged() -> None:
    more = dataset([f"new {i}" for i in range(3000)], ["cat", "dog"] * 1500, "more")
    task = make_task(added(bare(OWN), more))
    assert task.outer.shape == (3, 3120)
    assert (task.outer[:, 120:] == -1).all()


def test_added_items_that_belong_with_test_items_give_way() -> None:
    data = replace(bare(OWN), groups=tuple(f"p{i // 2}" for i in range(120)))
    more = replace(bare(LATER), groups=tuple(f"p{i}" for i in range(40)))
    before, after = make_task(data, test=0.25), make_task(added(data, more), test=0.25)
    assert judged(before) == judged(after)
    assert not set(after.groups[after.test]) & set(after.groups[after.train])
    lost = len(before.train) + 40 - len(after.train)
    assert lost > 0
    assert any(note.startswith(f"{lost} added items belong with test items") for note in after.notes)
    assert sum(each.reason == "it was added and belongs with a test item" for each in after.skipped) == lost


def test_items_that_belong_with_added_ones_are_not_judged_by_folds() -> None:
    data = replace(bare(OWN), groups=tuple(f"p{i // 2}" for i in range(120)))
    more = replace(bare(LATER), groups=tuple(f"p{i % 10}" for i in range(40)))
    task = make_task(added(data, more))
    assert (task.outer[:, :20] == -1).all()
    assert (task.outer[:, 20:120] >= 0).all()
    assert len(task.train) == 160
    assert any(note.endswith("and so are 20 that belong with them by group or as copies.") for note in task.notes)


def test_newer_added_items_are_trained_on_and_that_is_said() -> None:
    task = make_task(added(OWN, LATER))
    assert task.test.tolist() == list(range(96, 120))
    (note,) = [note for note in task.notes if "the newest" in note]
    assert note.endswith("; 40 items as new or newer are trained on.")
    (warning,) = task.warnings
    assert warning["what"].startswith("40 of the items that are trained on are as new as the test set or newer")
    older = make_task(added(OWN, replace(LATER, times=(0.0,) * 40)))
    assert any(note.endswith("what is trained on is older.") for note in older.notes)
    assert not older.warnings


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
