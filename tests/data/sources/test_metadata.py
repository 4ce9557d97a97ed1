"""Folders with a metadata table: files are named there, and labels that contradict the folders are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from keiki.core.errors import ColumnError, DataError
from keiki.data.sources.base import Request, find, read
from keiki.data.task import Dataset


def put(root: Path, *names: str) -> None:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i, len(name), 0)).save(path, "PNG")


def described(root: Path, rows: list[dict[str, str]], name: str = "metadata.csv") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0])
    lines = [",".join(columns), *(",".join(row.get(each, "") for each in columns) for row in rows)]
    text = "\n".join(map(json.dumps, rows)) if name.endswith("jsonl") else "\n".join(lines)
    (root / name).write_text(text, encoding="utf-8")
    return root


def reasons(found: Dataset) -> dict[str, str]:
    return {each.id: each.reason for each in found.skipped}


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_labels_groups_and_times_come_from_the_table(tmp_path: Path, name: str) -> None:
    put(tmp_path, "1.png", "2.png", "3.png")
    rows = [{"file_name": f"{i}.png", "diagnosis": "ab"[i % 2], "patient": f"p{i // 2}"} for i in (1, 2, 3)]
    found = read(described(tmp_path, rows, name), Request(label="diagnosis", group="patient"))
    assert found.labels == ("b", "a", "b")
    assert found.groups == ("p0", "p1", "p1")
    assert found.items.ids == ("1.png", "2.png", "3.png")
    assert found.name == tmp_path.name
    kind = find(tmp_path)
    assert kind is not None
    assert kind.name == "metadata"


def test_each_part_may_have_its_own_table(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    described(
        tmp_path, [{"file_name": "1.png", "label": "a"}, {"file_name": "2.png", "label": "b"}], "train/metadata.csv"
    )
    described(tmp_path, [{"file_name": "1.png", "label": "a"}], "test/metadata.csv")
    found = read(tmp_path)
    assert dict(zip(found.items.ids, found.parts, strict=True)) == {
        "test/1.png": "test",
        "train/1.png": "train",
        "train/2.png": "train",
    }
    assert set(found.labels or ()) == {"a", "b"}


def test_one_table_may_name_files_in_parts(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "train/2.png", "test/3.png")
    rows = [{"file_name": f"{p}/{i}.png", "label": "ab"[i % 2]} for p, i in (("train", 1), ("train", 2), ("test", 3))]
    assert read(described(tmp_path, rows)).parts == ("train", "train", "test")


def test_class_folders_are_the_labels_where_the_table_has_none(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png")
    rows = [{"file_name": n, "patient": "p"} for n in ("cat/1.png", "cat/2.png", "dog/1.png")]
    found = read(described(tmp_path, rows), Request(group="patient"))
    assert found.labels == ("cat", "cat", "dog")
    assert any("2 class folders are the labels" in note for note in found.notes)


def test_folders_and_column_may_agree(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    rows = [{"file_name": "cat/1.png", "label": "Cat"}, {"file_name": "dog/1.png", "label": "dog"}]
    found = read(described(tmp_path, rows))
    assert found.labels == ("Cat", "dog")
    assert any("agree" in note for note in found.notes)


def test_folders_and_column_may_name_the_classes_otherwise(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png")
    rows = [{"file_name": n, "label": "01"["dog" in n]} for n in ("cat/1.png", "cat/2.png", "dog/1.png")]
    found = read(described(tmp_path, rows))
    assert found.labels == ("0", "0", "1")
    assert any("'cat' is '0', 'dog' is '1'" in note for note in found.notes)


@pytest.mark.parametrize("asked", [None, "label"])
def test_a_disagreement_is_refused_and_shown(tmp_path: Path, asked: str | None) -> None:
    names = [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(5)]
    put(tmp_path, *names)
    rows = [{"file_name": n, "label": n.split("/")[0]} for n in names]
    for i in (0, 1, 2, 3):
        rows[i]["label"] = "dog"
    with pytest.raises(DataError) as caught:
        read(described(tmp_path, rows), Request(label=asked))
    told = str(caught.value)
    assert "disagree about 4 of 10 files (4 in 'cat' labelled 'dog')" in told
    assert re.findall(r"'(cat/\d.png)' lies in 'cat' but has the label 'dog'", told) == [
        f"cat/{i}.png" for i in range(3)
    ]
    assert "give it instead of the folder" in told
    assert read(tmp_path / "metadata.csv").labels == tuple(row["label"] for row in rows)


def test_folders_that_are_no_classes_do_not_stand_in_the_way(tmp_path: Path) -> None:
    names = [f"camera{i % 2}/{i}.png" for i in range(8)]
    put(tmp_path, *names)
    described(tmp_path, [{"file_name": n, "animal": ["cat", "dog"][i // 4]} for i, n in enumerate(names)])
    found = read(tmp_path, Request(label="animal"))
    assert set(found.labels or ()) == {"cat", "dog"}
    assert any("folders have other names" in note for note in found.notes)


def test_unnamed_files_are_listed_and_missing_ones_skipped(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "2.png", "unlabelled.png")
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2]} for i in (1, 2, 3)]
    found = read(described(tmp_path, rows))
    assert reasons(found) == {"3.png": "no such file", "unlabelled.png": "not named in the metadata"}
    assert {each.id for each in found.skipped if each.foreign} == {"unlabelled.png"}


def test_a_table_without_file_names_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "1.png")
    with pytest.raises(ColumnError, match=r"needs one column 'file_name'.* Its columns are 'picture', 'label'"):
        read(described(tmp_path, [{"picture": "x", "label": "a"}]))


def test_another_spelling_of_the_column_is_found_by_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "2.png")
    rows = [{"bild": f"{i}.png", "label": "ab"[i % 2]} for i in (1, 2)]
    assert read(described(tmp_path, rows)).labels == ("b", "a")


def test_rows_without_a_group_stand_alone_in_every_part(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    rows = [{"file_name": "1.png", "label": "a", "who": ""}, {"file_name": "2.png", "label": "b", "who": "x"}]
    described(tmp_path, rows, "train/metadata.csv")
    described(tmp_path, rows[:1], "test/metadata.csv")
    groups = read(tmp_path, Request(group="who")).groups
    assert groups is not None
    assert len(set(groups)) == 3
