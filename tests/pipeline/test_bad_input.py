"""Bad input: one message that says what is wrong and what to do, or a listed skip; nothing lost, no traceback."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from keiki.cli.main import main
from keiki.core.files import read_json

Capture = pytest.CaptureFixture[str]
Rows = list[tuple[str, str]]
Write = Callable[..., Path]


@pytest.fixture
def refused(capsys: Capture) -> Callable[..., str]:
    """Runs `keiki fit ...`, which must refuse with code 2 and leave no run behind; returns what it said."""

    def run(*arguments: object) -> str:
        runs = set(Path("runs").glob("*-*"))
        assert main(["fit", *map(str, arguments), "--quiet"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("keiki: ")
        assert "Traceback" not in told.err
        assert "bug" not in told.err
        assert set(Path("runs").glob("*-*")) == runs
        return told.err

    return run


@pytest.fixture
def fitted(capsys: Capture) -> Callable[..., dict[str, str]]:
    """Runs `keiki fit DATA` on a tiny backbone, which must work; returns the skipped items with their reasons."""

    def run(data: Path, *arguments: object) -> dict[str, str]:
        kind = "vision" if data.is_dir() else "text"
        common = ["--backbone", f"tiny:{kind}", "--test", "0.25", "--controls", "none", "--quiet", "--out", "run"]
        assert main(["fit", str(data), *common, *map(str, arguments)]) == 0, capsys.readouterr().err
        capsys.readouterr()
        return {each["id"]: each["reason"] for each in read_json(Path("run/report.json"))["task"]["skipped"]}

    return run


def test_a_missing_path(refused: Callable[..., str], photos: Path) -> None:
    assert "Did you mean" in refused(photos.with_name("photo"))
    assert "does not exist either" in refused("nowhere/photos")


def test_an_empty_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused("empty")


def test_a_single_class(refused: Callable[..., str], photos: Path, table: Write, rows: Rows) -> None:
    for other in ("blue", "green"):
        (photos / other).rename(photos.parent / other)
    assert "only one class, 'red'" in refused(photos, "--backbone", "tiny:vision")
    assert "only one class, 'blue'" in refused(table([row for row in rows if row[1] == "blue"]))


def test_a_class_with_one_item(fitted: Callable[..., dict[str, str]], table: Write, rows: Rows) -> None:
    fitted(table([*rows, ("a grey cloud", "grey")]))
    warnings = read_json(Path("run/run.json"))["warnings"]
    assert any("not evaluated" in each["what"] and "'grey' (1 item)" in each["what"] for each in warnings)


def test_broken_pictures_are_listed(fitted: Callable[..., dict[str, str]], photos: Path) -> None:
    whole = (photos / "red" / "red-24.png").read_bytes()
    bad = {
        "corrupt.png": whole[:40] + bytes(60) + whole[100:],
        "torn.png": whole[: len(whole) // 2],
        "zero.png": b"",
        "bomb.png": _bomb(),
        "page.png": b"<html>not a picture</html>",
    }
    for name, data in bad.items():
        (photos / "red" / name).write_bytes(data)
    (photos / "red" / "dangling.png").symlink_to("nowhere")
    misnamed = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(misnamed, "JPEG")
    (photos / "red" / "misnamed.png").write_bytes(misnamed.getvalue())  # a JPEG: read all the same
    skipped = fitted(photos)
    assert set(skipped) == {f"red/{name}" for name in (*bad, "dangling.png")}
    assert all(skipped.values())
    assert read_json(Path("run/run.json"))["task"]["train"] + read_json(Path("run/run.json"))["task"]["test"] == 37


def test_too_many_broken_pictures(refused: Callable[..., str], photos: Path) -> None:
    for picture in sorted(photos.rglob("*.png"))[::3]:
        picture.write_bytes(picture.read_bytes()[:60])
    told = refused(photos, "--backbone", "tiny:vision")
    assert "12 of 36 items cannot be used, more than the 20%" in told
    assert "blue/blue-0.png" in told


def test_names_that_are_not_ascii(fitted: Callable[..., dict[str, str]], photos: Path) -> None:
    (photos / "red").rename(photos / "róże 🌹")
    (photos / "róże 🌹" / "red-24.png").rename(photos / "róże 🌹" / os.fsdecode(b"caf\xe9.png"))
    moved = photos.rename(photos.parent / "Φωτογραφίες")
    assert fitted(moved) == {}
    assert "róże 🌹" in read_json(Path("run/run.json"))["task"]["classes"]


def test_a_path_that_is_no_utf8(
    refused: Callable[..., str], fitted: Callable[..., dict[str, str]], photos: Path
) -> None:
    moved = photos.rename(photos.parent / os.fsdecode(b"f\xf6tos"))
    assert "not UTF-8" in refused(moved)
    (photos.parent / "link").symlink_to(moved)
    assert "not UTF-8" in refused("link", "--out", os.fsdecode(b"r\xfcn"))
    assert fitted(photos.parent / "link") == {}


def test_very_long_paths(refused: Callable[..., str], fitted: Callable[..., dict[str, str]], photos: Path) -> None:
    assert "No such file or folder" in refused("x" * 5000)
    assert "cannot be made" in refused(photos, "--out", "x" * 5000)
    deep = photos / "red" / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (photos / "red" / "red-24.png").rename(deep / f"{'f' * 200}.png")
    assert fitted(photos) == {}


def test_links_in_a_circle(
    refused: Callable[..., str], fitted: Callable[..., dict[str, str]], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "round").symlink_to("round")
    assert "No such file or folder" in refused("round")
    (photos / "red" / "up").symlink_to(photos)
    assert fitted(photos) == {"red/up": "a link that leads back to a folder above it"}


def test_no_permission(fitted: Callable[..., dict[str, str]], photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = photos / "red" / "red-24.png"
    really = Path.read_bytes

    def obeyed(path: Path) -> bytes:  # root may read everything, so the permission is refused here
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(Path, "read_bytes", obeyed)
    assert list(fitted(photos)) == ["red/red-24.png"]


def test_a_table_without_the_column(refused: Callable[..., str], texts: Path) -> None:
    told = refused(texts, "--label", "lable")
    assert "'lable'" in told
    assert "label" in told.replace("'lable'", "")
    assert "text" in refused(texts, "--input", "txt")


def test_rows_that_are_ragged_or_lack_a_label(fitted: Callable[..., dict[str, str]], table: Write, rows: Rows) -> None:
    odd = [("one cell",), ("three", "cells", "here"), ("the sea", "NaN"), ("the sky", "")]
    skipped = fitted(table([*rows[:18], *odd, *rows[18:]]))  # type: ignore[list-item]
    assert sorted(skipped.values()) == ["1 cells instead of 2", "3 cells instead of 2", "no label", "no label"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_tables_of_other_encodings(
    encoding: str, fitted: Callable[..., dict[str, str]], rows: Rows, tmp_path: Path
) -> None:
    lines = ["text,label", *(f"{text} café,{'größer' if label == 'red' else label}" for text, label in rows)]
    (tmp_path / "texts.csv").write_bytes("\n".join(lines).encode(encoding))
    assert fitted(tmp_path / "texts.csv") == {}
    assert read_json(Path("run/run.json"))["task"]["classes"] == ["blue", "green", "größer"]


def test_numbers_as_classes(
    fitted: Callable[..., dict[str, str]], refused: Callable[..., str], table: Write, rows: Rows
) -> None:
    fitted(table([(text, str(len(label) - 3)) for text, label in rows]))
    assert read_json(Path("run/run.json"))["task"]["classes"] == ["0", "1", "2"]
    prices = table([(text, f"{i * 1.37:.2f}") for i, (text, _) in enumerate(rows)], "prices.csv")
    assert "label" in refused(prices)


def test_an_output_folder_that_holds_another_run(
    fitted: Callable[..., dict[str, str]], refused: Callable[..., str], texts: Path
) -> None:
    fitted(texts)
    before = Path("run/run.json").read_bytes()
    assert "holds a finished run" in refused(texts, "--out", "run")
    assert Path("run/run.json").read_bytes() == before


def test_a_bundle_with_a_flipped_byte(fitted: Callable[..., dict[str, str]], texts: Path, capsys: Capture) -> None:
    fitted(texts)
    for name in ("model.onnx", "model.safetensors", "tokenizer.json", "README.md"):
        file = Path("run/bundle", name)
        sound = file.read_bytes()
        file.write_bytes(bytes([*sound[:-9], sound[-9] ^ 1, *sound[-8:]]))
        for verb in (["predict", "run", "the sea"], ["evaluate", "run", str(texts)], ["export", "run", "--out", "out"]):
            assert main(verb) == 2
            told = capsys.readouterr().err
            assert name in told
            assert "Traceback" not in told
        file.write_bytes(sound)
    assert main(["predict", "run", "the sea", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "linear-prob"], "Did you mean 'linear-probe'?"),
        (["--backbone", "minilm-l7"], "Did you mean 'minilm-l6'?"),
        (["--backbone", "tmm:resnet18"], "backbone prefix 'tmm'"),
        (["--metric", "acuracy"], "Did you mean 'accuracy'?"),
        (["--set", "penlty=1"], "Did you mean 'penalty'?"),
        (["--set", "penalty"], "not of the form OPTION=VALUE"),
        (["--set", "penalty=strong"], "Option 'penalty' must be float"),
        (["--set", "penalty=-1"], "Option 'penalty' must be at least 0"),
        (["--method", "lp-ft", "--set", "epochs=0"], "Option 'epochs' must be at least 1"),
        (["--method", "lp-ft", "--set", "learning_rate=nan"], "Option 'learning_rate' must be above 0"),
        (["--set", "view=sideways"], "view 'sideways'"),
        (["--controls", "some"], "quick, full or none"),
        (["--budget", "soon"], "no time budget"),
        (["--test", "1.5"], "between 0 and 1"),
        (["--accuracy", "2"], "wanted accuracy"),
        (["--tset", "0.2"], "--tset"),
        (["--seed", "one"], "'--seed'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_unknown_names_and_values(arguments: list[str], words: str, refused: Callable[..., str], texts: Path) -> None:
    more = [] if "--backbone" in arguments else ["--backbone", "tiny:text"]
    assert words in refused(texts, *arguments, *more)


def test_an_error_is_one_json_object_where_json_is_asked_for(capsys: Capture) -> None:
    assert main(["fit", "nowhere", "--json"]) == 2
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    assert '"exit": 2' in told.out


def _bomb() -> bytes:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")
    )
