"""Folders: every file is either an item or listed with its reason, and no folder can trap the reader."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes, sha256_file
from keiki.data.picture import STRANGER
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset


def put(root: Path, *names: str, colour: int = 0) -> None:
    """Pictures of different colours under these names."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        Image.new("RGB", (4, 4), (i % 256, i // 256, colour)).save(out, "PNG")
        path.write_bytes(out.getvalue())


def reasons(dataset: Dataset) -> dict[str, str]:
    return {each.id: each.reason for each in dataset.skipped}


def test_folder_names_are_the_classes(tmp_path: Path) -> None:
    put(tmp_path, "cat/10.png", "cat/9.png", "dog/1.png")
    found = read(tmp_path)
    assert found.items.ids == ("cat/9.png", "cat/10.png", "dog/1.png")
    assert found.labels == ("cat", "cat", "dog")
    assert found.parts == ("", "", "")
    assert found.items.modality == "image"
    assert found.items.digests[2] == sha256_file(tmp_path / "dog/1.png")
    assert "2 classes" in found.notes[0]


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "TEST"), ("train", "validation")])
def test_split_folders_are_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    put(tmp_path, *(f"{part}/{c}/{i}.png" for part in names for c in ("cat", "dog") for i in range(2)))
    found = read(tmp_path)
    by_name = dict(zip(found.items.ids, found.parts, strict=True))
    assert by_name[f"{names[0]}/cat/0.png"] == "train"
    assert by_name[f"{names[1]}/dog/1.png"] == "val"
    assert set(found.labels or ()) == {"cat", "dog"}
    assert set(found.parts) == {"train", "val", "test"} if len(names) == 3 else {"train", "val"}


@pytest.mark.parametrize("name", ["eval", "Evaluation", "holdout", "hold-out"])
def test_what_others_call_a_test_part_is_one(tmp_path: Path, name: str) -> None:
    put(tmp_path, *(f"{part}/{c}/{i}.png" for part in ("train", name) for c in ("cat", "dog") for i in range(2)))
    found = read(tmp_path)
    assert set(found.labels or ()) == {"cat", "dog"}
    assert found.parts.count("test") == 4


def test_a_part_of_unknown_name_is_refused_rather_than_taken_for_a_class(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{c}/{i}.png" for part in ("train", "spare") for c in ("cat", "dog") for i in range(2)))
    with pytest.raises(
        DataError, match="'train', 'spare' hold folders of the same names .*'cat', 'dog'.*'spare' is no"
    ):
        read(tmp_path)
    assert len(read(tmp_path, Request(labelled=False))) == 8


def test_captions_and_remarks_do_not_turn_pictures_into_texts(tmp_path: Path) -> None:
    put(tmp_path, *(f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3)))
    for c in ("cat", "dog"):
        for i in range(3):
            (tmp_path / c / f"{i}.txt").write_text("a caption")
        (tmp_path / c / "README.txt").write_text("remarks")
    found = read(tmp_path)
    assert (found.items.modality, len(found)) == ("image", 6)
    for i in range(4):
        (tmp_path / "cat" / f"story {i}.txt").write_text("a story")
    with pytest.raises(DataError, match="holds 6 pictures and 4 text files, and either could be the items"):
        read(tmp_path)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    put(tmp_path, "bus/1.png", "car/1.png", "train/1.png")
    assert read(tmp_path).labels == ("bus", "car", "train")


def test_folders_beside_the_parts_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/2.png", "spare/x.png")
    found = read(tmp_path)
    assert len(found) == 3
    assert reasons(found) == {"spare/x.png": "outside of test, train"}


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    put(tmp_path, "cat/2019/may/1.png", "cat/2.png", "dog/a/1.png")
    assert read(tmp_path).labels == ("cat", "cat", "dog")


def test_what_is_no_picture_is_listed_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png", "dog/misnamed.dat", "stray.png")
    (tmp_path / "cat/page.jpg").write_text("<html>404</html>")
    (tmp_path / "cat/zero.jpg").touch()
    (tmp_path / "cat/notes.md").write_text("remarks")
    (tmp_path / "cat/Thumbs.db").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "cat/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = read(tmp_path)
    assert found.items.ids == ("cat/1.png", "dog/1.png", "dog/misnamed.dat")
    assert reasons(found) == {
        "cat/page.jpg": STRANGER,
        "cat/zero.jpg": "empty file",
        "cat/notes.md": "not a picture (.md)",
        "cat/Thumbs.db": "hidden or system file",
        ".DS_Store": "hidden or system file",
        "cat/gone.jpg": "no such file",
        "stray.png": "in no class folder",
    }
    assert {each.id for each in found.skipped if each.foreign} == {"cat/notes.md", "cat/Thumbs.db", ".DS_Store"}


def test_large_files_of_other_kinds_are_not_read_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/film.mp4").write_bytes(b"\x00" * 1000)
    real = Path.read_bytes

    def watch(self: Path) -> bytes:
        assert self.suffix == ".png"
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", watch)
    assert reasons(read(tmp_path)) == {"cat/film.mp4": "not a picture (.mp4)"}


