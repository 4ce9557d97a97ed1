"""One look tells all; what it tells survives JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from keiki.data.facts import Fact, image_fact, text_fact


def test_facts_of_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 200, 4), dtype=np.uint8)).save(path)
    fact, picture = image_fact(path)
    assert (fact.error, fact.width, fact.height, fact.format, fact.mode) == (None, 200, 120, "PNG", "RGBA")
    assert fact.file_bytes == path.stat().st_size
    assert picture is not None
    assert picture.size == (200, 120)
    small = Image.open(io.BytesIO(fact.thumbnail))
    assert (small.size, small.format) == ((96, 58), "JPEG")


def test_small_pictures_are_not_blown_up() -> None:
    out = io.BytesIO()
    Image.new("RGB", (10, 20)).save(out, "PNG")
    fact, _ = image_fact(out.getvalue())
    assert Image.open(io.BytesIO(fact.thumbnail)).size == (10, 20)


def test_copies_in_another_lossless_container_have_equal_pixels() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    digests = set()
    for format in ("PNG", "BMP", "TIFF"):
        out = io.BytesIO()
        image.save(out, format)
        digests.add(image_fact(out.getvalue())[0].pixels)
    assert len(digests) == 1


def test_unreadable_pictures_say_why() -> None:
    fact, picture = image_fact(b"<html>")
    assert picture is None
    assert fact == Fact(error=fact.error)
    assert (fact.error or "").startswith("not a picture (JPEG, PNG, WebP, BMP, GIF")


def test_facts_of_a_text() -> None:
    fact = text_fact("Zwei größere Wörter.")
    assert (fact.characters, fact.words, fact.file_bytes) == (20, 3, 23)
    assert text_fact(" ").error == "empty text"


def test_facts_survive_json(tmp_path: Path) -> None:
    Image.new("RGB", (10, 20)).save(tmp_path / "a.png")
    fact, _ = image_fact(tmp_path / "a.png")
    assert Fact.from_json(json.loads(json.dumps(fact.to_json()))) == fact


def test_a_picture_of_twelve_bits_in_sixteen_is_dark() -> None:
    def brightest(top: int) -> tuple[int, str]:
        out = io.BytesIO()
        Image.fromarray(np.linspace(0, top, 600).reshape(20, 30).astype(np.uint16)).save(out, "TIFF")
        fact, _ = image_fact(out.getvalue())
        return fact.brightest, fact.mode

    assert brightest(4095) == (16, "I;16")
    assert brightest(65535) == (255, "I;16")


def test_more_frames_or_pages_are_noticed() -> None:
    def several(format: str, n: int) -> bool:
        out = io.BytesIO()
        first, *others = [Image.new("RGB", (8, 8), (80 * i, 0, 0)) for i in range(n)]
        first.save(out, format, **({"save_all": True, "append_images": others} if others else {}))
        return image_fact(out.getvalue())[0].several

    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        assert (several(format, 1), several(format, 3)) == (False, True), format
    assert not several("JPEG", 1)


def test_damage_after_the_first_frame_loses_nothing() -> None:
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    first, *others = [Image.fromarray(each) for each in noise]
    first.save(out, "GIF", save_all=True, append_images=others)
    data = out.getvalue()
    whole, picture = image_fact(data)
    for cut in range(len(data) // 2, len(data), 7):
        fact, same = image_fact(data[:cut])
        assert (fact.error, fact.pixels) == (None, whole.pixels)
        assert same is not None
