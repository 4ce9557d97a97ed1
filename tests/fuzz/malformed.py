"""Inputs that are detectably malformed, by kind: each must be refused clearly, or its bad item listed as skipped."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sound

from keiki.data.sources.base import Request

Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """`bad`: the item that must be listed as skipped; None where the whole must be refused."""

    path: Path
    request: Request = Request()
    bad: str | None = None


Make = Callable[[Path, Rng], Case]
KINDS: dict[str, Make] = {}


def kind(make: Make) -> Make:
    KINDS[make.__name__.replace("_", " ")] = make
    return make


def _among_sound(folder: Path, rng: Rng, name: str, data: bytes) -> Case:
    """One bad picture in a sound folder."""
    sound.laid_out(folder, {**sound.photos(rng), f"ash/{name}": data})
    return Case(folder, bad=f"ash/{name}")


def _cut(data: bytes, rng: Rng, least: int = 12, most: float = 0.8) -> bytes:
    return data[: int(rng.integers(least, max(least + 1, int(most * len(data)))))]


@kind
def truncated_jpeg(folder: Path, rng: Rng) -> Case:
    return _among_sound(folder, rng, "bad.jpg", _cut(sound.picture(rng, "JPEG", 48), rng))


@kind
def truncated_png(folder: Path, rng: Rng) -> Case:
    return _among_sound(folder, rng, "bad.png", _cut(sound.picture(rng, "PNG", 48), rng))


@kind
def truncated_webp(folder: Path, rng: Rng) -> Case:
    return _among_sound(folder, rng, "bad.webp", _cut(sound.picture(rng, "WEBP", 48), rng))


@kind
def truncated_gif(folder: Path, rng: Rng) -> Case:
    return _among_sound(folder, rng, "bad.gif", _cut(sound.picture(rng, "GIF", 48), rng, most=0.5))


@kind
def png_with_a_wrong_checksum(folder: Path, rng: Rng) -> Case:
    data = bytearray(sound.picture(rng, "PNG"))
    data[29 + int(rng.integers(4))] ^= 1 + int(rng.integers(255))  # the checksum of IHDR
    return _among_sound(folder, rng, "bad.png", bytes(data))


@kind
def bomb_of_pixels(folder: Path, rng: Rng) -> Case:
    width, height = (int(side) for side in rng.integers(20_000, 2**31 - 1, 2))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _among_sound(folder, rng, "bad.png", _png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 999))))


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (*chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


@kind
def empty_picture(folder: Path, rng: Rng) -> Case:
    return _among_sound(folder, rng, f"bad{rng.integers(999)}.jpg", b"")


@kind
def page_called_picture(folder: Path, rng: Rng) -> Case:
    page = f"<!doctype html><p>{sound.sentence(rng)}</p>".encode()
    return _among_sound(folder, rng, "bad.jpg", page)


@kind
def noise_after_a_picture_header(folder: Path, rng: Rng) -> Case:
    starts = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\x40\0\0\0WEBP")
    start = starts[int(rng.integers(len(starts)))]
    return _among_sound(folder, rng, "bad.png", start + rng.bytes(int(rng.integers(8, 400))))


def table(folder: Path, name: str, data: bytes, request: Request | None = None, bad: str | None = None) -> Case:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return Case(folder / name, request or Request(), bad)


@kind
def table_without_the_column(folder: Path, rng: Rng) -> Case:
    asked = Request(label=f"label {rng.integers(1000)}")
    return table(folder, "t.csv", sound.csv(rng), asked)


@kind
def ragged_row(folder: Path, rng: Rng) -> Case:
    lines = sound.csv(rng).decode().splitlines()
    at = int(rng.integers(1, len(lines)))
    lines.insert(at, "a,b,c" + ",d" * int(rng.integers(5)))
    return table(folder, "t.csv", "\n".join(lines).encode(), bad=f"row {at} (line {at + 1})")


@kind
def row_without_label(folder: Path, rng: Rng) -> Case:
    lines = sound.csv(rng).decode().splitlines()
    at = int(rng.integers(1, len(lines)))
    lines.insert(at, f'"{sound.sentence(rng)}",' + ("", "NaN", "null", " ")[int(rng.integers(4))])
    return table(folder, "t.csv", "\n".join(lines).encode(), bad=f"row {at}")


@kind
def nothing_but_column_names(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.csv", b"text,label" + b"\n" * int(rng.integers(4)))


@kind
def utf16_cut_in_half_a_letter(folder: Path, rng: Rng) -> Case:
    data = sound.csv(rng).decode().encode("utf-16")
    return table(folder, "t.csv", data[: len(data) // 2 * 2 - 1 - 2 * int(rng.integers(20))])


@kind
def broken_json_line(folder: Path, rng: Rng) -> Case:
    lines = sound.jsonl(rng).decode().splitlines()
    at = int(rng.integers(1, len(lines)))
    lines[at] = lines[at][: int(rng.integers(1, len(lines[at]) - 1))]
    return table(folder, "t.jsonl", "\n".join(lines).encode(), bad=f"row {at + 1}")


@kind
def json_that_is_no_list(folder: Path, rng: Rng) -> Case:
    values = ({"text": "a"}, 7, "text", None, {"data": [{"text": "a", "label": "b"}]})
    return table(folder, "t.json", json.dumps(values[int(rng.integers(len(values)))]).encode())


@kind
def json_of_endless_depth(folder: Path, rng: Rng) -> Case:
    deep = int(rng.integers(5_000, 100_000))
    return table(folder, "t.json", (b"[", b'{"a":')[int(rng.integers(2))] * deep)


@kind
def spreadsheet_that_is_none(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.xlsx", rng.bytes(int(rng.integers(1, 500))))


@kind
def truncated_spreadsheet(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.xlsx", _cut(sound.xlsx(rng), rng, most=0.95))


@kind
def truncated_parquet(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.parquet", _cut(sound.parquet(rng), rng, most=0.95))


@kind
def truncated_arrays(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.npz", _cut(sound.npz(rng), rng, most=0.95))


@kind
def arrays_of_python_objects(folder: Path, rng: Rng) -> Case:
    out = io.BytesIO()
    np.savez(out, X=np.array([{"a": int(rng.integers(9))}] * 8, dtype=object), y=np.array(["a", "b"] * 4))
    return table(folder, "t.npz", out.getvalue())


def _zip(folder: Path, rng: Rng, name: str, data: bytes, **attributes: int) -> Case:
    """A sound zip with one member more."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in sound.photos(rng).items():
            archive.writestr(each, content)
        info = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return table(folder, "t.zip", out.getvalue())