def test_link_loops_end(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dog/self").symlink_to(tmp_path / "dog/self")
    found = read(tmp_path)
    assert len(found) == 2
    assert "leads back" in reasons(found)["cat/up"]
    assert reasons(found)["dog/self"] == "not a picture (no suffix)"


def test_linked_class_folders_are_read(tmp_path: Path) -> None:
    put(tmp_path, "store/felines/1.png", "photos/dog/1.png", "photos/dog/2.png")
    (tmp_path / "photos/cat").symlink_to(tmp_path / "store/felines", target_is_directory=True)
    assert read(tmp_path / "photos").labels == ("cat", "dog", "dog")


def test_a_maze_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    names = [f"room{i}" for i in range(6)]
    for name in names:
        put(tmp_path, f"a/{name}/x.png")
        for other in names:
            if other != name:
                (tmp_path / "a" / name / f"to-{other}").symlink_to(tmp_path / "a" / other)
    assert any(each.reason == "linked too often" for each in read(tmp_path).skipped)


def test_names_in_any_script_and_long_paths(tmp_path: Path) -> None:
    deep = "/".join(["d" * 100] * 8)
    put(tmp_path, "日本/ü ñ.png", f"lang/{deep}/x.png", "cafe\u0301/#1 %20.png", " -dash/-x.png")
    assert set(read(tmp_path).labels or ()) == {"日本", "lang", "caf\u00e9", "-dash"}


def test_names_that_are_not_utf8_can_be_written_down(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    os.rename(tmp_path / "cat/1.png", os.fsencode(tmp_path) + b"/cat/\xff.png")
    found = read(tmp_path)
    assert found.items.ids[0] == "cat/\ufffd.png"
    found.items.ids[0].encode("utf-8")


def test_case_twins_are_kept_apart_and_said(tmp_path: Path) -> None:
    put(tmp_path, "Cat/1.png", "cat/1.png")
    found = read(tmp_path)
    assert set(found.labels or ()) == {"Cat", "cat"}
    assert any("differ by case alone" in note for note in found.notes)


def test_a_flat_folder_needs_no_classes_where_none_are_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "2.png")
    assert read(tmp_path, Request(labelled=False)).labels is None
    with pytest.raises(DataError, match="no class folders"):
        read(tmp_path)


def test_a_folder_around_the_class_folders_is_recognised(tmp_path: Path) -> None:
    put(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    with pytest.raises(DataError, match="give '.*photos'"):
        read(tmp_path)


def test_empty_folders_are_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("x")
    (tmp_path / "data.csv").write_text("text,label\n")
    with pytest.raises(
        DataError, match=r"none that keiki can read: data.csv: not a picture .* give that: '.*data.csv'"
    ):
        read(tmp_path)


def test_missing_path_offers_the_near_miss(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="Did you mean '.*photos'"):
        read(tmp_path / "photo")


def test_unreadable_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png", "secret/1.png")
    real = os.listdir

    def refuse(path: Path) -> list[str]:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    found = read(tmp_path)
    assert reasons(found) == {"secret": "folder cannot be read (Permission denied)"}


def test_folders_of_text_files(tmp_path: Path) -> None:
    for name, text in {
        "good/1.txt": "fine",
        "good/2.txt": " ",
        "bad/1.txt": "poor",
        "bad/2.txt": "\ufeffmit BOM",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "bad/3.txt").write_bytes(b"\xff\xfe\xfd")
    (tmp_path / "bad/4.txt").write_bytes("schlecht, größer".encode("utf-16"))
    (tmp_path / "bad/5.txt").write_bytes("schön\r\nlang".encode("cp1252"))
    found = read(tmp_path)
    assert found.items.modality == "text"
    assert found.items.raws == ("poor", "mit BOM", "schlecht, größer", "schön\r\nlang", "fine")
    assert found.items.digests[1] == sha256_bytes(b"mit BOM")
    assert reasons(found) == {
        "bad/3.txt": "it looks like UTF-16 but breaks off or is damaged at byte 2",
        "good/2.txt": "empty text",
    }
    assert "1 text file is not UTF-8 and was taken for Windows-1252." in found.notes


def test_texts_and_pictures_without_suffix(tmp_path: Path) -> None:
    for name in ("news/autos/101551", "news/autos/101552", "news/space/60151"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"From: somebody\n\nText {name}")
    found = read(tmp_path / "news")
    assert (found.items.modality, found.labels) == ("text", ("autos", "autos", "space"))
    put(tmp_path / "photos", "cat/1", "dog/2")
    assert (read(tmp_path / "photos").items.modality, len(read(tmp_path / "photos"))) == ("image", 2)


@pytest.mark.parametrize("option", ["input", "label", "group", "time", "files"])
def test_columns_are_refused_with_a_next_step(tmp_path: Path, option: str) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    value = Path("x") if option == "files" else "x"
    with pytest.raises(ColumnError, match=f"no columns, so --{option} 'x' means nothing.*metadata.csv.*--files"):
        read(tmp_path, Request(**{option: value}))
    assert len(read(tmp_path, Request(**{option: value}, strict=False))) == 2


def test_a_folder_for_every_picture_is_no_set_of_classes(tmp_path: Path) -> None:
    put(tmp_path, *(f"patient{i}/1.png" for i in range(40)))
    with pytest.raises(DataError, match="40 different names of folders for 40 items"):
        read(tmp_path)


def test_endless_depth_is_listed(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png")
    deep = tmp_path / "dog"
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert any(each.reason == "nested too deeply" for each in read(tmp_path).skipped)
