"""Zips: read like what lies in them, unpacked once, and nothing of them ever lies outside of the cache."""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from keiki.core.errors import ColumnError, DataError
from keiki.data.sources import archive, unpacked
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own; whatever the test does, nothing may lie beside the known folders afterwards."""
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "unpacked"
    assert {each.name for each in tmp_path.parent.glob("evil*")} == set()
    assert not (tmp_path / "evil.png").exists()


def picture(colour: int = 0, side: int = 4) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (colour % 256, colour // 256, 7)).save(out, "PNG")
    return out.getvalue()


def photos(prefix: str = "") -> dict[str, bytes]:
    return {f"{prefix}{c}/{i}.png": picture(10 * n + i) for n, c in enumerate(("cat", "dog")) for i in range(3)}


def packed(folder: Path, files: dict[str, bytes], name: str = "data.zip", method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for each, data in files.items():
            archive.writestr(each, data)
    return path


def reasons(found: Dataset) -> dict[str, str]:
    return {each.id: each.reason for each in found.skipped}


def test_a_zip_of_class_folders_is_read_like_the_folder(tmp_path: Path) -> None:
    found = read(packed(tmp_path, photos()))
    assert found.labels == ("cat",) * 3 + ("dog",) * 3
    assert found.items.ids[0] == "cat/0.png"
    assert found.name == "data"
    assert all(isinstance(raw, Path) and raw.read_bytes().startswith(b"\x89PNG") for raw in found.items.raws)


def test_one_folder_around_the_classes_is_looked_through(tmp_path: Path) -> None:
    found = read(packed(tmp_path, {"my photos/README.txt": b"hello", **photos("my photos/")}))
    assert set(found.labels or ()) == {"cat", "dog"}
    assert found.items.ids[0] == "my photos/cat/0.png"
    assert any("'my photos' in 'data.zip'" in note for note in found.notes)


def test_parts_of_a_split_are_honoured(tmp_path: Path) -> None:
    found = read(packed(tmp_path, {**photos("d/train/"), **photos("d/test/")}))
    assert found.parts.count("train") == found.parts.count("test") == 6


def test_what_a_mac_leaves_behind_is_no_item(tmp_path: Path) -> None:
    files = {**photos(), "__MACOSX/cat/._0.png": b"x", "__MACOSX/._cat": b"y", "cat/.DS_Store": b"z", "Thumbs.db": b""}
    found = read(packed(tmp_path, files))
    assert len(found) == 6
    assert reasons(found) == dict.fromkeys(("__MACOSX", "cat/.DS_Store", "Thumbs.db"), "hidden or system file")
    assert all(each.foreign for each in found.skipped)


def test_names_of_windows_and_macs_are_understood(tmp_path: Path) -> None:
    files = {"a\\cafe\u0301\\1.png": picture(1), "a\\dog\\2.png": picture(2)}
    path = packed(tmp_path, files)
    assert read(path).items.ids == ("a/café/1.png", "a/dog/2.png")
    data = path.read_bytes().replace(b"e\xcc\x81", b"e\xcc\x81")
    raw = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # take away the flag that names are UTF-8
        at = raw.find(mark)
        while at >= 0:
            raw[at + place] &= ~0x08
            at = raw.find(mark, at + 4)
    (tmp_path / "old.zip").write_bytes(bytes(raw))
    assert read(tmp_path / "old.zip").items.ids[0] == "a/café/1.png"


def test_a_zip_of_one_table_is_read_like_the_table(tmp_path: Path) -> None:
    table = b"text,label\n" + b"".join(f"words number {i},{'xy'[i % 2]}\n".encode() for i in range(6))
    found = read(packed(tmp_path, {"export/tickets.csv": table, "export/dataset_info.json": b"{}"}, "tickets.zip"))
    assert (found.name, len(found), found.items.ids[0]) == ("tickets", 6, "row 1")


def test_several_tables_are_asked_for_and_can_be_named(tmp_path: Path) -> None:
    train, test = b"text,label\na b,x\nc d,y\n", b"text,label\ne f,x\n"
    path = packed(tmp_path, {"train.csv": train, "test.csv": test})
    with pytest.raises(DataError, match=r"2 tables: 'test.csv', 'train.csv'. .*data.zip#train.csv.* --test '.*#test"):
        read(path)
    assert len(read(tmp_path / "data.zip#train.csv")) == 2
    assert len(read(tmp_path / "data.zip#test.csv")) == 1
    with pytest.raises(DataError, match=r"holds no 'trian.csv'. Did you mean '.*data.zip#train.csv'\?"):
        read(tmp_path / "data.zip#trian.csv")
    with pytest.raises(DataError, match="holds no"):
        read(tmp_path / "data.zip#../secret.csv")


def test_a_table_that_names_the_pictures_beside_it_is_taken(tmp_path: Path) -> None:
    pictures = {f"images/{i}.png": picture(i) for i in range(4)}
    table = "file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(4))
    found = read(packed(tmp_path, {**pictures, "labels.csv": table.encode()}))
    assert found.labels == ("a", "b", "a", "b")
    assert any("'0.png' is 'images/0.png'" in note for note in found.notes)


@pytest.mark.parametrize("start", ["absolute", "../../../../secret/", "a/../../../../../secret/"])
@pytest.mark.parametrize("name", ["train.csv", "metadata.csv", "train.jsonl"])
def test_a_table_in_a_zip_reads_nothing_outside_of_it(tmp_path: Path, start: str, name: str) -> None:
    (tmp_path / "secret").mkdir()
    for i in range(4):
        (tmp_path / "secret" / f"s{i}.png").write_bytes(picture(i))
    start = f"{tmp_path}/secret/" if start == "absolute" else start
    cells = ["0.png", "1.png", *(f"{start}s{i}.png" for i in range(4))]
    files = {f"{i}.png": picture(90 + i) for i in range(2)}

    def table(cells: list[str]) -> bytes:
        rows = [{"file_name": cell, "label": "ab"[i % 2]} for i, cell in enumerate(cells)]
        if name.endswith("jsonl"):
            return "\n".join(map(json.dumps, rows)).encode()
        return "\n".join(["file_name,label", *(",".join(row.values()) for row in rows)]).encode()

    with pytest.raises(DataError):
        read(packed(tmp_path, {**files, name: table(cells)}))  # most rows name what is not in it
    found = read(packed(tmp_path, {**files, name: table([*cells[:2], *cells[:2], cells[4]])}))
    assert len(found) == 4
    assert [each.reason for each in found.skipped] == ["no such file"]


def test_a_flat_zip_can_be_predicted_but_not_learned_from(tmp_path: Path) -> None:
    path = packed(tmp_path, {f"{i}.png": picture(i) for i in range(3)})
    assert len(read(path, Request(labelled=False))) == 3
    with pytest.raises(DataError, match=r"The pictures in '.*data.zip' lie in no class folders"):
        read(path)


def test_it_is_unpacked_once_and_again_where_files_are_gone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path, photos())
    first = read(path)
    monkeypatch.setattr("keiki.data.sources.zipped.copied", lambda *_: pytest.fail("unpacked a second time"))
    assert read(path) == first
    monkeypatch.undo()
    monkeypatch.setenv("KEIKI_CACHE", str(cache.parent))
    victim = next(raw for raw in first.items.raws if isinstance(raw, Path))
    victim.write_bytes(b"short")
    assert read(path) == first
    assert victim.read_bytes().startswith(b"\x89PNG")
    victim.unlink()
    assert read(path) == first


def test_another_zip_of_the_same_name_is_another(tmp_path: Path) -> None:
    assert len(read(packed(tmp_path, photos()))) == 6
    assert len(read(packed(tmp_path, {**photos(), "cat/9.png": picture(99)}))) == 7


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "cat/../../evil.png", "/tmp/evil.png", "C:\\evil.png", "..\\evil.png", "cat\\..\\..\\evil.png"],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, cache: Path, name: str) -> None:
    with pytest.raises(DataError, match="outside of the folder"):
        read(packed(tmp_path, {**photos(), name: picture()}))
    assert not list(cache.rglob("evil*"))


@pytest.mark.parametrize(("kind", "word"), [(0o120777, "a link"), (0o020666, "a device"), (0o010666, "a device")])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, word: str) -> None:
    path = packed(tmp_path, photos())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("cat/link.png")
        info.create_system, info.external_attr = 3, kind << 16
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(DataError, match=f"holds {word}, 'cat/link.png'"):
        read(path)


def encrypted(path: Path) -> Path:
    raw = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(mark)
        while at >= 0:
            raw[at + place] |= 1
            at = raw.find(mark, at + 4)
    path.write_bytes(bytes(raw))
    return path


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is encrypted: 'cat/0.png'.* Unpack it with its password"):
        read(encrypted(packed(tmp_path, photos())))


def test_an_archive_inside_is_listed_and_stays_closed(tmp_path: Path) -> None:
    inner = packed(tmp_path, photos(), "inner.zip").read_bytes()
    found = read(packed(tmp_path, {**photos(), "more/inner.zip": inner, "x.tar.gz": b"\x1f\x8b"}))
    assert len(found) == 6
    assert reasons(found)["more/inner.zip"].startswith("an archive inside the archive")
    assert reasons(found)["x.tar.gz"].startswith("an archive inside the archive")
    with pytest.raises(DataError, match="nothing to read in '.*outer.zip': inner.zip: an archive inside"):
        read(packed(tmp_path, {"inner.zip": inner}, "outer.zip"))


@pytest.mark.parametrize("twin", ["CAT/0.PNG", "cat/0.png", "cat/0.png ", "cat\\0.png"])
def test_names_that_are_one_file_elsewhere_are_refused(tmp_path: Path, twin: str) -> None:
    path = packed(tmp_path, photos())
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile says that the name is there already
        archive.writestr(twin, picture(5))
    with pytest.raises(DataError, match="Rename one of them"):
        read(path)


def test_composed_and_decomposed_names_collide(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Rename one of them"):
        read(packed(tmp_path, {"caf\u00e9/1.png": picture(1), "cafe\u0301/1.png": picture(2)}))


def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path, cache: Path) -> None:
    path = packed(tmp_path, {**photos(), "cat/bomb.png": bytes(40 * 2**20)})
    assert path.stat().st_size < 2**18
    with pytest.raises(DataError, match="times its size"):
        read(path)
    assert not list(cache.rglob("*.png"))


def test_a_size_that_lies_is_found_while_unpacking(tmp_path: Path, cache: Path) -> None:
    path = packed(tmp_path, {**photos(), "cat/liar.png": bytes(2**20)})
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02", 0, raw.rfind(b"cat/liar.png"))
    raw[at + 24 : at + 28] = struct.pack("<I", 100)  # of a mebibyte
    path.write_bytes(bytes(raw))
    found = read(path)
    assert reasons(found) == {"cat/liar.png": "damaged inside the zip"}
    assert not list(cache.rglob("liar.png"))


def test_limits_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_MEMBERS", 5)
    with pytest.raises(DataError, match="6 members; the limit is 5"):
        read(packed(tmp_path, photos()))
    monkeypatch.setattr(archive, "MOST_MEMBERS", 50)
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(DataError, match="would grow to"):
        read(packed(tmp_path, photos()))


def test_an_endless_list_of_members_is_refused_before_it_is_read(tmp_path: Path) -> None:
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 2**30, 0, 0)
    path = tmp_path / "data.zip"
    with path.open("wb") as file:
        file.truncate(2**31)  # sparse: takes no room
        file.seek(0, os.SEEK_END)
        file.write(end)
    with pytest.raises(DataError, match="too many members"):
        read(path)


def test_a_damaged_member_is_listed_and_the_others_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path, photos(), method=zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"IHDR") + 6] ^= 0xFF
    path.write_bytes(bytes(raw))
    found = read(path)
    assert reasons(found) == {"cat/0.png": "damaged inside the zip"}
    assert len(found) == 5


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(50), b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(DataError, match="damaged or no zip|nothing to read"):
        read(tmp_path / "data.zip")


def test_a_zip_that_breaks_off_is_damaged(tmp_path: Path) -> None:
    path = packed(tmp_path, photos())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="is damaged or no zip"):
        read(path)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "_SPARE_BYTES", 2**60)
    with pytest.raises(DataError, match=r"GiB left\. .*KEIKI_CACHE"):
        read(packed(tmp_path, photos()))


def test_columns_of_a_zipped_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match=r"folder '.*data.zip' has no columns.*metadata.csv"):
        read(packed(tmp_path, photos()), Request(group="patient"))
    assert len(read(packed(tmp_path, photos()), Request(group="patient", strict=False))) == 6


def test_a_workbook_in_a_zip_can_be_named_with_its_sheet(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for title in ("One", "Two"):
        sheet = book.create_sheet(title)
        for row in (("text", "label"), (f"{title} a", "x"), (f"{title} b", "y")):
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    packed(tmp_path, {"book.xlsx": out.getvalue()})
    assert read(tmp_path / "data.zip#book.xlsx#Two").items.raws == ("Two a", "Two b")
