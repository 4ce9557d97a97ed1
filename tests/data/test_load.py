"""From files to a task in one call."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from keiki.core.errors import DataError
from keiki.data.load import load_task, place_of
from keiki.data.sources.base import Request


def photos(root: Path, n: int = 6) -> Path:
    for c in ("cat", "dog"):
        (root / c).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (4, 4), (i, len(c) if c == "cat" else 99, 0)).save(root / c / f"{i}.png")
    return root


def test_folder_to_task(tmp_path: Path) -> None:
    task = load_task(photos(tmp_path / "photos"))
    assert (task.name, task.modality, task.protocol) == ("photos", "image", "nested")
    assert task.target.classes == ("cat", "dog")


def test_test_data_may_be_a_path_or_a_share(tmp_path: Path) -> None:
    data, exam = photos(tmp_path / "photos"), photos(tmp_path / "exam", 2)
    assert len(load_task(data, test=str(exam)).test) == 4
    assert len(load_task(data, test="0.5").test) == len(load_task(data, test=0.5).test) == 6
    with pytest.raises(DataError, match="No such file or folder"):
        load_task(data, test=tmp_path / "exams")


def test_too_many_broken_files_stop_it(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos")
    for i in range(2):
        (data / "cat" / f"{i}.png").write_text("broken")
    assert len(load_task(data).skipped) == 2
    for i in range(4):
        (data / "dog" / f"{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match="6 of 12 items"):
        load_task(data)


def test_impossible_paths_for_a_part_are_missing_not_tracebacks(tmp_path: Path) -> None:
    for name in ("x" * 5000, "a\x00b"):
        with pytest.raises(DataError, match="No such file or folder"):
            load_task(photos(tmp_path / str(len(name))), test=name)


def test_a_closed_folder_above_a_missing_path_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", closed)
    with pytest.raises(DataError, match="cannot be looked into"):
        load_task(tmp_path / "gone")


def test_data_in_memory_are_kept_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    texts, labels = [f"words number {i}" for i in range(12)], ["ab"[i % 2] for i in range(12)]
    task = load_task((texts, labels), test=(["other words", "more of them"], ["a", "b"]))
    assert (task.modality, len(task.train), len(task.test)) == ("text", 12, 2)
    assert place_of("photos") == Path("photos")
    assert len(list((tmp_path / "cache" / "shelf").iterdir())) == 2


def test_what_is_said_of_columns_holds_for_the_data_alone(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos")
    lines = [f"{c}/{i}.png,{c},p{i}" for c in ("cat", "dog") for i in range(6)]
    (tmp_path / "all.csv").write_text("\n".join(["file,label,patient", *lines]))
    exam = photos(tmp_path / "exam", 2)
    request = Request(label="label", group="patient", files=data)
    assert len(load_task(tmp_path / "all.csv", test=exam, request=request).test) == 4


def test_table_to_task(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("body,topic\n" + "".join(f"ticket number {i},{'ab'[i % 2]}\n" for i in range(12)))
    task = load_task(path, request=Request(label="topic"), seed=3)
    assert (task.modality, task.random.seed) == ("text", 3)
    assert "Column 'body' was taken for the input, by its name." in task.notes
