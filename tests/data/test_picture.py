"""Pictures: all kinds become the same upright RGB, and what is broken says so in a few words."""

from __future__ import annotations

import errno
import io
import os
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.core.errors import UnreadableItem
from keiki.data import picture
from keiki.data.picture import decode, open_picture, read_file

CORNERS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255, 255, 255], [255, 255, 0]]], np.uint8)


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))


def noise(width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def reason(data: bytes | Path) -> str:
    with pytest.raises(UnreadableItem) as caught:
        decode(data)
    return caught.value.reason


# What the eight orientations mean, from the EXIF standard: where the stored row 0 and column 0 belong.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_orientation_is_applied(turn: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    found = open_picture(encoded(Image.fromarray(CORNERS), format, exif=exif, **options))
    expected = UPRIGHT[turn](CORNERS)
    np.testing.assert_array_equal(np.asarray(found.image), expected)
    assert (found.height, found.width) == expected.shape[:2]


@pytest.mark.parametrize("turn", [3, 6])
def test_exif_orientation_of_jpeg_is_applied(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    big = Image.fromarray(CORNERS).resize((96, 64), Image.Resampling.NEAREST)
    upright = UPRIGHT[turn](np.asarray(big)).astype(int)
    assert np.abs(pixels(encoded(big, "JPEG", exif=exif, quality=95, subsampling=0)) - upright).mean() < 5


def test_damaged_exif_does_not_lose_the_picture() -> None:
    data = encoded(noise(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert decode(data).size == (64, 48)


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_laid_on_white(alpha: int) -> None:
    image = Image.new("RGBA", (3, 2), (10, 20, 30, alpha))
    expected = [round(c * alpha / 255 + 255 * (1 - alpha / 255)) for c in (10, 20, 30)]
    assert np.abs(pixels(encoded(image))[0, 0].astype(int) - expected).max() <= 1


def test_grey_with_alpha_is_laid_on_white() -> None:
    assert pixels(encoded(Image.new("LA", (2, 2), (100, 0))))[0, 0].tolist() == [255, 255, 255]


def test_palette_and_its_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image)).tolist() == [[[200, 0, 0], [0, 0, 200]]]
    assert pixels(encoded(image, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 200]]]
    assert pixels(encoded(image, transparency=b"\x00\xff")).tolist() == [[[255, 255, 255], [0, 0, 200]]]


def test_colour_key_of_rgb_png_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    assert pixels(encoded(image, transparency=(1, 2, 3)))[0, 0].tolist() == [255, 255, 255]


def test_grey_and_one_bit() -> None:
    assert pixels(encoded(Image.new("L", (2, 2), 77)))[0, 0].tolist() == [77, 77, 77]
    assert pixels(encoded(Image.new("1", (2, 2), 1)))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_has_the_right_colours(format: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow: red
    assert np.abs(pixels(encoded(image, format))[0, 0].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled(format: str) -> None:
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    data = encoded(Image.fromarray(values), format)
    assert pixels(data)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_rgb_is_scaled() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    line = b"\x00" + struct.pack(">3H", 0, 32768, 65535)
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(line)) + chunk(b"IEND", b"")
    assert pixels(data)[0, 0].tolist() == [0, 128, 255]


def test_floating_point_between_0_and_1_is_scaled_and_else_refused() -> None:
    assert pixels(encoded(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF"))[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]
    assert "outside 0 to 1" in reason(encoded(Image.fromarray(np.array([[0, 300]], np.float32)), "TIFF"))
    assert "outside 0 to 1" in reason(encoded(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF"))


def test_whole_numbers_of_32_bits_are_refused_by_name() -> None:
    assert "type 'I'" in reason(encoded(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert pixels(data)[0, 0].tolist() == [255, 0, 0]


def test_first_page_of_tiff() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    assert pixels(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_compressed_tiff(compression: str) -> None:
    assert decode(encoded(noise(), "TIFF", compression=compression)).size == (64, 48)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really a png.jpg"
    path.write_bytes(encoded(Image.fromarray(CORNERS)))
    np.testing.assert_array_equal(np.asarray(decode(path)), CORNERS)
    assert open_picture(path).format == "PNG"


def test_refusals_name_the_reason(tmp_path: Path) -> None:
    assert "not a picture" in reason(b"<html><body>404</body></html>")
    assert "isom" in reason(b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100)
    assert reason(tmp_path / "none.jpg") == "no such file"
    assert reason(tmp_path) == "a folder, not a file"
    empty = tmp_path / "empty.jpg"
    empty.touch()
    assert reason(empty) == "empty file"
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    assert reason(loop) == "a link that leads to itself"
    assert reason(tmp_path / ("x" * 300 + ".jpg")) == "the path is too long"
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert reason(pipe) == "not an ordinary file"
    assert reason(Path("a\x00b.jpg")).startswith("cannot be read")


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert reason(path) == "no permission to read"


def test_non_ascii_and_long_paths(tmp_path: Path) -> None:
    folder = tmp_path / "日本語 ü é" / ("long" * 50) / ("deep" * 50)
    folder.mkdir(parents=True)
    path = folder / "naïve photo №1 😀.png"
    path.write_bytes(encoded(Image.fromarray(CORNERS)))
    assert read_file(path)
    assert decode(path).size == (3, 2)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_pictures_are_refused(format: str) -> None:
    data = encoded(noise(), format)
    for part in (0.3, 0.6, 0.9):
        assert reason(data[: int(len(data) * part)]) in ("truncated picture", "damaged picture")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_random_damage_raises_nothing_but_unreadable(format: str) -> None:
    data = encoded(noise(24, 16), format)
    rng = np.random.default_rng(1)
    reasons = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(150):
            bad = bytearray(data)
            for at in rng.integers(0, len(bad), size=rng.integers(1, 12)):
                bad[at] = rng.integers(0, 256)
            try:
                decode(bytes(bad[: rng.integers(1, len(bad) + 1)]))
            except UnreadableItem as problem:
                reasons.append(problem.reason)
    assert len(reasons) > 50
    assert max(map(len, reasons)) < 120


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    idat = b"IDAT" + zlib.compress(b"\x00" * 100)
    chunk = struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + chunk + end


def bomb(format: str) -> bytes:
    if format == "PNG":
        return png_header(60_000, 60_000)
    data = bytearray(encoded(noise(), format))
    if format == "BMP":
        data[18:26] = struct.pack("<ii", 60_000, 60_000)
    if format == "GIF":
        data[6:10] = struct.pack("<HH", 60_000, 60_000)
    if format == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    return bytes(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "GIF"])
def test_bombs_are_refused_by_their_header_without_a_warning(format: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "too many pixels" in reason(bomb(format))


def test_pixel_limit_is_said_with_the_numbers() -> None:
    assert reason(png_header(60_000, 60_000)) == "too many pixels (60,000 x 60,000; the limit is 89 million)"
    assert "too many pixels" in reason(png_header(10_000, 9_000))  # where Pillow only warns


def test_large_jpegs_are_decoded_smaller_but_never_below_the_detail() -> None:
    data = encoded(noise(1700, 1200), "JPEG")
    found = open_picture(data)
    assert found.image.size == (850, 600)
    assert (found.width, found.height) == (1700, 1200)
    assert decode(data, detail=1000).size == (1700, 1200)
    assert decode(encoded(noise(300, 2400), "JPEG")).size == (300, 2400)


def test_reduced_jpeg_differs_little_after_resizing() -> None:
    smooth = noise(60, 45).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=92)
    small, full = (
        np.asarray(decode(data, detail).resize((224, 224), Image.Resampling.BICUBIC), dtype=int)
        for detail in (512, 5000)
    )
    assert np.abs(small - full).mean() < 1


def test_warning_filters_are_as_they_were_after_many_threads() -> None:
    before = list(warnings.filters)
    data = encoded(noise(), "TIFF")
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.fixture
def heif() -> Iterator[None]:
    """Writes HEIC for a test; Pillow's list of writers is as before afterwards."""
    module = pytest.importorskip("pillow_heif")
    before = dict(Image.SAVE), dict(Image.OPEN), list(Image.ID), dict(Image.EXTENSION)
    module.register_heif_opener()
    yield
    Image.SAVE, Image.OPEN, Image.ID, Image.EXTENSION = before


def test_heic_is_told_by_its_content_and_read(heif: None, tmp_path: Path) -> None:
    big = Image.fromarray(CORNERS).resize((96, 64), Image.Resampling.NEAREST)
    path = tmp_path / "IMG_0001.jpg"  # as phones and their programs call them
    path.write_bytes(encoded(big, "HEIF", quality=95))
    found = open_picture(path)
    assert (found.format, found.width, found.height) == ("HEIF", 96, 64)
    assert np.abs(np.asarray(found.image).astype(int) - np.asarray(big)).mean() < 8


@pytest.mark.parametrize("turn", [3, 6])
def test_the_orientation_of_heic_is_applied_once(heif: None, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    big = Image.fromarray(CORNERS).resize((96, 64), Image.Resampling.NEAREST)
    upright = UPRIGHT[turn](np.asarray(big)).astype(int)
    found = open_picture(encoded(big, "HEIF", exif=exif.tobytes(), quality=95))
    assert (found.height, found.width) == upright.shape[:2]
    assert np.abs(np.asarray(found.image).astype(int) - upright).mean() < 8


@pytest.mark.parametrize("turn", [1, 6])
def test_avif_is_read_upright(turn: int) -> None:
    features = pytest.importorskip("PIL.AvifImagePlugin")
    if not features.SUPPORTED:
        pytest.skip("this build of Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = turn
    big = Image.fromarray(CORNERS).resize((96, 64), Image.Resampling.NEAREST)
    upright = UPRIGHT[turn](np.asarray(big)).astype(int)
    found = open_picture(encoded(big, "AVIF", exif=exif, quality=95))
    assert found.format == "AVIF"
    assert np.abs(np.asarray(found.image).astype(int) - upright).mean() < 8


def test_damaged_heic_is_said(heif: None) -> None:
    data = encoded(noise(), "HEIF")
    assert reason(data[: len(data) // 2]) in ("truncated picture", "damaged picture")
    assert reason(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100) in ("truncated picture", "damaged picture")


def test_without_the_extra_the_way_to_heic_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert (
        reason(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100) == "a HEIC picture; to read such: pip install 'keiki[heic]'"
    )


def test_suffixes_are_those_of_the_formats() -> None:
    assert {".jpg", ".heic", ".avif"} <= picture.SUFFIXES
    assert ".svg" not in picture.SUFFIXES