@kind
def zip_that_leaves_its_folder(folder: Path, rng: Rng) -> Case:
    names = (
        "../evil.png",
        "ash/../../evil.png",
        "/tmp/evil.png",
        "C:\\evil.png",
        "..\\evil.png",
        "ash/..\\..\\evil.png",
    )
    return _zip(folder, rng, names[int(rng.integers(len(names)))], sound.picture(rng))


@kind
def zip_with_a_link(folder: Path, rng: Rng) -> Case:
    return _zip(folder, rng, "ash/link.png", b"/etc/passwd", create_system=3, external_attr=0o120777 << 16)


@kind
def encrypted_zip(folder: Path, rng: Rng) -> Case:
    case = table(folder, "t.zip", sound.zipped(rng))
    data = bytearray(case.path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(mark, at + 4)
    case.path.write_bytes(bytes(data))
    return case


@kind
def truncated_zip(folder: Path, rng: Rng) -> Case:
    return table(folder, "t.zip", _cut(sound.zipped(rng), rng, most=0.95))


@kind
def zip_with_a_wrong_checksum(folder: Path, rng: Rng) -> Case:
    case = table(folder, "t.zip", sound.zipped(rng))
    data = bytearray(case.path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 16 + int(rng.integers(4))] ^= 1 + int(rng.integers(255))
    case.path.write_bytes(bytes(data))
    return case


@kind
def bomb_in_a_zip(folder: Path, rng: Rng) -> Case:
    return _zip(folder, rng, "ash/bomb.png", b"\0" * int(rng.integers(60, 90)) * 2**20)


@kind
def nothing_but_a_zip_in_a_zip(folder: Path, rng: Rng) -> Case:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inner.zip", sound.zipped(rng))
    return table(folder, "t.zip", out.getvalue())


@kind
def metadata_of_other_classes(folder: Path, rng: Rng) -> Case:
    files = sound.photos(rng)
    lines = ["file_name,label", *(f"{name},{sound.CLASSES[int(rng.integers(2))]}" for name in files)]
    wrong = next(iter(files))
    lines[1] = f"{wrong},{'oak' if wrong.startswith('ash') else 'ash'}"
    sound.laid_out(folder, {**files, "metadata.csv": "\n".join(lines).encode()})
    return Case(folder)


@kind
def one_class_alone(folder: Path, rng: Rng) -> Case:
    lines = ["text,label", *(f"{sound.sentence(rng)} {i},same" for i in range(int(rng.integers(2, 20))))]
    return table(folder, "t.csv", "\n".join(lines).encode())


@kind
def labels_that_are_measured(folder: Path, rng: Rng) -> Case:
    lines = ["text,label", *(f"{sound.sentence(rng)} {i},{rng.normal():.6f}" for i in range(60))]
    return table(folder, "t.csv", "\n".join(lines).encode())


@kind
def unknown_format(folder: Path, rng: Rng) -> Case:
    suffix = (".docx", ".pkl", ".h5", ".sqlite", ".rar", ".tar.gz")[int(rng.integers(6))]
    return table(folder, f"t{suffix}", rng.bytes(100))
