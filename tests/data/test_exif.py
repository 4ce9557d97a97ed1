"""The moment of exposure is read as Pillow wrote it, and damage is never an error."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keiki.data.exif import taken
from keiki.data.facts import image_fact

SHOT, CHANGED = "2026:11:21 15:04:05", "2027:01:02 03:04:05"


def exif(original: str | None = SHOT, changed: str | None = CHANGED) -> Image.Exif:
    tags = Image.Exif()
    if changed is not None:
        tags[0x0132] = changed
    if original is not None:
        tags.get_ifd(0x8769)[0x9003] = original
    return tags


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_moment_of_exposure_is_read_from_every_format(format: str) -> None:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, format, exif=exif())
    assert image_fact(out.getvalue())[0].taken == "2026-11-21T15:04:05"


def test_a_tiff_is_made_of_such_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new("RGB", (20, 12)).save(path, exif=exif())  # Pillow writes no inner tags here
    assert image_fact(path)[0].taken == image_fact(path.read_bytes())[0].taken == "2027-01-02T03:04:05"


def test_the_last_change_stands_in_and_junk_counts_as_nothing() -> None:
    assert taken(exif(original=None).tobytes()) == "2027-01-02T03:04:05"
    assert taken(exif(original="0000:00:00 00:00:00").tobytes()) == "2027-01-02T03:04:05"
    assert taken(exif(original="    :  :     :  :  ", changed=None).tobytes()) == ""
    assert taken(exif(None, None).tobytes()) == ""
    assert taken(b"") == ""
    assert taken(b"Exif\0\0MM") == ""


def test_the_picture_may_be_turned() -> None:
    tags = exif()
    tags[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (20, 12), "teal").save(out, "JPEG", exif=tags)
    fact, picture = image_fact(out.getvalue())
    assert picture is not None
    assert (picture.size, fact.taken) == ((12, 20), "2026-11-21T15:04:05")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_never_an_error(data: st.DataObject) -> None:
    sound = bytearray(exif().tobytes())
    for _ in range(data.draw(st.integers(1, 8))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    assert len(taken(bytes(sound[: data.draw(st.integers(0, len(sound)))]))) in (0, 19)
